"""What a scenario says: the situation of an incident while it is drawn, and the facts that its report will say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Utterance:
    """One fact to be said: the keys that lead to its entries in facts.yaml, and the slots of their templates."""

    path: tuple[str | float, ...]
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scenario:
    """One incident while it is being drawn; ``fields`` become the Situation, place and context come later.

    ``units`` are said in any order; what is in one unit stays together in its order. ``mild``: little has happened, and
    hazard and needs are said so (see mild.py). ``said_of_both``: a need that is said of two incidents at once.
    """

    hazards: tuple[str, ...]
    spoken: bool
    fields: dict[str, Any] = field(default_factory=dict)
    units: list[tuple[Utterance, ...]] = field(default_factory=list)
    mild: bool = False
    said_of_both: str = ""

    def add_value(self, name: str, label: str, value: Any) -> None:
        self.fields.setdefault(name, {})[label] = value

    def add_groups(self, groups: Sequence[str]) -> None:
        """Adds vulnerable groups, each once."""
        if groups:
            self.fields["vulnerable"] = tuple(dict.fromkeys((*self.values("vulnerable"), *groups)))

    def say(self, *utterances: Utterance) -> None:
        self.units.append(utterances)

    def values(self, name: str) -> Any:
        return self.fields.get(name, ())

    @property
    def in_words(self) -> float:
        """How often numbers are said in Chinese numerals."""
        return 0.3 if self.spoken else 0.05
