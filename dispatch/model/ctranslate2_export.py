"""The network in CTranslate2's own format, made of the weights that a bundle holds.

The weights are in float16, as in the bundle: nothing is lost, and it is decided at loading whether to compute in int8
or float32. The vocabulary is the tokenizer's, id by id.
"""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dispatch.model.attention import MultiHeadAttention
from dispatch.model.positions import LearnedPositions, SinusoidalPositions, sinusoidal_positions
from dispatch.model.tokenizer import Tokenizer
from dispatch.model.transformer import DecoderLayer, EncoderLayer, FeedForward, Transformer

FOLDER = "ctranslate2"
_CONFIG = "config.json"
_WEIGHTS_SUM = "weights_sha256"  # an entry of ours in CTranslate2's configuration


def ctranslate2_installed() -> bool:
    """Whether the library is there, without importing it."""
    return find_spec("ctranslate2") is not None


def export_ctranslate2(model: Transformer, tokenizer: Tokenizer, weights: Path, folder: Path) -> None:
    """Writes the network for CTranslate2 into a new folder, with the digest of the weights file that it is a copy of.

    Raises ModuleNotFoundError where the library is not installed.
    """
    from ctranslate2 import specs

    config = model.config
    encoder = specs.TransformerEncoderSpec(config.encoder_layers, config.num_heads, pre_norm=config.norm == "pre")
    decoder = specs.TransformerDecoderSpec(config.decoder_layers, config.num_heads, pre_norm=config.norm == "pre")
    embedding_VD = _half(model.embedding.weight)
    encoder.embeddings[0].weight = decoder.embeddings.weight = decoder.projection.weight = embedding_VD
    for stack, layers, positions, norm in (
        (encoder, model.encoder_layers, model.source_positions, model.encoder_norm),
        (decoder, model.decoder_layers, model.target_positions, model.decoder_norm),
    ):
        stack.position_encodings.encodings = _positions(positions)
        if isinstance(norm, nn.LayerNorm):
            _set_norm(stack.layer_norm, norm)
        for layer_spec, layer in zip(stack.layer, layers, strict=True):
            assert isinstance(layer, EncoderLayer | DecoderLayer)
            _set_layer(layer_spec, layer)
    spec = specs.TransformerSpec(encoder, decoder)
    pieces = tokenizer.pieces()
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.config.unk_token, spec.config.eos_token = pieces[tokenizer.unk_id], pieces[tokenizer.eos_id]
    spec.config.bos_token = spec.config.decoder_start_token = pieces[tokenizer.bos_id]
    spec.config.layer_norm_epsilon = nn.LayerNorm(1).eps
    spec.config.add_attribute(_WEIGHTS_SUM, hashlib.sha256(weights.read_bytes()).hexdigest())
    spec.validate()
    spec.optimize()
    folder.mkdir()
    spec.save(str(folder))


def weights_digest(folder: Path) -> str:
    """The SHA-256 of the weights file that an export was made of; "" where it does not say."""
    try:
        facts = json.loads((folder / _CONFIG).read_text("utf-8"))
        return str(facts[_WEIGHTS_SUM])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _positions(positions: SinusoidalPositions | LearnedPositions) -> np.ndarray[Any, Any]:
    """The encodings, and one more: to score a sequence of the greatest length, its last token is fed as well."""
    if isinstance(positions, LearnedPositions):
        return _half(nn.functional.pad(positions.table_TD, (0, 0, 0, 1)))
    length, width = positions.table_TD.shape
    # In no bundle, and so not in float16 anywhere.
    encodings: np.ndarray[Any, Any] = sinusoidal_positions(length + 1, width).numpy()
    return encodings


def _set_layer(spec: Any, layer: EncoderLayer | DecoderLayer) -> None:
    if isinstance(layer, EncoderLayer):
        _set_self_attention(spec.self_attention, layer.attention, layer.attention_residual.norm)
    else:
        _set_self_attention(spec.self_attention, layer.self_attention, layer.self_residual.norm)
        attention, (query, key_value, output) = layer.cross_attention, spec.attention.linear
        for linear_spec, linear in (
            (query, attention.query),
            (key_value, attention.key_value),
            (output, attention.output),
        ):
            _set_linear(linear_spec, linear.weight, linear.bias)
        _set_norm(spec.attention.layer_norm, layer.cross_residual.norm)
    _set_feed_forward(spec.ffn, layer.feed_forward, layer.feed_forward_residual.norm)


def _set_self_attention(spec: Any, attention: MultiHeadAttention, norm: nn.LayerNorm) -> None:
    """One linear map makes queries, keys and values there."""
    projections = (attention.query, attention.key_value)
    weight, bias = (torch.cat([getattr(one, name) for one in projections]) for name in ("weight", "bias"))
    _set_linear(spec.linear[0], weight, bias)
    _set_linear(spec.linear[1], attention.output.weight, attention.output.bias)
    _set_norm(spec.layer_norm, norm)


def _set_feed_forward(spec: Any, feed_forward: FeedForward, norm: nn.LayerNorm) -> None:
    _set_linear(spec.linear_0, feed_forward.expand.weight, feed_forward.expand.bias)
    _set_linear(spec.linear_1, feed_forward.contract.weight, feed_forward.contract.bias)
    _set_norm(spec.layer_norm, norm)


def _set_linear(spec: Any, weight: Tensor, bias: Tensor) -> None:
    spec.weight, spec.bias = _half(weight), _half(bias)


def _set_norm(spec: Any, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _half(norm.weight), _half(norm.bias)


def _half(weight: Tensor) -> np.ndarray[Any, Any]:
    return weight.detach().to("cpu", torch.float16).numpy()
