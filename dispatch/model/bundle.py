"""A bundle: the folder that holds a trained model and everything needed to use it.

    config.json        format, name, the network's shape, the tokenizer's facts, the task, the command that made it,
                       the calibration of its confidence, and the conventions that reviews have taught it, where
                       there are any
    model.safetensors  weights in float16; the shared embedding once
    tokenizer.model    SentencePiece model
    ctranslate2/       the same network for CTranslate2, where that was installed or `dispatch export` has added it
    ngrams.bin         which runs of characters it has seen in training; may be missing
    metrics.json       measured quality
    MODEL_CARD.md      what it is for, what it was trained on
    SHA256SUMS         checks the files above, by `sha256sum --check SHA256SUMS` too

Loading checks the sums and runs no code from the folder. Folders are written aside and renamed into place, so that a
kill never leaves half a bundle.
"""

import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from dispatch.domain.conventions import Convention
from dispatch.model.ctranslate2_export import FOLDER, ctranslate2_installed, export_ctranslate2, weights_digest
from dispatch.model.ngrams import SeenNgrams
from dispatch.model.tokenizer import Tokenizer
from dispatch.model.transformer import Transformer, TransformerConfig

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER, METRICS, CARD = FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.model",
    "metrics.json",
    "MODEL_CARD.md",
)
NGRAMS = "ngrams.bin"
SUMS = "SHA256SUMS"
KIND_THRESHOLD = 0.9
"""How sure the network must be that nobody asks for help before nobody is sent, where no calibration says otherwise."""
WARN_BELOW = 0.5
"""The confidence below which an answer says that a person should look twice, where no calibration says otherwise."""
_LARGEST_LOGIT = 30.0
_REPLACED = "replaced"  # the old folder, while a new one takes its place


class BundleError(ValueError):
    """A bundle that is not whole or not readable; the message names the file."""


@dataclass(frozen=True)
class Calibration:
    """What turns how sure the network is into how often it is right: logistic regression, fitted on held pairs.

    ``weights`` are by the name of a feature of the answer. A report that the network reads as no request with a
    probability below ``kind_threshold`` is sent as one. An answer that is right with a probability below ``warn_below``
    says so, and as an error below ``error_below``. Raises ValueError for a number that is not finite, or a threshold
    that is no probability.
    """

    intercept: float
    weights: Mapping[str, float]
    kind_threshold: float = KIND_THRESHOLD
    warn_below: float = WARN_BELOW
    error_below: float = 0.0

    def __post_init__(self) -> None:
        names = ("kind_threshold", "warn_below", "error_below")
        thresholds = {name: getattr(self, name) for name in names}
        numbers = {"intercept": self.intercept, **thresholds, **self.weights}
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"calibration: {name} must be a finite number, not {value!r}")
        for name, threshold in thresholds.items():
            if not 0 <= threshold <= 1:
                raise ValueError(f"calibration: {name} must be from 0 to 1, not {threshold}")

    def probability(self, features: Mapping[str, float]) -> float:
        """The probability that an answer with these features is right; every weight's feature must be there."""
        total = self.intercept + sum(weight * features[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-_LARGEST_LOGIT, min(_LARGEST_LOGIT, total))))


@dataclass(frozen=True)
class BundleConfig:
    """What ``config.json`` says.

    ``situations``: whether the decoder writes situations before the instruction; ``doctrine``: the digest of the
    doctrine in force when it was trained ("" where there are no situations); ``calibration``: None before
    `dispatch calibrate`; ``conventions``: what reviews have taught it to say beside doctrine.
    """

    name: str
    model: TransformerConfig
    situations: bool
    created_by: str
    doctrine: str = ""
    calibration: Calibration | None = None
    conventions: tuple[Convention, ...] = ()


@dataclass(frozen=True)
class BundleIdentity:
    """Tells bundles apart. ``digest`` is the SHA-256 of the file SHA256SUMS, in hexadecimal."""

    name: str
    digest: str

    def to_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle; the model is in eval mode and float32, on the processor."""

    path: Path
    config: BundleConfig
    model: Transformer
    tokenizer: Tokenizer
    identity: BundleIdentity
    seen_ngrams: SeenNgrams | None = None
    """Of the reports that it was trained on; None where the bundle does not tell."""

    @property
    def ctranslate2(self) -> Path | None:
        """The folder of the export for CTranslate2; None where the bundle has none."""
        folder = self.path / FOLDER
        return folder if folder.is_dir() else None


def save_bundle(
    path: Path,
    config: BundleConfig,
    model: Transformer,
    tokenizer: Tokenizer,
    metrics: Mapping[str, Any],
    card: str,
    seen_ngrams: SeenNgrams | None = None,
) -> None:
    """Writes a bundle, in the place of one that is there; with an export for CTranslate2 where that is installed.

    Raises ValueError when the path holds something that is no bundle, or a weight does not fit float16.
    """
    facts = {
        "format_version": FORMAT_VERSION,
        "name": config.name,
        "model": asdict(config.model),
        "tokenizer": {"vocab_size": tokenizer.vocab_size},
        "task": {"situations": config.situations},
        "created_by": config.created_by,
        "doctrine": config.doctrine,
        **({"calibration": asdict(config.calibration)} if config.calibration else {}),
        **({"conventions": [each.to_dict() for each in config.conventions]} if config.conventions else {}),
    }
    with _replacement(path) as folder:
        (folder / CONFIG).write_text(_json(facts), encoding="utf-8")
        save_file(_half_precision(model), folder / WEIGHTS)
        (folder / WEIGHTS).chmod((folder / CONFIG).stat().st_mode)  # safetensors lets its owner alone read it
        if ctranslate2_installed():
            export_ctranslate2(model, tokenizer, folder / WEIGHTS, folder / FOLDER)
        (folder / TOKENIZER).write_bytes(tokenizer.model_proto)
        if seen_ngrams is not None:
            (folder / NGRAMS).write_bytes(seen_ngrams.to_bytes())
        (folder / METRICS).write_text(_json(metrics), encoding="utf-8")
        (folder / CARD).write_text(card, encoding="utf-8")


def load_bundle(path: Path) -> Bundle:
    """Checks and loads a bundle. Raises BundleError, naming the file that is missing, differs or cannot be read, and
    where another bundle took its place meanwhile.
    """
    digest = verify_bundle(path)
    bundle = _load(path, digest)
    if hashlib.sha256(_read(path / SUMS)).hexdigest() != digest:
        raise BundleError(f"{path}: another bundle took its place while it was read: load it again")
    return bundle


def _load(path: Path, digest: str) -> Bundle:
    config = read_config(path)
    try:
        tokenizer = Tokenizer(_read(path / TOKENIZER))
    except ValueError as error:
        raise BundleError(f"{path / TOKENIZER}: {error}") from error
    if tokenizer.vocab_size != config.model.vocab_size:
        raise BundleError(
            f"{path / TOKENIZER}: {tokenizer.vocab_size} tokens, but {CONFIG} says {config.model.vocab_size}"
        )
    model = Transformer(config.model)
    try:
        model.load_state_dict({name: weight.float() for name, weight in load_file(path / WEIGHTS).items()})
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{path / WEIGHTS}: not the weights of the network in {CONFIG}: {error}") from error
    return Bundle(path, config, model.eval(), tokenizer, BundleIdentity(config.name, digest), _seen_ngrams(path))


def _seen_ngrams(path: Path) -> SeenNgrams | None:
    if not (path / NGRAMS).exists():
        return None
    try:
        return SeenNgrams.from_bytes(_read(path / NGRAMS))
    except ValueError as error:
        raise BundleError(f"{path / NGRAMS}: {error}") from error


def verify_bundle(path: Path) -> str:
    """Compares every file with SHA256SUMS; returns the bundle's digest.

    Raises BundleError, naming the file that is missing, differs or is there and not listed, an export for CTranslate2
    that was made of other weights, or a card that is not UTF-8.
    """
    digest = _verify_files(path)
    if (path / FOLDER).is_dir() and weights_digest(path / FOLDER) != hashlib.sha256(_read(path / WEIGHTS)).hexdigest():
        raise BundleError(f"{path / FOLDER}: made of other weights than {WEIGHTS}: `dispatch export {path}` renews it")
    return digest


def _verify_files(path: Path) -> str:
    if not (path / SUMS).exists():
        raise BundleError(f"no bundle at {path}: it holds no {SUMS}; {_remedy(path.resolve())}")
    listing = _read(path / SUMS)
    sums: dict[str, str] = {}
    for line in listing.decode("utf-8", "replace").splitlines():
        expected, separator, name = line.partition("  ")
        if not separator:
            raise BundleError(f"{path / SUMS}: not a line of sha256sum: {line!r}")
        sums[name] = expected
    others = sorted(file.relative_to(path).as_posix() for file in (*path.glob(NGRAMS), *(path / FOLDER).glob("*")))
    for name in (*FILES, *others, *sums):
        if name not in sums:
            raise BundleError(f"{path / SUMS}: {name} is not listed")
        if hashlib.sha256(_read(path / name)).hexdigest() != sums[name]:
            raise BundleError(f"{path / name}: differs from {SUMS}; fetch or train the bundle again")
    _read_text(path / CARD)
    return hashlib.sha256(listing).hexdigest()


def _remedy(path: Path) -> str:
    kept = next(path.parent.glob(f".{glob.escape(path.name)}.*/{_REPLACED}"), None)
    if kept is not None:
        return f"a replacement of it was cut short and left the old one at {kept}: move that back"
    return "name the folder `bundle` that `dispatch train` has written"


def read_config(path: Path) -> BundleConfig:
    """What ``config.json`` says, without a look at the sums. Raises BundleError."""
    facts = _read_object(path / CONFIG)
    try:
        version = facts["format_version"]
        if version != FORMAT_VERSION:
            raise ValueError(f"format_version {version}, but this Dispatch reads {FORMAT_VERSION}")
        for name in ("name", "created_by", "doctrine"):
            if not isinstance(facts[name], str):
                raise ValueError(f"field '{name}' must be text")
        model = TransformerConfig(**facts["model"])
        calibration = Calibration(**facts["calibration"]) if facts.get("calibration") is not None else None
        return BundleConfig(
            facts["name"],
            model,
            facts["task"]["situations"],
            facts["created_by"],
            facts["doctrine"],
            calibration,
            tuple(Convention.from_dict(each) for each in facts.get("conventions", [])),
        )
    except KeyError as error:
        raise BundleError(f"{path / CONFIG}: no field {error}") from error
    except (ValueError, TypeError) as error:
        raise BundleError(f"{path / CONFIG}: {error}") from error


def read_metrics(path: Path) -> dict[str, Any]:
    """What ``metrics.json`` says. Raises BundleError."""
    return _read_object(path / METRICS)


def update_document(path: Path, name: Literal["metrics.json", "MODEL_CARD.md"], text: str) -> None:
    """Replaces one of a bundle's documents and refreshes its sums. The digest changes with them.

    Raises BundleError, and changes nothing, when the bundle is not whole.
    """
    verify_bundle(path)
    with _replacement(path) as folder:
        shutil.copytree(path, folder, dirs_exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def update_calibration(path: Path, calibration: Calibration) -> None:
    """Writes a calibration into a bundle's ``config.json`` and refreshes the sums. The digest changes with them.

    Raises BundleError, and changes nothing, when the bundle is not whole.
    """
    verify_bundle(path)
    facts = _read_object(path / CONFIG) | {"calibration": asdict(calibration)}
    with _replacement(path) as folder:
        shutil.copytree(path, folder, dirs_exist_ok=True)
        (folder / CONFIG).write_text(_json(facts), encoding="utf-8")


def add_ctranslate2(path: Path) -> None:
    """Writes an export for CTranslate2 into a bundle, in the place of one that is there, and refreshes the sums.

    The digest changes with them. Raises BundleError, and changes nothing, when the bundle is not whole (an export of
    other weights is no hindrance), ModuleNotFoundError where CTranslate2 is not installed.
    """
    _verify_files(path)
    bundle = _load(path, "")
    with _replacement(path) as folder:
        shutil.copytree(path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(FOLDER))
        export_ctranslate2(bundle.model, bundle.tokenizer, folder / WEIGHTS, folder / FOLDER)


@contextmanager
def _replacement(path: Path) -> Generator[Path, None, None]:
    """A new folder beside the path, which takes its place, with sums, when the block ends without an error.

    A kill between the two renames leaves the old folder under its hidden name, which verify_bundle then tells.
    """
    path = path.resolve()  # a link stays a link, and "." has a name and a parent
    if path.exists() and not (path / SUMS).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(f"{path} is there and is no bundle: name another folder, or remove it first")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        folder, replaced = Path(scratch, "new"), Path(scratch, _REPLACED)
        folder.mkdir()
        yield folder
        _write_sums(folder)
        sync_folder(folder)
        if path.exists():
            path.rename(replaced)
        try:
            folder.rename(path)
        except OSError:
            if replaced.exists():
                replaced.rename(path)
            raise


def _write_sums(folder: Path) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / SUMS)
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n" for file in files
    ]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def sync_folder(folder: Path) -> None:
    """Has the disk hold every file, and the folders' lists of them, before the folder gets its name."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _half_precision(model: Transformer) -> dict[str, torch.Tensor]:
    weights = {name: weight.to("cpu", torch.float16).contiguous() for name, weight in model.state_dict().items()}
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise ValueError(f"{name} holds a weight that is not finite or too large for float16")
    return weights


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}") from error


def _read_text(file: Path) -> str:
    try:
        return _read(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{file}: not UTF-8: {error}") from error


def _read_object(file: Path) -> dict[str, Any]:
    text = _read_text(file)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise BundleError(f"{file}: must hold a JSON object")
    return values


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
