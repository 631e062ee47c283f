"""Results as one HTML page that needs nothing beside it: tables, reliability, and the worst cases side by side."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from importlib import resources
from itertools import groupby

from jinja2 import Environment, StrictUndefined

from dispatch.model import normalize
from training.corpus import Pair
from training.evaluate import Case, FileReport
from training.labelled import LabelledReport
from training.metrics import MEASURES
from training.slots import Match, slot_errors
from training.tables import SUMMARIES, interval, label, percent, summary_of

_ALIKE = "right"
_CHARACTERS_SHOWN = 2000  # of a text; finding differences takes time by the square of it


def render_page(reports: Sequence[FileReport], answered_by: str) -> str:
    """The page; answered_by says whose answers were measured. Its only texts of reports are those of the files."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters["shortened"] = shortened
    template = environment.from_string(resources.files(__package__).joinpath("page.html.j2").read_text("utf-8"))
    return template.render(
        answered_by=answered_by,
        measures=MEASURES,
        files=[_file_view(list(of_file)) for _, of_file in groupby(reports, key=lambda report: report.file)],
        label=label,
        percent=percent,
        interval=interval,
    )


def _file_view(reports: Sequence[FileReport]) -> dict[str, object]:
    first = reports[0]
    return {
        "name": first.file,
        "what": "labelled reports" if first.labelled else "pairs",
        "rows": first.rows,
        "bad_lines": first.bad_lines,
        "names": [m.name for m in MEASURES if any(m.name in report.measures for report in reports)],
        "slice_names": SUMMARIES[summary_of(first.labelled, first.measures)],
        "reports": [vars(report) | {"cases": [_case_view(case) for case in report.cases]} for report in reports],
    }


def _case_view(case: Case) -> dict[str, object]:
    example, text = case.example, case.answer.candidate.text
    expected = normalize(example.instruction).text if isinstance(example, Pair) else ""
    marked = differences(expected, text) if expected else ([], [(False, shortened(text))])
    expect = example.expect if isinstance(example, LabelledReport) else None
    return {
        "faults": case.faults,
        "flagged": case.answer.flagged,
        "confidence": case.answer.candidate.confidence,
        "id": example.id if isinstance(example, LabelledReport) else "",
        "report": example.report,
        "location": example.context.location,
        "issued": example.context.issued,
        "expected": marked[0],
        "answered": marked[1],
        "required": ["|".join(entry) for entry in expect.must_contain] if expect else [],
        "forbidden": ["|".join(entry) for entry in expect.must_not_contain] if expect else [],
        "slots": [row for match in case.matches for row in _slot_rows(match)],
    }


def differences(expected: str, answered: str) -> tuple[list[tuple[bool, str]], list[tuple[bool, str]]]:
    """Both texts in pieces, each with whether the other text lacks it; long texts are shortened, and one piece each."""
    if max(len(expected), len(answered)) > _CHARACTERS_SHOWN:
        differ = expected != answered
        return [(differ, shortened(expected))], [(differ, shortened(answered))]
    left: list[tuple[bool, str]] = []
    right: list[tuple[bool, str]] = []
    matcher = SequenceMatcher(None, expected, answered, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        left.append((tag != "equal", expected[start:end]))
        right.append((tag != "equal", answered[other_start:other_end]))
    return [piece for piece in left if piece[1]], [piece for piece in right if piece[1]]


def shortened(text: str) -> str:
    """The beginning of a long text, with its length; a short one as it is."""
    if len(text) <= _CHARACTERS_SHOWN:
        return text
    return f"{text[:_CHARACTERS_SHOWN]}… ({len(text):,} characters)"


def _slot_rows(match: Match) -> list[dict[str, str]]:
    """Every slot of either side, and what is wrong with it."""
    gold, answer, errors = match.gold_slots, match.answer_slots, slot_errors(match)
    verdicts = {name: kind for kind in ("missing", "wrong", "added") for name in getattr(errors, kind)}
    return [
        {
            "name": name,
            "gold": gold.get(name, ""),
            "answer": answer.get(name, ""),
            "verdict": verdicts.get(name, _ALIKE),
        }
        for name in dict.fromkeys((*gold, *answer))
    ]
