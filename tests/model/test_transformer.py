"""The network: equal to torch's on the same weights, and to itself however it is fed."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dispatch.model import MultiHeadAttention, Transformer, TransformerConfig, label_smoothed_cross_entropy

MakeModel = Callable[..., Transformer]
NORMS = pytest.mark.parametrize("norm", ["pre", "post"])
POSITIONS = pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
CONFIG: dict[str, Any] = {"vocab_size": 23, "d_model": 16, "num_heads": 4}


def tokens(*shape: int) -> Tensor:
    return torch.randint(1, 23, shape)


def copy_attention(theirs: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    theirs.in_proj_weight.copy_(torch.cat((ours.query.weight, ours.key_value.weight)))
    theirs.in_proj_bias.copy_(torch.cat((ours.query.bias, ours.key_value.bias)))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_layer(theirs: Any, ours: Any, residuals: list[Any]) -> None:
    theirs.linear1.load_state_dict(ours.feed_forward.expand.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.contract.state_dict())
    for number, residual in enumerate(residuals, 1):
        getattr(theirs, f"norm{number}").load_state_dict(residual.norm.state_dict())


@torch.no_grad()
def torch_stacks(model: Transformer) -> tuple[nn.TransformerEncoder, nn.TransformerDecoder]:
    """torch's own encoder and decoder with our weights."""
    config = model.config
    sizes = (config.d_model, config.num_heads, config.d_feedforward, 0.0)
    pre = config.norm == "pre"
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=pre),
        config.encoder_layers,
        norm=model.encoder_norm if pre else None,
        enable_nested_tensor=False,
    )
    decoder = nn.TransformerDecoder(
        nn.TransformerDecoderLayer(*sizes, batch_first=True, norm_first=pre),
        config.decoder_layers,
        norm=model.decoder_norm if pre else None,
    )
    theirs: Any
    ours: Any
    for theirs, ours in zip(encoder.layers, model.encoder_layers, strict=True):
        copy_attention(theirs.self_attn, ours.attention)
        copy_layer(theirs, ours, [ours.attention_residual, ours.feed_forward_residual])
    for theirs, ours in zip(decoder.layers, model.decoder_layers, strict=True):
        copy_attention(theirs.self_attn, ours.self_attention)
        copy_attention(theirs.multihead_attn, ours.cross_attention)
        copy_layer(theirs, ours, [ours.self_residual, ours.cross_residual, ours.feed_forward_residual])
    return encoder, decoder


def randomise_norms(model: Transformer) -> None:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)


@NORMS
@POSITIONS
def test_it_equals_torchs_transformer_on_the_same_weights(make_model: MakeModel, norm: str, positions: str) -> None:
    model = make_model(norm=norm, positions=positions)
    randomise_norms(model)
    encoder, decoder = torch_stacks(model)
    source, target = tokens(3, 7), tokens(3, 5)
    source[1, 4:] = 0
    padding = source == 0
    source_x = model.embedding(source) * 4 + model.source_positions(0, 7)  # 4 = sqrt(16)
    target_x = model.embedding(target) * 4 + model.target_positions(0, 5)
    memory = encoder.train()(source_x, src_key_padding_mask=padding)  # in eval mode it takes a path of its own
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    states = decoder(target_x, memory, tgt_mask=causal, memory_key_padding_mask=padding)
    expected = states @ model.embedding.weight.T
    torch.testing.assert_close(model(source, target), expected, rtol=1e-4, atol=1e-4)


@NORMS
@POSITIONS
@pytest.mark.parametrize("lengths", [[1] * 6, [6], [3, 1, 2], [1, 5]])
@torch.no_grad()
def test_steps_of_any_length_equal_one_pass(
    make_model: MakeModel, norm: str, positions: str, lengths: list[int]
) -> None:
    model = make_model(norm=norm, positions=positions)
    source, target = tokens(3, 7), tokens(3, 6)
    source[2, 5:] = 0
    cache = model.start(model.encode(source))
    stepped = torch.cat([model.step(part, cache) for part in torch.split(target, lengths, dim=1)], dim=1)
    torch.testing.assert_close(stepped, model(source, target))
    assert cache.length == 6


@NORMS
@torch.no_grad()
def test_padding_and_the_order_of_rows_change_nothing(make_model: MakeModel, norm: str) -> None:
    model = make_model(norm=norm)
    sources, targets = [tokens(n) for n in (7, 3, 5)], [tokens(n) for n in (2, 6, 4)]
    source = nn.utils.rnn.pad_sequence(sources, batch_first=True)
    target = nn.utils.rnn.pad_sequence(targets, batch_first=True)
    together, reversed_rows = model(source, target), model(source.flip(0), target.flip(0)).flip(0)
    for row, (one_source, one_target) in enumerate(zip(sources, targets, strict=True)):
        alone = model(one_source[None], one_target[None])[0]
        torch.testing.assert_close(together[row, : len(one_target)], alone)
        torch.testing.assert_close(reversed_rows[row, : len(one_target)], alone)


@NORMS
@pytest.mark.parametrize("training", [False, True])
def test_no_token_sees_a_later_one(make_model: MakeModel, norm: str, training: bool) -> None:
    model = make_model(norm=norm, dropout=0.0).train(training)
    source, target = tokens(2, 7), tokens(2, 6)
    changed = target.clone()
    changed[:, 3:] = changed[:, 3:] % 22 + 1  # every later token is another one
    before, after = model(source, target), model(source, changed)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert (after[:, 3:] - before[:, 3:]).abs().amax(-1).min() > 1e-4


@NORMS
@POSITIONS
def test_gradients_reach_every_parameter(make_model: MakeModel, norm: str, positions: str) -> None:
    model = make_model(norm=norm, positions=positions, max_length=7).train()
    label_smoothed_cross_entropy(model(tokens(4, 7), tokens(4, 7)), tokens(4, 7), 0.1, 0).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@NORMS
def test_training_without_dropout_equals_eval(make_model: MakeModel, norm: str) -> None:
    model = make_model(norm=norm, dropout=0.0)
    source, target = tokens(2, 7), tokens(2, 6)
    torch.testing.assert_close(model.train()(source, target), model.eval()(source, target))


def test_dropout_is_for_training_only(make_model: MakeModel) -> None:
    model = make_model(dropout=0.3)
    source, target = tokens(2, 7), tokens(2, 6)
    assert torch.equal(model(source, target), model(source, target))
    model.train()
    assert not torch.equal(model(source, target), model(source, target))


@torch.no_grad()
def test_select_reorders_duplicates_and_drops_rows(make_model: MakeModel) -> None:
    model = make_model()
    source, target = tokens(3, 7), tokens(3, 4)
    source[0, 3:] = 0
    rows = torch.tensor([2, 0, 0, 2])
    cache = model.start(model.encode(source))
    model.step(target, cache)
    cache.select(rows)
    new = tokens(4, 2)
    expected = model(source[rows], torch.cat((target[rows], new), dim=1))[:, 4:]
    torch.testing.assert_close(model.step(new, cache), expected)


@torch.no_grad()
def test_select_before_the_first_step(make_model: MakeModel) -> None:
    model = make_model()
    source, target, rows = tokens(3, 7), tokens(4, 2), torch.tensor([1, 1, 0, 2])
    cache = model.start(model.encode(source))
    cache.select(rows)
    torch.testing.assert_close(model.step(target, cache), model(source[rows], target))


def test_attention_maps_have_every_layer_and_head_and_obey_the_masks(make_model: MakeModel) -> None:
    model = make_model(encoder_layers=2, decoder_layers=3)
    source, target = tokens(2, 7), tokens(2, 5)
    source[1, 4:] = 0
    maps = model.attention_maps(source, target)
    assert maps.encoder_LBHSS.shape == (2, 2, 4, 7, 7)
    assert maps.decoder_LBHTT.shape == (3, 2, 4, 5, 5)
    assert maps.cross_LBHTS.shape == (3, 2, 4, 5, 7)
    for weights in (maps.encoder_LBHSS, maps.decoder_LBHTT, maps.cross_LBHTS):
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert maps.encoder_LBHSS[:, 1, :, :, 4:].eq(0).all()
    assert maps.cross_LBHTS[:, 1, :, :, 4:].eq(0).all()
    assert maps.decoder_LBHTT.triu(1).eq(0).all()
    with torch.no_grad():
        torch.testing.assert_close(maps.logits_BTV, model(source, target))


@torch.no_grad()
def test_attention_maps_are_those_of_the_pass_itself(make_model: MakeModel) -> None:
    """The last layer's maps, recomputed from the states that go into it."""
    model = make_model(encoder_layers=1, decoder_layers=1)
    source, target = tokens(2, 7), tokens(2, 5)
    encoder, decoder = torch_stacks(model)
    layer: Any = encoder.layers[0]
    x = layer.norm1(model.embedding(source) * 4 + model.source_positions(0, 7))
    _, expected = layer.self_attn(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(model.attention_maps(source, target).encoder_LBHSS[0], expected)

    layer = decoder.layers[0]
    x = model.embedding(target) * 4 + model.target_positions(0, 5)
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    attended, expected = layer.self_attn(*[layer.norm1(x)] * 3, attn_mask=causal, average_attn_weights=False)
    torch.testing.assert_close(model.attention_maps(source, target).decoder_LBHTT[0], expected)
    memory = model.encode(source).states_BSD
    _, expected = layer.multihead_attn(layer.norm2(x + attended), memory, memory, average_attn_weights=False)
    torch.testing.assert_close(model.attention_maps(source, target).cross_LBHTS[0], expected)


@NORMS
def test_it_starts_out_undecided(make_model: MakeModel, norm: str) -> None:
    """The first loss is near that of guessing, and no logit runs away, at the shipped width."""
    model = make_model(norm=norm, vocab_size=1000, d_model=256, num_heads=8, d_feedforward=1024)
    logits = model(torch.randint(1, 1000, (4, 20)), torch.randint(1, 1000, (4, 20)))
    loss = label_smoothed_cross_entropy(logits, torch.randint(1, 1000, (4, 20)), 0.0, 0)
    assert math.log(1000) - 0.5 < loss.item() < math.log(1000) + 1.5
    assert 0.3 < logits.std().item() < 2


def test_it_learns_to_copy(make_model: MakeModel) -> None:
    model = make_model(dropout=0.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    source = tokens(16, 4)
    decoder_input = torch.cat((torch.full((16, 1), 2), source[:, :-1]), dim=1)
    for _ in range(150):
        optimizer.zero_grad()
        loss = label_smoothed_cross_entropy(model(source, decoder_input), source, 0.0, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert torch.equal(model.eval()(source, decoder_input).argmax(-1), source)


def test_the_number_of_parameters_counts_the_shared_embedding_once(make_model: MakeModel) -> None:
    d, ff, vocabulary = 16, 24, 23
    attention, feed_forward, norm = 4 * (d * d + d), 2 * d * ff + ff + d, 2 * d
    encoder = 2 * (attention + feed_forward + 2 * norm) + norm
    decoder = 3 * (2 * attention + feed_forward + 3 * norm) + norm
    assert make_model().num_parameters() == vocabulary * d + encoder + decoder
    assert make_model(positions="learned").num_parameters() == vocabulary * d + encoder + decoder + 2 * 32 * d


def test_longer_than_max_length_is_an_error(make_model: MakeModel) -> None:
    model = make_model(max_length=6)
    with pytest.raises(ValueError, match="max_length of 6"):
        model.encode(tokens(1, 7))
    cache = model.start(model.encode(tokens(1, 6)))
    model.step(tokens(1, 6), cache)
    with pytest.raises(ValueError, match="7 tokens"):
        model.step(tokens(1, 1), cache)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1"),
        ({"decoder_layers": 0}, "decoder_layers must be at least 1"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"d_model": 18}, "multiple of num_heads"),
        ({"d_model": 15, "num_heads": 5}, "even"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"norm": "middle"}, "norm must be"),
        ({"positions": "none"}, "positions must be"),
        ({"pad_id": 23}, "pad_id must be"),
    ],
)
def test_a_bad_configuration_names_the_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**{**CONFIG, **fields})
