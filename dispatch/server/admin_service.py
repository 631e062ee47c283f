"""AdminService: what operators change while calls are being answered. Each change is an audit event, or is not made."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import grpc

from dispatch.engine import LABELS, Label, LabelConflict, LoadedModel, Registry, UnknownModel, UnusableBundle
from dispatch.model import BundleIdentity
from dispatch.server.admission import Admission
from dispatch.server.authentication import current_caller
from dispatch.server.errors import Context, Failure, FieldViolation, abort, failure_of, invalid_argument
from dispatch.store import Audit, StoreError
from dispatch.v1.admin_service_pb2 import (
    LoadModelRequest,
    LoadModelResponse,
    SetModelLabelRequest,
    SetModelLabelResponse,
    SetServingModeRequest,
    SetServingModeResponse,
)
from dispatch.v1.admin_service_pb2_grpc import AdminServiceServicer
from dispatch.v1.dispatch_service_pb2 import ListModelsResponse
from dispatch.v1.types_pb2 import Model, ModelIdentity
from dispatch.workflow.serving import MAX_REASON, MODES, Mode, ServingMode

MAX_TEXT = 1000  # characters of a path or a model's name

_T = TypeVar("_T")


class AdminService(AdminServiceServicer):
    """Changes the registry and the serving mode. A change that has begun goes on to its end, also without its caller.

    Nothing of it runs on the event loop, and a model that takes its time to load does not hold up the kill switch.
    """

    def __init__(self, registry: Registry, serving: ServingMode, audit: Audit, models_dir: Path | None = None) -> None:
        """``models_dir``: the folder below which bundles may be loaded; without one none may."""
        self._registry = registry
        self._serving = serving
        self._audit = audit
        self._models_dir = models_dir
        self.admission = Admission()
        self._switching = ThreadPoolExecutor(1, thread_name_prefix="serving-mode")
        self._changing = ThreadPoolExecutor(1, thread_name_prefix="models")

    async def SetServingMode(self, request: SetServingModeRequest, context: Context) -> SetServingModeResponse:
        await self.admission.admit(context)
        await _refuse(context, _mode_violations(request))
        change = partial(self._serving.set, cast("Mode", request.mode), request.reason, current_caller().name)
        await _run(context, self._switching, change)
        return SetServingModeResponse(mode=request.mode)

    async def LoadModel(self, request: LoadModelRequest, context: Context) -> LoadModelResponse:
        await self.admission.admit(context)
        if self._models_dir is None:
            message = "no bundle can be loaded here: the server's setting models_dir names no folder"
            await abort(context, Failure(grpc.StatusCode.FAILED_PRECONDITION, "LOADING_DISABLED", message))
        label = request.label or "stable"
        await _refuse(context, [*_text_violations("path", request.path), *_label_violations(label, request.share)])
        find = partial(find_folder, self._models_dir, request.path)
        try:
            folder = await asyncio.to_thread(find)
        except ValueError as error:
            await _refuse(context, [FieldViolation("path", str(error))])
        change = partial(self._load, folder, cast("Label", label), request.share, current_caller().name)
        return LoadModelResponse(model=to_model(await _run(context, self._changing, change)))

    async def SetModelLabel(self, request: SetModelLabelRequest, context: Context) -> SetModelLabelResponse:
        await self.admission.admit(context)
        await _refuse(context, _relabelling_violations(request))
        actor = current_caller().name
        change = partial(self._set_label, cast("Label", request.label), request.model, request.share, actor)
        return SetModelLabelResponse(models=map(to_model, await _run(context, self._changing, change)))

    async def close(self) -> None:
        """Begins no more changes, and returns when those that are going on have ended."""
        for executor in (self._switching, self._changing):
            await asyncio.to_thread(executor.shutdown, cancel_futures=True)

    def _load(self, folder: Path, label: Label, share: float, actor: str) -> LoadedModel:
        def record(identity: BundleIdentity) -> None:
            details = {"name": identity.name, "label": label, "share": share, "path": str(folder)}
            self._audit.record("model.loaded", actor, f"models/{identity.digest}", details)

        return self._registry.load(folder, label, share, record)

    def _set_label(self, label: Label, model: str, share: float, actor: str) -> list[LoadedModel]:
        def record(identity: BundleIdentity) -> None:
            action = "model.labelled" if model else "model.label-removed"
            details = {"name": identity.name, "label": label, "share": share}
            self._audit.record(action, actor, f"models/{identity.digest}", details)

        self._registry.set_label(label, model, share, record)
        return self._registry.models()


def to_model(loaded: LoadedModel) -> Model:
    """The message for a loaded model."""
    identity = ModelIdentity(name=loaded.identity.name, digest=loaded.identity.digest)
    return Model(identity=identity, labels=loaded.labels, share=loaded.share, engine=loaded.engine)


def to_list_models(models: Iterable[LoadedModel], mode: Mode) -> ListModelsResponse:
    """The reply of ListModels."""
    return ListModelsResponse(models=map(to_model, models), serving_mode=mode)


def find_folder(root: Path, path: str) -> Path:
    """The bundle's folder below a root, without any link in it. Raises ValueError for one that leads elsewhere.

    What it says of a path outside does not tell whether there is anything.
    """
    elsewhere = "must lead to a folder below the server's models_dir"
    try:
        base = root.resolve()
        folder = (base / path).resolve()
        inside = folder != base and folder.is_relative_to(base)
        if not inside:
            raise ValueError(elsewhere)
        strays = [entry for entry in folder.rglob("*") if not entry.resolve().is_relative_to(base)]
    except (OSError, RuntimeError) as error:  # names that are too long, links that lead to themselves
        raise ValueError(elsewhere) from error
    if strays:
        raise ValueError(f"{elsewhere}, and {strays[0].name} in it is a link to elsewhere")
    return folder


async def _run(context: Context, executor: ThreadPoolExecutor, change: Callable[[], _T]) -> _T:
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, change)
    except Exception as error:
        await abort(context, _failure(error))


def _failure(error: Exception) -> Failure:
    message = str(error)
    if isinstance(error, UnknownModel):
        return Failure(grpc.StatusCode.NOT_FOUND, "UNKNOWN_MODEL", message)
    if isinstance(error, LabelConflict):
        return Failure(grpc.StatusCode.FAILED_PRECONDITION, "LABEL_CONFLICT", message)
    if isinstance(error, UnusableBundle):
        return Failure(grpc.StatusCode.FAILED_PRECONDITION, "BAD_BUNDLE", message)
    if isinstance(error, StoreError):
        message = "the store cannot be written, so nothing was changed, but that a model that was to stop has stopped"
        return replace(failure_of(error), message=message)
    return failure_of(error)


async def _refuse(context: Context, found: Iterable[FieldViolation]) -> None:
    """Ends the call if anything is wrong with its fields."""
    violations: Sequence[FieldViolation] = list(found)
    if violations:
        named = ", ".join(violation.field for violation in violations)
        await abort(context, invalid_argument("INVALID_FIELDS", f"the request is not valid: {named}", violations))


def _mode_violations(request: SetServingModeRequest) -> Iterator[FieldViolation]:
    if request.mode not in MODES:
        yield FieldViolation("mode", f"must be one of {', '.join(MODES)}")
    if len(request.reason) > MAX_REASON:
        yield FieldViolation("reason", f"must have at most {MAX_REASON} characters, not {len(request.reason)}")
    if "\0" in request.reason:
        yield FieldViolation("reason", "must not hold the character NUL")


def _relabelling_violations(request: SetModelLabelRequest) -> Iterator[FieldViolation]:
    if request.model:
        yield from _text_violations("model", request.model)
        yield from _label_violations(request.label, request.share)
    elif request.label == "stable":
        yield FieldViolation("model", "must name a model: some model has to be stable")
    elif request.label not in LABELS:
        yield FieldViolation("label", f"must be one of {', '.join(LABELS)}")
    elif request.share != 0:
        yield FieldViolation("share", "must be left 0 where the label is taken away")


def _text_violations(field: str, text: str) -> Iterator[FieldViolation]:
    if not text:
        yield FieldViolation(field, "must not be empty")
    if len(text) > MAX_TEXT:
        yield FieldViolation(field, f"must have at most {MAX_TEXT} characters, not {len(text)}")
    if "\0" in text:
        yield FieldViolation(field, "must not hold the character NUL")


def _label_violations(label: str, share: float) -> Iterator[FieldViolation]:
    if label not in LABELS:
        yield FieldViolation("label", f"must be one of {', '.join(LABELS)}")
    elif label == "stable" and share != 0:
        yield FieldViolation("share", "must be left 0 for stable")
    elif label != "stable" and not 0 < share <= 1:
        yield FieldViolation("share", f"must be above 0 and at most 1 for {label}")
