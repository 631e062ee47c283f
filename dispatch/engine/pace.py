"""How long batches take, learnt from those that were decoded."""

_KEPT = 0.95
"""What an older batch weighs beside the next: some twenty of them count."""
_ALIKE = 0.1
"""Batches whose sizes differ by less than this part of their mean do not tell what a token takes."""

_RISING = 0.3
"""The part of the way to a measurement that is higher."""


class Tail:
    """What something takes at most, nearly always: it grows quickly with what takes longer, and falls slowly."""

    def __init__(self, first: float = 0.0, falling: float = 0.02) -> None:
        """``falling`` is the part of the way to a measurement that is lower: at 0.02 one in twenty lies above, at 0.004
        one in a hundred."""
        self.value = first
        self._falling = falling

    def note(self, value: float) -> None:
        """Takes a measurement into account."""
        part = _RISING if value > self.value else self._falling
        self.value += part * (value - self.value)


class Pace:
    """A batch takes a time of its own and one for each of its tokens: both by least squares, recent batches first."""

    def __init__(self) -> None:
        self._weight = self._x = self._y = self._xx = self._xy = 0.0

    @property
    def is_known(self) -> bool:
        """Whether any batch was measured."""
        return self._weight > 0

    def note(self, tokens: int, seconds: float) -> None:
        """Takes a decoded batch into account."""
        self._weight = _KEPT * self._weight + 1
        self._x = _KEPT * self._x + tokens
        self._y = _KEPT * self._y + seconds
        self._xx = _KEPT * self._xx + tokens * tokens
        self._xy = _KEPT * self._xy + tokens * seconds

    def seconds(self, tokens: float, batches: int = 1) -> float:
        """What this many tokens in this many batches take; 0 as long as nothing was measured."""
        if not self.is_known:
            return 0.0
        of_batch, of_token = self._parts()
        return of_batch * batches + of_token * tokens

    def _parts(self) -> tuple[float, float]:
        """Seconds of a batch and of a token, neither below 0."""
        mean = self._x / self._weight
        spread = self._xx / self._weight - mean * mean
        if spread <= (_ALIKE * mean) ** 2:
            return self._y / self._weight, 0.0
        of_token = (self._xy / self._weight - mean * self._y / self._weight) / spread
        of_batch = self._y / self._weight - of_token * mean
        if of_token < 0:
            return self._y / self._weight, 0.0
        if of_batch < 0:
            return 0.0, self._xy / self._xx
        return of_batch, of_token
