"""Which engine runs a bundle."""

from dataclasses import dataclass
from typing import Literal

import torch

from dispatch.engine.bundle_engine import BundleEngine
from dispatch.engine.ctranslate2_engine import ComputeType, CTranslate2Engine
from dispatch.engine.torch_engine import TorchEngine
from dispatch.model import Bundle, ctranslate2_installed

EngineName = Literal["torch", "ctranslate2"]


@dataclass(frozen=True)
class EngineChoice:
    """An engine, and why it was chosen; ``expected`` is False where another one was to be had but for what it says."""

    name: EngineName
    why: str
    expected: bool = True


def choose_engine(bundle: Bundle, wanted: EngineName | Literal["auto"] = "auto") -> EngineChoice:
    """The engine that is wanted, or torch where that cannot be; ``auto`` is CTranslate2, and torch on a GPU."""
    if wanted == "torch":
        return EngineChoice("torch", "as the setting `engine` says")
    if wanted == "auto" and torch.cuda.is_available():
        return EngineChoice("torch", "on the GPU")
    if bundle.ctranslate2 is None:
        why = f"the bundle holds no export for CTranslate2 (`dispatch export {bundle.path}` makes it)"
        return EngineChoice("torch", why, wanted == "auto")
    if not ctranslate2_installed():
        return EngineChoice("torch", "CTranslate2 is not installed (`pip install ctranslate2`)", expected=False)
    return EngineChoice("ctranslate2", "the bundle holds an export for it")


def open_engine(bundle: Bundle, name: EngineName, compute_type: ComputeType = "int8", threads: int = 0) -> BundleEngine:
    """The engine of this name; ``compute_type`` and ``threads`` are CTranslate2's, torch has its own."""
    if name == "ctranslate2":
        return CTranslate2Engine(bundle, compute_type, threads)
    return TorchEngine(bundle, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
