"""A real server in a process of its own, with TLS, tokens and a bundle that writes noise quickly."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from dispatch.store import ALL_SCOPES, Store, Tokens

SCOPES = {"dispatcher": ["generate", "read"], "admin": sorted(ALL_SCOPES), "auditor": ["read"]}


@dataclass(frozen=True)
class RealServer:
    """Where it is, who vouches for it, the tokens that it knows, and where its store, its log and its process are."""

    address: str
    authority: Path
    tokens: dict[str, str]
    database: str
    log: Path
    pid: int


@contextmanager
def real_server(bundle: Path, folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[RealServer]:
    """Serves a bundle, beside which others can be loaded; ``folder`` is for its files, ``settings`` are environment."""
    database = f"sqlite:///{folder}/served.db"
    with closing(Store.open(database)) as store:
        tokens = {name: Tokens(store.database).create(name, scopes)[0] for name, scopes in SCOPES.items()}
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    files = {name: folder / f"{name}.pem" for name in ("authority", "certificate", "key")}
    authority.cert_pem.write_to_path(files["authority"])
    issued.cert_chain_pems[0].write_to_path(files["certificate"])
    issued.private_key_pem.write_to_path(files["key"])
    environment = {
        "DISPATCH_TLS_CERTIFICATE": str(files["certificate"]),
        "DISPATCH_TLS_KEY": str(files["key"]),
        "DISPATCH_REQUIRE_TOKENS": "true",
        "DISPATCH_MODELS_DIR": str(bundle.parent),
        "DISPATCH_THREADS": "1",
        **(settings or {}),
    }
    options = ["--listen", "127.0.0.1:0", "--bundle", str(bundle), "--database-url", database]
    command = [sys.executable, "-m", "dispatch", "serve", *options]
    log = folder / "log"
    with log.open("w") as output, subprocess.Popen(command, env=os.environ | environment, stderr=output) as process:
        try:
            address = f"localhost:{_port(process, log)}"
            yield RealServer(address, files["authority"], tokens, database, log, process.pid)
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes], log: Path) -> str:
    """On which the process says that it listens."""
    while not (said := re.search(r"^listening on .*:(\d+)$", log.read_text(encoding="utf-8"), re.M)):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.05)
    return said[1]
