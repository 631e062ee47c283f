"""The model: network, tokenizer and bundle. Imports the domain alone."""

from dispatch.model.attention import MultiHeadAttention, scaled_dot_product_attention
from dispatch.model.bundle import (
    KIND_THRESHOLD,
    WARN_BELOW,
    Bundle,
    BundleConfig,
    BundleError,
    BundleIdentity,
    Calibration,
    add_ctranslate2,
    load_bundle,
    read_config,
    read_metrics,
    save_bundle,
    update_calibration,
    update_document,
    verify_bundle,
)
from dispatch.model.ctranslate2_export import ctranslate2_installed
from dispatch.model.loss import label_smoothed_cross_entropy
from dispatch.model.ngrams import NgramCounter, SeenNgrams
from dispatch.model.normalization import NormalizedText, normalize, normalize_context
from dispatch.model.succession import previous_of, promote, rollback
from dispatch.model.tokenizer import Tokenizer, TokenizerConfig, train_tokenizer
from dispatch.model.transformer import AttentionMaps, DecoderCache, Memory, Transformer, TransformerConfig

__all__ = [
    "KIND_THRESHOLD",
    "WARN_BELOW",
    "AttentionMaps",
    "Bundle",
    "BundleConfig",
    "BundleError",
    "BundleIdentity",
    "Calibration",
    "DecoderCache",
    "Memory",
    "MultiHeadAttention",
    "NgramCounter",
    "NormalizedText",
    "SeenNgrams",
    "Tokenizer",
    "TokenizerConfig",
    "Transformer",
    "TransformerConfig",
    "add_ctranslate2",
    "ctranslate2_installed",
    "label_smoothed_cross_entropy",
    "load_bundle",
    "normalize",
    "normalize_context",
    "previous_of",
    "promote",
    "read_config",
    "read_metrics",
    "rollback",
    "save_bundle",
    "scaled_dot_product_attention",
    "train_tokenizer",
    "update_calibration",
    "update_document",
    "verify_bundle",
]
