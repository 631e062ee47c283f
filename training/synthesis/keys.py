"""Keys of people.yaml, which state exactly what the entries under them say: a list of labels, at times for some hazards
alone: ``trapped 2, in_water (flood typhoon)``.
"""

import re

from dispatch.domain import labels
from training.synthesis.hazards import TABLES

_KEY = re.compile(r"(?P<parts>[^()]+?)(?: \((?P<hazards>[^()]+)\))?")
_SEVERITIES = frozenset({"severe", "moderate", "light"})  # any injured person may have one


def split_key(key: str) -> tuple[list[str], frozenset[str]]:
    """The parts of a key and the hazards that it is for (all where it names none). Raises ValueError."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"people.yaml, key {key!r}: must be a list, and hazards in brackets behind it if any")
    hazards = frozenset((match["hazards"] or " ".join(labels.HAZARDS)).split())
    if unknown := hazards - set(labels.HAZARDS):
        raise ValueError(f"people.yaml, key {key!r}: unknown hazards {sorted(unknown)}")
    return match["parts"].split(", "), hazards


def fits_hazard(hazard: str, hazards: frozenset[str], people: set[str], facts: set[str], measures: set[str]) -> bool:
    """Whether reports of a hazard say such things."""
    table = TABLES[hazard]
    known = {*table.flags, *table.numbers, *_SEVERITIES}.union(*table.one_of)
    said = people <= table.people.keys() and facts <= known and measures <= table.measures.keys()
    return hazard in hazards and said
