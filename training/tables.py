"""Results as tables: for the terminal, and in Markdown for model cards and READMEs."""

import re
from collections.abc import Container, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text

from training.bootstrap import Estimate
from training.evaluate import FileReport
from training.metrics import MEASURES

RESULT_MEASURES = ("instruction", "numbers", "situation", "place", "resources", "counts")
# What a model card says, by what the file gives to compare with.
SUMMARIES: Mapping[str, tuple[str, ...]] = {
    "pairs with situations": (
        *("instruction", "situation", "kind", "requests", "place", "numbers"),
        *("invented_incidents", "needs_f1", "slot_errors", "ungrounded"),
        *("silent_ungrounded", "silent_errors", "false_alarms", "calibration_error"),
    ),
    "pairs of texts": ("instruction", "numbers", "bleu", "chrf", "ungrounded"),
    "labelled reports": (
        *("situation", "kind", "requests", "invented_incidents", "location", "people", "needs_f1", "slot_errors"),
        *("must_contain", "must_not_contain", "dispatch", "ungrounded"),
        *("silent_ungrounded", "silent_errors", "false_alarms", "calibration_error"),
    ),
}
# The card's part that is rewritten. Cards from before there were marks have a section, up to the next heading.
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"
_MARKED = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_SECTION = re.compile(r"^## Results[ \t]*$.*?(?=^##? |\Z)", re.DOTALL | re.MULTILINE)
_LOWER_IS_BETTER = {measure.name for measure in MEASURES if measure.best == 0}


def label(measure: str) -> str:
    """A measure's name for people: ↓ where less is better."""
    return measure.replace("_", " ").replace("f1", "F1") + (" ↓" if measure in _LOWER_IS_BETTER else "")


def percent(share: float | None) -> str:
    """A share in percent with two decimals, or a dash."""
    return "-" if share is None else f"{100 * share:.2f}"


def interval(estimate: Estimate) -> str:
    """The 95% interval in percent, or a dash."""
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{100 * estimate.low:.1f}-{100 * estimate.high:.1f}"


def tables(reports: Sequence[FileReport]) -> list[Table]:
    """A table for each file: a row for each measure, and for each choice its value, interval and number of rows."""
    return [_file_table(list(of_file)) for _, of_file in groupby(reports, key=lambda report: report.file)]


def _file_table(reports: Sequence[FileReport]) -> Table:
    first = reports[0]
    what = "labelled reports" if first.labelled else "pairs"
    bad = f", {len(first.bad_lines)} bad lines left out" if first.bad_lines else ""
    table = Table(title=Text(f"{first.file}: {first.rows:,} {what}{bad} (%)"))
    table.add_column("measure")
    for report in reports:
        table.add_column(report.choice, justify="right")
        table.add_column("95%", justify="right", style="dim")
        table.add_column("n", justify="right", style="dim")
    names = [measure.name for measure in MEASURES if any(measure.name in report.measures for report in reports)]
    for name in names:
        cells = []
        for report in reports:
            found = report.measures.get(name)
            cells += [percent(found.value), interval(found), f"{found.n:,}"] if found else ["-", "-", "0"]
        table.add_row(label(name), *cells)
    return table


def compact(file: Mapping[str, Any]) -> dict[str, Any]:
    """What a bundle keeps of a file's figures (as FileReport.to_dict has them): the main measures, and reliability."""
    summary = summary_of(file["labelled"], file["metrics"])
    names = dict.fromkeys((*SUMMARIES[summary], *RESULT_MEASURES))
    kept = {name: _rounded(file["metrics"][name]) for name in names if name in file["metrics"]}
    return {
        "file": file["file"],
        "choice": file["choice"],
        "compared_with": summary,
        "rows": file["rows"],
        "bad_lines": file["bad_lines"],
        "metrics": kept,
        "reliability": [entry for entry in file["reliability"] if entry["n"]],
    }


def summary_of(labelled: bool, measures: Container[str]) -> str:
    """Which of SUMMARIES fits a file."""
    if labelled:
        return "labelled reports"
    return "pairs with situations" if "situation" in measures else "pairs of texts"


def summary_tables(files: Sequence[Mapping[str, Any]]) -> str:
    """Compact figures as Markdown: a table for each kind of file, a row for each file and choice."""
    parts = []
    for summary, measures in SUMMARIES.items():
        chosen = [file for file in files if file["compared_with"] == summary]
        if chosen:
            rows = [_summary_row(file, measures) for file in chosen]
            heads = ["file", "chosen by", "n", *map(label, measures)]
            parts.append(f"{summary.capitalize()}:\n\n{_markdown(heads, rows)}")
    return "\n\n".join(parts)


def results_table(files: Sequence[Mapping[str, Any]]) -> str:
    """The six exact measures of files of pairs with situations, as Markdown ("" for none): what the READMEs quote.

    Bundles measured by earlier versions have `accuracy` and `judged` where there are `value` and `n` now.
    """
    rows = []
    for file in files:
        metrics = file["metrics"]
        if "situation" in metrics and "instruction" in metrics:
            shares = [metrics.get(name, {}) for name in RESULT_MEASURES]
            values = [percent(share.get("value", share.get("accuracy"))) for share in shares]
            judged = metrics["instruction"].get("n", metrics["instruction"].get("judged"))
            rows.append([file["file"], file["choice"], str(judged), *values])
    return _markdown(["file", "chosen by", "pairs", *RESULT_MEASURES], rows) if rows else ""


def replace_results(card: str, results: str) -> str:
    """The card with these results in place of those that it has, or at its end; all else stays as it is."""
    marked = f"{_BEGIN}\n## Results\n\n{results}\n\n{_END}"
    if _MARKED.search(card):
        return _MARKED.sub(lambda _: marked, card, count=1)
    section = _SECTION.search(card)
    before, after = (card[: section.start()], card[section.end() :]) if section else (card, "")
    parts = (before.rstrip("\n"), marked, after)
    return "\n\n".join(part for part in parts if part).rstrip("\n") + "\n"


def _summary_row(file: Mapping[str, Any], measures: Sequence[str]) -> list[str]:
    estimates = [file["metrics"].get(name) for name in measures]
    return [
        file["file"],
        file["choice"],
        str(file["rows"]),
        *("-" if entry is None else percent(entry["value"]) for entry in estimates),
    ]


def _rounded(estimate: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in estimate.items()}


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head, *body = ("| " + " | ".join(map(_cell, cells)) + " |" for cells in (heads, *rows))
    return "\n".join((head, "|---" * len(heads) + "|", *body))


def _cell(text: str) -> str:
    """A file's name may hold what Markdown would take for the end of the cell, or for a mark of ours."""
    return escape(text, quote=False).replace("\\", "\\\\").replace("|", "\\|")
