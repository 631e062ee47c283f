import hashlib
import json
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dispatch.engine import (
    BatcherClosed,
    BatcherConfig,
    Engine,
    Generation,
    GenerationRequest,
    LabelConflict,
    Registry,
    TorchEngine,
    UnknownModel,
    UnusableBundle,
)
from dispatch.model import BundleIdentity, load_bundle
from tests.engine.fakes import PATIENCE_S, EchoEngine, HeldEngine, request

KEYS = [f"incident-{number}" for number in range(400)]


def open_torch(path: Path) -> Engine:
    return TorchEngine(load_bundle(path))


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry(open_torch, BatcherConfig(window_s=0))
    yield registry
    registry.close(0)


@pytest.fixture
def copy_bundle(tiny_bundle: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies the bundle under another name, sums and all."""

    def copy(name: str) -> Path:
        path = tmp_path / name
        shutil.copytree(tiny_bundle, path)
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        (path / "config.json").write_text(json.dumps(config | {"name": name}), encoding="utf-8")
        digest = hashlib.sha256((path / "config.json").read_bytes()).hexdigest()
        lines = (path / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        lines = [f"{digest}  config.json" if line.endswith("  config.json") else line for line in lines]
        (path / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return copy


def answered_by(registry: Registry, model: str = "", key: str = "") -> str:
    loaded, ticket = registry.submit(model, key, request("有人被困"))
    assert ticket.future.result(PATIENCE_S).candidates
    return loaded.identity.name


def named(registry: Registry) -> dict[str, tuple[str, ...]]:
    return {loaded.identity.name: loaded.labels for loaded in registry.models()}


def test_a_bundle_serves_when_it_is_loaded(registry: Registry, tiny_bundle: Path) -> None:
    loaded = registry.load(tiny_bundle)
    assert loaded.identity == load_bundle(tiny_bundle).identity
    assert (loaded.labels, loaded.share, loaded.engine) == (("stable",), 0, "torch")
    assert registry.models() == [loaded]
    assert answered_by(registry) == "tiny"


def test_before_any_is_loaded_every_model_is_unknown(registry: Registry) -> None:
    with pytest.raises(UnknownModel, match="none"):
        registry.submit("", "", request("有人被困"))


def test_another_bundle_takes_its_place(registry: Registry, copy_bundle: Callable[[str], Path]) -> None:
    registry.load(copy_bundle("old"))
    registry.load(copy_bundle("new"))
    assert answered_by(registry) == "new"
    with pytest.raises(UnknownModel, match=r"no model 'old' is loaded; loaded: new \(stable\)"):
        registry.route("old", "")


def test_a_bundle_that_is_loaded_is_not_opened_again(registry: Registry, tiny_bundle: Path) -> None:
    first = registry.load(tiny_bundle)
    assert registry.load(tiny_bundle).batcher is first.batcher


def _without_weights(path: Path) -> None:
    (path / "model.safetensors").unlink()


def _with_other_weights(path: Path) -> None:
    (path / "model.safetensors").write_bytes(b"others")


@pytest.mark.parametrize("spoil", [_without_weights, _with_other_weights])
def test_a_bundle_that_is_not_whole_changes_nothing(
    registry: Registry, copy_bundle: Callable[[str], Path], spoil: Callable[[Path], None]
) -> None:
    registry.load(copy_bundle("old"))
    bad = copy_bundle("bad")
    spoil(bad)
    with pytest.raises(UnusableBundle, match=r"bad/model\.safetensors"):
        registry.load(bad)
    assert answered_by(registry) == "old"
    assert named(registry) == {"old": ("stable",)}


def test_an_engine_that_is_not_accepted_changes_nothing(copy_bundle: Callable[[str], Path]) -> None:
    def accept(engine: Engine) -> None:
        if engine.identity.name == "strange":
            raise ValueError("the calibration knows 'mood'")

    registry = Registry(open_torch, accept=accept)
    registry.load(copy_bundle("old"))
    with pytest.raises(UnusableBundle, match="strange: the calibration knows 'mood'"):
        registry.load(copy_bundle("strange"))
    assert answered_by(registry) == "old"
    registry.close(0)


class BrokenEngine(EchoEngine):
    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        raise RuntimeError("no memory for the weights")


def test_an_engine_that_cannot_decode_changes_nothing(copy_bundle: Callable[[str], Path]) -> None:
    registry = Registry(lambda path: BrokenEngine() if path.name == "broken" else open_torch(path))
    registry.load(copy_bundle("old"))
    threads = threading.active_count()
    with pytest.raises(UnusableBundle, match="broken: no memory for the weights"):
        registry.load(copy_bundle("broken"))
    assert answered_by(registry) == "old"
    assert threading.active_count() == threads
    registry.close(0)


def test_a_change_that_is_not_confirmed_is_not_made(registry: Registry, copy_bundle: Callable[[str], Path]) -> None:
    def refuse(identity: BundleIdentity) -> None:
        seen.append(identity.name)
        raise OSError("nobody can take it down")

    seen: list[str] = []
    registry.load(copy_bundle("old"))
    registry.load(copy_bundle("next"), "canary", 0.5)
    before, threads = registry.models(), threading.active_count()
    with pytest.raises(OSError, match="take it down"):
        registry.load(copy_bundle("new"), confirm=refuse)
    with pytest.raises(OSError, match="take it down"):
        registry.set_label("stable", "next", confirm=refuse)
    with pytest.raises(OSError, match="take it down"):
        registry.set_label("canary", "", confirm=refuse)
    assert seen == ["new", "next", "next"]
    assert registry.models() == before
    assert threading.active_count() == threads


def test_calls_that_began_with_a_model_end_with_it() -> None:
    registry, old = Registry(open_torch, BatcherConfig(window_s=0)), HeldEngine("old")
    old.finish()  # the warm-up
    registry.add(old)
    old.begun()
    loaded, decoding = registry.submit("", "", request("first"))
    old.begun()
    _, waiting = registry.submit("", "", request("second"))
    registry.add(EchoEngine("new"))
    assert answered_by(registry) == "new"
    assert named(registry) == {"new": ("stable",), "old": ()}
    old.finish()
    old.finish()
    assert decoding.future.result(PATIENCE_S).candidates[0].text == "first"
    assert waiting.future.result(PATIENCE_S).candidates[0].text == "second"
    loaded.batcher.close(PATIENCE_S)
    assert named(registry) == {"new": ("stable",)}
    registry.close(0)


def test_the_memory_of_a_model_that_was_replaced_is_free_again() -> None:
    registry, engine = Registry(open_torch), EchoEngine("old")
    alive = weakref.ref(engine)
    batcher = registry.add(engine).batcher
    del engine
    registry.add(EchoEngine("new"))
    batcher.close(PATIENCE_S)
    assert alive() is None
    with pytest.raises(BatcherClosed):
        batcher.submit(request("有人被困"))
    registry.close(0)


def test_no_call_fails_while_models_are_replaced() -> None:
    registry = Registry(open_torch, BatcherConfig(window_s=0))
    registry.add(EchoEngine("model-0"))
    failures: list[BaseException] = []
    answers: list[str] = []
    over = threading.Event()

    def call() -> None:
        try:
            while not over.is_set():
                answers.append(answered_by(registry))
        except BaseException as error:
            failures.append(error)

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for number in range(1, 40):
        registry.add(EchoEngine(f"model-{number}"))
    over.set()
    for caller in callers:
        caller.join(PATIENCE_S)
    assert not failures
    assert len(set(answers)) > 1
    registry.close(0)


@pytest.fixture
def echoes() -> Iterator[Registry]:
    """A registry in which one model is stable and another waits to be canary."""
    registry = Registry(open_torch, BatcherConfig(window_s=0))
    registry.add(EchoEngine("old"))
    registry.add(EchoEngine("new"), "canary", 0.25)
    yield registry
    registry.close(0)


def by_canary(registry: Registry) -> set[str]:
    return {key for key in KEYS if registry.route("", key).identity.name == "new"}


def test_a_canary_answers_its_share_of_keys_and_always_the_same_ones(echoes: Registry) -> None:
    first = by_canary(echoes)
    assert len(first) / len(KEYS) == pytest.approx(0.25, abs=0.08)
    assert by_canary(echoes) == first


def test_a_key_stays_with_the_canary_when_the_share_grows(echoes: Registry) -> None:
    first = by_canary(echoes)
    echoes.set_label("canary", "new", 0.5)
    assert first < by_canary(echoes)
    echoes.set_label("canary", "canary", 1)
    assert by_canary(echoes) == set(KEYS)


def test_calls_without_a_key_are_drawn_by_lot(echoes: Registry) -> None:
    assert {echoes.route("", "").identity.name for _ in range(400)} == {"old", "new"}


@pytest.mark.parametrize("model", ["canary", "new", "digest-of-new"])
def test_a_model_is_found_by_label_name_and_digest(echoes: Registry, model: str) -> None:
    assert {echoes.route(model, key).identity.name for key in KEYS} == {"new"}


def test_a_shadow_reads_along_and_answers_nothing(echoes: Registry) -> None:
    echoes.add(EchoEngine("reader"), "shadow", 0.5)
    read = {key for key in KEYS if (loaded := echoes.shadow(key)) and loaded.identity.name == "reader"}
    assert len(read) / len(KEYS) == pytest.approx(0.5, abs=0.1)
    assert "reader" not in {echoes.route("", key).identity.name for key in KEYS}
    assert read & by_canary(echoes)
    assert by_canary(echoes) - read


def test_without_a_shadow_nobody_reads_along(echoes: Registry) -> None:
    assert echoes.shadow("incident-1") is None


def test_a_canary_that_becomes_stable_ends_the_old_one(echoes: Registry) -> None:
    echoes.set_label("stable", "canary")
    assert answered_by(echoes) == "new"
    serving = [loaded for loaded in echoes.models() if loaded.labels]
    assert [(loaded.identity.name, loaded.labels, loaded.share) for loaded in serving] == [("new", ("stable",), 0)]


def test_a_label_is_taken_away(echoes: Registry) -> None:
    echoes.set_label("canary", "")
    assert by_canary(echoes) == set()
    echoes.set_label("canary", "")  # there is nothing left to take
    assert "new" not in [loaded.identity.name for loaded in echoes.models() if loaded.labels]


def test_the_stable_model_cannot_be_canary_too(echoes: Registry) -> None:
    with pytest.raises(LabelConflict, match="old is stable"):
        echoes.set_label("canary", "old", 0.5)
    assert named(echoes) == {"old": ("stable",), "new": ("canary",)}


def test_a_label_for_an_unknown_model_changes_nothing(echoes: Registry) -> None:
    with pytest.raises(UnknownModel, match="no model 'nobody'"):
        echoes.set_label("stable", "nobody")
    assert named(echoes) == {"old": ("stable",), "new": ("canary",)}


@pytest.mark.parametrize(
    ("label", "model", "share", "named"),
    [
        ("canary", "new", 0.0, "share"),
        ("canary", "new", 1.5, "share"),
        ("shadow", "new", float("nan"), "share"),
        ("stable", "new", 0.5, "share"),
        ("best", "new", 0.5, "label"),
        ("best", "", 0.0, "label"),
        ("stable", "", 0.0, "stable"),
    ],
)
def test_what_makes_no_sense_is_refused(echoes: Registry, label: str, model: str, share: float, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        echoes.set_label(label, model, share)  # type: ignore[arg-type]


def test_a_registry_that_is_closed_takes_nothing_more(echoes: Registry) -> None:
    echoes.close(0)
    with pytest.raises(BatcherClosed):
        echoes.submit("", "", request("有人被困"))
    assert all(not loaded.batcher.load().alive for loaded in echoes.models())
