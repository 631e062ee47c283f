"""A console that runs in this process, on a store of its own, and the people who sign in to it."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dispatch.console import ConsoleConfig, Services, Sessions, serve_console
from dispatch.domain import default_doctrine
from dispatch.model import Bundle, BundleIdentity, load_bundle
from dispatch.store import Instruction, Store, Tokens, scopes_of
from dispatch.workflow.explain import Explanation, explain_stored
from dispatch.workflow.review import ReviewConfig, ReviewDesk, Reviewer
from tests.e2e.rows import Draft, drafted

LEASE_S = 600.0


@dataclass(frozen=True)
class RunningConsole:
    """Where it is, and what is behind it."""

    url: str
    store: Store
    desk: ReviewDesk
    sessions: Sessions
    model: BundleIdentity

    def add(self, *drafts: Draft) -> list[str]:
        """Stores what these stand for; gives the IDs."""
        stored = self.store.save_all([self._of_model(drafted(draft)) for draft in drafts])
        return [record.name.removeprefix("instructions/") for record in stored]

    def token(self, name: str, *roles: str) -> str:
        """A new token's secret."""
        secret, _ = Tokens(self.store.database).create(name, scopes_of(roles, []))
        return secret

    def get(self, key: str) -> Instruction:
        """As it is stored now."""
        found = self.store.get(f"instructions/{key}")
        assert found is not None
        return found

    def reviewer(self, name: str) -> Reviewer:
        """Somebody who reads as a reviewer does."""
        return Reviewer(name, scopes_of(["reviewer"], []))

    def _of_model(self, record: Instruction) -> Instruction:
        return replace(record, model=self.model.to_dict())


@contextmanager
def running_console(folder: Path, bundle_path: Path, lease_s: float = LEASE_S) -> Iterator[RunningConsole]:
    """One console; a process can have one at most."""
    store = Store.open(f"sqlite:///{folder / 'console.db'}")
    bundle: Bundle = load_bundle(bundle_path)

    def explain(instruction: Instruction) -> Explanation:
        return explain_stored(bundle, instruction)

    desk = ReviewDesk(store, default_doctrine(), ReviewConfig(lease_s=lease_s))
    sessions = Sessions(Tokens(store.database), 3600)
    services = Services(desk, store, sessions, explain, _not_here, refresh_s=0.3, watch_s=0.5)
    config = ConsoleConfig("127.0.0.1", 0, is_loopback=True)
    try:
        with serve_console(config, services) as url:
            yield RunningConsole(url, store, desk, sessions, bundle.identity)
    finally:
        store.close()


def _not_here(reviewer: Reviewer, name: str, into: str, etag: str) -> Future[Instruction]:
    """Merging asks a server for the second draft, and there is none."""
    raise ValueError("no server is here")
