"""Greedy, beam and sampling search over a step function."""

from dispatch.decoding.config import MAX_BANNED, MAX_PHRASE, MAX_REQUIRED, MAX_WIDTH, DecodingConfig, Strategy
from dispatch.decoding.constraints import Constraint, SpanConstraint, Spelling
from dispatch.decoding.phrases import Alphabet, InstructionConstraint, Phrases, complete
from dispatch.decoding.repetition import is_runaway
from dispatch.decoding.search import DecodingCancelled, Ending, Hypothesis, search
from dispatch.decoding.step import StepFunction, TransformerStep
from dispatch.decoding.verification import Written, verify

__all__ = [
    "MAX_BANNED",
    "MAX_PHRASE",
    "MAX_REQUIRED",
    "MAX_WIDTH",
    "Alphabet",
    "Constraint",
    "DecodingCancelled",
    "DecodingConfig",
    "Ending",
    "Hypothesis",
    "InstructionConstraint",
    "Phrases",
    "SpanConstraint",
    "Spelling",
    "StepFunction",
    "Strategy",
    "TransformerStep",
    "Written",
    "complete",
    "is_runaway",
    "search",
    "verify",
]
