"""What holds for every test: one thread per worker, no settings of the machine, no clock, no silent skips in CI."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported; subprocesses inherit it
# PostgreSQL is started as another user, for which Python forks, and gRPC's handlers of a fork abort amid calls.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
for _name in [name for name in os.environ if name.startswith("DISPATCH_")]:
    del os.environ[_name]

from collections import Counter  # noqa: E402
from collections.abc import Generator  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402

from tests.tiny_bundle import save_tiny_bundle  # noqa: E402

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Pure Python takes more than twice as long under coverage. Of a test with many cases, which run the same code, the
# first are traced; properties and modules that try hundreds of examples, on code that others run too, are not.
_TRACED_CASES = 3
_UNTRACED = (
    "decoding/test_constraints.py",
    "decoding/test_phrases.py",
    "decoding/test_repetition.py",
    "domain/test_growth.py",
    "domain/test_round_trip.py",
    "store/test_crashes.py",
    "training/synthesis",
    "training/test_resume.py",
    "workflow/test_heatmap.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what pytest-cov shall not trace."""
    here = Path(__file__).parent
    cases: Counter[str] = Counter()
    for item in items:
        function = item.nodeid.partition("[")[0]
        cases[function] += 1
        is_property = hypothesis.is_hypothesis_test(getattr(item, "obj", None))
        is_long = item.path.relative_to(here).as_posix().startswith(_UNTRACED)
        if cases[function] > _TRACED_CASES or is_property or is_long:
            item.add_marker(pytest.mark.no_cover)


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI everything a test may need is there, so a skipped test would be one that nobody ever runs."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not permit: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a network that has learnt nothing: what it writes is noise, but it writes it quickly."""
    path = tmp_path_factory.mktemp("bundles") / "tiny"
    save_tiny_bundle(path)
    return path
