"""Which engine answers: CTranslate2 where it can, torch else, and a note where something is missing."""

import shutil
from collections.abc import Callable

import pytest

from dispatch.engine import CTranslate2Engine, TorchEngine, choose_engine, open_engine
from dispatch.model import Bundle


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle()


def test_an_exported_bundle_is_answered_by_ctranslate2(bundle: Bundle) -> None:
    choice = choose_engine(bundle)
    assert (choice.name, choice.expected) == ("ctranslate2", True)
    assert isinstance(open_engine(bundle, choice.name, threads=1), CTranslate2Engine)


def test_torch_can_be_wanted(bundle: Bundle) -> None:
    assert choose_engine(bundle, "torch").name == "torch"
    assert isinstance(open_engine(bundle, "torch"), TorchEngine)


def test_a_gpu_is_torchs_unless_ctranslate2_is_wanted(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose_engine(bundle).name == "torch"
    assert choose_engine(bundle, "ctranslate2").name == "ctranslate2"


def test_without_an_export_torch_answers(bundle: Bundle) -> None:
    shutil.rmtree(bundle.path / "ctranslate2")
    quiet, told = choose_engine(bundle), choose_engine(bundle, "ctranslate2")
    assert (quiet.name, quiet.expected) == ("torch", True)
    assert (told.name, told.expected) == ("torch", False)
    assert f"dispatch export {bundle.path}" in told.why


def test_without_the_library_torch_answers_and_says_so(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.engine.choice.ctranslate2_installed", lambda: False)
    choice = choose_engine(bundle)
    assert (choice.name, choice.expected) == ("torch", False)
    assert "not installed" in choice.why
