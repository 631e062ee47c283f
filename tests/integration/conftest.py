"""What the service is run with: the tiny bundle, an empty database, and a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service import ServiceConfig
from tests.store.postgres import Server, running_server


@pytest.fixture
def config(tiny_bundle: Path, tmp_path: Path) -> ServiceConfig:
    """Of a service whose store is a SQLite file."""
    return ServiceConfig(tiny_bundle, f"sqlite:///{tmp_path}/store/dispatch.db", tmp_path)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; each test makes a database of its own in it, and leaves it running."""
    with running_server() as server:
        yield server
