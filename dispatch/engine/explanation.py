"""What the network looks at while it writes a given text: attention of all three kinds, by layer and head.

Shapes: L layers, H heads, S source tokens, T target tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from dispatch.domain.linear import CONTEXT_ISSUED, CONTEXT_LOCATION, REPORT, Piece, Symbol
from dispatch.engine.bundle_engine import kept_context
from dispatch.engine.engine import GenerationRequest
from dispatch.model import Bundle, Tokenizer

AttentionKind = Literal["encoder", "decoder", "cross"]
KINDS: tuple[AttentionKind, ...] = get_args(AttentionKind)
START, END = "<s>", "</s>"

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Token:
    """One token of the source or the target, as people read it.

    ``part`` is what it belongs to: ``report``, ``context.location``, ``context.issued[0]``; of the target
    ``instruction`` or the path of a fact (``situations[0].people.trapped``); "" for the start and the end. ``start``
    and ``end`` are the span of that part's text as it came, in code points, both 0 for a control symbol. ``score`` is
    the log-probability that the network gives a token of the target.
    """

    text: str
    part: str
    start: int = 0
    end: int = 0
    score: float | None = None


@dataclass(frozen=True)
class Attention:
    """The weights of one forced pass, by kind: encoder_LHSS, decoder_LHTT and cross_LHTS; each row sums to 1.

    Row t of decoder and cross stands for the moment at which token t of ``target`` is written: what had been written
    before it are the columns of the decoder, ``history``. Both texts are cut where the network's length ends.
    """

    source: tuple[Token, ...]
    target: tuple[Token, ...]
    weights: Mapping[AttentionKind, Weights]

    @property
    def history(self) -> tuple[Token, ...]:
        """What each token of the target was written behind: the start, then the target but for its last."""
        return (Token(START, ""), *self.target[:-1])


def read_attention(
    bundle: Bundle, request: GenerationRequest, target: Sequence[tuple[str, Sequence[Piece]]]
) -> Attention:
    """What the network looks at when it writes a target: each part of it by its name, in order.

    Raises KeyError for a symbol that the bundle's tokenizer was trained without.
    """
    tokenizer, most = bundle.tokenizer, bundle.config.model.max_length
    source_ids, source = _cut(_tokens(tokenizer, _source_parts(bundle, request)), most)
    written = [*_tokens(tokenizer, target), (tokenizer.eos_id, Token(END, ""))]
    target_ids, target_tokens = _cut(written, most)
    device = next(bundle.model.parameters()).device
    maps = bundle.model.attention_maps(
        torch.tensor([source_ids], device=device),
        torch.tensor([[tokenizer.bos_id, *target_ids[:-1]]], device=device),
    )
    log_probabilities_TV = maps.logits_BTV[0].log_softmax(-1).cpu()
    scores = [float(log_probabilities_TV[at, token]) for at, token in enumerate(target_ids)]
    recorded = (maps.encoder_LBHSS, maps.decoder_LBHTT, maps.cross_LBHTS)
    return Attention(
        tuple(source),
        tuple(_scored(token, score) for token, score in zip(target_tokens, scores, strict=True)),
        {kind: weights[:, 0].float().cpu().numpy() for kind, weights in zip(KINDS, recorded, strict=True)},
    )


def _source_parts(bundle: Bundle, request: GenerationRequest) -> list[tuple[str, Sequence[Piece]]]:
    """As :func:`dispatch.domain.linear.source_pieces`, each text by the name of its field in the request."""
    kept = kept_context(request, bundle.tokenizer, bundle.config.model.max_length)
    parts: list[tuple[str, Sequence[Piece]]] = []
    if kept.location:
        parts.append(("context.location", [CONTEXT_LOCATION, kept.location]))
    left_out = len(request.context.issued) - len(kept.issued)
    for index, text in enumerate(kept.issued, left_out):
        parts.append((f"context.issued[{index}]", [CONTEXT_ISSUED, text]))
    return [*parts, ("report", [REPORT, request.report])]


def _tokens(tokenizer: Tokenizer, parts: Sequence[tuple[str, Sequence[Piece]]]) -> list[tuple[int, Token]]:
    tokens = []
    for part, pieces in parts:
        for piece in pieces:
            if isinstance(piece, Symbol):
                tokens.append((tokenizer.symbol_id(piece), Token(str(piece), part)))
                continue
            for token, start, end in tokenizer.encode_with_spans(piece):
                tokens.append((token, Token(piece[start:end], part, start, end)))
    return tokens


def _cut(tokens: Sequence[tuple[int, Token]], most: int) -> tuple[list[int], list[Token]]:
    return [token for token, _ in tokens[:most]], [shown for _, shown in tokens[:most]]


def _scored(token: Token, score: float) -> Token:
    return Token(token.text, token.part, token.start, token.end, score)
