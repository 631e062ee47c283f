"""Translation of files: aligned lines, marked bad lines, and going on after an interruption."""

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.offline.answers import Answer
from dispatch.offline.formats import FORMATS, FormatName, format_of, one_line
from dispatch.offline.lines import ReportLine
from dispatch.offline.translate import TranslationSummary, translate_file


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
    restart: bool = False,
) -> TranslationSummary:
    return translate_file(
        source, target, FORMATS[name], answer, batch_size=batch_size, settings_digest=settings, restart=restart
    )


def interrupt(source: Path, target: Path, settings: str = "") -> Path:
    """Leaves the partial file of a run that was killed after six lines."""
    with pytest.raises(KeyboardInterrupt):
        translate(source, target, answer=Counting(killed_by="r6"), settings=settings)
    return target.with_name(target.name + ".partial")


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
    partial = interrupt(ten, target)
    assert not target.exists()
    assert partial.read_text() == "".join(f"{number}r\n" for number in range(6))


def test_an_interrupted_run_goes_on_where_it_was(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    interrupt(ten, target)
    second = Counting()
    assert translate(ten, target, answer=second) == TranslationSummary(lines=10, bad=0, resumed=6)
    assert second.reports == ["r6", "r7", "r8", "r9"]
    assert target.read_text() == "".join(f"{number}r\n" for number in range(10))
    assert [path.name for path in tmp_path.glob("out.txt*")] == ["out.txt"]


def test_a_torn_last_line_is_written_again(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    interrupt(ten, target).write_text("0r\n1r\n2")
    assert translate(ten, target).resumed == 2
    assert target.read_text() == "".join(f"{number}r\n" for number in range(10))


def test_bad_lines_of_the_interrupted_run_are_counted(tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("refuse\na\nkill\n")
    with pytest.raises(KeyboardInterrupt):
        translate(source, target, answer=Counting(killed_by="kill"), batch_size=1)
    assert translate(source, target) == TranslationSummary(lines=3, bad=1, resumed=2)


def test_a_partial_file_of_other_settings_or_input_is_refused(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    interrupt(ten, target, settings="one bundle")
    with pytest.raises(ValueError, match=r"another settings.*--restart"):
        translate(ten, target, settings="another bundle")
    other = tmp_path / "other.txt"
    other.write_bytes(ten.read_bytes())
    with pytest.raises(ValueError, match="another input"):
        translate(other, target, settings="one bundle")
    assert translate(other, target, settings="another bundle", restart=True).resumed == 0


def test_a_partial_file_longer_than_the_input_is_refused(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    interrupt(ten, target).write_text("x\n" * 11)
    with pytest.raises(ValueError, match="11 lines but"):
        translate(ten, target)


def test_a_partial_file_of_another_format_is_refused(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    partial = interrupt(ten, target)
    before = partial.read_bytes()
    with pytest.raises(ValueError, match=r"another format; .*--restart"):
        translate(ten, target, "tsv")
    assert partial.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "changed"),
    [("more\n" * 10, "size of the input and modification time of the input"), (None, "modification time of the input")],
)
def test_an_input_that_was_changed_is_refused(ten: Path, tmp_path: Path, text: str | None, changed: str) -> None:
    target = tmp_path / "out.txt"
    interrupt(ten, target)
    old = ten.stat().st_mtime_ns
    ten.write_text(text or ten.read_text().replace("r0", "x0"))
    os.utime(ten, ns=(old, old + 1_000_000_000))
    with pytest.raises(ValueError, match=f"another {changed}; .*--restart"):
        translate(ten, target)


def test_a_file_that_only_has_the_partial_name_is_left_alone(ten: Path, tmp_path: Path) -> None:
    target, foreign = tmp_path / "out.txt", tmp_path / "out.txt.partial"
    foreign.write_text("mine\nunfinished")
    with pytest.raises(ValueError, match=r"out\.txt\.partial is there .*--restart .*another OUT"):
        translate(ten, target)
    assert foreign.read_text() == "mine\nunfinished"
    assert translate(ten, target, restart=True).resumed == 0


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_origin_is_named(ten: Path, tmp_path: Path, damage: bytes) -> None:
    target, origin = tmp_path / "out.txt", tmp_path / "out.txt.partial.json"
    interrupt(ten, target)
    origin.write_bytes(damage)
    with pytest.raises(ValueError, match=r"out\.txt\.partial\.json is damaged; start again with --restart"):
        translate(ten, target)
    assert translate(ten, target, restart=True).resumed == 0


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to, None])
@pytest.mark.parametrize("suffix", ["", ".partial", ".partial.json", ".partial.json.new"])
def test_no_file_that_is_written_may_be_the_input(tmp_path: Path, suffix: str, link: Any) -> None:
    written = tmp_path / f"out.txt{suffix}"
    source = tmp_path / "in.txt" if link else written
    source.write_text("r0\n")
    if link:
        link(written, source)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="choose another OUT"):
        translate(source, tmp_path / "out.txt", restart=True)
    assert sorted(tmp_path.iterdir()) == before
    assert source.read_text() == "r0\n"


def test_a_link_is_written_through(ten: Path, tmp_path: Path) -> None:
    folder, link = tmp_path / "disk", tmp_path / "out.txt"
    folder.mkdir()
    (folder / "real.txt").write_text("old")
    link.symlink_to(folder / "real.txt")
    translate(ten, link)
    assert link.is_symlink()
    assert (folder / "real.txt").read_text() == "".join(f"{number}r\n" for number in range(10))


def test_a_pipe_is_not_replaced(ten: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="is a pipe or a device"):
        translate(ten, pipe)
    assert pipe.is_fifo()
    assert sorted(tmp_path.iterdir()) == sorted([ten, pipe])


def test_a_missing_folder_is_named(ten: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder") as raised:
        translate(ten, tmp_path / "none" / "out.txt")
    assert raised.value.filename == str(tmp_path / "none")


def test_two_runs_do_not_write_one_file(ten: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"

    def start_another(reports: Sequence[ReportLine]) -> list[dict[str, Any]]:
        for restart in (False, True):
            with pytest.raises(OSError, match="another run"):
                translate(ten, target, restart=restart)
        return reverse(reports)

    assert translate(ten, target, answer=start_another).lines == 10
    assert target.read_text() == "".join(f"{number}r\n" for number in range(10))


def test_a_partial_file_that_was_replaced_does_not_become_out(ten: Path, tmp_path: Path) -> None:
    target, partial = tmp_path / "out.txt", tmp_path / "out.txt.partial"

    def replace_partial(reports: Sequence[ReportLine]) -> list[dict[str, Any]]:
        partial.unlink()
        partial.write_text("of another run\n")
        return reverse(reports)

    with pytest.raises(OSError, match="another run"):
        translate(ten, target, answer=replace_partial, batch_size=10)
    assert not target.exists()
    assert partial.read_text() == "of another run\n"


def test_out_of_a_run_that_ends_while_we_wait_for_the_lock_is_kept(
    ten: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.txt"
    interrupt(ten, target).write_text("whole\n")
    monkeypatch.setattr(fcntl, "flock", lambda *of: os.replace(tmp_path / "out.txt.partial", target))
    with pytest.raises(OSError, match="another run"):
        translate(ten, target, restart=True)
    assert target.read_text() == "whole\n"


def test_a_refused_line_leaves_its_batch_unharmed(tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("".join("refuse\n" if number == 5 else f"r{number}\n" for number in range(9)))
    translate(source, target, batch_size=9)
    lines = target.read_text().splitlines()
    assert lines[5] == "[error] report: not accepted"
    assert [line for index, line in enumerate(lines) if index != 5] == [f"{n}r" for n in range(9) if n != 5]


SEPARATORS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("name", ["text", "tsv"])
def test_any_text_stays_on_its_line(tmp_path: Path, name: FormatName, separator: str) -> None:
    def answer(reports: Sequence[ReportLine]) -> list[dict[str, Any]]:
        if "refuse" in reports[0].report:
            raise ValueError(f"a{separator}b\tc")
        return [{"instruction": f"a{separator}b\tc"}]

    source, target = tmp_path / "in", tmp_path / "out"
    inside = " " if "\n" in separator else separator
    source.write_bytes(f"r{inside}0\nrefuse\n".encode())
    translate(source, target, name, answer, batch_size=1)
    written = target.read_bytes().decode()
    expected = {"text": "a b\tc\n[error] a b\tc\n", "tsv": "r 0\ta b c\nrefuse\t[error] a b c\n"}
    assert written == expected[name]


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


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
