import socket
from concurrent.futures import Future
from pathlib import Path

import pytest

from dispatch.console import ConsoleConfig, Services, Sessions, serve_console
from dispatch.domain import default_doctrine
from dispatch.store import Instruction, Store, Tokens
from dispatch.workflow.explain import Explanation
from dispatch.workflow.review import ReviewDesk, Reviewer


def explain(instruction: Instruction) -> Explanation:
    raise ValueError(instruction.name)


def merge(reviewer: Reviewer, name: str, into: str, etag: str) -> Future[Instruction]:
    raise ValueError(name)


def test_off_loopback_the_console_needs_tls() -> None:
    with pytest.raises(ValueError, match=r"console: 0\.0\.0\.0 can be reached from other machines"):
        ConsoleConfig("0.0.0.0", 8080, is_loopback=False)


def test_off_loopback_it_may_be_shown_over_tls_or_where_it_is_permitted(tmp_path: Path) -> None:
    ConsoleConfig("0.0.0.0", 8080, is_loopback=False, insecure=True)
    ConsoleConfig("0.0.0.0", 8080, is_loopback=False, certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")


def test_an_address_that_is_taken_is_an_error(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    services = Services(
        ReviewDesk(store, default_doctrine()), store, Sessions(Tokens(store.database), 60), explain, merge
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = ConsoleConfig("127.0.0.1", taken.getsockname()[1], is_loopback=True)
        with pytest.raises(OSError, match="in use"), serve_console(config, services):
            pass
    store.close()
