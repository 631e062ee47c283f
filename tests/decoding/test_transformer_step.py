"""The search over a real, tiny Transformer."""

import pytest
import torch

from dispatch.decoding import DecodingConfig, TransformerStep, search
from dispatch.model import Transformer, TransformerConfig

PAD, BOS, EOS = 0, 2, 3
SOURCE_BS = torch.tensor([[5, 6, 7, 8, EOS], [9, 10, EOS, PAD, PAD], [11, 5, 5, EOS, PAD]])
PREFIXES = [[BOS], [BOS, 7, 8, 9], [BOS, 4]]
CONFIGS = [
    DecodingConfig(max_tokens=20),
    DecodingConfig("beam", beam_size=3, num_candidates=3, max_tokens=20),
    DecodingConfig("sample", num_candidates=2, top_p=0.9, max_tokens=20),
]


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(5)
    config = TransformerConfig(
        vocab_size=12,
        d_model=16,
        num_heads=2,
        encoder_layers=2,
        decoder_layers=2,
        d_feedforward=32,
        dropout=0.1,
        norm="pre",
        positions="sinusoidal",
        max_length=30,
    )
    return Transformer(config).eval()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.strategy)
def test_token_scores_are_those_of_a_full_forward_pass(model: Transformer, config: DecodingConfig) -> None:
    found = search(TransformerStep(model, SOURCE_BS), PREFIXES, config, frozenset({EOS}))
    for source_S, prefix, hypotheses in zip(SOURCE_BS, PREFIXES, found, strict=True):
        assert len(hypotheses) == config.num_candidates
        for hypothesis in hypotheses:
            assert list(hypothesis.tokens[: len(prefix) - 1]) == prefix[1:]
            target_BT = torch.tensor([[BOS, *hypothesis.tokens]])
            with torch.no_grad():
                logits_BTV = model(source_S[None], target_BT[:, :-1])
            expected_BT = logits_BTV.log_softmax(-1).gather(-1, target_BT[:, 1:, None])
            assert list(hypothesis.token_scores) == pytest.approx(expected_BT.flatten().tolist(), abs=1e-4)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.strategy)
def test_a_batch_gives_what_each_row_gives_alone(model: Transformer, config: DecodingConfig) -> None:
    together = search(TransformerStep(model, SOURCE_BS), PREFIXES, config, frozenset({EOS}))
    for source_S, prefix, found in zip(SOURCE_BS, PREFIXES, together, strict=True):
        source_1S = source_S[source_S != PAD][None]
        [alone] = search(TransformerStep(model, source_1S), [prefix], config, frozenset({EOS}))
        assert [h.tokens for h in found] == [h.tokens for h in alone]
        assert [h.score for h in found] == pytest.approx([h.score for h in alone], abs=1e-4)


def test_a_hypothesis_goes_no_further_than_the_network(model: Transformer) -> None:
    no_stop: frozenset[int] = frozenset()
    prefix = [BOS, *[2] * 20]  # an untrained network repeats itself: leave it too little room for a runaway
    [[found]] = search(TransformerStep(model, SOURCE_BS[:1]), [prefix], DecodingConfig(), no_stop)
    assert len(found.tokens) == model.config.max_length
    assert not found.finished
