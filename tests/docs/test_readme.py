"""Every example in the documents runs as it stands there, and the two READMEs say the same.

Blocks run in the order of the document, in one empty folder with `dispatch` on the PATH: bash as a script, python as a
program, sql on the folder's dispatch.db. A text block is what the block before it prints. `dispatch serve` stays up
for the blocks after it, on a free port in the place of the documented one.
"""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
PORT = "50051"
SERVER_STARTS_WITHIN_S = 120
BLOCK_ENDS_WITHIN_S = 300

FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S
)
MAY_STAND_UNRUN = re.compile(r"(make|dispatch synthesize|dispatch train|dispatch evaluate) ?")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document; line is where it begins."""

    language: str
    body: str
    line: int
    not_run: str | None


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(found["language"], found["body"], text.count("\n", 0, found.start()) + 1, found["reason"])
        for found in FENCE.finditer(text)
    ]


def headings_of(path: Path) -> list[str]:
    """The levels of the headings, without those that stand in code."""
    return re.findall(r"^#+(?= )", FENCE.sub("", path.read_text(encoding="utf-8")), re.M)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Reader:
    """Someone who types the examples, in a folder of their own."""

    def __init__(self, folder: Path, servers: ExitStack) -> None:
        self.folder = folder
        self.servers = servers
        self.port = free_port()
        self.printed = ""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # One thread: several tests share the processors, and threads that wait for each other would crawl.
        self.environment = kept | {"HOME": str(folder), "PATH": path, "DISPATCH_THREADS": "1"}

    def follow(self, block: Block) -> None:
        body = block.body.replace(PORT, self.port)
        if block.not_run is not None:
            return
        if block.language == "bash" and body.startswith("dispatch serve"):
            self.servers.enter_context(self.serving(body))
        elif block.language == "bash":
            self.printed = self.run(["bash", "-euo", "pipefail", "-c", body])
        elif block.language == "python":
            self.printed = self.run([sys.executable, "-c", body])
        elif block.language == "sql":
            with sqlite3.connect(self.folder / "dispatch.db") as database:
                rows = database.execute(body).fetchall()
            assert rows, f"no row for {body}"
        elif block.language == "text":
            assert self.printed.strip() == body.strip()

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=BLOCK_ENDS_WITHIN_S,
        )
        assert done.returncode == 0, f"{command[-1]}\nexit status {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def serving(self, command: str) -> Iterator[None]:
        """The server of the command while the context lasts; it must then end by itself, with status 0."""
        log = self.folder / "serve.log"
        with log.open("w") as output:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        try:
            with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
                grpc.channel_ready_future(channel).result(timeout=SERVER_STARTS_WITHIN_S)
            yield
            server.send_signal(signal.SIGTERM)
            assert server.wait(BLOCK_ENDS_WITHIN_S) == 0, log.read_text()
        finally:
            server.kill()
            server.wait()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_examples_run(document: Path, tmp_path: Path) -> None:
    with ExitStack() as servers:
        reader = Reader(tmp_path, servers)
        for block in blocks_of(document):
            try:
                reader.follow(block)
            except Exception as error:
                error.add_note(f"{document.name}, line {block.line}")
                raise


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_only_make_and_long_work_may_stand_unrun(document: Path) -> None:
    for block in blocks_of(document):
        if block.not_run is not None:
            for line in block.body.splitlines():
                assert MAY_STAND_UNRUN.match(line), f"{document.name}, line {block.line}: {line} must run"


def test_readme_has_examples_in_every_language() -> None:
    assert {block.language for block in blocks_of(ROOT / "README.md")} >= {"bash", "python", "sql", "text"}


def test_both_readmes_have_the_same_examples_and_headings() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert [(block.language, block.body) for block in blocks_of(chinese)] == [
        (block.language, block.body) for block in blocks_of(english)
    ]
    assert headings_of(chinese) == headings_of(english)
