"""Splits: what each file is made of. Training sees the known side alone; each test file turns one thing over."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from errno import EISDIR
from itertools import islice
from pathlib import Path

from dispatch.domain.places import is_vague_place
from training.corpus import PROGRESS_EVERY, Pair
from training.lint import bare_text
from training.slots import kind_or_hazard
from training.synthesis.holdout import Sides
from training.synthesis.lexicon import Lexicon
from training.synthesis.noise import NoiseConfig
from training.synthesis.pairs import PLACINGS, PairGenerator, Recipe

_SHORT_PLACE = 8

_REQUESTS = Recipe(other=0.0)
_NO_PLACE = ("hinted", "unsaid", "vague", "unknown")

# Files are written in this order, and each leaves out the reports of those before it. valid and seen come before train,
# so that they do not depend on its size; the splits of new places come behind it, for they leave out what it names.
RECIPES: Mapping[str, Recipe] = {
    "valid": Recipe(),
    "seen": Recipe(),
    "train": Recipe(),
    "valid_unseen": Recipe(
        sides=Sides(names="validation", numbers="validation", combinations="validation", entries="validation")
    ),
    "unseen": Recipe(sides=Sides(names="test", numbers="test")),
    "unseen_places": Recipe(sides=Sides(names="test")),
    "unseen_numbers": Recipe(sides=Sides(numbers="test")),
    "unseen_combinations": replace(_REQUESTS, sides=Sides(combinations="test")),
    "unseen_phrasings": Recipe(sides=Sides(entries="test")),
    "noisy": Recipe(noise=NoiseConfig(share=1.0)),
    "reordered": Recipe(),
    "two_incidents": replace(_REQUESTS, two_incidents=1.0),
    "not_requests": Recipe(other=1.0),
    "issued": replace(_REQUESTS, two_incidents=0.0, issued=1.0),
    "declined": replace(_REQUESTS, two_incidents=0.0, declined=1.0),
    "no_place": replace(_REQUESTS, two_incidents=0.0, placings={name: PLACINGS[name] for name in _NO_PLACE}),
    "caller_elsewhere": replace(_REQUESTS, two_incidents=0.0, placings={"said_beside": 0.3, "relayed": 0.7}),
    "other_numbers": replace(_REQUESTS, asides=2),
}
_SAME_SITUATIONS = {"reordered": "seen"}  # the same situations as another file's, in other words
_WITH_NEW_PLACES = frozenset(name for name, recipe in RECIPES.items() if recipe.sides.names != "known")
_ORDER = tuple(RECIPES)
assert max(map(_ORDER.index, ("valid", "seen"))) < _ORDER.index("train") < min(map(_ORDER.index, _WITH_NEW_PLACES))


@dataclass(frozen=True)
class SplitReport:
    """How many pairs each file got, in all and by hazard or kind."""

    files: dict[str, dict[str, int]]

    def total(self, split: str) -> int:
        return sum(self.files[split].values())


def write_splits(
    out: Path,
    train_pairs: int,
    seed: int,
    *,
    held_pairs: int = 1000,
    on_progress: Callable[[int], None] | None = None,
) -> SplitReport:
    """Writes every split of :data:`RECIPES` as a JSONL file into the folder ``out``.

    Each but ``train`` holds ``held_pairs`` pairs. No report stands twice, in one file or in two, be it with
    other punctuation, and no place of a split of unseen places stands in a text of ``train``; the same seed gives the
    same bytes.
    Each file stands as ``NAME.jsonl.partial`` until all are whole, and these are removed where the work ends early.
    Files of these names are replaced: :func:`splits_in` finds them. ``on_progress`` is called with the number of pairs
    written so far, now and then. Raises ValueError for numbers below 1, IsADirectoryError where a folder has the name
    of a file.
    """
    if train_pairs < 1 or held_pairs < 1:
        raise ValueError("the number of pairs must be at least 1")
    for path in splits_in(out):
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "is a folder, and a file is to be written there", str(path))
    out.mkdir(parents=True, exist_ok=True)
    lexicon = Lexicon.load()
    texts = _Texts()
    progress = _Progress(on_progress)
    files: dict[str, dict[str, int]] = {}
    begun: list[str] = []
    try:
        for split in RECIPES:
            size = train_pairs if split == "train" else held_pairs
            pairs = islice(texts.new(split, split_pairs(lexicon, split, seed)), size)
            begun.append(split)
            files[split] = _write_pairs(_partial_path(out, split), progress.counted(pairs))
        # Only now, and together: train of one run beside the tests of another would leak.
        for split in RECIPES:
            os.replace(_partial_path(out, split), _path(out, split))
    finally:
        for split in begun:
            _partial_path(out, split).unlink(missing_ok=True)
    progress.tell()
    return SplitReport(files)


def splits_in(out: Path) -> list[Path]:
    """What stands in the folder ``out`` that :func:`write_splits` would replace, with what a killed run left."""
    paths = (path for split in RECIPES for path in (_path(out, split), _partial_path(out, split)))
    return [path for path in paths if os.path.lexists(path)]


def _path(out: Path, split: str) -> Path:
    return out / f"{split}.jsonl"


def _partial_path(out: Path, split: str) -> Path:
    return out / f"{split}.jsonl.partial"


def _write_pairs(path: Path, pairs: Iterator[Pair]) -> dict[str, int]:
    """Writes the pairs, and counts them by hazard or kind."""
    counts: Counter[str] = Counter()
    with path.open("w", encoding="utf-8") as file:
        for pair in pairs:
            file.write(json.dumps(pair.to_dict(), ensure_ascii=False) + "\n")
            counts[kind_or_hazard(pair.situations[0])] += 1
    return dict(counts)


class _Progress:
    """Counts the pairs of all files together and tells of them, now and then."""

    def __init__(self, on_progress: Callable[[int], None] | None) -> None:
        self._on_progress = on_progress
        self._written = 0

    def counted(self, pairs: Iterator[Pair]) -> Iterator[Pair]:
        for pair in pairs:
            yield pair
            self._written += 1
            if self._written % PROGRESS_EVERY == 0:
                self.tell()

    def tell(self) -> None:
        if self._on_progress:
            self._on_progress(self._written)


def split_pairs(lexicon: Lexicon, split: str, seed: int) -> Iterator[Pair]:
    """The endless stream of pairs that a split's file is the beginning of, but for those that stand elsewhere."""
    generator = PairGenerator(lexicon, f"{seed}:{_SAME_SITUATIONS.get(split, split)}", RECIPES[split])
    return generator.reordered() if split in _SAME_SITUATIONS else generator.pairs()


class _Texts:
    """The reports written so far, and all that training reads."""

    def __init__(self) -> None:
        self._reports: set[str] = set()
        self._trained: list[str] = []
        self._everything = ""

    def new(self, split: str, pairs: Iterator[Pair]) -> Iterator[Pair]:
        """Drops pairs whose report came before and, where places are to be new, those whose place training reads.

        S6 is a part of S65, 石桥村 of 大石桥村. Only short places can be: longer ones hold a held-out name behind
        another name.
        """
        if split in _WITH_NEW_PLACES:
            self._everything = self._everything or "\n".join(self._trained)
        for pair in pairs:
            bare = bare_text(pair.report)
            if bare in self._reports or (split in _WITH_NEW_PLACES and self._names_a_known_place(pair)):
                continue
            self._reports.add(bare)
            if split == "train":
                self._trained += (pair.report, pair.context.location, *pair.context.issued)
            yield pair

    def _names_a_known_place(self, pair: Pair) -> bool:
        places = {situation.location for situation in pair.situations} | {pair.context.location}
        short = (place for place in places if len(place) <= _SHORT_PLACE and not is_vague_place(place))
        return any(place in self._everything for place in short)
