"""Tellings: clauses that tell of people in the story (我和我妈困在里头) and so fix how many, and who they are.

The lexicon lists them in ``told`` of facts.yaml under keys that state exactly what each entry of theirs says:
``trapped 2``, ``trapped 2-9, elderly``, ``injured 1, moderate 1``, ``buried 1+, unconscious``.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate

from dispatch.domain import labels
from dispatch.domain.situation import Count
from training.synthesis.hazards import TABLES, HazardTable
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Entries

_SEVERITIES = frozenset({"severe", "moderate", "light"})  # any injured person may have one


@dataclass(frozen=True)
class Telling:
    """What the entries under one key say: its own words of people, vulnerable groups and facts."""

    key: str
    people: Mapping[str, Count]
    vulnerable: tuple[str, ...]
    facts: Mapping[str, bool | int]

    @classmethod
    def from_key(cls, key: str) -> "Telling":
        """Raises ValueError for a key that is no list of labels, or counts nobody."""
        people: dict[str, Count] = {}
        vulnerable: list[str] = []
        facts: dict[str, bool | int] = {}
        for part in key.split(", "):
            label, _, number = part.partition(" ")
            if label in labels.PEOPLE and number:
                people[label] = Count.from_text(number)
            elif label in labels.NUMBER_FACTS and number:
                facts[label] = int(number)
            elif label in labels.FLAG_FACTS and not number:
                facts[label] = True
            elif label in labels.VULNERABLE and not number:
                vulnerable.append(label)
            else:
                raise ValueError(f"told {key!r}: {part!r} is neither a label nor a label with its number")
        if not people:
            raise ValueError(f"told {key!r}: counts nobody")
        return cls(key, people, tuple(vulnerable), facts)

    def fits(self, table: HazardTable) -> bool:
        """Whether reports of a hazard say such things."""
        said = {*table.flags, *table.numbers, *_SEVERITIES}.union(*table.one_of)
        return self.people.keys() <= table.people.keys() and self.facts.keys() <= said


class Tellings:
    """The tellings of one register, drawn so that each entry of the lexicon comes up as often as another."""

    def __init__(self, told: Mapping[str, Mapping[str, Entries]], register: str) -> None:
        """``told``: the section of facts.yaml. Raises ValueError for a key that is no list of labels."""
        self._tellings = [
            (Telling.from_key(key), len(registers[register]))
            for key, registers in told.items()
            if register in registers
        ]
        self._fitting: dict[tuple[str, str], tuple[Sequence[Telling], Sequence[int]]] = {}

    def pick(self, category: str, hazard: str, counted: Set[str], draw: Draw) -> Telling | None:
        """One that tells of people of a category and of none that is ``counted`` already; None where there is none."""
        key = (hazard, category)
        if key not in self._fitting:
            table = TABLES[hazard]
            fitting = [(t, entries) for t, entries in self._tellings if category in t.people and t.fits(table)]
            self._fitting[key] = [t for t, _ in fitting], list(accumulate(entries for _, entries in fitting))
        tellings, weights = self._fitting[key]
        if not tellings:
            return None
        telling = draw.rng.choices(tellings, cum_weights=weights)[0]
        return telling if counted.isdisjoint(telling.people) else None
