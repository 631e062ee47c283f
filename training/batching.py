"""Batches of pairs of like length, bounded by tokens."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.corpus import TokenizedCorpus

SORT_CHUNK = 20_000  # pairs sorted by length together: larger pads less, smaller mixes better
SOURCE_BAND = 8  # sources that differ by fewer tokens count as of one length, so that targets can be sorted too

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Padded token ids (B pairs, S source length, T + 1 target length with bos and eos)."""

    source_BS: Tensor
    target_BU: Tensor  # U = T + 1: the decoder reads [:, :-1] and is asked for [:, 1:]
    source_tokens: int  # not counting padding
    target_tokens: int  # predicted tokens, not counting padding
    rows_B: Rows  # of the corpus

    @property
    def decoder_input_BT(self) -> Tensor:
        return self.target_BU[:, :-1]

    @property
    def decoder_output_BT(self) -> Tensor:
        return self.target_BU[:, 1:]

    def to(self, device: torch.device) -> "Batch":
        if device.type == "cpu":
            return self
        source_BS = self.source_BS.pin_memory().to(device, non_blocking=True)
        target_BU = self.target_BU.pin_memory().to(device, non_blocking=True)
        return replace(self, source_BS=source_BS, target_BU=target_BU)


class TokenBatches:
    """Divides pairs of a corpus into batches of at most batch_tokens source and target tokens, padding included.

    Every epoch shuffles the pairs, sorts them by length in chunks of SORT_CHUNK, cuts the chunks into batches and
    shuffles these; the order is a function of (seed, epoch) alone, so a run can be resumed in the middle of one.
    """

    def __init__(self, corpus: TokenizedCorpus, rows: Rows, batch_tokens: int, seed: int, pad_id: int) -> None:
        """rows: which pairs of the corpus to use.

        Raises:
            ValueError: if there are no pairs, or a single pair is larger than batch_tokens.
        """
        if len(rows) == 0:
            raise ValueError("no pairs to make batches of")
        self.corpus = corpus
        self.rows = rows
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.pad_id = pad_id
        self._source_lengths = corpus.source_lengths
        self._target_lengths = corpus.target_lengths
        longest = int((self._source_lengths[rows] + self._target_lengths[rows]).max())
        if longest > batch_tokens:
            raise ValueError(f"batch_tokens is {batch_tokens}, but the longest pair has {longest} tokens; raise it")

    def epoch(self, number: int) -> list[Rows]:
        """The batches of an epoch, as rows of the corpus, in the order of training."""
        generator = np.random.default_rng([self.seed, number])
        shuffled = generator.permutation(self.rows)
        batches = [
            batch
            for start in range(0, len(shuffled), SORT_CHUNK)
            for batch in self._cut(self._by_length(shuffled[start : start + SORT_CHUNK]))
        ]
        return [batches[index] for index in generator.permutation(len(batches))]

    def in_order(self) -> list[Rows]:
        """The batches for validation: every pair once, by length."""
        return list(self._cut(self._by_length(self.rows)))

    def _by_length(self, rows: Rows) -> Rows:
        """By length of the source in bands; targets rise in one band and fall in the next, so neighbours stay alike."""
        bands = self._source_lengths[rows] // SOURCE_BAND
        targets = self._target_lengths[rows]
        order = np.lexsort((np.where(bands % 2 == 0, targets, -targets), bands))
        return rows[order]

    def _cut(self, rows: Rows) -> Iterator[Rows]:
        start = widest_source = widest_target = 0
        lengths = zip(self._source_lengths[rows].tolist(), self._target_lengths[rows].tolist(), strict=True)
        for index, (source, target) in enumerate(lengths):
            wider_source, wider_target = max(widest_source, source), max(widest_target, target)
            if (index - start + 1) * (wider_source + wider_target) > self.batch_tokens:
                yield rows[start:index]
                start, wider_source, wider_target = index, source, target
            widest_source, widest_target = wider_source, wider_target
        yield rows[start:]

    def collate(self, rows: Rows) -> Batch:
        """The padded tensors of one batch."""
        corpus = self.corpus
        return Batch(
            source_BS=_padded(corpus.source_ids, corpus.source_offsets, rows, self.pad_id),
            target_BU=_padded(corpus.target_ids, corpus.target_offsets, rows, self.pad_id),
            source_tokens=int(self._source_lengths[rows].sum()),
            target_tokens=int(self._target_lengths[rows].sum()),
            rows_B=rows,
        )


def _padded(ids: npt.NDArray[np.integer], offsets: npt.NDArray[np.int64], rows: Rows, pad_id: int) -> Tensor:
    starts_B, lengths_B = offsets[rows], offsets[rows + 1] - offsets[rows]
    columns_L = np.arange(lengths_B.max())
    inside_BL = columns_L < lengths_B[:, None]
    padded_BL = np.full(inside_BL.shape, pad_id, dtype=np.int64)
    padded_BL[inside_BL] = ids[(starts_B[:, None] + columns_L)[inside_BL]]
    return torch.from_numpy(padded_BL)
