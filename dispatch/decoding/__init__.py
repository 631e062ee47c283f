"""Greedy, beam and sampling search over a step function."""

from dispatch.decoding.config import MAX_WIDTH, DecodingConfig, Strategy
from dispatch.decoding.constraints import Constraint, SpanConstraint, Spelling
from dispatch.decoding.repetition import is_runaway
from dispatch.decoding.search import DecodingCancelled, Ending, Hypothesis, search
from dispatch.decoding.step import StepFunction, TransformerStep

__all__ = [
    "MAX_WIDTH",
    "Constraint",
    "DecodingCancelled",
    "DecodingConfig",
    "Ending",
    "Hypothesis",
    "SpanConstraint",
    "Spelling",
    "StepFunction",
    "Strategy",
    "TransformerStep",
    "is_runaway",
    "search",
]
