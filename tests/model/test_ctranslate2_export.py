"""The export for CTranslate2 is part of a bundle: listed, verified, of the same weights, and replaceable."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dispatch.model import (
    BundleConfig,
    BundleError,
    Tokenizer,
    Transformer,
    add_ctranslate2,
    load_bundle,
    save_bundle,
    update_document,
    verify_bundle,
)

EXPORTED = {"config.json", "model.bin", "shared_vocabulary.json"}


@pytest.fixture
def path(tmp_path: Path, make_model: Callable[..., Transformer], tokenizer: Tokenizer) -> Path:
    return save(tmp_path / "bundle", make_model(vocab_size=tokenizer.vocab_size), tokenizer)


def save(path: Path, model: Transformer, tokenizer: Tokenizer) -> Path:
    save_bundle(path, BundleConfig("snow", model.config, True, "test"), model, tokenizer, {}, "# 雪\n")
    return path


def rewrite_sums(path: Path) -> None:
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(path)}\n" for file in files]
    (path / "SHA256SUMS").write_text("".join(lines))


def test_a_saved_bundle_holds_it_and_lists_it(path: Path) -> None:
    folder = load_bundle(path).ctranslate2
    assert folder == path / "ctranslate2"
    assert {file.name for file in folder.iterdir()} == EXPORTED
    listed = (path / "SHA256SUMS").read_text()
    assert all(f"  ctranslate2/{name}\n" in listed for name in EXPORTED)


def test_its_vocabulary_is_the_tokenizers_id_by_id(path: Path, tokenizer: Tokenizer) -> None:
    assert json.loads((path / "ctranslate2/shared_vocabulary.json").read_text()) == tokenizer.pieces()
    assert len(set(tokenizer.pieces())) == tokenizer.vocab_size


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_a_file_with_one_flipped_bit_is_named(path: Path, name: str) -> None:
    file = path / "ctranslate2" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=f"ctranslate2/{name}: differs from SHA256SUMS"):
        load_bundle(path)


def test_a_file_that_is_not_listed_is_named(path: Path) -> None:
    (path / "ctranslate2/vmap.txt").write_text("")
    with pytest.raises(BundleError, match=r"ctranslate2/vmap\.txt is not listed"):
        verify_bundle(path)


def test_one_of_other_weights_is_refused_and_can_be_renewed(path: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    torch.manual_seed(1)
    other = save(tmp_path / "other", Transformer(load_bundle(path).config.model), tokenizer)
    shutil.rmtree(path / "ctranslate2")
    shutil.copytree(other / "ctranslate2", path / "ctranslate2")
    rewrite_sums(path)
    with pytest.raises(BundleError, match=r"made of other weights .*dispatch export"):
        load_bundle(path)
    add_ctranslate2(path)
    load_bundle(path)


def test_adding_it_gives_what_saving_gives(path: Path) -> None:
    identity = load_bundle(path).identity
    shutil.rmtree(path / "ctranslate2")
    rewrite_sums(path)
    bundle = load_bundle(path)
    assert bundle.ctranslate2 is None
    assert bundle.identity != identity
    add_ctranslate2(path)
    assert load_bundle(path).identity == identity


def test_it_is_not_added_to_a_damaged_bundle(path: Path) -> None:
    (path / "tokenizer.model").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"tokenizer\.model"):
        add_ctranslate2(path)


def test_it_stays_when_a_document_is_replaced(path: Path) -> None:
    update_document(path, "MODEL_CARD.md", "# 雨\n")
    assert load_bundle(path).ctranslate2 is not None


def test_without_the_library_a_bundle_is_saved_without_it(
    tmp_path: Path, tokenizer: Tokenizer, make_model: Callable[..., Transformer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.model.bundle.ctranslate2_installed", lambda: False)
    bundle = load_bundle(save(tmp_path / "bare", make_model(vocab_size=tokenizer.vocab_size), tokenizer))
    assert bundle.ctranslate2 is None
