"""The reviewers' console of `dispatch serve`."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Lock

from dispatch.cli.backend import Backend
from dispatch.console import ConsoleConfig, Services, Sessions, serve_console
from dispatch.domain import Doctrine
from dispatch.engine import Registry
from dispatch.settings import Settings, is_loopback, split_address
from dispatch.store import Instruction, Tokens
from dispatch.workflow.explain import Explanation, explain_stored
from dispatch.workflow.merging import Merging
from dispatch.workflow.review import Reviewer


def console_config(settings: Settings, address: str, insecure: bool) -> ConsoleConfig:
    """Raises ValueError for an address that is none, and for one off loopback without TLS."""
    try:
        host, port = split_address(address)
    except ValueError as error:
        raise ValueError(f"console: {error}") from error
    tls = (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    return ConsoleConfig(host, port, is_loopback(host), insecure, *tls)


@contextmanager
def open_console(
    config: ConsoleConfig, backend: Backend, hours: float, loop: Future[asyncio.AbstractEventLoop]
) -> Iterator[str]:
    """Shows it beside the gRPC server, with sessions of so many hours; gives its URL. ``loop`` will be the server's,
    which the intake belongs to.

    Raises OSError where it cannot be shown.
    """
    services = Services(
        desk=backend.desk,
        store=backend.store,
        sessions=Sessions(Tokens(backend.store.database), hours * 3600),
        explain=_explainer(backend.intake.registry, backend.intake.doctrine),
        merge=_merger(Merging(backend.store, backend.desk, backend.intake), loop),
    )
    with serve_console(config, services) as url:
        yield url


def _explainer(registry: Registry, doctrine: Doctrine) -> Callable[[Instruction], Explanation]:
    """Asks the model that has written the instruction, or if that is gone the one that serves; one at a time, since it
    takes the processor from who decodes."""
    lock = Lock()

    def explain(instruction: Instruction) -> Explanation:
        models = [model for model in registry.models() if model.bundle is not None]
        if not models:
            raise ValueError("no model is here that could be looked into")
        chosen = next((model for model in models if model.identity.digest == instruction.model["digest"]), models[0])
        assert chosen.bundle is not None
        with lock:
            return explain_stored(chosen.bundle, instruction, doctrine)

    return explain


def _merger(
    merging: Merging, loop: Future[asyncio.AbstractEventLoop]
) -> Callable[[Reviewer, str, str, str], Future[Instruction]]:
    """Has the server's loop merge, since the console has a loop of its own."""

    def merge(reviewer: Reviewer, name: str, into: str, etag: str) -> Future[Instruction]:
        if not loop.done():
            raise ValueError("the server is still starting")
        return asyncio.run_coroutine_threadsafe(merging.merge(reviewer, name, into, etag=etag), loop.result())

    return merge
