"""`dispatch serve`: the gRPC server, and the reviewers' console beside it."""

import asyncio
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch.cli.options import BundleOption, DatabaseOption
from dispatch.cli.output import note, values_as_usage
from dispatch.settings import OFF, Settings, load_settings

if TYPE_CHECKING:
    from dispatch.cli.backend import BackendConfig
    from dispatch.console import ConsoleConfig
    from dispatch.server import ServerConfig
    from dispatch.server.telemetry import TelemetryConfig


def serve(
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to answer gRPC; port 0: a free one.")
    ] = None,
    console: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to show the reviewers' console; off: nowhere.")
    ] = None,
    database_url: DatabaseOption = None,
    bundle: BundleOption = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Permit an address off loopback without TLS and tokens.")
    ] = False,
) -> None:
    """Answer gRPC until SIGTERM or Ctrl-C; every instruction is stored before it is answered.

    The addresses are announced on standard error, that of calls when they are answered.

    Example: `dispatch serve --listen 127.0.0.1:50051 --database-url sqlite:///dispatch.db`
    """
    settings = load_settings()
    from dispatch.cli.backend import open_backend
    from dispatch.cli.open_files import raise_limit
    from dispatch.server import DispatchServer
    from dispatch.server import serve as run_server
    from dispatch.server.logs import configure_logs
    from dispatch.server.telemetry import Telemetry

    console = console or settings.console
    with values_as_usage():
        config = _server_config(settings, listen or settings.listen, insecure or settings.insecure)
        console_config = None if console == OFF else _console_config(settings, console, insecure or settings.insecure)
        backend_config = _backend_config(settings, database_url or settings.database_url, bundle)
        telemetry_config = _telemetry_config(settings)
    configure_logs(settings.log_format, settings.log_level)
    raise_limit()
    telemetry = Telemetry(telemetry_config)
    loop: Future[asyncio.AbstractEventLoop] = Future()
    with open_backend(backend_config, telemetry) as backend, backend.clock.running(), ExitStack() as stack:
        if console_config is not None:
            from dispatch.cli.console import open_console

            url = stack.enter_context(open_console(console_config, backend, settings.console_hours, loop))
            note(f"console at {url}")

        def make_server() -> DispatchServer:
            loop.set_result(asyncio.get_running_loop())
            return DispatchServer(
                config,
                backend.intake,
                admin=backend.admin,
                review=backend.review,
                explaining=backend.explaining,
                find_token=backend.find_token,
                telemetry=telemetry,
                probes=backend.probes,
                state=backend.state,
            )

        run_server(make_server, lambda address: note(f"listening on {address}"))


def _server_config(settings: Settings, listen: str, insecure: bool) -> "ServerConfig":
    from dispatch.server import ConnectionConfig, ServerConfig
    from dispatch.server.authentication import AuthenticationConfig
    from dispatch.server.limits import LimitsConfig
    from dispatch.server.tls import tls_config

    return ServerConfig(
        listen,
        insecure=insecure,
        grace_s=settings.grace_s,
        tls=tls_config(settings.tls_certificate, settings.tls_key, settings.tls_client_ca),
        authentication=AuthenticationConfig(settings.require_tokens, settings.token_cache_s),
        limits=LimitsConfig(
            rate_per_s=settings.rate_per_s,
            rate_burst=settings.rate_burst,
            max_open_calls=settings.max_open_calls,
            max_message_bytes=settings.max_message_bytes,
        ),
        log_reports=settings.log_reports,
        reflection=settings.reflection,
        connections=ConnectionConfig(keepalive_s=settings.keepalive_s, max_age_s=settings.connection_age_s),
    )


def _console_config(settings: Settings, address: str, insecure: bool) -> "ConsoleConfig":
    from dispatch.cli.console import console_config

    return console_config(settings, address, insecure)


def _telemetry_config(settings: Settings) -> "TelemetryConfig":
    from dispatch.server.metrics import MetricsConfig
    from dispatch.server.telemetry import TelemetryConfig

    return TelemetryConfig(MetricsConfig(settings.metrics_listen, settings.metrics_public), settings.otlp_endpoint)


def _backend_config(settings: Settings, database_url: str, bundle: Path | None) -> "BackendConfig":
    from dispatch.cli.answering import due_times
    from dispatch.cli.backend import BackendConfig
    from dispatch.workflow import ClockConfig, ReviewConfig

    return BackendConfig(
        database_url,
        bundle,
        settings.models_dir,
        evaluation_sets=settings.evaluation_sets,
        spool=settings.spool if settings.when_store_lost == "spool" else None,
        due=due_times(settings),
        clock=ClockConfig(escalate_after_s=settings.escalate_after_s),
        review=ReviewConfig(lease_s=settings.review_lease_s, low_confidence=settings.review_low_confidence),
    )
