"""Engines: what answers reports with a bundle."""

from dispatch.engine.batcher import (
    BatchDone,
    Batcher,
    BatcherClosed,
    DeadlineUnreachable,
    Load,
    Overloaded,
    Ticket,
)
from dispatch.engine.bundle_engine import BundleEngine
from dispatch.engine.choice import EngineChoice, EngineName, choose_engine, open_engine
from dispatch.engine.ctranslate2_engine import ComputeType, CTranslate2Engine
from dispatch.engine.engine import (
    CUT_SHORT,
    Candidate,
    Engine,
    Generation,
    GenerationRequest,
    UnusableRequest,
    generate_all,
)
from dispatch.engine.explanation import KINDS, Attention, AttentionKind, Token, Weights, read_attention
from dispatch.engine.priority import CHECKING, DECODING, call_standing_back, stand_back
from dispatch.engine.processors import available_processors, limit_threads, processor_quota
from dispatch.engine.registry import LABELS, Label, LabelConflict, LoadedModel, Registry, UnknownModel, UnusableBundle
from dispatch.engine.torch_engine import TorchEngine
from dispatch.engine.waiting import LANES, BatcherConfig, Lane

__all__ = [
    "CHECKING",
    "CUT_SHORT",
    "DECODING",
    "KINDS",
    "LABELS",
    "LANES",
    "Attention",
    "AttentionKind",
    "BatchDone",
    "Batcher",
    "BatcherClosed",
    "BatcherConfig",
    "BundleEngine",
    "CTranslate2Engine",
    "Candidate",
    "ComputeType",
    "DeadlineUnreachable",
    "Engine",
    "EngineChoice",
    "EngineName",
    "Generation",
    "GenerationRequest",
    "Label",
    "LabelConflict",
    "Lane",
    "Load",
    "LoadedModel",
    "Overloaded",
    "Registry",
    "Ticket",
    "Token",
    "TorchEngine",
    "UnknownModel",
    "UnusableBundle",
    "UnusableRequest",
    "Weights",
    "available_processors",
    "call_standing_back",
    "choose_engine",
    "generate_all",
    "limit_threads",
    "open_engine",
    "processor_quota",
    "read_attention",
    "stand_back",
]
