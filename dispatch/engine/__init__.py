"""Engines: what answers reports with a bundle."""

from dispatch.engine.engine import Candidate, Engine, Generation, GenerationRequest, UnusableRequest
from dispatch.engine.torch_engine import TorchEngine

__all__ = ["Candidate", "Engine", "Generation", "GenerationRequest", "TorchEngine", "UnusableRequest"]
