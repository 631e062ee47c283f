"""How a request asks to be decoded."""

from dataclasses import dataclass
from typing import Literal, get_args

Strategy = Literal["greedy", "beam", "sample"]

MAX_WIDTH = 16
"""The most hypotheses that one row may hold at a time."""


@dataclass(frozen=True)
class DecodingConfig:
    """Options of one search; `temperature`, `top_k`, `top_p` and `seed` matter to sampling alone."""

    strategy: Strategy = "greedy"
    beam_size: int = 4
    """Hypotheses kept for each row by beam search."""
    num_candidates: int = 1
    """Hypotheses returned for each row, best first."""
    length_penalty: float = 1.0
    """Exponent of the length in the ranking score: 0 ranks by total log-probability, 1 by the mean of a token."""
    temperature: float = 1.0
    """Divides the log-probabilities before drawing: below 1 sharper, above 1 flatter."""
    top_k: int = 0
    """Draw among the k most probable tokens; 0 is off."""
    top_p: float = 1.0
    """Draw from the nucleus: the fewest most probable tokens that together reach this probability; 1 is off."""
    seed: int = 0
    max_tokens: int = 640
    """The most tokens written after the forced prefix."""

    @property
    def width(self) -> int:
        """The most hypotheses of one row that are still growing: greedy search is a beam of one."""
        return {"greedy": 1, "beam": self.beam_size, "sample": self.num_candidates}[self.strategy]

    @property
    def pool(self) -> int:
        """The extensions of a row that a step looks at: a beam needs spare ones for those that finish."""
        return 2 * self.beam_size if self.strategy == "beam" else self.width

    def violations(self) -> dict[str, str]:
        """What is wrong, by field name; empty when the options are sound."""
        most = {"greedy": 1, "beam": self.beam_size}.get(self.strategy, MAX_WIDTH)
        rules = {
            "strategy": (self.strategy in get_args(Strategy), f"must be one of {', '.join(get_args(Strategy))}"),
            "beam_size": (1 <= self.beam_size <= MAX_WIDTH, f"must be from 1 to {MAX_WIDTH}"),
            "num_candidates": (1 <= self.num_candidates <= most, f"must be from 1 to {most} for {self.strategy}"),
            "length_penalty": (0 <= self.length_penalty <= 10, "must be from 0 to 10"),
            "temperature": (0.01 <= self.temperature <= 100, "must be from 0.01 to 100"),
            "top_k": (self.top_k >= 0, "must be 0 (off) or more"),
            "top_p": (0 < self.top_p <= 1, "must be above 0 and at most 1"),
            "max_tokens": (self.max_tokens >= 1, "must be 1 or more"),
        }
        return {
            field: f"{message}, got {getattr(self, field)!r}" for field, (sound, message) in rules.items() if not sound
        }

    def validate(self) -> None:
        """Raise ValueError naming every field that is out of its range."""
        if violations := self.violations():
            raise ValueError("; ".join(f"{field} {message}" for field, message in violations.items()))
