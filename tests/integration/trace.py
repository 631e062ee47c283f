"""Shows by a trace of system calls that a row is on disk before the server's reply with it leaves; needs strace.

A killed process leaves the page cache alone, so that killing proves nothing of the disk. The whole server is traced,
under a load of many callers: `python -m tests.integration.trace`
"""

import re
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.load import Load
from tests.integration.proof import prove
from tests.integration.service import ServiceConfig, serving, wait_until
from tests.tiny_bundle import save_tiny_bundle

CALLS = "trace=pwrite64,pwritev,fdatasync,fsync,write,writev,sendto,sendmsg,sendmmsg"
_LINE = re.compile(r"^(?P<thread>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\((?P<file>\d+<[^>]*>)?)")
_NAME = re.compile(r"instructions/([0-9a-f]{32})")
_KEY = re.compile(r"[0-9a-f]{32}")
_SYNCED = re.compile(r"= 0(?: |$)")


@dataclass
class Reader:
    """Follows the rows, by their IDs, from the log's pages to the disk and to the replies."""

    written: set[str] = field(default_factory=set)
    """IDs in pages of the log that have been written, and are perhaps not yet on disk."""
    synced: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    _begun: dict[str, tuple[str, set[str]]] = field(default_factory=dict)
    """By thread what it is in the middle of: a call that writes or syncs the log, and the IDs concerned."""

    def read(self, line: str) -> None:
        """Take in one line of `strace -f -yy`. AssertionError for a reply with a row that is not on disk."""
        if (found := _LINE.match(line)) is None:
            return
        thread, resumed = found["thread"], found["resumed"]
        if resumed:
            call, ids = self._begun.pop(thread, ("", set()))
            self._end(call, ids, line)
            return
        call, file = found["call"], found["file"] or ""
        if "-wal>" in file and call.startswith("pwrite"):
            step = ("write", set(_KEY.findall(line)))
        elif "-wal>" in file and call in ("fdatasync", "fsync"):
            step = ("sync", set(self.written))  # what is written from now on is for the next one
        else:
            if "<TCP" in file:  # a reply counts from the moment at which it begins to leave
                self._send(set(_NAME.findall(_joined(line))), line)
            return
        if line.endswith("<unfinished ...>"):
            self._begun[thread] = step
        else:
            self._end(*step, line)

    def _end(self, call: str, ids: set[str], line: str) -> None:
        if call == "write":
            self.written |= ids
        elif call == "sync" and _SYNCED.search(line):
            self.synced |= ids
            self.written -= ids

    def _send(self, ids: set[str], line: str) -> None:
        early = ids - self.synced
        assert not early, f"{early} answered before the log was synced: {line[:200]}"
        self.answered |= ids


def _joined(line: str) -> str:
    """The line with what lies in several buffers put together."""
    return re.sub(r'", iov_len=\d+\}, \{iov_base="', "", line)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_tiny_bundle(folder / "tiny")
        trace = folder / "trace"
        wrapper = ["strace", "-D", "-f", "-yy", "-s", "65536", "-e", CALLS, "-o", str(trace)]
        url = f"sqlite:///{folder}/dispatch.db"
        with serving(ServiceConfig(folder / "tiny", url, folder, wrapper=wrapper)) as service:
            with Load(service.address, "trace") as load:
                load.wait_for_answers(count)
            assert service.terminate() == 0
        last = f"{service.process.pid} +++ exited"
        wait_until(
            lambda: last in re.sub(" +", " ", trace.read_text(encoding="utf-8", errors="replace")), "end of the trace"
        )
        reader = Reader()
        with trace.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                reader.read(line.rstrip("\n"))
        named = {answer.name.removeprefix("instructions/") for answer in load.answered.values()}
        assert named <= reader.answered, f"{len(named - reader.answered)} answers are not in the trace"
        prove(url, load.answered)
    print(f"{len(reader.answered)} answers, each sent after the log with its row was synced")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 200)
