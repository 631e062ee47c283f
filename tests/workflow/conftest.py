"""The stores of both kinds, for what must hold on each of them."""

from tests.store.conftest import database, postgres, store, url

__all__ = ["database", "postgres", "store", "url"]
