"""The quality of answers to files of pairs or of labelled reports."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from dispatch.engine import Generation, GenerationRequest
from dispatch.model import normalize
from training.bootstrap import Estimate, Quantity, estimate, ratio
from training.corpus import Pair, PairError, read_pairs
from training.judging import FAULTS, Answer, Example, Judgement, as_of_then, judge
from training.labelled import LabelledReport, holds_labelled_reports, read_labelled_reports
from training.metrics import MEASURES, Ratio
from training.reliability import Bin, calibration_error, reliability
from training.slots import Match, kind_or_hazard
from training.text_scores import load_sacrebleu, text_scores

Respond = Callable[[Sequence[Example]], Sequence[Generation]]
Choose = Callable[[Example, Generation], Mapping[str, Answer]]

Value = TypeVar("Value")

BATCH_PAIRS = 32
CASES_KEPT = 20


@dataclass(frozen=True)
class EvaluationFile:
    """The rows of a file, labelled reports or pairs, and of each line that was left out where it stands and why.

    name and bad_lines are for people: what cannot be printed is written out in them.
    """

    name: str
    labelled: bool
    examples: tuple[Example, ...]
    bad_lines: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """An answer that is wrong in something, beside what was known of the right one."""

    example: Example
    answer: Answer
    faults: tuple[str, ...]
    matches: tuple[Match, ...]

    def to_dict(self) -> dict[str, object]:
        candidate = self.answer.candidate
        return {
            "faults": list(self.faults),
            "flagged": self.answer.flagged,
            "confidence": candidate.confidence,
            "report": self.example.report,
            "context": self.example.context.to_dict(),
            "expected": expected_of(self.example),
            "answered": {
                "instruction": candidate.text,
                "situations": [situation.to_dict() for situation in candidate.situations],
            },
        }


@dataclass(frozen=True)
class FileReport:
    """The result on one file, and on its rows of each hazard or kind; cases holds the worst.

    choice names who chose the answer among the candidates, or the baseline that gave it; labelled says that the rows
    are labelled reports, not pairs.
    """

    file: str
    choice: str
    labelled: bool
    rows: int
    bad_lines: tuple[str, ...]
    measures: Mapping[str, Estimate]
    slices: Mapping[str, Mapping[str, Estimate]]
    slice_rows: Mapping[str, int]
    bins: tuple[Bin, ...]
    cases: tuple[Case, ...]

    def to_dict(self) -> dict[str, object]:
        return {
            "file": self.file,
            "choice": self.choice,
            "labelled": self.labelled,
            "rows": self.rows,
            "bad_lines": len(self.bad_lines),
            "bad_line_texts": list(self.bad_lines),
            "metrics": _figures(self.measures),
            "slices": {
                key: {"rows": self.slice_rows[key], "metrics": _figures(values)} for key, values in self.slices.items()
            },
            "reliability": [entry.to_dict() for entry in self.bins],
            "cases": [case.to_dict() for case in self.cases],
        }


def read_files(paths: Sequence[Path]) -> list[EvaluationFile]:
    """Reads all that is to be answered, so that whatever is wrong with it shows before the first answer.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if a file holds no usable row, or if rows are pairs of texts and sacrebleu is not installed.
    """
    files = [_read_file(name, path) for name, path in zip(names_of(paths), paths, strict=True)]
    if any(isinstance(row, Pair) and not row.situations for file in files for row in file.examples):
        load_sacrebleu()
    return files


def evaluate(
    respond: Respond, choose: Choose, file: EvaluationFile, on_progress: Callable[[int], None] | None = None
) -> list[FileReport]:
    """Answers every row of a file and compares; one report for each choice among the candidates.

    respond answers a batch; choose picks answers out of one generation, each by the name of who picks. on_progress gets
    the number of rows that are done. What reviews have taught the model counts as wrong in no older row.
    """
    generations = respond_to_all(respond, file.examples, on_progress)
    chosen = [
        {name: as_of_then(example, answer, made.conventions) for name, answer in choose(example, made).items()}
        for example, made in zip(file.examples, generations, strict=True)
    ]
    return [_report(file, choice, [picked[choice] for picked in chosen]) for choice in chosen[0]]


def names_of(paths: Sequence[Path]) -> list[str]:
    """The names of files; with their folders where two would be called the same."""
    names = [path.name for path in paths]
    chosen = names if len(set(names)) == len(names) else [str(path) for path in paths]
    return [_printable(os.fsencode(name).decode("utf-8", "backslashreplace")) for name in chosen]


def _printable(text: str) -> str:
    """The text on one line, with all that is not printable written out: nothing in it can command a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _read_file(name: str, path: Path) -> EvaluationFile:
    errors: list[PairError] = []
    labelled = holds_labelled_reports(path)
    read = read_labelled_reports if labelled else read_pairs
    examples: tuple[Example, ...] = tuple(read(path, on_error=errors.append))
    if not examples:
        what = "labelled report" if labelled else "pair"
        raise ValueError(f"{path} holds no usable {what}" + (f"; the first error is {errors[0]}" if errors else ""))
    bad_lines = tuple(_printable(f"{name}:{error.line}: {error.reason}") for error in errors)
    return EvaluationFile(name, labelled, examples, bad_lines)


def expected_of(example: Example) -> dict[str, object]:
    """What is known of the right answer, ready for JSON."""
    known: dict[str, object] = {"situations": [situation.to_dict() for situation in example.situations]}
    if isinstance(example, LabelledReport):
        return known | {"id": example.id, "expect": example.expect.to_dict()}
    return known | {"instruction": example.instruction}


def _figures(values: Mapping[str, Estimate]) -> dict[str, object]:
    return {name: value.to_dict() for name, value in values.items()}


def request_of(example: Example) -> GenerationRequest:
    """What the engine is asked for an example: default decoding, no typed beginning."""
    return GenerationRequest(example.report, example.context)


def respond_to_all(
    respond: Respond, examples: Sequence[Example], on_progress: Callable[[int], None] | None
) -> list[Generation]:
    """Reports of like length are answered together, for speed; the answers are put back in the order of examples."""
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].report))
    made: dict[int, Generation] = {}
    for start in range(0, len(order), BATCH_PAIRS):
        batch = order[start : start + BATCH_PAIRS]
        made |= zip(batch, respond([examples[index] for index in batch]), strict=True)
        if on_progress is not None:
            on_progress(len(made))
    return [made[index] for index in range(len(examples))]


def _report(file: EvaluationFile, choice: str, answers: Sequence[Answer]) -> FileReport:
    examples = file.examples
    judgements = [judge(example, answer) for example, answer in zip(examples, answers, strict=True)]
    groups = _groups(examples)
    confidences = [answer.candidate.confidence for answer in answers]
    right = [judgement.right for judgement in judgements]
    return FileReport(
        file=file.name,
        choice=choice,
        labelled=file.labelled,
        rows=len(examples),
        bad_lines=file.bad_lines,
        measures=_measure(examples, answers, judgements),
        slices={
            key: _measure(_at(rows, examples), _at(rows, answers), _at(rows, judgements))
            for key, rows in groups.items()
        },
        slice_rows={key: len(rows) for key, rows in groups.items()},
        bins=reliability(confidences, right),
        cases=_worst(examples, answers, judgements),
    )


def _at(rows: Sequence[int], values: Sequence[Value]) -> list[Value]:
    return [values[row] for row in rows]


def _measure(
    examples: Sequence[Example], answers: Sequence[Answer], judgements: Sequence[Judgement]
) -> dict[str, Estimate]:
    """All measures that some row has a say in, in the order of MEASURES."""
    quantities = {}
    for name in {name for judgement in judgements for name in judgement.scores}:
        ratios = [judgement.scores.get(name, Ratio(0, 0)) for judgement in judgements]
        quantities[name] = ratio([entry.part for entry in ratios], [entry.whole for entry in ratios])
    confidences = [answer.candidate.confidence for answer in answers]
    quantities["calibration_error"] = calibration_error(confidences, [judgement.right for judgement in judgements])
    quantities |= _text_scores(examples, answers)
    known = {measure.name: quantities[measure.name] for measure in MEASURES if measure.name in quantities}
    return estimate({name: quantity for name, quantity in known.items() if quantity.n})


def _text_scores(examples: Sequence[Example], answers: Sequence[Answer]) -> dict[str, Quantity]:
    """BLEU and chrF of the pairs that have no situations; the other rows add nothing."""
    expected = {
        row: normalize(example.instruction).text
        for row, example in enumerate(examples)
        if isinstance(example, Pair) and not example.situations
    }
    if not expected:
        return {}
    plain = list(expected)
    scores = text_scores(list(expected.values()), [answers[row].candidate.text for row in plain])
    spread = {}
    for name, quantity in scores.items():
        rows_NC = np.zeros((len(examples), quantity.rows_NC.shape[1]))
        rows_NC[plain] = quantity.rows_NC
        spread[name] = Quantity(rows_NC, quantity.of_sums, quantity.n)
    return spread


def _groups(examples: Sequence[Example]) -> dict[str, list[int]]:
    """The rows of each first hazard of requests and of each kind of the rest; none of pairs without situations."""
    groups: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        if example.situations:
            groups.setdefault(kind_or_hazard(example.situations[0]), []).append(row)
    return {key: groups[key] for key in sorted(groups)}


def _worst(examples: Sequence[Example], answers: Sequence[Answer], judgements: Sequence[Judgement]) -> tuple[Case, ...]:
    """Wrong answers that nothing warns of first, then by their worst fault, the more confident of equals first."""
    rows = [row for row, judgement in enumerate(judgements) if judgement.faults]
    rows.sort(
        key=lambda row: (
            answers[row].flagged,
            FAULTS.index(judgements[row].faults[0].name),
            -answers[row].candidate.confidence,
        )
    )
    return tuple(
        Case(examples[row], answers[row], tuple(map(str, judgements[row].faults)), judgements[row].matches)
        for row in rows[:CASES_KEPT]
    )
