"""Which short runs of characters training has shown a model: a report in other words deserves less confidence.

They are kept as a Bloom filter with one hash function (Bloom 1970, "Space/Time Trade-offs in Hash Coding with Allowable
Errors"): a bit a hash, so that a few runs that were never seen pass as seen, and none the other way round.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dispatch.model.normalization import normalize

LENGTH = 3
"""Characters of a run."""
_HASH_BITS = 23  # a megabyte of bits, of which the shipped model's pairs fill a twentieth
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4)
_LEAST_SIGHTINGS = 2
_TEXTS_A_SIGHTING = 50_000  # a run must be in one of so many texts: names are made up anew, what one says is not


@dataclass(frozen=True, eq=False)
class SeenNgrams:
    """The runs of characters that training has seen often enough to know them."""

    bits: npt.NDArray[np.uint8]
    """Packed, most significant first; bit h for the runs whose hash is h."""

    def unseen_share(self, text: str) -> float:
        """Of the runs in a text, normalised, the share that training has not shown; 0 for a text shorter than a run."""
        hashes = _hashes(text)
        seen = self.bits[hashes >> 3] >> (7 - (hashes & 7)) & 1
        return float(1 - seen.mean()) if len(hashes) else 0.0

    def __or__(self, other: "SeenNgrams") -> "SeenNgrams":
        return SeenNgrams(self.bits | other.bits)

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads."""
        return self.bits.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "SeenNgrams":
        """Raises ValueError for any other number of bytes than `to_bytes` gives."""
        if len(data) * 8 != 1 << _HASH_BITS:
            raise ValueError(f"{len(data):,} bytes are no table of {1 << _HASH_BITS:,} bits")
        return cls(np.frombuffer(data, dtype=np.uint8))


class NgramCounter:
    """Counts in how many texts each run of characters stands."""

    def __init__(self) -> None:
        self._texts = 0
        self._counts = np.zeros(1 << _HASH_BITS, dtype=np.uint32)

    def add(self, text: str) -> None:
        self._texts += 1
        self._counts[np.unique(_hashes(text))] += 1

    def seen(self) -> SeenNgrams:
        """Those in at least two texts, and in one of 50,000."""
        least = max(_LEAST_SIGHTINGS, self._texts // _TEXTS_A_SIGHTING)
        return SeenNgrams(np.packbits(self._counts >= least))


def _hashes(text: str) -> npt.NDArray[np.int64]:
    characters = np.frombuffer(normalize(text).text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    count = max(0, len(characters) - LENGTH + 1)
    total: npt.NDArray[Any] = np.zeros(count, dtype=np.uint64)
    for place in range(LENGTH):
        total = (total + characters[place : place + count].astype(np.uint64)) * _MULTIPLIER
    return (total >> np.uint64(64 - _HASH_BITS)).astype(np.int64)
