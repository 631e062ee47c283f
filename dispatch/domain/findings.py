"""What checks work on and what they find."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dispatch.domain import fields
from dispatch.domain.plan import Plan
from dispatch.domain.situation import Context, JsonObject, Situation

Severity = Literal["info", "warning", "error"]
Target = Literal["report", "instruction", "context"]


@dataclass(frozen=True)
class Check:
    """One finding. ``target[start:end]`` is where (code points); 0, 0 means the whole of it.

    In the target context the offsets count the characters of the context's location.
    """

    code: str
    severity: Severity
    message: str
    target: Target
    start: int = 0
    end: int = 0

    def to_dict(self) -> JsonObject:
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Check":
        """Inverse of :meth:`to_dict`; the span may be left out. Raises ValueError naming the field that is wrong."""
        known = ("code", "severity", "message", "target", "start", "end")
        fields.read_object("check", data, known)
        fields.require("check", data, known[:4])
        return cls(
            fields.read_text("check.code", data["code"]),
            fields.read_choice("check.severity", data["severity"], get_args(Severity)),
            fields.read_text("check.message", data["message"]),
            fields.read_choice("check.target", data["target"], get_args(Target)),
            fields.read_whole_number("check.start", data.get("start", 0)),
            fields.read_whole_number("check.end", data.get("end", 0)),
        )


@dataclass(frozen=True)
class Candidate:
    """What is to be checked: the texts (normalised), what was decoded from them, and doctrine's answer to it."""

    report: str
    context: Context
    situations: tuple[Situation, ...]
    plans: tuple[Plan, ...]
    instruction: str
    truncated: bool

    @property
    def asks_for_help(self) -> bool:
        """Whether any of the situations is a request."""
        return any(situation.kind == "request" for situation in self.situations)
