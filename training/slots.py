"""Situations compared slot by slot, each gold one with the answered one that fits it best."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from dispatch.domain import Situation
from dispatch.domain.situation import LABEL_FIELDS, format_number

Slots = dict[str, str]
STATED = "yes"  # the value of a slot that is there or not


def slots(situation: Situation) -> Slots:
    """What a situation states, by the name of the slot: kind, location, hazards:flood, people:trapped, and so on."""
    found = {"kind": situation.kind}
    if situation.location:
        found["location"] = situation.location
    for field in LABEL_FIELDS:
        found |= {f"{field}:{label}": STATED for label in getattr(situation, field)}
    found |= {f"people:{category}": count.to_text() for category, count in situation.people.items()}
    found |= {f"requested:{item.item}": f"{format_number(item.count)}{item.unit}" for item in situation.requested}
    found |= {f"measures:{name}": format_number(value) for name, value in situation.measures.items()}
    found |= {f"facts:{name}": _fact_text(value) for name, value in situation.facts.items()}
    return found


def kind_or_hazard(situation: Situation) -> str:
    """What a situation is counted under: a request's first hazard ("no hazard" without any), the kind of the rest."""
    if situation.kind != "request":
        return situation.kind
    return situation.hazards[0] if situation.hazards else "no hazard"


def _fact_text(value: float | bool) -> str:
    return STATED if value is True else format_number(value)


@dataclass(frozen=True)
class Match:
    """A gold situation and the answered one that it is compared with; None where there is no other."""

    gold: Situation | None
    answer: Situation | None

    @property
    def gold_slots(self) -> Slots:
        return slots(self.gold) if self.gold is not None else {}

    @property
    def answer_slots(self) -> Slots:
        return slots(self.answer) if self.answer is not None else {}


@dataclass(frozen=True)
class SlotErrors:
    """Slot errors as in Makhoul et al. 1999, "Performance Measures for Information Extraction".

    missing stand in gold alone, added in the answer alone, wrong in both with another value.
    """

    gold: int
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    added: tuple[str, ...]


def slot_errors(match: Match) -> SlotErrors:
    """The slots in which an answer differs from gold."""
    gold, answer = match.gold_slots, match.answer_slots
    return SlotErrors(
        gold=len(gold),
        missing=tuple(name for name in gold if name not in answer),
        wrong=tuple(name for name, value in gold.items() if answer.get(name, value) != value),
        added=tuple(name for name in answer if name not in gold),
    )


def match_situations(gold: Sequence[Situation], answered: Sequence[Situation]) -> list[Match]:
    """Every gold situation, in order, with an answered one of its own, so that together they agree best.

    The answered ones that are left over come last, without gold.
    """

    @cache
    def best(index: int, free: frozenset[int]) -> tuple[float, tuple[int | None, ...]]:
        if index == len(gold):
            return 0.0, ()
        options: list[tuple[float, tuple[int | None, ...]]] = []
        for other in sorted(free):
            rest, chosen = best(index + 1, free - {other})
            options.append((agreement(gold[index], answered[other]) + rest, (other, *chosen)))
        without, chosen = best(index + 1, free)
        options.append((without, (None, *chosen)))
        return max(options, key=lambda option: option[0])  # the first of equals: the more urgent get their answer

    _, chosen = best(0, frozenset(range(len(answered))))
    matches = [
        Match(situation, None if other is None else answered[other])
        for situation, other in zip(gold, chosen, strict=True)
    ]
    return matches + [Match(None, answered[other]) for other in range(len(answered)) if other not in chosen]


def agreement(gold: Situation, answer: Situation) -> float:
    """How well two situations agree: slots that are the same, and how much of the location.

    Never quite nothing: even an answer without anything in common is the one to compare with, where there is no other.
    """
    wanted, given = slots(gold), slots(answer)
    same = sum(given.get(name) == value for name, value in wanted.items())
    return same + overlap(gold.location, answer.location) + 1e-6


def overlap(gold: str, answer: str) -> float:
    """F1 of the characters that two texts share, as often as both have them; 1 where both are empty.

    The measure that Rajpurkar et al. 2016 (SQuAD) use for spans, over characters since Chinese has no spaces.
    """
    if not gold or not answer:
        return float(gold == answer)
    shared = sum((Counter(gold) & Counter(answer)).values())
    return 2 * shared / (len(gold) + len(answer))
