"""The models that are loaded, what each is there for, and how one takes another's place without a failed call."""

import hashlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from dispatch.engine.batcher import BatchDone, Batcher, BatcherClosed, Ticket
from dispatch.engine.engine import Engine, GenerationRequest
from dispatch.engine.waiting import BatcherConfig, Lane
from dispatch.model import Bundle, BundleIdentity, Calibration, verify_bundle

Label = Literal["stable", "canary", "shadow"]
LABELS: tuple[Label, ...] = get_args(Label)

_WARM_UP = GenerationRequest("山区公路积雪,有人被困")
_WARM_UP_S = 120.0


class UnknownModel(ValueError):
    """No loaded model has the label, name or digest that was asked for."""


class LabelConflict(ValueError):
    """The label cannot be given to this model as things stand; the message says what to do first."""


class UnusableBundle(ValueError):
    """A bundle that cannot be served; the message names it and says what is wrong."""


@dataclass(frozen=True)
class LoadedModel:
    """A model as it stands at a moment."""

    identity: BundleIdentity
    labels: tuple[Label, ...]
    """None for a model that only finishes what it has begun."""
    share: float
    """Of the calls that ask for no model: what a canary answers, what a shadow reads along; 0 otherwise."""
    engine: str
    """What runs it, such as "ctranslate2 int8"."""
    batcher: Batcher
    calibration: Calibration | None
    bundle: Bundle | None = None
    """What the engine runs, for who looks into the network; None for an engine that has none."""


class Registry:
    """The models that answer. Threads may share one; `load` and `set_label` take their time, nothing else does.

    A model has one label. One that loses its label takes no more requests, and is gone when it has answered those that
    it had.
    """

    def __init__(
        self,
        open_engine: Callable[[Path], Engine],
        config: BatcherConfig = BatcherConfig(),
        observe: Callable[[BatchDone], None] = lambda done: None,
        accept: Callable[[Engine], None] = lambda engine: None,
    ) -> None:
        """``open_engine`` opens a bundle's folder; ``accept`` raises ValueError for an engine that is not to serve."""
        self._open_engine = open_engine
        self._config = config
        self._observe = observe
        self._accept = accept
        self._changing = threading.Lock()  # one change at a time; held while a bundle is opened
        self._lock = threading.Lock()  # of the two below; never held for long
        self._models: dict[Label, LoadedModel] = {}
        self._leaving: list[LoadedModel] = []
        self._closed = False

    def load(
        self,
        path: Path,
        label: Label = "stable",
        share: float = 0.0,
        confirm: Callable[[BundleIdentity], None] = lambda identity: None,
    ) -> LoadedModel:
        """Verifies, opens and warms up the bundle at a path, and has it serve under a label; waits for all of that.

        A bundle that is loaded already gets the label as it is. ``confirm`` is called right before the change.

        Raises UnusableBundle, ValueError for a label or share that makes no sense, or what ``confirm`` raises; nothing
        has changed then.
        """
        _check(label, share)
        with self._changing:
            try:
                digest = verify_bundle(path)
                loaded = self._find(digest)
                if loaded is None:
                    loaded = self._warm(self._open_engine(path))
            except Exception as error:
                raise _unusable(path, error) from error
            return self._give(loaded, label, share, confirm)

    def add(self, engine: Engine, label: Label = "stable", share: float = 0.0) -> LoadedModel:
        """As `load`, of an engine that is open."""
        _check(label, share)
        with self._changing:
            return self._give(self._warm(engine), label, share, lambda identity: None)

    def set_label(
        self,
        label: Label,
        model: str,
        share: float = 0.0,
        confirm: Callable[[BundleIdentity], None] = lambda identity: None,
    ) -> None:
        """Has a loaded model (its label, name or digest) serve under a label; an empty ``model`` takes canary or
        shadow away. ``confirm`` is called right before the change, and if it raises nothing has changed.

        Raises UnknownModel, or ValueError for what makes no sense.
        """
        with self._changing:
            if model:
                _check(label, share)
                self._give(self._resolve(model), label, share, confirm)
                return
            if label == "stable":
                raise ValueError("stable: some model must answer; name another one")
            _check_label(label)
            with self._lock:
                current = self._models.get(label)
            if current is not None:
                confirm(current.identity)
                with self._lock:
                    self._retire(self._models.pop(label))

    def models(self) -> list[LoadedModel]:
        """All that are loaded: stable, canary, shadow, and those that only finish what they have begun."""
        with self._lock:
            self._leaving = [model for model in self._leaving if model.batcher.load().alive]
            return [*(self._models[label] for label in LABELS if label in self._models), *self._leaving]

    def route(self, model: str, key: str) -> LoadedModel:
        """Who answers a call for a model (its label, name or digest; "" for whichever serves).

        The key, such as an incident's, decides between stable and canary: equal keys stay with one model, also when the
        share grows. Calls without a key are drawn by lot. To hand a request in use `submit`: between two calls the
        model may be replaced.

        Raises UnknownModel.
        """
        if model:
            return self._resolve(model)
        canary = self._drawn("canary", key)
        return canary or self._resolve("stable")

    def submit(
        self,
        model: str,
        key: str,
        request: GenerationRequest,
        *,
        lane: Lane = "urgent",
        deadline: float | None = None,
    ) -> tuple[LoadedModel, Ticket]:
        """Routes a request and hands it in, whatever is replaced meanwhile.

        Raises UnknownModel and what `Batcher.submit` does; BatcherClosed only where the registry is closed.
        """
        while True:
            loaded = self.route(model, key)
            try:
                return loaded, loaded.batcher.submit(request, lane=lane, deadline=deadline)
            except BatcherClosed:
                if self._serves(loaded):
                    raise

    def shadow(self, key: str) -> LoadedModel | None:
        """The model that reads along for this key, if one does. What it says is for comparison alone."""
        return self._drawn("shadow", key)

    def close(self, grace_s: float) -> None:
        """Takes no more requests, and closes every model: each has the same grace, all at once."""
        with self._lock:
            self._closed = True
            models = [*self._models.values(), *self._leaving]
        for loaded in models:
            loaded.batcher.drain()
        closing = [threading.Thread(target=loaded.batcher.close, args=(grace_s,)) for loaded in models]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    def _warm(self, engine: Engine) -> LoadedModel:
        """A model that has decoded once, in the thread in which it will."""
        self._accept(engine)
        batcher = Batcher(engine, self._config, self._observe)
        try:
            batcher.submit(_WARM_UP).future.result(_WARM_UP_S)
        except BaseException:
            batcher.close(0)
            raise
        bundle = getattr(engine, "bundle", None)
        return LoadedModel(engine.identity, (), 0.0, _describe(engine), batcher, engine.calibration, bundle)

    def _give(
        self, loaded: LoadedModel, label: Label, share: float, confirm: Callable[[BundleIdentity], None]
    ) -> LoadedModel:
        """The change itself, which calls see as one."""
        is_new = not self._serves(loaded)
        try:
            if not is_new and label != "stable" and "stable" in loaded.labels:
                raise LabelConflict(
                    f"{loaded.identity.name} is stable and cannot be {label}; make another stable first"
                )
            confirm(loaded.identity)
        except BaseException:
            if is_new:
                loaded.batcher.close(0)
            raise
        labelled = replace(loaded, labels=(label,), share=share)
        with self._lock:
            for old in loaded.labels:
                del self._models[old]
            replaced = self._models.get(label)
            self._models[label] = labelled
            if replaced is not None and replaced.batcher is not loaded.batcher:
                self._retire(replaced)
            if self._closed:
                loaded.batcher.drain()
        return labelled

    def _retire(self, loaded: LoadedModel) -> None:
        """With the lock held."""
        self._leaving.append(replace(loaded, labels=(), share=0.0))
        loaded.batcher.drain()

    def _serves(self, loaded: LoadedModel) -> bool:
        with self._lock:
            return any(model.batcher is loaded.batcher for model in self._models.values())

    def _find(self, name: str) -> LoadedModel | None:
        with self._lock:
            for label, loaded in self._models.items():
                if name == label:
                    return loaded
            serving = [self._models[label] for label in LABELS if label in self._models]
            return next((each for each in serving if name in (each.identity.digest, each.identity.name)), None)

    def _resolve(self, name: str) -> LoadedModel:
        found = self._find(name)
        if found is None:
            served = ", ".join(
                f"{loaded.identity.name} ({loaded.labels[0]})" for loaded in self.models() if loaded.labels
            )
            raise UnknownModel(f"no model {name!r} is loaded; loaded: {served or 'none'}")
        return found

    def _drawn(self, label: Label, key: str) -> LoadedModel | None:
        with self._lock:
            loaded = self._models.get(label)
        return loaded if loaded is not None and _fraction(label, key) < loaded.share else None


def _fraction(label: Label, key: str) -> float:
    """Where a key falls between 0 and 1: elsewhere for each label, and always the same."""
    if not key:
        return random.random()
    return int.from_bytes(hashlib.sha256(f"{label}/{key}".encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64


def _check_label(label: Label) -> None:
    if label not in LABELS:
        raise ValueError(f"label: must be one of {', '.join(LABELS)}, not {label!r}")


def _check(label: Label, share: float) -> None:
    _check_label(label)
    if label == "stable" and share != 0:
        raise ValueError("share: stable answers all that canary does not; leave it 0")
    if label != "stable" and not 0 < share <= 1:
        raise ValueError(f"share: must be above 0 and at most 1 for {label}, not {share}")


def _unusable(path: Path, error: Exception) -> UnusableBundle:
    text = str(error) or type(error).__name__
    return UnusableBundle(text if str(path) in text else f"{path}: {text}")


def _describe(engine: Engine) -> str:
    parts = (getattr(engine, "name", type(engine).__name__), getattr(engine, "compute_type", ""))
    return " ".join(filter(None, parts))
