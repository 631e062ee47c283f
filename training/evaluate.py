"""The quality of an engine on files of pairs."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from dispatch.decoding import DecodingConfig
from dispatch.engine import Candidate, Generation, GenerationRequest
from training.corpus import Pair, PairError, read_pairs
from training.metrics import METRICS, Accuracy, PairScore, accuracies, score_pair

Generate = Callable[[list[GenerationRequest]], list[Generation]]
Choose = Callable[[GenerationRequest, Generation], Candidate]

BATCH_PAIRS = 32
MISTAKES_KEPT = 20


@dataclass(frozen=True)
class Mistake:
    """A pair whose instruction or situations were not as expected."""

    pair: Pair
    answer: Pair

    def to_dict(self) -> dict[str, object]:
        return {"expected": self.pair.to_dict(), "answered": self.answer.to_dict()}


@dataclass(frozen=True)
class FileReport:
    """The result on one file, and on its pairs of each hazard or kind; mistakes holds the first few.

    choice names who chose the answer among the candidates: the network alone, or the service with its checks.
    """

    file: str
    choice: str
    pairs: int
    bad_lines: int
    accuracies: Mapping[str, Accuracy]
    slices: Mapping[str, Mapping[str, Accuracy]]
    mistakes: tuple[Mistake, ...]

    def to_dict(self) -> dict[str, object]:
        return {
            "file": self.file,
            "choice": self.choice,
            "pairs": self.pairs,
            "bad_lines": self.bad_lines,
            "metrics": {name: accuracy.to_dict() for name, accuracy in self.accuracies.items()},
            "slices": {
                key: {name: accuracy.to_dict() for name, accuracy in values.items()}
                for key, values in self.slices.items()
            },
            "mistakes": [mistake.to_dict() for mistake in self.mistakes],
        }


def evaluate(
    generate: Generate,
    paths: Sequence[Path],
    decoding: DecodingConfig,
    choices: Mapping[str, Choose],
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[FileReport]:
    """Answers every pair of every file and compares; one report per file and choice among the candidates.

    on_progress gets the file's name, the pairs done and the pairs in all.

    Raises:
        ValueError: if a file holds no usable pair.
    """
    reports = []
    for path in paths:
        errors: list[PairError] = []
        pairs = list(read_pairs(path, on_error=errors.append))
        if not pairs:
            raise ValueError(f"{path} holds no usable pair" + (f"; the first error is {errors[0]}" if errors else ""))
        requests = [GenerationRequest(pair.report, pair.context, decoding) for pair in pairs]
        progress = functools.partial(on_progress, path.name) if on_progress else None
        generations = _generate_all(generate, requests, progress)
        for name, choose in choices.items():
            answers = [choose(request, made) for request, made in zip(requests, generations, strict=True)]
            reports.append(_report(path.name, name, pairs, answers, len(errors)))
    return reports


def network_choice(_request: GenerationRequest, generation: Generation) -> Candidate:
    """What the network itself ranks first."""
    return generation.candidates[0]


def _generate_all(
    generate: Generate, requests: Sequence[GenerationRequest], on_progress: Callable[[int, int], None] | None
) -> list[Generation]:
    """Reports of like length are decoded together, for speed; the answers are put back in the order of requests."""
    order = sorted(range(len(requests)), key=lambda index: len(requests[index].report))
    made: dict[int, Generation] = {}
    for start in range(0, len(order), BATCH_PAIRS):
        batch = order[start : start + BATCH_PAIRS]
        made |= zip(batch, generate([requests[index] for index in batch]), strict=True)
        if on_progress is not None:
            on_progress(len(made), len(requests))
    return [made[index] for index in range(len(requests))]


def _report(file: str, choice: str, pairs: Sequence[Pair], answers: Sequence[Candidate], bad_lines: int) -> FileReport:
    scores: list[PairScore] = []
    mistakes: list[Mistake] = []
    for pair, answer in zip(pairs, answers, strict=True):
        score = score_pair(pair, answer.text, answer.situations)
        scores.append(score)
        if not score.instruction or score.situation is False:
            mistakes.append(Mistake(pair, Pair(pair.report, answer.text, pair.context, answer.situations)))
    kept = tuple(mistakes[:MISTAKES_KEPT])
    return FileReport(file, choice, len(pairs), bad_lines, accuracies(scores), _slices(pairs, scores), kept)


def _slices(pairs: Sequence[Pair], scores: Sequence[PairScore]) -> dict[str, dict[str, Accuracy]]:
    """Accuracies by the first hazard of requests and by the kind of the rest; none for pairs without situations."""
    groups: dict[str, list[PairScore]] = {}
    for pair, score in zip(pairs, scores, strict=True):
        if pair.situations:
            first = pair.situations[0]
            key = (first.hazards or ("no hazard",))[0] if first.kind == "request" else first.kind
            groups.setdefault(key, []).append(score)
    return {key: accuracies(groups[key]) for key in sorted(groups)}


def results_table(files: Sequence[Mapping[str, Any]]) -> str:
    """The figures of files and slices (as FileReport.to_dict has them) as a Markdown table of percentages."""
    lines = ["| file | chosen by | pairs | " + " | ".join(METRICS) + " |", "|---" * (3 + len(METRICS)) + "|"]
    for file in files:
        rows = {file["file"]: file["metrics"]}
        rows |= {f"{file['file']}: {key}": values for key, values in file["slices"].items()}
        for name, values in rows.items():
            shares = [values[metric]["accuracy"] for metric in METRICS]
            pairs = values["instruction"]["judged"]
            cells = ["-" if share is None else f"{100 * share:.2f}" for share in shares]
            lines.append(f"| {name} | {file['choice']} | {pairs} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table(reports: Sequence[FileReport]) -> Table:
    """The reports as a table of percentages, one row per file and per slice of it."""
    result = Table("file", "chosen by", "pairs", *METRICS, title="correct, %")
    for report in reports:
        result.add_row(report.file, report.choice, *_cells(report.accuracies))
        for key, values in report.slices.items():
            result.add_row(f"  {key}", report.choice, *_cells(values), style="dim")
    return result


def _cells(values: Mapping[str, Accuracy]) -> list[str]:
    shares = [f"{100 * values[name].share:.2f}" if values[name].judged else "-" for name in METRICS]
    return [str(values["instruction"].judged), *shares]
