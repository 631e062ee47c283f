"""What the service is run with: the tiny bundle, an empty database, and a folder of its own."""

from pathlib import Path

import pytest

from tests.integration.service import ServiceConfig


@pytest.fixture
def config(tiny_bundle: Path, tmp_path: Path) -> ServiceConfig:
    """Of a service whose store is a SQLite file."""
    return ServiceConfig(tiny_bundle, f"sqlite:///{tmp_path}/store/dispatch.db", tmp_path)
