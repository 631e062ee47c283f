"""What holds for every test: one thread per worker, no settings of the machine, no clock, no silent skips in CI."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported; subprocesses inherit it
for _name in [name for name in os.environ if name.startswith("DISPATCH_")]:
    del os.environ[_name]

from collections.abc import Generator  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from dispatch.domain.linear import SYMBOLS  # noqa: E402
from dispatch.model import (  # noqa: E402
    BundleConfig,
    TokenizerConfig,
    Transformer,
    TransformerConfig,
    save_bundle,
    train_tokenizer,
)

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


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
    texts = ["山区公路积雪3米,断电,50人被困,急需发电机和医疗队", "派3台除雪车至A7公路,医疗队随行"] * 20
    tokenizer = train_tokenizer(texts, TokenizerConfig(character_coverage=1.0), SYMBOLS)
    torch.manual_seed(0)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=16,
        num_heads=2,
        encoder_layers=1,
        decoder_layers=1,
        d_feedforward=32,
        dropout=0.0,
        norm="pre",
        positions="sinusoidal",
        max_length=512,
    )
    bundle = BundleConfig(name="tiny", model=config, situations=True, created_by="a test")
    save_bundle(path, bundle, Transformer(config), tokenizer, {"pairs": 0}, "# tiny\n")
    return path
