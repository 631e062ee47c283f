"""The encoder-decoder Transformer (Vaswani et al. 2017).

Shapes: B batch, S source length, T target length (in a step: new tokens), D model width, H heads, K head width,
V vocabulary, L layers. Masks are bool, True where a query may attend.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dispatch.model.attention import KeysValues, MultiHeadAttention
from dispatch.model.dropout import Dropout
from dispatch.model.positions import LearnedPositions, SinusoidalPositions

# How an attention sublayer is computed: fused, or by the plain formula with its weights kept.
Attend = Callable[[MultiHeadAttention, Tensor, KeysValues, Tensor | None], Tensor]


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a Transformer. ``max_length`` bounds source and target alike, bos included."""

    vocab_size: int
    d_model: int = 256
    num_heads: int = 8
    encoder_layers: int = 4
    decoder_layers: int = 2
    d_feedforward: int = 1024
    dropout: float = 0.1
    norm: Literal["pre", "post"] = "pre"
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    max_length: int = 512
    pad_id: int = 0

    def __post_init__(self) -> None:
        sizes = (
            "vocab_size",
            "d_model",
            "num_heads",
            "encoder_layers",
            "decoder_layers",
            "d_feedforward",
            "max_length",
        )
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.d_model % self.num_heads or self.d_model % 2:
            raise ValueError(f"d_model must be even and a multiple of num_heads ({self.num_heads}), not {self.d_model}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")
        if self.norm not in ("pre", "post"):
            raise ValueError(f"norm must be 'pre' or 'post', not {self.norm!r}")
        if self.positions not in ("sinusoidal", "learned"):
            raise ValueError(f"positions must be 'sinusoidal' or 'learned', not {self.positions!r}")
        if not 0 <= self.pad_id < self.vocab_size:
            raise ValueError(f"pad_id must be an id of the vocabulary (0 to {self.vocab_size - 1}), not {self.pad_id}")


@dataclass(frozen=True)
class Memory:
    """The encoder's reading of a batch; ``mask_BS`` is False on padding."""

    states_BSD: Tensor
    mask_BS: Tensor


@dataclass(frozen=True)
class AttentionMaps:
    """The weights of every layer and head; each row of keys sums to 1. The logits are those of the same pass."""

    encoder_LBHSS: Tensor
    decoder_LBHTT: Tensor
    cross_LBHTS: Tensor
    logits_BTV: Tensor


@dataclass
class LayerCache:
    """The keys and values of one decoder layer: of the source, and of the tokens decoded so far (None at first)."""

    cross: KeysValues
    decoded: KeysValues | None = None

    def extend(self, new: KeysValues) -> KeysValues:
        """Appends the keys and values of new tokens; returns those of all tokens."""
        if self.decoded is not None:
            new = KeysValues(
                torch.cat((self.decoded.key_BHSK, new.key_BHSK), dim=2),
                torch.cat((self.decoded.value_BHSK, new.value_BHSK), dim=2),
            )
        self.decoded = new
        return new


@dataclass
class DecoderCache:
    """What the decoder has computed for rows of partial targets, all of the same length."""

    layers: list[LayerCache]
    memory_mask_B11S: Tensor
    length: int = 0

    def select(self, rows_B: Tensor) -> None:
        """Keeps these rows in this order: reorders, duplicates or drops (beams)."""

        def rows_of(x: KeysValues) -> KeysValues:
            return KeysValues(x.key_BHSK[rows_B], x.value_BHSK[rows_B])

        self.memory_mask_B11S = self.memory_mask_B11S[rows_B]
        for layer in self.layers:
            layer.cross = rows_of(layer.cross)
            layer.decoded = rows_of(layer.decoded) if layer.decoded is not None else None


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between them (§3.3)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.d_model, config.d_feedforward)
        self.contract = nn.Linear(config.d_feedforward, config.d_model)

    def forward(self, x_BTD: Tensor) -> Tensor:
        projected_BTD: Tensor = self.contract(F.relu(self.expand(x_BTD)))
        return projected_BTD


class Residual(nn.Module):
    """Residual connection, dropout and layer norm around a sublayer.

    Post-norm as in Vaswani et al. 2017 §3.1, norm(x + sublayer(x)); pre-norm as in Xiong et al. 2020,
    x + sublayer(norm(x)).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.norm = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout)

    def forward(self, x_BTD: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """The output_BTD of the sublayer, with x added and normalised."""
        output_BTD: Tensor
        if self.pre:
            output_BTD = x_BTD + self.dropout(sublayer(self.norm(x_BTD)))
        else:
            output_BTD = self.norm(x_BTD + self.dropout(sublayer(x_BTD)))
        return output_BTD


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.d_model, config.num_heads, config.dropout)
        self.feed_forward = FeedForward(config)
        self.attention_residual = Residual(config)
        self.feed_forward_residual = Residual(config)

    def forward(self, x_BSD: Tensor, mask_B11S: Tensor, attend: Attend) -> Tensor:
        """The next layer's x_BSD."""

        def self_attention(h_BSD: Tensor) -> Tensor:
            return attend(self.attention, h_BSD, self.attention.project(h_BSD), mask_B11S)

        x_BSD = self.attention_residual(x_BSD, self_attention)
        x_BSD = self.feed_forward_residual(x_BSD, self.feed_forward)
        return x_BSD


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config.d_model, config.num_heads, config.dropout)
        self.cross_attention = MultiHeadAttention(config.d_model, config.num_heads, config.dropout)
        self.feed_forward = FeedForward(config)
        self.self_residual = Residual(config)
        self.cross_residual = Residual(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self, x_BTD: Tensor, cache: LayerCache, mask: Tensor | None, memory_mask_B11S: Tensor, attend: Attend
    ) -> Tensor:
        """The next layer's x_BTD for T new tokens; extends the cache."""

        def self_attention(h_BTD: Tensor) -> Tensor:
            return attend(self.self_attention, h_BTD, cache.extend(self.self_attention.project(h_BTD)), mask)

        def cross_attention(h_BTD: Tensor) -> Tensor:
            return attend(self.cross_attention, h_BTD, cache.cross, memory_mask_B11S)

        x_BTD = self.self_residual(x_BTD, self_attention)
        x_BTD = self.cross_residual(x_BTD, cross_attention)
        x_BTD = self.feed_forward_residual(x_BTD, self.feed_forward)
        return x_BTD


class Transformer(nn.Module):
    """Encoder and decoder with one embedding for source, target and output (§3.4).

    Every source row needs at least one token that is not padding; padding comes after the tokens.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        positions = SinusoidalPositions if config.positions == "sinusoidal" else LearnedPositions
        self.source_positions = positions(config.max_length, config.d_model)
        self.target_positions = positions(config.max_length, config.d_model)
        self.dropout = Dropout(config.dropout)
        self.encoder_layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder_layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        # Pre-norm leaves the residual stream unnormalised at the end of a stack.
        self.encoder_norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        # Scaled by sqrt(D) the embeddings have unit variance, and so do the first logits.
        nn.init.normal_(self.embedding.weight, std=self.config.d_model**-0.5)

    def num_parameters(self) -> int:
        """How many numbers are learned; the shared embedding counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        """Teacher forcing: the logits_BTV of the token after each of target_BT, which begins with bos."""
        return self.step(target_BT, self.start(self.encode(source_BS)))

    def encode(self, source_BS: Tensor) -> Memory:
        """Reads the source. Raises ValueError beyond max_length."""
        return self._encode(source_BS, MultiHeadAttention.__call__)

    def start(self, memory: Memory) -> DecoderCache:
        """The cache before the first token: every layer's keys and values of the source."""
        layers = cast(Iterable[DecoderLayer], self.decoder_layers)
        caches = [LayerCache(layer.cross_attention.project(memory.states_BSD)) for layer in layers]
        return DecoderCache(caches, memory.mask_BS[:, None, None, :])

    def step(self, tokens_BT: Tensor, cache: DecoderCache) -> Tensor:
        """Feeds T >= 1 new tokens a row; returns the logits_BTV of the token after each and extends the cache in place.

        Raises ValueError beyond max_length.
        """
        return self._step(tokens_BT, cache, MultiHeadAttention.__call__)

    @torch.no_grad()
    def attention_maps(self, source_BS: Tensor, target_BT: Tensor) -> AttentionMaps:
        """Every attention weight of a teacher-forced pass of a model in eval mode."""
        recorded: list[Tensor] = []

        def attend(attention: MultiHeadAttention, x_BTD: Tensor, memory: KeysValues, mask: Tensor | None) -> Tensor:
            attended_BTD, weights_BHTS = attention.attend_with_weights(x_BTD, memory, mask)
            recorded.append(weights_BHTS)
            return attended_BTD

        logits_BTV = self._step(target_BT, self.start(self._encode(source_BS, attend)), attend)
        first = self.config.encoder_layers  # from here on decoder and cross-attention take turns
        encoder, decoder, cross = recorded[:first], recorded[first::2], recorded[first + 1 :: 2]
        return AttentionMaps(torch.stack(encoder), torch.stack(decoder), torch.stack(cross), logits_BTV)

    def _encode(self, source_BS: Tensor, attend: Attend) -> Memory:
        mask_BS = source_BS != self.config.pad_id
        x_BSD = self._embed(source_BS, 0, self.source_positions)
        for layer in self.encoder_layers:
            x_BSD = layer(x_BSD, mask_BS[:, None, None, :], attend)
        return Memory(self.encoder_norm(x_BSD), mask_BS)

    def _step(self, tokens_BT: Tensor, cache: DecoderCache, attend: Attend) -> Tensor:
        past, new = cache.length, tokens_BT.shape[1]
        x_BTD = self._embed(tokens_BT, past, self.target_positions)
        # A target's padding comes after its tokens, so the causal mask hides it as well.
        mask_TT = torch.ones(new, past + new, dtype=torch.bool, device=tokens_BT.device).tril(past) if new > 1 else None
        for layer, layer_cache in zip(self.decoder_layers, cache.layers, strict=True):
            x_BTD = layer(x_BTD, layer_cache, mask_TT, cache.memory_mask_B11S, attend)
        cache.length += new
        return F.linear(self.decoder_norm(x_BTD), self.embedding.weight)

    def _embed(self, tokens_BT: Tensor, start: int, positions: SinusoidalPositions | LearnedPositions) -> Tensor:
        positions_TD = positions(start, tokens_BT.shape[1])
        embedded_BTD: Tensor = self.dropout(self.embedding(tokens_BT) * math.sqrt(self.config.d_model) + positions_TD)
        return embedded_BTD
