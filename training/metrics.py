"""How well an answer agrees with a pair."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from dispatch.domain import Situation, parse_orders
from training.corpus import Pair

_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True)
class PairScore:
    """Whether one answer agrees with its pair; None where the pair does not say (it has no situations).

    instruction: the text is the same.
    numbers: the instruction has the same numbers, each as often.
    situation: all situations are the same, in the same order.
    place: the first situation's location and the places of the instruction's orders are the same.
    resources: the instruction's orders name the same items, whatever their numbers.
    counts: they name the same items with the same numbers and units.
    """

    instruction: bool
    numbers: bool
    situation: bool | None
    place: bool | None
    resources: bool | None
    counts: bool | None


def score_pair(pair: Pair, instruction: str, situations: Sequence[Situation]) -> PairScore:
    """Compares an answer (instruction and situations) with a pair."""
    same_text = instruction == pair.instruction
    same_numbers = numbers_of(instruction) == numbers_of(pair.instruction)
    if not pair.situations:
        return PairScore(same_text, same_numbers, None, None, None, None)
    expected, answered = parse_orders(pair.instruction), parse_orders(instruction)
    same_location = bool(situations) and situations[0].location == pair.situations[0].location
    return PairScore(
        instruction=same_text,
        numbers=same_numbers,
        situation=tuple(situations) == pair.situations,
        place=same_location and {order.place for order in answered} == {order.place for order in expected},
        resources={order.item for order in answered} == {order.item for order in expected},
        counts=Counter((order.item, order.count, order.unit) for order in answered)
        == Counter((order.item, order.count, order.unit) for order in expected),
    )


def numbers_of(text: str) -> Counter[float]:
    """The numbers written in digits, and how often each occurs: 3 and 3.0 are the same number."""
    return Counter(float(number) for number in _NUMBER.findall(text))


@dataclass(frozen=True)
class Accuracy:
    """How many of the pairs that could be judged were right."""

    right: int
    judged: int

    @property
    def share(self) -> float:
        return self.right / self.judged if self.judged else float("nan")

    def to_dict(self) -> dict[str, float | int | None]:
        return {"accuracy": self.share if self.judged else None, "right": self.right, "judged": self.judged}


METRICS: tuple[str, ...] = tuple(field.name for field in fields(PairScore))


def accuracies(scores: Iterable[PairScore]) -> dict[str, Accuracy]:
    """The accuracy of each of METRICS."""
    scores = list(scores)
    verdicts = {name: [getattr(score, name) for score in scores] for name in METRICS}
    return {
        name: Accuracy(right=sum(verdict is True for verdict in values), judged=len(values) - values.count(None))
        for name, values in verdicts.items()
    }
