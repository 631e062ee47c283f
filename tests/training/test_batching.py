import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training import batching
from training.batching import TokenBatches
from training.corpus import TokenizedCorpus

PAD = 0


def corpus_of(lengths: list[tuple[int, int]]) -> TokenizedCorpus:
    """Pair i has the source i+1, i+1, … and the target bos, 100+i, …, eos of the given lengths."""
    sources = [[i + 1] * source for i, (source, _) in enumerate(lengths)]
    targets = [[2, *[100 + i] * (target - 1), 3] for i, (_, target) in enumerate(lengths)]
    return TokenizedCorpus(
        source_ids=np.array([token for ids in sources for token in ids], dtype=np.uint16),
        source_offsets=np.cumsum([0] + [len(ids) for ids in sources]),
        target_ids=np.array([token for ids in targets for token in ids], dtype=np.uint16),
        target_offsets=np.cumsum([0] + [len(ids) for ids in targets]),
        too_long=0,
        has_situations=False,
    )


def batches_of(lengths: list[tuple[int, int]], batch_tokens: int = 60, seed: int = 1) -> TokenBatches:
    corpus = corpus_of(lengths)
    return TokenBatches(corpus, np.arange(len(corpus)), batch_tokens, seed, PAD)


pair_lengths = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=80)


@given(lengths=pair_lengths, epoch=st.integers(0, 3), chunk=st.sampled_from([7, 1000]))
def test_an_epoch_holds_every_pair_once_and_every_batch_keeps_the_budget(
    lengths: list[tuple[int, int]], epoch: int, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "SORT_CHUNK", chunk)
        batches = batches_of(lengths)
        for division in (batches.epoch(epoch), batches.in_order()):
            assert sorted(int(row) for rows in division for row in rows) == list(range(len(lengths)))
            for rows in division:
                batch = batches.collate(rows)
                assert batch.source_BS.numel() + batch.decoder_output_BT.numel() <= 60


def test_little_of_a_batch_is_padding_where_both_lengths_vary_freely() -> None:
    lengths = np.random.default_rng(1).integers(20, 200, size=(5000, 2))
    batches = batches_of([(int(source), int(target)) for source, target in lengths], batch_tokens=8192)
    collated = [batches.collate(rows) for rows in batches.epoch(0)]
    tokens = sum(batch.source_tokens + batch.target_tokens for batch in collated)
    assert tokens > 0.9 * sum(batch.source_BS.numel() + batch.decoder_output_BT.numel() for batch in collated)


@given(lengths=pair_lengths)
def test_collating_pads_to_the_longest_and_keeps_every_token(lengths: list[tuple[int, int]]) -> None:
    batches = batches_of(lengths)
    rows = np.arange(len(lengths))
    batch = batches.collate(rows)
    assert batch.source_BS.shape == (len(rows), max(source for source, _ in lengths))
    assert batch.decoder_input_BT.shape == batch.decoder_output_BT.shape == (len(rows), max(t for _, t in lengths))
    assert batch.source_BS.dtype == batch.target_BU.dtype == torch.long
    for i, (source, target) in enumerate(lengths):
        assert [token for token in batch.source_BS[i].tolist() if token != PAD] == [i + 1] * source
        assert batch.source_BS[i, :source].tolist() == [i + 1] * source
        assert batch.decoder_output_BT[i].tolist() == [100 + i] * (target - 1) + [3] + [PAD] * (
            batch.decoder_output_BT.shape[1] - target
        )
        assert batch.decoder_input_BT[i, :target].tolist() == [2] + [100 + i] * (target - 1)
    assert batch.source_tokens == sum(source for source, _ in lengths)
    assert batch.target_tokens == sum(target for _, target in lengths)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    lengths = [(1 + i % 7, 1 + i % 5) for i in range(200)]

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [rows.tolist() for rows in batches_of(lengths, seed=seed).epoch(epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_pairs_of_like_length_are_together() -> None:
    lengths = [(1 + i % 29, 1 + i % 29) for i in range(2000)]
    batches = batches_of(lengths, batch_tokens=240)
    padded = sum(batches.collate(rows).source_BS.numel() for rows in batches.epoch(0))
    assert padded < 1.05 * sum(source for source, _ in lengths)


def test_a_pair_larger_than_the_budget_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="batch_tokens is 60, but the longest pair has 61"):
        batches_of([(30, 31)])


def test_only_the_rows_asked_for_are_used() -> None:
    corpus = corpus_of([(3, 3)] * 10)
    batches = TokenBatches(corpus, np.array([1, 4, 7]), 60, 1, PAD)
    assert sorted(row for rows in batches.epoch(0) for row in rows.tolist()) == [1, 4, 7]
