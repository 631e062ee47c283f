"""`dispatch serve`: the gRPC server."""

import logging
from typing import Annotated

import typer

from dispatch.cli.options import BundleOption, DatabaseOption
from dispatch.cli.output import note, values_as_usage
from dispatch.settings import load_settings


def serve(
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to answer gRPC; port 0: a free one.")
    ] = None,
    database_url: DatabaseOption = None,
    bundle: BundleOption = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Permit an address off loopback without TLS and tokens.")
    ] = False,
) -> None:
    """Answer gRPC until SIGTERM or Ctrl-C; every instruction is stored before it is answered.

    The address is announced on standard error when calls are answered.

    Example: `dispatch serve --listen 127.0.0.1:50051 --database-url sqlite:///dispatch.db`
    """
    settings = load_settings()
    from dispatch.cli.answering import open_engine
    from dispatch.server import ServerConfig
    from dispatch.server import serve as run_server
    from dispatch.server.authentication import AuthenticationConfig
    from dispatch.server.limits import LimitsConfig
    from dispatch.server.tls import tls_config
    from dispatch.store import Store, Tokens
    from dispatch.workflow import Intake

    with values_as_usage():
        config = ServerConfig(
            listen or settings.listen,
            insecure or settings.insecure,
            settings.grace_s,
            tls_config(settings.tls_certificate, settings.tls_key, settings.tls_client_ca),
            AuthenticationConfig(settings.require_tokens, settings.token_cache_s),
            LimitsConfig(settings.rate_per_s, settings.rate_burst, settings.max_open_calls, settings.max_message_bytes),
            settings.log_reports,
        )
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    engine = open_engine(bundle)
    store = Store.open(database_url or settings.database_url)
    run_server(
        config,
        Intake(engine, store),
        store,
        lambda address: note(f"listening on {address}"),
        Tokens(store.database).find,
    )
