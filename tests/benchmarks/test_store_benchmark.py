"""The benchmark of the store measures what was committed."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from dispatch.store import Store


def test_every_save_that_is_counted_is_in_the_store(
    tmp_path: Path, load_benchmark: Callable[[str], ModuleType]
) -> None:
    benchmark = load_benchmark("store")
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    row = benchmark.measure(store, callers=2, seconds=0.5)
    assert len(store.list_recent(100_000)) == round(row.commits_per_s * 0.5) >= 2
    assert row.p50_ms <= row.p99_ms
    store.close()
