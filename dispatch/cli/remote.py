"""Calls to a server, as whom the settings say. Loads no network, so that a reviewer's terminal is quick."""

from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.client import ReviewClient, TlsFiles
from dispatch.settings import Settings


@contextmanager
def open_remote_desk(server: str, settings: Settings) -> Iterator[ReviewClient]:
    """The review desk of a server."""
    with ReviewClient(server, settings.timeout_s, tls=tls_files(settings), token=token_of(settings)) as client:
        yield client


def tls_files(settings: Settings) -> TlsFiles | None:
    """None where calls go in the clear."""
    files = (settings.server_ca, settings.client_certificate, settings.client_key)
    return TlsFiles(*files) if any(files) else None


def token_of(settings: Settings) -> str:
    """Empty where no file with one is named."""
    return settings.token_file.read_text(encoding="utf-8").strip() if settings.token_file else ""
