"""Translation of files: aligned lines, marked bad lines, and going on after an interruption."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dispatch.offline.answers import Answer
from dispatch.offline.formats import FORMATS, FormatName, format_of
from dispatch.offline.lines import ReportLine
from dispatch.offline.translate import TranslationSummary, remove_partial, translate_file


def reverse(reports: Sequence[ReportLine]) -> list[dict[str, Any]]:
    """An answer that can be foretold: the report backwards. `refuse` is not accepted."""
    for line in reports:
        if "refuse" in line.report:
            raise ValueError("report: not accepted")
    return [{"instruction": line.report[::-1] + line.context.location} for line in reports]


class Counting:
    """An answer that counts its reports and is killed by the one that it is told."""

    def __init__(self, killed_by: str = "") -> None:
        self.reports: list[str] = []
        self.killed_by = killed_by

    def __call__(self, reports: Sequence[ReportLine]) -> list[dict[str, Any]]:
        for line in reports:
            if line.report == self.killed_by:
                raise KeyboardInterrupt
        self.reports += [line.report for line in reports]
        return reverse(reports)


def translate(
    source: Path,
    target: Path,
    name: FormatName = "text",
    answer: Answer = reverse,
    batch_size: int = 2,
    settings: str = "",
) -> TranslationSummary:
    return translate_file(source, target, FORMATS[name], answer, batch_size=batch_size, settings_digest=settings)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("".join(f"r{number}\n" for number in range(10)))
    return path


def test_text_keeps_order_blank_lines_and_marks_bad_ones(tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes("甲乙\n\n   \nrefuse\n".encode() + b"\xff\nlast")
    bad: list[int] = []
    summary = translate_file(
        source, target, FORMATS["text"], reverse, on_bad_line=lambda item: bad.append(item.line.number)
    )
    assert summary == TranslationSummary(lines=6, bad=2, resumed=0)
    lines = target.read_text().split("\n")
    assert lines[:4] == ["乙甲", "", "", "[error] report: not accepted"]
    assert lines[4].startswith("[error] not UTF-8")
    assert lines[5:] == ["tsal", ""]
    assert bad == [4, 5]


def test_tsv_adds_a_column_and_reads_the_location(tmp_path: Path) -> None:
    source, target = tmp_path / "in.tsv", tmp_path / "out.tsv"
    source.write_text("ab\tA7\t17\ncd\n\n\tA7\n")
    translate(source, target, "tsv")
    assert target.read_text() == "ab\tA7\t17\tbaA7\ncd\tdc\n\n\tA7\t[error] report: is empty\n"


def test_jsonl_gives_report_context_and_result(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"report": "ab", "context": {"location": "A7"}}\n\n{"report": 1}\n')
    translate(source, target, "jsonl")
    first, blank, third = target.read_text().splitlines()
    assert json.loads(first) == {"report": "ab", "context": {"location": "A7"}, "instruction": "baA7"}
    assert blank == ""
    assert json.loads(third) == {"error": {"line": 3, "message": "report: must be text"}}


def test_out_appears_only_when_it_is_whole(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        translate(ten, target, answer=Counting(killed_by="r6"))
    assert not target.exists()
    assert (tmp_path / "out.txt.partial").read_text() == "".join(f"{number}r\n" for number in range(6))


def test_an_interrupted_run_goes_on_where_it_was(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        translate(ten, target, answer=Counting(killed_by="r6"))
    second = Counting()
    assert translate(ten, target, answer=second) == TranslationSummary(lines=10, bad=0, resumed=6)
    assert second.reports == ["r6", "r7", "r8", "r9"]
    assert target.read_text() == "".join(f"{number}r\n" for number in range(10))
    assert [path.name for path in tmp_path.glob("out.txt*")] == ["out.txt"]


def test_a_torn_last_line_is_written_again(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    (tmp_path / "out.txt.partial").write_text("0r\n1r\n2")
    translate(ten, target)
    assert target.read_text() == "".join(f"{number}r\n" for number in range(10))


def test_bad_lines_of_the_interrupted_run_are_counted(tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("refuse\na\nkill\n")
    with pytest.raises(KeyboardInterrupt):
        translate(source, target, answer=Counting(killed_by="kill"), batch_size=1)
    assert translate(source, target) == TranslationSummary(lines=3, bad=1, resumed=2)


def test_a_partial_file_of_other_settings_or_input_is_refused(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        translate(ten, target, answer=Counting(killed_by="r6"), settings="one bundle")
    with pytest.raises(ValueError, match=r"another settings.*--restart"):
        translate(ten, target, settings="another bundle")
    other = tmp_path / "other.txt"
    other.write_bytes(ten.read_bytes())
    with pytest.raises(ValueError, match="another input"):
        translate(other, target, settings="one bundle")
    remove_partial(target)
    assert translate(other, target, settings="another bundle").resumed == 0


def test_a_partial_file_longer_than_the_input_is_refused(ten: Path, tmp_path: Path) -> None:
    (tmp_path / "out.txt.partial").write_text("x\n" * 11)
    with pytest.raises(ValueError, match="11 lines but"):
        translate(ten, tmp_path / "out.txt")


def test_two_runs_do_not_write_one_file(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"

    def start_another(reports: Sequence[ReportLine]) -> list[dict[str, Any]]:
        with pytest.raises(OSError, match="another run"):
            translate(ten, target)
        return reverse(reports)

    assert translate(ten, target, answer=start_another).lines == 10


def test_a_refused_line_leaves_its_batch_unharmed(tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("".join("refuse\n" if number == 5 else f"r{number}\n" for number in range(9)))
    translate(source, target, batch_size=9)
    lines = target.read_text().splitlines()
    assert lines[5] == "[error] report: not accepted"
    assert [line for index, line in enumerate(lines) if index != 5] == [f"{n}r" for n in range(9) if n != 5]


def test_progress_ends_at_the_whole_file(ten: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    translate_file(ten, tmp_path / "out.txt", FORMATS["text"], reverse, on_progress=lambda *at: seen.append(at))
    assert seen[-1] == (10, ten.stat().st_size)


@pytest.mark.parametrize(
    ("name", "expected"), [("a.jsonl", "jsonl"), ("a.TSV", "tsv"), ("a.txt", "text"), ("a.ndjson", "jsonl")]
)
def test_the_suffix_tells_the_format(name: str, expected: str) -> None:
    assert format_of(Path(name)) == expected


def test_an_unknown_suffix_asks_for_the_format() -> None:
    with pytest.raises(ValueError, match="--format"):
        format_of(Path("reports.doc"))
