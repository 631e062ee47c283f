"""Two models on the same rows: how much better or worse, slice by slice, with paired bootstrap intervals.

A slice is a file (a split) or a hazard or kind over all files. Both models answer every row, and the rows are resampled
together, so that what is hard for both does not widen the interval of their difference.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dispatch.domain import Convention, Situation
from dispatch.engine import Generation
from training.bootstrap import Estimate, Floats, Quantity, estimate
from training.evaluate import EvaluationFile, Respond, respond_to_all
from training.judging import Answer, Example, as_of_then, judge
from training.metrics import MEASURES, Ratio

GUARDED = ("instruction", "situation", "requests")
"""What must not fall: the whole text, the whole reading, and requests that are read as such."""
SHOWN = (*GUARDED, "place", "resources", "counts", "false_requests", "slot_errors", "silent_errors", "false_alarms")
TOLERANCE = 0.005
_ROUNDING = 1e-9
LEAST_ROWS = 200
"""Below so many rows one answer is more than the tolerance: such a slice is shown, and guards nothing."""
_LESS_IS_BETTER = {measure.name for measure in MEASURES if measure.best == 0}

Scored = Sequence[Mapping[str, Ratio]]


@dataclass(frozen=True)
class Contender:
    """One of the two: who answers, how an answer is chosen, and what reviews have taught it."""

    respond: Respond
    choose: Callable[[Example, Generation], Answer]
    conventions: tuple[Convention, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One measure of one slice: before, after, and after less before (of a measure of errors the other way round)."""

    slice: str
    rows: int
    measure: str
    before: Estimate
    after: Estimate
    gain: Estimate

    @property
    def is_guarded(self) -> bool:
        """Whether this must not fall: a guarded measure on rows enough."""
        return self.measure in GUARDED and self.gain.n >= LEAST_ROWS

    @property
    def falls(self) -> bool:
        """Whether a slice that is guarded loses more than is tolerated."""
        return self.is_guarded and self.gain.value is not None and self.gain.value < -TOLERANCE - _ROUNDING

    def to_dict(self) -> dict[str, object]:
        estimates = {name: getattr(self, name).to_dict() for name in ("before", "after", "gain")}
        verdict = {"guarded": self.is_guarded, "falls": self.falls}
        return {"slice": self.slice, "rows": self.rows, "measure": self.measure, **estimates, **verdict}


def compare(
    before: Contender,
    after: Contender,
    files: Sequence[EvaluationFile],
    on_progress: Callable[[int], None] | None = None,
) -> list[Difference]:
    """The differences in all measures of SHOWN, by slice: files first, then hazards and kinds.

    A row whose expected text lacks what reviews have taught either model to say in its situation is older than that: of
    it the answer is judged without the taught clause. on_progress gets the number of answers that are there.
    """
    taught = tuple(dict.fromkeys((*before.conventions, *after.conventions)))
    rows: list[tuple[Mapping[str, Ratio], Mapping[str, Ratio]]] = []
    of_slice: dict[str, list[int]] = {}
    done = 0
    for file in files:
        scored = []
        for contender in (before, after):
            tell = _further(on_progress, done)
            scored.append(_scores(contender, file.examples, taught, tell))
            done += len(file.examples)
        for example, first, second in zip(file.examples, *scored, strict=True):
            for name in _slices(file, example):
                of_slice.setdefault(name, []).append(len(rows))
            rows.append((first, second))
    ordered = sorted(of_slice, key=lambda name: (not name.startswith("split:"), name))
    return [difference for name in ordered for difference in _differences(name, [rows[row] for row in of_slice[name]])]


def _further(on_progress: Callable[[int], None] | None, done: int) -> Callable[[int], None] | None:
    return None if on_progress is None else lambda more: on_progress(done + more)


def _scores(
    contender: Contender, examples: Sequence[Example], taught: Sequence[Convention], tell: Callable[[int], None] | None
) -> Scored:
    generations = respond_to_all(contender.respond, examples, tell)
    answers = [contender.choose(example, made) for example, made in zip(examples, generations, strict=True)]
    return [
        judge(example, as_of_then(example, answer, taught)).scores
        for example, answer in zip(examples, answers, strict=True)
    ]


def _slices(file: EvaluationFile, example: Example) -> Iterator[str]:
    yield f"split:{file.name}"
    yield from sorted({name for situation in example.situations for name in _kinds(situation)})


def _kinds(situation: Situation) -> list[str]:
    if situation.kind != "request":
        return [f"kind:{situation.kind}"]
    return [f"hazard:{hazard}" for hazard in situation.hazards] or ["hazard:none"]


def _differences(name: str, pairs: Sequence[tuple[Mapping[str, Ratio], Mapping[str, Ratio]]]) -> Iterator[Difference]:
    measures = [measure for measure in SHOWN if any(measure in first and measure in second for first, second in pairs)]
    quantities: dict[str, Quantity] = {}
    for measure in measures:
        sums_N4 = np.array([[*first.get(measure, (0, 0)), *second.get(measure, (0, 0))] for first, second in pairs])
        sign = -1 if measure in _LESS_IS_BETTER else 1
        n = int(np.count_nonzero(sums_N4[:, 1]))
        quantities[f"{measure} before"] = Quantity(sums_N4, _share_before, n)
        quantities[f"{measure} after"] = Quantity(sums_N4, _share_after, n)
        quantities[f"{measure} gain"] = Quantity(sums_N4, _gain if sign > 0 else _loss, n)
    found = estimate(quantities)
    for measure in measures:
        before, after, gain = (found[f"{measure} {which}"] for which in ("before", "after", "gain"))
        yield Difference(name, len(pairs), measure, before, after, gain)


def _share_before(sums: Floats) -> Floats:
    return _divided(sums[..., 0], sums[..., 1])


def _share_after(sums: Floats) -> Floats:
    return _divided(sums[..., 2], sums[..., 3])


def _gain(sums: Floats) -> Floats:
    return _share_after(sums) - _share_before(sums)


def _loss(sums: Floats) -> Floats:
    return -_gain(sums)


def _divided(parts: Floats, wholes: Floats) -> Floats:
    return np.divide(parts, wholes, out=np.full_like(parts, np.nan), where=wholes != 0)
