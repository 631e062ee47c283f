"""Engines: what answers reports with a bundle."""

from dispatch.engine.engine import CUT, Candidate, Engine, Generation, GenerationRequest, UnusableRequest
from dispatch.engine.torch_engine import TorchEngine

__all__ = ["CUT", "Candidate", "Engine", "Generation", "GenerationRequest", "TorchEngine", "UnusableRequest"]
