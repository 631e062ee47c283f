"""The reviewers' console of `dispatch serve`."""

from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.cli.backend import Backend
from dispatch.console import ConsoleConfig, Services, Sessions, serve_console
from dispatch.settings import Settings, is_loopback, split_address
from dispatch.store import Tokens


def console_config(settings: Settings, address: str, insecure: bool) -> ConsoleConfig:
    """Raises ValueError for an address that is none, and for one off loopback without TLS."""
    try:
        host, port = split_address(address)
    except ValueError as error:
        raise ValueError(f"console: {error}") from error
    return ConsoleConfig(
        host,
        port,
        is_loopback(host),
        insecure,
        settings.tls_certificate,
        settings.tls_key,
        settings.tls_client_ca,
    )


@contextmanager
def open_console(config: ConsoleConfig, backend: Backend, hours: float) -> Iterator[str]:
    """Shows it beside the gRPC server; gives its URL. Raises OSError where it cannot be shown."""
    services = Services(
        desk=backend.desk,
        store=backend.store,
        sessions=Sessions(Tokens(backend.store.database), hours * 3600),
        explain=backend.explain,
    )
    with serve_console(config, services) as url:
        yield url
