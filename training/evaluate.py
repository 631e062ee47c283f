"""The quality of an engine on files of pairs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from dispatch.decoding import DecodingConfig
from dispatch.engine import Generation, GenerationRequest
from training.corpus import Pair, PairError, read_pairs
from training.metrics import METRICS, Accuracy, PairScore, accuracies, score_pair

Generate = Callable[[list[GenerationRequest]], list[Generation]]

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
    """The result on one file, and on its pairs of each hazard or kind; mistakes holds the first few."""

    file: str
    pairs: int
    bad_lines: int
    accuracies: Mapping[str, Accuracy]
    slices: Mapping[str, Mapping[str, Accuracy]]
    mistakes: tuple[Mistake, ...]

    def to_dict(self) -> dict[str, object]:
        return {
            "file": self.file,
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
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[FileReport]:
    """Answers every pair of every file and compares; one report per file.

    on_progress gets the file's name, the pairs done and the pairs in all.

    Raises:
        ValueError: if a file holds no usable pair.
    """
    return [_evaluate_file(generate, path, decoding, on_progress) for path in paths]


def _evaluate_file(
    generate: Generate,
    path: Path,
    decoding: DecodingConfig,
    on_progress: Callable[[str, int, int], None] | None,
) -> FileReport:
    errors: list[PairError] = []
    pairs = list(read_pairs(path, on_error=errors.append))
    if not pairs:
        raise ValueError(f"{path} holds no usable pair" + (f"; the first error is {errors[0]}" if errors else ""))
    # Reports of like length are decoded together, for speed; the answers are put back in the file's order.
    order = sorted(range(len(pairs)), key=lambda index: len(pairs[index].report))
    answers: dict[int, Pair] = {}
    for start in range(0, len(order), BATCH_PAIRS):
        batch = order[start : start + BATCH_PAIRS]
        requests = [GenerationRequest(pairs[index].report, pairs[index].context, decoding) for index in batch]
        for index, generation in zip(batch, generate(requests), strict=True):
            best = generation.candidates[0]
            answers[index] = Pair(pairs[index].report, best.text, pairs[index].context, tuple(best.situations))
        if on_progress is not None:
            on_progress(path.name, len(answers), len(pairs))
    scores: list[PairScore] = []
    mistakes: list[Mistake] = []
    for index, pair in enumerate(pairs):
        answer = answers[index]
        score = score_pair(pair, answer.instruction, answer.situations)
        scores.append(score)
        if not score.instruction or score.situation is False:
            mistakes.append(Mistake(pair, answer))
    kept = tuple(mistakes[:MISTAKES_KEPT])
    return FileReport(path.name, len(pairs), len(errors), accuracies(scores), _slices(pairs, scores), kept)


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
    lines = ["| file | pairs | " + " | ".join(METRICS) + " |", "|---" * (2 + len(METRICS)) + "|"]
    for file in files:
        rows = {file["file"]: file["metrics"]}
        rows |= {f"{file['file']}: {key}": values for key, values in file["slices"].items()}
        for name, values in rows.items():
            shares = [values[metric]["accuracy"] for metric in METRICS]
            pairs = values["instruction"]["judged"]
            cells = ["-" if share is None else f"{100 * share:.2f}" for share in shares]
            lines.append(f"| {name} | {pairs} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table(reports: Sequence[FileReport]) -> Table:
    """The reports as a table of percentages, one row per file and per slice of it."""
    result = Table("file", "pairs", *METRICS, title="correct, %")
    for report in reports:
        result.add_row(report.file, *_cells(report.accuracies))
        for key, values in report.slices.items():
            result.add_row(f"  {key}", *_cells(values), style="dim")
    return result


def _cells(values: Mapping[str, Accuracy]) -> list[str]:
    shares = [f"{100 * values[name].share:.2f}" if values[name].judged else "-" for name in METRICS]
    return [str(values["instruction"].judged), *shares]
