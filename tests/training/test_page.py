import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Context, Count, Situation
from dispatch.engine import Candidate, Generation
from training.corpus import Pair
from training.evaluate import EvaluationFile, evaluate, read_files
from training.judging import Answer, Example
from training.labelled import LabelledReport
from training.page import differences, render_page

SITUATION = Situation(location="老磨坊", hazards=("flood",), people={"trapped": Count(16, 16)})
PAIR = {
    "report": "老磨坊进水了<script>alert(1)</script>,16人",
    "instruction": "派2艘冲锋舟至老磨坊",
    "context": {"location": "下游村", "issued": ["派1支医疗队至下游村"]},
    "situation": SITUATION.to_dict(),
}
LABELLED = {
    "id": "own-1",
    "report": "老磨坊进水了",
    "gold": SITUATION.to_dict(),
    "expect": {"dispatch": True, "must_contain": ["冲锋舟|船"], "must_not_contain": ["沙袋"]},
}
READ = Situation(location="老磨坊", hazards=("landslide",), people={"trapped": Count(61, 61)}, needs=("boat",))


class Outline(HTMLParser):
    """Opening and closing tags, and whatever would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.fetched += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path: Path) -> str:
    pairs, labelled = tmp_path / "pairs.jsonl", tmp_path / "reports.jsonl"
    pairs.write_text(json.dumps(PAIR) + "\nnot json\n", encoding="utf-8")
    labelled.write_text(json.dumps(LABELLED), encoding="utf-8")

    def choose(_example: Example, generation: Generation) -> Mapping[str, Answer]:
        return {"network": Answer(generation.candidates[0]), "service": Answer(generation.candidates[0], "error")}

    made = Generation((Candidate("派7艘冲锋舟至老磨坊", 0.0, situations=(READ,), confidence=0.875),))
    files = read_files([pairs, labelled])
    reports = [report for file in files for report in evaluate(lambda rows: [made] * len(rows), choose, file)]
    return render_page(reports, "a <model>")


def test_the_page_is_whole_and_fetches_nothing(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.fetched == []
    assert "script" not in outline.seen
    assert "url(" not in page
    assert "@import" not in page


def test_texts_of_reports_are_shown_as_text(page: str) -> None:
    assert "&lt;script&gt;alert(1)" in page
    assert "Evaluation of a &lt;model&gt;" in page


def test_every_file_has_its_figures_slices_and_reliability(page: str) -> None:
    for name in ("pairs.jsonl", "reports.jsonl"):
        assert f"<h2>{name} " in page
        for choice in ("network", "service"):
            assert f"{name}, chosen by {choice}" in page
    assert "<td>flood</td>" in page
    assert "0.8-0.9" in page
    assert "1 bad lines were left out" in page
    assert "slot errors ↓" in page


def test_a_case_shows_both_sides_with_their_differences(page: str) -> None:
    assert re.search(r"派<del>2</del>\s*艘冲锋舟至老磨坊", page)
    assert re.search(r"派<ins>7</ins>\s*艘冲锋舟至老磨坊", page)
    assert "nothing warns of it" in page
    assert "an error-level check stands beside it" in page
    assert "context: 下游村" in page
    assert "issued: 派1支医疗队至下游村" in page
    assert "says 冲锋舟|船" in page
    assert "does not say 沙袋" in page
    cells = [re.findall(r"<td.*?>(.*?)</td>", row, re.S) for row in re.findall(r"<tr.*?</tr>", page, re.S)]
    assert ["people:trapped", "16", "61", "wrong"] in cells
    assert ["hazards:flood", "yes", "", "missing"] in cells
    assert ["needs:boat", "", "yes", "added"] in cells
    assert ["location", "老磨坊", "老磨坊", "right"] in cells


def test_long_texts_are_shortened_and_not_compared_piece_by_piece() -> None:
    report, instruction = "进水" * 100_000, "派" * 100_000
    pair = Pair(report, instruction, Context(report, (report,)))
    labelled = LabelledReport("x" * 100_000, report, Context(), (Situation(location=report),))
    candidate = Candidate(instruction + "1" * 1000, 0.0, situations=(Situation(location=report + "了"),))
    files = [
        EvaluationFile(name, name == "b", (row,), ("b:1: " + "y" * 100_000,))
        for name, row in (("a", pair), ("b", labelled))
    ]

    def choose(_example: Example, generation: Generation) -> Mapping[str, Answer]:
        return {"network": Answer(generation.candidates[0])}

    reports = [
        report
        for file in files
        for report in evaluate(lambda rows: [Generation((candidate,))] * len(rows), choose, file)
    ]
    text = render_page(reports, "a model")
    assert "… (200,000 characters)" in text
    assert f"<del>{'派' * 2000}… (100,000 characters)</del>" in text
    assert len(text) < 60_000


@pytest.mark.parametrize("answered", ["船" * 2000 + "甲", "船" * 2001])
def test_of_texts_too_long_to_compare_only_whether_they_differ_is_marked(answered: str) -> None:
    expected = "船" * 2001
    differ = expected != answered
    assert [[changed for changed, _ in side] for side in differences(expected, answered)] == [[differ], [differ]]


@given(st.text(), st.text())
def test_the_pieces_of_both_sides_are_the_texts_and_what_is_not_marked_is_the_same(left: str, right: str) -> None:
    expected, answered = differences(left, right)
    assert "".join(text for _, text in expected) == left
    assert "".join(text for _, text in answered) == right
    assert [text for changed, text in expected if not changed] == [text for changed, text in answered if not changed]
