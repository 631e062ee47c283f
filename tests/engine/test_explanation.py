"""What the network looks at: every kind, layer and head, for the tokens that are read and those that are written."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from dispatch.domain import Context
from dispatch.domain.linear import INSTRUCTION, REPORT, SITUATION, Symbol
from dispatch.engine import KINDS, Attention, GenerationRequest, read_attention
from dispatch.model import Bundle

MakeBundle = Callable[..., Bundle]
REQUEST = GenerationRequest("山区公路３米", Context("A7公路", ("来1人",)))
TARGET = (
    ("situations[0]", [SITUATION]),
    ("situations[0].hazards[0]", [Symbol("<hazard:flood>")]),
    ("instruction", [INSTRUCTION, "来人,断电"]),
)


@pytest.fixture(scope="module")
def bundle(make_bundle: MakeBundle) -> Bundle:
    return make_bundle(encoder_layers=3, decoder_layers=2)


@pytest.fixture(scope="module")
def attention(bundle: Bundle) -> Attention:
    return read_attention(bundle, REQUEST, TARGET)


def test_there_are_all_layers_and_heads_of_every_kind(attention: Attention) -> None:
    read, written = len(attention.source), len(attention.target)
    assert {kind: attention.weights[kind].shape for kind in KINDS} == {
        "encoder": (3, 4, read, read),
        "decoder": (2, 4, written, written),
        "cross": (2, 4, written, read),
    }
    for weights in attention.weights.values():
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_tokens_say_what_they_belong_to(attention: Attention) -> None:
    texts = {part: "".join(t.text for t in attention.source if t.part == part and t.end) for part in PARTS}
    assert texts == {"context.location": "A7公路", "context.issued[0]": "来1人", "report": "山区公路３米"}
    assert attention.source[-1].text == "米"
    (symbol,) = [token for token in attention.source if token.text == REPORT]
    assert (symbol.part, symbol.start, symbol.end) == ("report", 0, 0)


PARTS = ("context.location", "context.issued[0]", "report")


def test_a_row_stands_for_the_token_that_is_written(attention: Attention) -> None:
    assert [token.text for token in attention.target] == [
        *("<situation>", "<hazard:flood>", "<instruction>", "来", "人", ",", "断", "电", "</s>")
    ]
    assert [token.text for token in attention.history] == ["<s>", *(token.text for token in attention.target[:-1])]
    # Nothing is looked at that has not been written yet.
    assert not np.triu(attention.weights["decoder"], 1).any()


def test_scores_are_those_of_the_forced_pass(bundle: Bundle, attention: Attention) -> None:
    tokenizer = bundle.tokenizer
    written = [*tokenizer.encode_pieces([piece for _, pieces in TARGET for piece in pieces]), tokenizer.eos_id]
    source = tokenizer.encode_pieces(
        [Symbol("<context:location>"), "A7公路", Symbol("<context:issued>"), "来1人", REPORT, REQUEST.report]
    )
    with torch.no_grad():
        logits = bundle.model(torch.tensor([source]), torch.tensor([[tokenizer.bos_id, *written[:-1]]]))
    expected = logits[0].log_softmax(-1)[range(len(written)), written]
    assert [token.score for token in attention.target] == pytest.approx(expected.tolist(), abs=1e-4)


def test_what_is_too_long_is_cut_as_the_engine_cuts_it(bundle: Bundle) -> None:
    most = bundle.config.model.max_length
    context = Context(issued=("来1人" * 30, "来1人"))
    attention = read_attention(bundle, GenerationRequest("困" * most, context), [("instruction", ["派" * most])])
    assert len(attention.source) == len(attention.target) == most
    parts = {token.part for token in attention.source}
    assert parts == {"report"}
    short = read_attention(bundle, replace(REQUEST, context=context), TARGET)
    # The oldest instruction has no room; the others keep their numbers.
    assert {token.part for token in short.source} == {"context.issued[1]", "report"}
