"""What holds for every test: one thread per worker, no settings of the machine, and no silent skips in CI."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported; subprocesses inherit it
for _name in [name for name in os.environ if name.startswith("DISPATCH_")]:
    del os.environ[_name]

from collections.abc import Generator  # noqa: E402

import pytest  # noqa: E402


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
