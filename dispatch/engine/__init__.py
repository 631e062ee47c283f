"""Engines: what answers reports with a bundle."""

from dispatch.engine.engine import CUT_SHORT, Candidate, Engine, Generation, GenerationRequest, UnusableRequest
from dispatch.engine.torch_engine import TorchEngine

__all__ = ["CUT_SHORT", "Candidate", "Engine", "Generation", "GenerationRequest", "TorchEngine", "UnusableRequest"]
