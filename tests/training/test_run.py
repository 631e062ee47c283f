import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from dispatch.decoding import DecodingConfig, TransformerStep, search
from dispatch.domain.linear import parse_target, source_pieces
from dispatch.model import TokenizerConfig, load_bundle, read_metrics
from training.corpus import Pair, PairError
from training.run import hold_out, train, trainings
from training.trainer import TrainConfig

TrainToy = Callable[..., str]


def test_twenty_pairs_are_learned_by_heart(tmp_path: Path, train_toy: TrainToy, toy_pairs: list[Pair]) -> None:
    train_toy(
        tmp_path / "run",
        max_steps=400,
        peak_lr=8e-3,
        warmup_steps=40,
        cooldown_steps=100,
        batch_tokens=2000,
        dropout=0.0,
        label_smoothing=0.0,
        ema_decay=0.9,
        validate_every=400,
        save_every=400,
    )
    bundle = load_bundle(tmp_path / "run/bundle")
    tokenizer = bundle.tokenizer
    _, held_out = hold_out(len(toy_pairs), seed=1)
    right = []
    for row, pair in enumerate(toy_pairs):
        source_BS = torch.tensor([tokenizer.encode_pieces(source_pieces(pair.report, pair.context))])
        [[best]] = search(
            TransformerStep(bundle.model, source_BS),
            [[tokenizer.bos_id]],
            DecodingConfig(max_tokens=80),
            frozenset({tokenizer.eos_id}),
        )
        target = parse_target(tokenizer.decode_pieces(best.tokens))
        if target.instruction == pair.instruction and target.situations == pair.situations:
            right.append(row)
    assert set(right) >= set(range(len(toy_pairs))) - set(held_out)


def test_a_run_leaves_a_bundle_with_its_facts_and_logs(tmp_path: Path, train_toy: TrainToy) -> None:
    shown = train_toy(tmp_path / "run")
    bundle = load_bundle(tmp_path / "run/bundle")
    assert bundle.config.situations
    training = json.loads((tmp_path / "run/bundle/metrics.json").read_text(encoding="utf-8"))["training"]
    assert (training["steps"], training["pairs"], training["config"]["preset"]) == (12, 19, "nano")
    lines = [json.loads(line) for line in (tmp_path / "run/training.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "validation"]
    assert training["validation_loss"] == min(losses)
    assert losses[-1] < losses[0]
    curves = training["curves"]
    assert [point["loss"] for point in curves["validation"]] == losses
    assert [point["step"] for point in curves["training"]] == [3, 6, 9, 12]
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("training/tokens_per_second")] == [3, 6, 9, 12]
    assert re.search(r"step 12/12 .* loss [\d.]+ .* lr [\d.e-]+ .* [\d,]+ tokens/s .* left", shown)


def test_a_run_starts_as_another_bundle_and_keeps_its_tokenizer(
    tmp_path: Path, toy_pairs: list[Pair], train_toy: TrainToy
) -> None:
    train_toy(tmp_path / "first")
    first = load_bundle(tmp_path / "first/bundle")
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps(pair.to_dict()) + "\n" for pair in toy_pairs[:8]), encoding="utf-8")
    config = TrainConfig(max_steps=1, peak_lr=1e-9, warmup_steps=1, dropout=0.0, precision="fp32", threads=1)
    bundle = train([other], None, tmp_path / "second", config, TokenizerConfig(), initial=tmp_path / "first/bundle")
    second = load_bundle(bundle)
    assert second.tokenizer.model_proto == first.tokenizer.model_proto
    for name, value in first.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value, atol=1e-6, rtol=0)
    assert second.seen_ngrams is not None
    assert second.seen_ngrams.unseen_share(toy_pairs[-1].report) == 0  # of the first training
    before, last = trainings(read_metrics(bundle)["training"])
    assert (before["steps"], before["pairs"], last["steps"], last["pairs"]) == (12, 19, 1, 7)
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"| trained before | 12 updates, {before['tokens']:,} tokens on pairs.jsonl |" in card
    assert f"Transformer, from dispatch ({first.identity.digest[:12]})" in card


def test_bad_lines_are_shown_and_counted(tmp_path: Path, toy_file: Path, train_toy: TrainToy) -> None:
    with toy_file.open("a", encoding="utf-8") as stream:
        stream.write("not json\n" * 30)
    shown = train_toy(tmp_path / "run", max_steps=1)
    assert f"skipped: {toy_file}:21: not JSON" in shown
    assert shown.count("skipped: ") < 15
    assert "20 pairs; skipped 30 bad lines and 0 pairs of more than" in shown


def test_without_usable_pairs_the_first_error_is_said(tmp_path: Path, toy_file: Path, train_toy: TrainToy) -> None:
    toy_file.write_text("not json\n{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no usable pairs in .*pairs\.jsonl; the first error is .*:1: not JSON"):
        train_toy(tmp_path / "run")
    toy_file.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no usable pairs in .*pairs\.jsonl: it is empty"):
        train_toy(tmp_path / "run")


def test_an_error_late_in_a_file_is_said_in_its_own_words(tmp_path: Path, toy_file: Path) -> None:
    with toy_file.open("a", encoding="utf-8") as stream:
        stream.write("not json\n")
    with pytest.raises(PairError, match=r"pairs\.jsonl:21: not JSON"):
        train([toy_file], None, tmp_path / "run", TrainConfig(max_steps=1), TokenizerConfig(), strict=True)


def test_a_tokenizer_without_a_checkpoint_is_trained_anew(tmp_path: Path, train_toy: TrainToy) -> None:
    train_toy(tmp_path / "run", max_steps=1)
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed/tokenizer.model").write_bytes(b"of other pairs")
    train_toy(tmp_path / "failed", max_steps=1)
    proto = (tmp_path / "run/tokenizer.model").read_bytes()
    assert (tmp_path / "failed/tokenizer.model").read_bytes() == proto


def test_a_checkpoint_keeps_its_tokenizer(tmp_path: Path, train_toy: TrainToy, monkeypatch: pytest.MonkeyPatch) -> None:
    train_toy(tmp_path / "run", max_steps=1)
    monkeypatch.delattr("training.run.train_tokenizer")
    assert "going on after step 1" in train_toy(tmp_path / "run", max_steps=2)


def test_a_broken_tokenizer_is_named(tmp_path: Path, train_toy: TrainToy) -> None:
    train_toy(tmp_path / "run", max_steps=1)
    path = tmp_path / "run/tokenizer.model"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"run/tokenizer\.model: these bytes are no SentencePiece model; remove it"):
        train_toy(tmp_path / "run", max_steps=2)
    path.unlink()
    assert "going on after step 1" in train_toy(tmp_path / "run", max_steps=2)


def test_training_stops_when_validation_no_longer_improves(tmp_path: Path, train_toy: TrainToy) -> None:
    shown = train_toy(tmp_path / "run", max_steps=None, patience=2, peak_lr=1e-12, validate_every=1)
    assert "stopped by patience" in shown


def test_training_stops_when_time_is_up(tmp_path: Path, train_toy: TrainToy) -> None:
    assert "stopped by max_minutes" in train_toy(tmp_path / "run", max_steps=None, max_minutes=1e-6)


def test_held_out_rows_are_few_seeded_and_disjoint() -> None:
    train_rows, held_out = hold_out(1000, seed=3)
    assert len(held_out) == 20
    np.testing.assert_array_equal(np.sort(np.concatenate([train_rows, held_out])), np.arange(1000))
    np.testing.assert_array_equal(hold_out(1000, seed=3)[1], held_out)
    assert not np.array_equal(hold_out(1000, seed=4)[1], held_out)
    assert len(hold_out(2, seed=1)[1]) == 1
    assert len(hold_out(1_000_000, seed=1)[1]) == 2000
    with pytest.raises(ValueError, match="at least 2"):
        hold_out(1, seed=1)
