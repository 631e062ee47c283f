"""The reader of traces: it believes an answer only after its rows were written to the log and the log was synced."""

import pytest

from tests.store.trace import count_answers

WRITTEN = '7 pwrite64(5</data/dispatch.db-wal>, "..."..., 24, 4152) = 24'
SYNCED = "7 fdatasync(5</data/dispatch.db-wal>) = 0"
ANSWERED = '6 write(1<pipe:[9]>, "answered instructions/0"..., 50) = 50'


def test_an_answer_after_its_sync_counts() -> None:
    assert count_answers("\n".join([WRITTEN, WRITTEN, SYNCED, ANSWERED] * 2)) == 2


@pytest.mark.parametrize(
    "lines",
    [
        [WRITTEN, ANSWERED],
        [SYNCED, ANSWERED],
        [WRITTEN, SYNCED, WRITTEN, ANSWERED],
        [WRITTEN, SYNCED, ANSWERED, ANSWERED],
        [WRITTEN, SYNCED.replace("= 0", "= -1 EIO (Input/output error)"), ANSWERED],
    ],
)
def test_an_answer_before_its_sync_is_found(lines: list[str]) -> None:
    with pytest.raises(AssertionError, match="before the log was synced"):
        count_answers("\n".join(lines))
