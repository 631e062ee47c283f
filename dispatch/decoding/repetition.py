"""The runaway guard: what repeats itself without end is ended, since it never comes to its own."""

from collections.abc import Sequence

LONGEST = 8  # tokens of the part that is repeated
FEWEST = 6  # times in a row
# Six zeros (1000000) and six dots (…… as it is normalised) are text: a short part must fill as much as a long one.
SHORTEST = 16  # tokens of all the repeats


def is_runaway(tokens: Sequence[int], start: int = 0) -> bool:
    """Whether `tokens[start:]` end with a part of 1 to 8 tokens, at least 6 times in a row and over 16 tokens or more.

    A last repeat that has only begun counts for its tokens.
    """
    length = len(tokens) - start
    for size in range(1, LONGEST + 1):
        stretch = max(size * FEWEST, SHORTEST)
        if length < stretch:
            continue
        # Tokens repeat at this distance if they equal themselves, moved by it; most do not even at the end.
        if tokens[-1] == tokens[-1 - size] and tokens[size - stretch :] == tokens[-stretch:-size]:
            return True
    return False
