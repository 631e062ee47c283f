"""The reader of traces: it believes a reply only after its row was written to the log and the log was synced."""

import pytest

from tests.integration.trace import Reader

ID = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
LOG = "5</data/dispatch.db-wal>"
WRITTEN = f'7  pwrite64({LOG}, "..{ID}..", 4096, 4152) = 4096'
SYNC_BEGINS = f"7 fdatasync({LOG} <unfinished ...>"
SYNC_ENDS = "7 <... fdatasync resumed>) = 0"
SYNCED = f"7 fdatasync({LOG}) = 0"
SENT = (
    '6 sendmsg(9<TCP:[127.0.0.1:5->127.0.0.1:6]>, {msg_iov=[{iov_base="..instr", iov_len=7}, '
    f'{{iov_base="uctions/{ID}..", iov_len=50}}], msg_iovlen=2}}, 0) = 57'
)


def read(*lines: str) -> set[str]:
    reader = Reader()
    for line in lines:
        reader.read(line)
    return reader.answered


def test_a_reply_after_its_sync_counts() -> None:
    assert read(WRITTEN, SYNCED, SENT) == {ID}
    assert read(WRITTEN, SYNC_BEGINS, "6 write(2</dev/null>, ..) = 1", SYNC_ENDS, SENT, SENT) == {ID}


@pytest.mark.parametrize(
    "lines",
    [
        [SENT],
        [WRITTEN, SENT],
        [SYNCED, SENT],
        [SYNCED, WRITTEN, SENT],
        [WRITTEN, SYNC_BEGINS, SENT, SYNC_ENDS],
        [SYNC_BEGINS, WRITTEN.replace("7", "8", 1), SYNC_ENDS, SENT],
        [WRITTEN, SYNCED.replace("-wal", ""), SENT],
        [WRITTEN, SYNCED.replace("= 0", "= -1 EIO (Input/output error)"), SENT],
        [WRITTEN.replace(ID, OTHER), SYNCED, SENT],
    ],
)
def test_a_reply_before_its_sync_is_found(lines: list[str]) -> None:
    with pytest.raises(AssertionError, match="answered before the log was synced"):
        read(*lines)
