"""A bundle comes back as it was saved, says what is wrong with it, and is never half written."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dispatch.model import (
    KIND_THRESHOLD,
    BundleConfig,
    BundleError,
    Calibration,
    NgramCounter,
    Tokenizer,
    Transformer,
    load_bundle,
    read_config,
    read_metrics,
    save_bundle,
    update_calibration,
    update_document,
    verify_bundle,
)

FILES = ("config.json", "model.safetensors", "tokenizer.model", "metrics.json", "MODEL_CARD.md", "SHA256SUMS")


@pytest.fixture
def model(make_model: Callable[..., Transformer], tokenizer: Tokenizer) -> Transformer:
    return make_model(vocab_size=tokenizer.vocab_size)


@pytest.fixture
def save(tmp_path: Path, model: Transformer, tokenizer: Tokenizer) -> Callable[..., Path]:
    """Saves a bundle, of another name if it is given."""

    def save_as(name: str = "snow", path: Path = tmp_path / "bundle") -> Path:
        config = BundleConfig(name, model.config, situations=True, created_by="dispatch train 雪.jsonl")
        save_bundle(path, config, model, tokenizer, {"exact": 0.5}, "# 雪\n")
        return path

    return save_as


def rewrite_sums(bundle: Path) -> None:
    """Makes a changed bundle whole again, as one would who builds bundles by hand."""
    files = sorted(file for file in bundle.rglob("*") if file.is_file() and file.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(bundle)}\n" for file in files]
    (bundle / "SHA256SUMS").write_text("".join(lines))


def test_it_comes_back_as_it_was_saved(save: Callable[..., Path], model: Transformer, tokenizer: Tokenizer) -> None:
    path = save()
    bundle = load_bundle(path)
    assert bundle.config == BundleConfig("snow", model.config, True, "dispatch train 雪.jsonl") == read_config(path)
    assert bundle.tokenizer.model_proto == tokenizer.model_proto
    assert read_metrics(path) == {"exact": 0.5}
    assert (path / "MODEL_CARD.md").read_text() == "# 雪\n"
    assert not bundle.model.training
    for name, weight in model.state_dict().items():
        loaded = bundle.model.state_dict()[name]
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, weight.half().float()), name
    source, target = torch.randint(4, 90, (2, 6)), torch.randint(4, 90, (2, 5))
    torch.testing.assert_close(bundle.model(source, target), model(source, target), rtol=0.01, atol=0.01)


def test_what_training_has_shown_is_kept_where_it_is_told(save: Callable[..., Path]) -> None:
    path = save()
    bundle = load_bundle(path)
    assert bundle.seen_ngrams is None
    counter = NgramCounter()
    for _ in range(2):
        counter.add("青石镇内涝")
    save_bundle(path, bundle.config, bundle.model, bundle.tokenizer, {}, "# 雪\n", counter.seen())
    update_calibration(path, Calibration(0.0, {}))
    seen = load_bundle(path).seen_ngrams
    assert seen is not None
    assert (seen.unseen_share("青石镇内涝"), seen.unseen_share("柳河村塌方")) == (0.0, 1.0)
    (path / "ngrams.bin").write_bytes(b"cut")
    rewrite_sums(path)
    with pytest.raises(BundleError, match=r"ngrams\.bin: 3 bytes"):
        load_bundle(path)


def test_a_calibration_is_kept_and_can_be_replaced(save: Callable[..., Path]) -> None:
    path = save()
    digest = verify_bundle(path)
    assert read_config(path).calibration is None  # as in bundles from before there were any
    calibration = Calibration(-1.0, {"errors": -2.0}, 0.8)
    update_calibration(path, calibration)
    bundle = load_bundle(path)
    assert bundle.config.calibration == calibration
    assert bundle.identity.digest != digest
    save_bundle(path, bundle.config, bundle.model, bundle.tokenizer, {}, "# 雪\n")
    assert read_config(path).calibration == calibration
    update_calibration(path, Calibration(0.0, {}))
    assert read_config(path).calibration == Calibration(0.0, {}, KIND_THRESHOLD)


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        ({"intercept": "1", "weights": {}}, "intercept must be a finite number"),
        ({"intercept": 1, "weights": {"errors": float("nan")}}, "errors must be a finite number"),
        ({"intercept": 1, "weights": {}, "kind_threshold": 2}, "kind_threshold must be from 0 to 1"),
        ({"intercept": 1, "weights": {}, "warn_below": -0.5}, "warn_below must be from 0 to 1"),
        ({"intercept": 1, "weights": {}, "error_below": 1.5}, "error_below must be from 0 to 1"),
        ({"intercept": 1}, "weights"),
        ({"intercept": 1, "weights": [1]}, "mapping"),
    ],
)
def test_a_calibration_that_is_none_is_named(save: Callable[..., Path], calibration: object, said: str) -> None:
    path = save()
    facts = json.loads((path / "config.json").read_text()) | {"calibration": calibration}
    (path / "config.json").write_text(json.dumps(facts))
    with pytest.raises(BundleError, match=f"config.json: .*{said}"):
        read_config(path)


def test_a_probability_is_logistic_and_never_overflows() -> None:
    assert Calibration(1.0, {"a": 2.0}).probability({"a": -0.5, "b": 9.0}) == 0.5
    assert 0 < Calibration(-1e300, {}).probability({}) < Calibration(1e300, {}).probability({}) < 1


def test_saving_leaves_the_model_as_it_was(save: Callable[..., Path], model: Transformer) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    save()
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_weights_are_half_precision_and_the_embedding_is_stored_once(
    save: Callable[..., Path], model: Transformer
) -> None:
    weights = load_file(save() / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert sum(weight.numel() for weight in weights.values()) == model.num_parameters()


def test_the_sums_are_those_of_sha256sum_and_nothing_else_is_in_the_folder(save: Callable[..., Path]) -> None:
    path = save()
    assert {file.name for file in path.iterdir()} == {*FILES, "ctranslate2"}
    assert {file.name for file in path.parent.iterdir()} == {"bundle"}
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=path, check=True)


def test_the_identity_is_the_name_and_the_digest_of_the_sums(save: Callable[..., Path]) -> None:
    path = save()
    identity = load_bundle(path).identity
    digest = hashlib.sha256((path / "SHA256SUMS").read_bytes()).hexdigest()
    assert identity.to_dict() == {"name": "snow", "digest": digest}
    assert verify_bundle(path) == digest
    assert load_bundle(save()).identity == identity  # the same bundle again
    assert load_bundle(save("rain")).identity.digest != digest


@pytest.mark.parametrize("name", FILES[:-1])
@pytest.mark.parametrize("check", [verify_bundle, load_bundle])
def test_a_missing_file_is_named(save: Callable[..., Path], name: str, check: Callable[[Path], object]) -> None:
    path = save()
    (path / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: No such file"):
        check(path)


@pytest.mark.parametrize("name", FILES[:-1])
@pytest.mark.parametrize("check", [verify_bundle, load_bundle])
def test_a_file_with_one_flipped_bit_is_named(
    save: Callable[..., Path], name: str, check: Callable[[Path], object]
) -> None:
    path = save()
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: differs from SHA256SUMS"):
        check(path)


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_file_that_is_not_listed_is_named(save: Callable[..., Path], name: str) -> None:
    path = save()
    lines = (path / "SHA256SUMS").read_text().splitlines(keepends=True)
    (path / "SHA256SUMS").write_text("".join(line for line in lines if name not in line))
    with pytest.raises(BundleError, match=rf"SHA256SUMS: {name} is not listed"):
        verify_bundle(path)


def test_seen_ngrams_must_be_listed_where_they_are(save: Callable[..., Path]) -> None:
    path = save()
    (path / "ngrams.bin").write_bytes(bytes(1 << 20))
    with pytest.raises(BundleError, match=r"SHA256SUMS: ngrams\.bin is not listed"):
        load_bundle(path)


@pytest.mark.parametrize("check", [verify_bundle, load_bundle])
def test_a_path_that_is_no_bundle_is_told_from_a_damaged_one(
    save: Callable[..., Path], tmp_path: Path, check: Callable[[Path], object]
) -> None:
    (save() / "SHA256SUMS").unlink()
    (tmp_path / "file").write_text("")
    for name in ("bundle", "nowhere", "file"):
        with pytest.raises(BundleError, match=rf"no bundle at \S*/{name}: .*dispatch train"):
            check(tmp_path / name)


def test_sums_that_are_none(save: Callable[..., Path]) -> None:
    path = save()
    (path / "SHA256SUMS").write_bytes(b"\xff\xfe garbage")
    with pytest.raises(BundleError, match="SHA256SUMS: not a line"):
        load_bundle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format_version 99"),
        ({"name": None}, "no field 'name'"),
        ({"name": 5}, "field 'name' must be text"),
        ({"created_by": ["train"]}, "field 'created_by' must be text"),
        ({"task": None}, "no field 'task'"),
        ({"model": {"vocab_size": 0}}, "vocab_size must be at least 1"),
        ({"model": {"width": 3}}, "width"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_an_error(
    save: Callable[..., Path], change: dict[str, Any], message: str
) -> None:
    path = save()
    facts = {**json.loads((path / "config.json").read_text()), **change}
    (path / "config.json").write_text(json.dumps({key: value for key, value in facts.items() if value is not None}))
    rewrite_sums(path)
    with pytest.raises(BundleError, match=rf"config\.json: .*{message}"):
        load_bundle(path)


def test_weights_of_another_network_are_an_error(save: Callable[..., Path]) -> None:
    path = save()
    facts = json.loads((path / "config.json").read_text())
    facts["model"]["d_feedforward"] += 1
    (path / "config.json").write_text(json.dumps(facts))
    rewrite_sums(path)
    with pytest.raises(BundleError, match=r"model\.safetensors: not the weights"):
        load_bundle(path)


def test_a_pickle_in_the_place_of_the_weights_is_not_run(save: Callable[..., Path], tmp_path: Path) -> None:
    path = save()
    witness = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (witness,)

    torch.save(Payload(), path / "model.safetensors")
    shutil.rmtree(path / "ctranslate2")  # it would be one of other weights
    rewrite_sums(path)
    with pytest.raises(BundleError, match=r"model\.safetensors: not the weights"):
        load_bundle(path)
    assert not witness.exists()


def test_a_weight_beyond_half_precision_is_an_error(save: Callable[..., Path], model: Transformer) -> None:
    with torch.no_grad():
        model.embedding.weight[0, 0] = 1e6
    with pytest.raises(ValueError, match=r"embedding\.weight"):
        save()


def test_a_failing_save_leaves_the_old_bundle_and_no_scraps(save: Callable[..., Path], model: Transformer) -> None:
    path = save()
    identity = load_bundle(path).identity
    with torch.no_grad():
        model.embedding.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"embedding\.weight"):
        save("rain")
    assert load_bundle(path).identity == identity
    assert [file.name for file in path.parent.iterdir()] == ["bundle"]


def test_the_old_bundle_comes_back_when_the_new_one_cannot_take_its_place(
    save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save()
    identity = load_bundle(path).identity
    rename = Path.rename

    def fail_for_the_new_one(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(OSError, match="no space left"):
        save("rain")
    assert load_bundle(path).identity == identity


def test_a_folder_of_something_else_is_not_overwritten(save: Callable[..., Path], tmp_path: Path) -> None:
    precious = tmp_path / "home" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(ValueError, match="is no bundle"):
        save(path=precious.parent)
    with pytest.raises(ValueError, match="is no bundle"):
        save(path=precious)
    assert precious.read_text() == "years of work"


def test_an_empty_folder_is_as_good_as_none(save: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    assert load_bundle(save()).config.name == "snow"


def test_documents_are_replaced_and_the_sums_follow(save: Callable[..., Path]) -> None:
    path = save()
    digest = verify_bundle(path)
    (path / "extra").mkdir()
    (path / "extra" / "weights.bin").write_bytes(b"123")
    update_document(path, "metrics.json", '{"exact": 0.75}')
    update_document(path, "MODEL_CARD.md", "# 雨\n")
    assert read_metrics(path) == {"exact": 0.75}
    assert (path / "MODEL_CARD.md").read_text() == "# 雨\n"
    assert load_bundle(path).identity.digest != digest
    assert "extra/weights.bin" in (path / "SHA256SUMS").read_text()
    assert [file.name for file in path.parent.iterdir()] == ["bundle"]


def test_updating_a_document_does_not_bless_a_damaged_bundle(save: Callable[..., Path]) -> None:
    path = save()
    (path / "tokenizer.model").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"tokenizer\.model"):
        update_document(path, "metrics.json", "{}")
    assert read_metrics(path) == {"exact": 0.5}


def test_a_bundle_is_updated_from_within_and_through_a_link(
    save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save()
    link = tmp_path / "link"
    link.symlink_to(path, target_is_directory=True)
    update_document(link, "metrics.json", '{"exact": 0.75}')
    assert link.is_symlink()
    assert read_metrics(path) == {"exact": 0.75}
    monkeypatch.chdir(path)
    update_document(Path("."), "metrics.json", '{"exact": 1.0}')
    assert read_metrics(load_bundle(path).path) == {"exact": 1.0}


def test_a_replacement_that_was_cut_short_is_told_and_can_be_undone(save: Callable[..., Path], tmp_path: Path) -> None:
    path = save()
    kept = tmp_path / ".bundle.abcd" / "replaced"
    kept.parent.mkdir()
    path.rename(kept)
    with pytest.raises(BundleError, match=f"left the old one at {kept}"):
        load_bundle(path)


def test_who_may_read_the_card_may_read_the_weights(save: Callable[..., Path]) -> None:
    path = save()
    assert (path / "model.safetensors").stat().st_mode == (path / "MODEL_CARD.md").stat().st_mode


@pytest.mark.parametrize(("name", "read"), [("metrics.json", read_metrics), ("config.json", read_config)])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"exact": "\xff"}', "not UTF-8"),
        (b"[1]", "must hold a JSON object"),
        (b"null", "must hold a JSON object"),
    ],
    ids=["half", "deep", "latin", "list", "null"],
)
def test_a_document_that_is_no_object_of_json_is_named(
    save: Callable[..., Path], name: str, read: Callable[[Path], object], content: bytes, message: str
) -> None:
    path = save()
    (path / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: {message}"):
        read(path)


def test_a_card_that_is_not_utf8_is_named(save: Callable[..., Path]) -> None:
    path = save()
    (path / "MODEL_CARD.md").write_bytes(b"# \xff\n")
    rewrite_sums(path)
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md: not UTF-8"):
        verify_bundle(path)


def test_a_tokenizer_that_is_none_is_named(save: Callable[..., Path]) -> None:
    path = save()
    (path / "tokenizer.model").write_bytes(b"no model")
    rewrite_sums(path)
    with pytest.raises(BundleError, match=r"tokenizer\.model: these bytes are no SentencePiece model"):
        load_bundle(path)
