"""Splits: train, valid and seen share names and numbers; unseen is made of held-out names and numbers alone."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dispatch.domain.formulas import is_vague_place
from training.corpus import Pair
from training.synthesis.lexicon import Lexicon
from training.synthesis.pairs import PairGenerator, hazards_of

_PROGRESS_EVERY = 1000
_SHORT_PLACE = 8


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
    held_pairs: int = 2000,
    progress: Callable[[int], None] | None = None,
) -> SplitReport:
    """Writes ``train``, ``valid``, ``seen`` and ``unseen`` as JSONL files into the folder ``out``.

    Each of the last three holds ``held_pairs`` pairs. No pair stands in two of the files, and no report of
    ``train`` in ``unseen``; the same seed gives the same bytes.
    ``progress`` is called with the number of pairs written so far. Raises ValueError for numbers below 1.
    """
    if train_pairs < 1 or held_pairs < 1:
        raise ValueError("the number of pairs must be at least 1")
    lexicon = Lexicon.load()
    known = _without_repeats(PairGenerator(lexicon, seed, unseen=False).pairs())
    unseen = _without_repeats(PairGenerator(lexicon, seed, unseen=True).pairs())
    said: list[str] = []  # what training reads: complete before the first unseen pair is drawn
    plan = (
        ("valid", known, held_pairs),
        ("seen", known, held_pairs),
        ("train", _noting(known, said), train_pairs),
        ("unseen", _in_new_places(unseen, said), held_pairs),
    )
    out.mkdir(parents=True, exist_ok=True)
    files, written = {}, 0
    for split, source, size in plan:
        counts: dict[str, int] = {}
        with (out / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for pair in islice(source, size):
                file.write(json.dumps(pair.to_dict(), ensure_ascii=False) + "\n")
                for key, number in hazards_of([pair]).items():
                    counts[key] = counts.get(key, 0) + number
                written += 1
                if progress and written % _PROGRESS_EVERY == 0:
                    progress(written)
        files[split] = counts
    if progress:
        progress(written)
    return SplitReport(files)


def _noting(pairs: Iterator[Pair], said: list[str]) -> Iterator[Pair]:
    """The same pairs; the texts in which they name places are added to ``said``."""
    for pair in pairs:
        said += (pair.report, pair.context.location, *pair.context.issued)
        yield pair


def _in_new_places(pairs: Iterator[Pair], said: list[str]) -> Iterator[Pair]:
    """Drops pairs whose report stands in ``said``, or whose place does as a part of another name.

    S6 is a part of S65, 石桥村 of 大石桥村. Only short places can be: longer ones hold a held-out name behind another.
    """
    texts: set[str] = set()
    everything = ""
    for pair in pairs:
        everything, texts = everything or "\n".join(said), texts or set(said)
        if pair.report in texts:
            continue
        places = {pair.situations[0].location, pair.context.location}
        short = (place for place in places if len(place) <= _SHORT_PLACE and not is_vague_place(place))
        if not any(place in everything for place in short):
            yield pair


def _without_repeats(pairs: Iterator[Pair]) -> Iterator[Pair]:
    """Drops pairs whose report came before, in whatever context (the generator repeats short ones)."""
    seen: set[int] = set()
    for pair in pairs:
        key = hash(pair.report)
        if key not in seen:
            seen.add(key)
            yield pair
