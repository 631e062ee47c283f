"""What is written whole or not at all, and what must not be replaced."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.cli.whole_files import write_whole
from dispatch.offline.special_files import is_pipe_or_device


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A named pipe and a descriptor that reads it, so that nobody who writes must wait."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reading
    os.close(reading)


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text("before", encoding="utf-8")
    file.chmod(0o640)
    write_whole(file, "结果")
    assert file.read_text(encoding="utf-8") == "结果"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "target.json"
    link.symlink_to(target)
    write_whole(link, "结果")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "结果"


def test_a_pipe_is_written_into_and_stays(pipe: tuple[Path, int], tmp_path: Path) -> None:
    path, reading = pipe
    link = tmp_path / "link"
    link.symlink_to(path)
    for name in (path, link):
        write_whole(name, "结果")
        assert os.read(reading, 100).decode() == "结果"
        assert is_pipe_or_device(name)


def test_a_file_that_cannot_be_written_keeps_what_it_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "results.json"
    file.write_text("before", encoding="utf-8")
    real = Path.write_text

    def no_space(path: Path, text: str, encoding: str) -> None:
        real(path, text[:1], encoding=encoding)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "after")
    assert file.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [file]
