"""Greedy, beam and sampling search over a step function."""

from dispatch.decoding.config import MAX_WIDTH, DecodingConfig, Strategy
from dispatch.decoding.search import DecodingCancelled, Hypothesis, search
from dispatch.decoding.step import StepFunction, TransformerStep

__all__ = [
    "MAX_WIDTH",
    "DecodingCancelled",
    "DecodingConfig",
    "Hypothesis",
    "StepFunction",
    "Strategy",
    "TransformerStep",
    "search",
]
