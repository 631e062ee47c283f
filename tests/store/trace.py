"""Shows by a trace of system calls that SQLite's log is on disk before a caller is answered; needs strace.

A killed process leaves the page cache alone, so that killing proves nothing of the disk. `python -m tests.store.trace`
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import dispatch

ANSWERS = 20
WRITER = f"""
import os, sys
from dispatch.store import Instruction, Store

store = Store.open(sys.argv[1])
for number in range({ANSWERS}):
    draft = Instruction(
        report="救命", context={{}}, decoding={{}}, instruction="派出", candidates=[], situations=[], plan=[],
        checks=[], confidence=1.0, model={{"name": "m", "digest": "d"}}, doctrine="", timings={{}},
    )
    os.write(1, f"answered {{store.save(draft).name}}\\n".encode())
"""
_WRITTEN = re.compile(r"pwrite64\(\d+<[^>]*-wal>")
_SYNCED = re.compile(r"(?:fdatasync|fsync)\(\d+<[^>]*-wal>\)\s*= 0")
_ANSWERED = re.compile(r'write\(1<[^>]*>, "answered ')


def count_answers(trace: str) -> int:
    """How many answers the trace shows; AssertionError where one came before its rows were synced."""
    written = synced = False
    answers = 0
    for line in trace.splitlines():
        if _WRITTEN.search(line):
            written, synced = True, False
        elif _SYNCED.search(line):
            synced = written
        elif _ANSWERED.search(line):
            assert synced, f"answered before the log was synced: {line}"
            written = synced = False
            answers += 1
    return answers


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        calls = "trace=pwrite64,fdatasync,fsync,write"
        writer = [sys.executable, "-c", WRITER, f"sqlite:///{folder}/dispatch.db"]
        subprocess.run(
            ["strace", "-f", "-y", "-e", calls, "-o", str(trace), *writer],
            cwd=Path(dispatch.__file__).parents[1],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        answers = count_answers(trace.read_text(encoding="utf-8", errors="replace"))
    assert answers == ANSWERS, f"{answers} answers in the trace"
    print(f"{answers} answers, each after the log with its rows was synced")


if __name__ == "__main__":
    main()
