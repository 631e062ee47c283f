"""Tellings: clauses that tell of people in the story (我和我妈困在里头) and so fix how many, and who they are.

The lexicon lists them in ``told`` of people.yaml under keys that state exactly what each entry of theirs says:
``trapped 2``, ``trapped 2-9, elderly``, ``injured 1, moderate 1``, ``trapped 1, in_water (flood typhoon)``.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate

from dispatch.domain import labels
from dispatch.domain.situation import Count
from training.synthesis.holdout import Draw
from training.synthesis.keys import fits_hazard, split_key
from training.synthesis.lexicon import Entries


@dataclass(frozen=True)
class Telling:
    """What the entries under one key say: its own words of people, vulnerable groups and facts; in which hazards."""

    key: str
    people: Mapping[str, Count]
    vulnerable: tuple[str, ...]
    facts: Mapping[str, bool | int]
    hazards: frozenset[str]

    @classmethod
    def from_key(cls, key: str) -> "Telling":
        """Raises ValueError for a key that is no list of labels, or counts nobody."""
        people: dict[str, Count] = {}
        vulnerable: list[str] = []
        facts: dict[str, bool | int] = {}
        parts, hazards = split_key(key)
        for part in parts:
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
        return cls(key, people, tuple(vulnerable), facts, hazards)

    def fits(self, hazard: str) -> bool:
        """Whether reports of a hazard say such things."""
        return fits_hazard(hazard, self.hazards, set(self.people), set(self.facts), set())


class Tellings:
    """The tellings of one register, drawn so that each entry of the lexicon comes up as often as another."""

    def __init__(self, told: Mapping[str, Mapping[str, Entries]], register: str) -> None:
        """``told``: the section of people.yaml. Raises ValueError for a key that is no list of labels."""
        self._tellings = [
            (Telling.from_key(key), len(registers[register]))
            for key, registers in told.items()
            if register in registers
        ]
        self._fitting: dict[tuple[str, str], tuple[Sequence[Telling], Sequence[int]]] = {}

    def pick(self, category: str, hazard: str, said: Set[str], draw: Draw) -> Telling | None:
        """One that tells of people of a category, and of no people or facts that are ``said`` already; None where there
        is none."""
        key = (hazard, category)
        if key not in self._fitting:
            fitting = [(t, entries) for t, entries in self._tellings if category in t.people and t.fits(hazard)]
            self._fitting[key] = [t for t, _ in fitting], list(accumulate(entries for _, entries in fitting))
        tellings, weights = self._fitting[key]
        if not tellings:
            return None
        telling = draw.rng.choices(tellings, cum_weights=weights)[0]
        return telling if said.isdisjoint((*telling.people, *telling.facts)) else None
