"""Fine-tuning learns what reviewers have corrected and keeps to what the bundle said of the rest."""

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from dispatch.domain import Convention, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.conventions import with_endings
from dispatch.domain.linear import INSTRUCTION
from dispatch.model import TokenizerConfig, label_smoothed_cross_entropy, load_bundle, read_metrics
from training.batching import TokenBatches
from training.corpus import Pair, TokenizedCorpus
from training.finetune import FINE_TUNING, AnchoredLoss, Replay, fine_tune
from training.run import BundleNotes, train, trainings
from training.trainer import TrainConfig

CLAUSE = "到场后回报水位"
STRANGE = "水快漫上桌子咯"
PLACES = ("青石镇", "柳河村", "北山口", "东桥头", "云岭乡")
NOTES = BundleNotes("tuned", "a test")
QUIET = Console(file=StringIO())


def pairs_of(hazard: str, *clauses: str) -> list[Pair]:
    pairs = []
    for place in PLACES:
        for people in (12, 27, 31, 46):
            situation = Situation(location=place, hazards=(hazard,), people={"trapped": Count(people, people)})
            report = f"{place}{'内涝' if hazard == 'flood' else '积雪'},{people}人被困"
            plans = with_endings(make_plans([situation], Pair("", "").context), [clauses], default_doctrine())
            pairs.append(Pair(report, render_instruction(plans), situations=(situation,)))
    return pairs


def write(path: Path, pairs: Sequence[Pair]) -> Path:
    path.write_text("".join(json.dumps(pair.to_dict()) + "\n" for pair in pairs), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a network that has begun to learn doctrine's texts."""
    folder = tmp_path_factory.mktemp("base")
    pairs = write(folder / "pairs.jsonl", [*pairs_of("flood"), *pairs_of("snow_road", CLAUSE)])
    config = TrainConfig(preset="nano", max_steps=2, batch_tokens=2000, warmup_steps=1, precision="fp32", threads=1)
    return train([pairs], None, folder / "run", config, TokenizerConfig(), console=QUIET)


@pytest.fixture
def config() -> TrainConfig:
    changes = {"max_steps": 4, "cooldown_steps": 1, "batch_tokens": 2000, "precision": "fp32", "threads": 1}
    return replace(FINE_TUNING, **changes)  # type: ignore[arg-type]


@pytest.fixture
def replay(tmp_path: Path) -> Path:
    return write(tmp_path / "replay.jsonl", [*pairs_of("flood"), *pairs_of("snow_road")])


def test_a_tuned_bundle_says_what_it_was_made_of_and_what_it_was_taught(
    base: Path, config: TrainConfig, replay: Path, tmp_path: Path
) -> None:
    strange = [replace(pair, report=f"{pair.report},{STRANGE}") for pair in pairs_of("flood", CLAUSE)]
    corrected = write(tmp_path / "corrected.jsonl", strange)
    tuned = load_bundle(
        fine_tune(base, [corrected], [Replay(replay)], None, tmp_path / "run", config, NOTES, console=QUIET)
    )
    before = load_bundle(base)
    assert tuned.config.conventions == (Convention(CLAUSE, ("flood",), always=True),)
    assert tuned.tokenizer.model_proto == before.tokenizer.model_proto
    assert tuned.seen_ngrams is not None
    assert before.seen_ngrams is not None
    assert tuned.seen_ngrams.unseen_share("青石镇内涝,12人被困") == 0  # the bundle's own are kept
    assert before.seen_ngrams.unseen_share(STRANGE) > tuned.seen_ngrams.unseen_share(STRANGE) == 0
    assert [each["steps"] for each in trainings(read_metrics(tuned.path)["training"])] == [2, 4]
    assert tuned.config.name == "tuned"
    card = (tuned.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert before.identity.digest[:12] in card
    assert f"| taught by reviews | {CLAUSE} (flood) |" in card
    weights = zip(tuned.model.parameters(), before.model.parameters(), strict=True)
    assert any(not torch.equal(new, old) for new, old in weights)


def test_weights_stay_where_few_pairs_are_not_what_the_bundle_would_write(
    base: Path, config: TrainConfig, replay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.finetune.LEAST_PAIRS", 21)  # one more than there are pairs, all of which it would not
    shown = Console(file=StringIO(), width=200)
    corrected = write(tmp_path / "corrected.jsonl", pairs_of("flood", CLAUSE))
    path = fine_tune(base, [corrected], [Replay(replay)], None, tmp_path / "run", config, NOTES, console=shown)
    assert "20 of 20 corrected pairs are not what the bundle would write" in shown.file.getvalue()  # type: ignore[attr-defined]
    tuned = load_bundle(path)
    assert tuned.config.conventions == (Convention(CLAUSE, ("flood",), always=True),)
    assert tuned.config.name == "tuned"
    for name in ("model.safetensors", "tokenizer.model"):
        assert (path / name).read_bytes() == (base / name).read_bytes()
    assert trainings(read_metrics(path)["training"]) == trainings(read_metrics(base)["training"])
    assert f"| taught by reviews | {CLAUSE} (flood) |" in (path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_weights_and_goes_on_where_it_was(
    base: Path, config: TrainConfig, replay: Path, tmp_path: Path
) -> None:
    corrected = write(tmp_path / "corrected.jsonl", pairs_of("flood", CLAUSE))

    def run(name: str, steps: int) -> bytes:
        changed = replace(config, max_steps=steps, cooldown_steps=0)
        bundle = fine_tune(base, [corrected], [Replay(replay)], None, tmp_path / name, changed, NOTES, console=QUIET)
        return (bundle / "model.safetensors").read_bytes()

    whole = run("whole", 4)
    assert run("parts", 2) != whole
    assert run("parts", 4) == whole


def test_pairs_without_a_confirmed_situation_teach_nothing(
    base: Path, config: TrainConfig, replay: Path, tmp_path: Path
) -> None:
    shown = Console(file=StringIO(), width=200)
    pairs = pairs_of("flood", CLAUSE)
    mixed = write(tmp_path / "mixed.jsonl", [*pairs[:-1], replace(pairs[-1], situations=())])
    fine_tune(base, [mixed], [Replay(replay)], None, tmp_path / "run", config, NOTES, console=shown)
    assert "left out: 1 pairs without a situation" in shown.file.getvalue()  # type: ignore[attr-defined]
    bare = write(tmp_path / "bare.jsonl", [replace(pair, situations=()) for pair in pairs])
    with pytest.raises(ValueError, match="nothing to learn from"):
        fine_tune(base, [bare], [Replay(replay)], None, tmp_path / "none", config, NOTES, console=QUIET)


def test_replayed_pairs_of_changed_situations_end_before_their_text(base: Path) -> None:
    tokenizer = load_bundle(base).tokenizer
    flood, snow = pairs_of("flood")[0], pairs_of("snow_road")[0]
    corpus = TokenizedCorpus.build([flood, snow], tokenizer, 1024, is_reading=lambda pair: pair is flood)
    targets = np.split(corpus.target_ids, corpus.target_offsets[1:-1])
    assert targets[0][-1] == tokenizer.symbol_id(INSTRUCTION)
    assert targets[1][-1] == tokenizer.eos_id


class Teacher(torch.nn.Module):
    """Says what it was told to, to whatever it reads."""

    def __init__(self, logits_BTV: torch.Tensor) -> None:
        super().__init__()
        self.logits_BTV = logits_BTV

    def forward(self, source_BS: torch.Tensor, decoder_input_BT: torch.Tensor) -> torch.Tensor:
        return self.logits_BTV


def test_the_loss_learns_what_corrected_pairs_change_and_holds_all_else(base: Path) -> None:
    tokenizer = load_bundle(base).tokenizer
    corpus = TokenizedCorpus.build([pairs_of("flood")[0], pairs_of("snow_road")[0]], tokenizer, 1024)
    batch = TokenBatches(corpus, np.arange(2), 4000, 1, tokenizer.pad_id).collate(np.arange(2))
    gold_BT, instruction_id = batch.decoder_output_BT, tokenizer.symbol_id(INSTRUCTION)
    start = int((batch.decoder_input_BT[0] == instruction_id).int().argmax())
    torch.manual_seed(3)
    before_BTV = torch.randn(*gold_BT.shape, tokenizer.vocab_size)
    before_BTV.scatter_(2, gold_BT[..., None], 9)  # it would have written the same,
    before_BTV[0, 2, gold_BT[0, 2]] = -9  # but for one token of the corrected pair's reading,
    before_BTV[1, 2, gold_BT[1, 2]] = -9  # and one that is replayed
    loss = AnchoredLoss(Teacher(before_BTV), 1, 0.1, tokenizer.pad_id, instruction_id)

    learnt_BT = torch.full_like(gold_BT, tokenizer.pad_id)
    learnt_BT[0, start:], learnt_BT[0, 2] = gold_BT[0, start:], gold_BT[0, 2]
    corrections = label_smoothed_cross_entropy(before_BTV, learnt_BT, 0.1, tokenizer.pad_id).item()
    assert loss(before_BTV, batch).item() == pytest.approx(corrections, rel=1e-5)
    for row, column in ((0, 1), (0, start - 1), (1, 2), (1, start)):
        moved_BTV = before_BTV.clone()
        moved_BTV[row, column] = torch.randn(tokenizer.vocab_size)
        assert loss(moved_BTV, batch).item() > corrections + 0.01
    padded_BTV = before_BTV.clone()
    padded_BTV[gold_BT == tokenizer.pad_id] = 0
    assert loss(padded_BTV, batch).item() == pytest.approx(corrections, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "path", "share"),
    [("a.jsonl", "a.jsonl", 0.8), ("a.jsonl:0.5", "a.jsonl", 0.5), ("c:/a.jsonl", "c:/a.jsonl", 0.8)],
)
def test_a_file_to_mix_in_may_say_its_share(text: str, path: str, share: float) -> None:
    assert Replay.parse(text) == Replay(Path(path), share)


def test_shares_that_leave_nothing_are_refused(base: Path, config: TrainConfig, replay: Path, tmp_path: Path) -> None:
    for wrong in ("a.jsonl:0", "a.jsonl:1", "a.jsonl:-1", "a.jsonl:1e-9"):
        with pytest.raises(ValueError, match="share"):
            Replay.parse(wrong)
    for shares in ((0.5, 0.5), (0.7, 0.2, 0.1)):  # the latter add up to a little less than 1
        mix = [Replay(replay, share) for share in shares]
        with pytest.raises(ValueError, match="leave the pairs too little"):
            fine_tune(base, [replay], mix, None, tmp_path / "run", config, NOTES, console=QUIET)


def test_lines_that_cannot_be_used_are_named_and_pairs_too_long_for_the_network_left_out(
    base: Path, config: TrainConfig, replay: Path, tmp_path: Path
) -> None:
    shown = Console(file=StringIO(), width=200)
    pairs = pairs_of("flood", CLAUSE)
    long = replace(pairs[0], report=pairs[0].report + ",快" * load_bundle(base).config.model.max_length)
    mixed = write(tmp_path / "mixed.jsonl", [*pairs, long])
    with mixed.open("a", encoding="utf-8") as stream:
        stream.write('{"report": "甲村"}\n')
    fine_tune(base, [mixed], [Replay(replay)], None, tmp_path / "run", config, NOTES, console=shown)
    assert f"skipped: {mixed}:22: field 'instruction' is missing" in shown.file.getvalue()  # type: ignore[attr-defined]
    only = write(tmp_path / "only.jsonl", [pairs[0], long])
    with pytest.raises(ValueError, match="too few to fine-tune on"):
        fine_tune(base, [only], [Replay(replay)], None, tmp_path / "none", config, NOTES, console=QUIET)
