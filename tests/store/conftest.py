"""A store in a fresh file, and drafts to put into it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from dispatch.store import Instruction, Store
from tests.store.postgres import Server, running_server

DRAFT: dict[str, Any] = {
    "report": "黄山市歙县，3人被困，速派救援😊",
    "context": {"location": "歙县", "issued": ["派出1辆消防车"]},
    "decoding": {"strategy": "beam", "beam_size": 4, "length_penalty": 0.6},
    "instruction": "派出2辆消防车前往歙县",
    "candidates": [{"text": "派出2辆消防车前往歙县", "score": -0.25, "token_scores": (-0.125, -0.1)}],
    "situations": [{"kind": "request", "location": "歙县", "people": {"trapped": {"min": 3, "max": None}}}],
    "plan": [{"agency": "fire", "count": 2}],
    "checks": [{"code": "UNREAD_NUMBER", "severity": "warning", "start": 0, "end": 3}],
    "confidence": 0.875,
    "model": {"name": "default", "digest": "ab12"},
    "doctrine": "cd34",
    "timings": {"decode": 0.5},
    "priority": "high",
}


@pytest.fixture
def draft() -> Callable[..., Instruction]:
    """Makes a sound draft, with the fields given replaced."""

    def make(**changes: Any) -> Instruction:
        return Instruction(**{**DRAFT, **changes})

    return make


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where a SQLite store keeps its rows."""
    return tmp_path / "dispatch.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; each test makes a database of its own in it, and leaves it running."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database, of both kinds in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('database')}"
        return
    server = request.getfixturevalue("postgres")
    address = server.new_database()
    yield address
    server.drop(address)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(database: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{database}")
    yield opened
    opened.close()


@pytest.fixture
def execute(url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """Runs a statement as another program does, which knows nothing of Dispatch; gives back what it selects."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    return run
