"""How a request asks to be decoded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from dispatch.model import normalize

Strategy = Literal["greedy", "beam", "sample"]

MAX_WIDTH = 16
"""The most hypotheses that one row may hold at a time."""

MAX_REQUIRED, MAX_BANNED, MAX_PHRASE = 8, 32, 100
"""The most phrases of a kind, and the most characters of one."""

_ILLEGIBLE = "\ufffd"  # what a control character becomes, and a character that was cut


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
    required_phrases: tuple[str, ...] = ()
    """Texts that the instruction must hold: one that is missing where it would end is added."""
    banned_phrases: tuple[str, ...] = ()
    """Texts that the instruction must not hold."""
    min_tokens: int = 0
    """The fewest tokens of the instruction."""

    @property
    def constrains_instruction(self) -> bool:
        """Whether anything is asked of the instruction's text."""
        return bool(self.required_phrases or self.banned_phrases or self.min_tokens)

    @property
    def required_texts(self) -> tuple[str, ...]:
        """The required phrases as the model writes them."""
        return tuple(normalize(phrase).text for phrase in self.required_phrases)

    @property
    def banned_texts(self) -> tuple[str, ...]:
        """The banned phrases as the model would write them."""
        return tuple(normalize(phrase).text for phrase in self.banned_phrases)

    def keeps_phrases(self, text: str) -> bool:
        """Whether a text holds every required phrase and no banned one."""
        return not self.broken_phrases(text)

    def broken_phrases(self, text: str) -> list[str]:
        """What a text lacks or holds against the phrases, such as ``required_phrases[0]``."""
        text = normalize(text).text
        lacking = [f"required_phrases[{at}]" for at, phrase in enumerate(self.required_texts) if phrase not in text]
        return lacking + [f"banned_phrases[{at}]" for at, phrase in enumerate(self.banned_texts) if phrase in text]

    def to_dict(self) -> dict[str, Any]:
        """As JSON; what may be asked of the instruction stands in it only where it is."""
        options = asdict(self)
        for field in ("required_phrases", "banned_phrases", "min_tokens"):
            value = options.pop(field)
            if value:
                options[field] = value if isinstance(value, int) else list(value)
        return options

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
            "min_tokens": (
                0 <= self.min_tokens <= self.max_tokens,
                f"must be from 0 to {self.max_tokens} (max_tokens)",
            ),
        }
        found = {
            field: f"{message}, got {getattr(self, field)!r}" for field, (sound, message) in rules.items() if not sound
        }
        phrases = {
            "required_phrases": _fault(self.required_phrases, MAX_REQUIRED) or self._contradiction(),
            "banned_phrases": _fault(self.banned_phrases, MAX_BANNED),
        }
        return found | {field: fault for field, fault in phrases.items() if fault}

    def _contradiction(self) -> str:
        for place, required in enumerate(self.required_texts):
            for other, banned in enumerate(self.banned_texts):
                if banned and banned in required:
                    return f"must not hold what is banned: required_phrases[{place}] holds banned_phrases[{other}]"
        return ""

    def validate(self) -> None:
        """Raise ValueError naming every field that is out of its range."""
        if violations := self.violations():
            raise ValueError("; ".join(f"{field} {message}" for field, message in violations.items()))


def _fault(phrases: Sequence[str], most: int) -> str:
    """What is wrong with phrases ("" if nothing); it quotes none of them, since they may tell of people."""
    if len(phrases) > most:
        return f"must be at most {most} phrases, got {len(phrases)}"
    for place, phrase in enumerate(phrases):
        if not 1 <= len(phrase) <= MAX_PHRASE:
            return f"must be of 1 to {MAX_PHRASE} characters each, got {len(phrase)} at [{place}]"
        text = normalize(phrase).text
        if not text.strip() or _ILLEGIBLE in text:
            return f"must be legible text, got control characters or nothing at [{place}]"
    return ""
