"""A disk that fails on command, for one process: nobody needs to be root for it, nor to fill a real one."""

import errno
import mmap
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("faulty_disk.c")
_PAGE = struct.Struct("iii")


@dataclass(frozen=True)
class Fault:
    """What happens to writes and syncs: errno of either, 0 for none."""

    write_errno: int = 0
    sync_errno: int = 0
    sync_delay_ms: int = 0


FULL = Fault(write_errno=errno.ENOSPC)
READ_ONLY = Fault(write_errno=errno.EROFS)
BROKEN = Fault(sync_errno=errno.EIO)
"""Takes what is written, and says that it could not keep it."""
SOUND = Fault()


class FaultyDisk:
    """The files below a folder, for processes that run with ``environment``."""

    def __init__(self, folder: Path, library: Path, control: mmap.mmap, control_path: Path) -> None:
        self._control = control
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAULTY_DISK_FOLDER": str(folder),
            "FAULTY_DISK_CONTROL": str(control_path),
        }

    def become(self, fault: Fault) -> None:
        """From now on."""
        self._control[:] = _PAGE.pack(fault.write_errno, fault.sync_errno, fault.sync_delay_ms)


@contextmanager
def faulty_disk(folder: Path, work: Path) -> Iterator[FaultyDisk]:
    """Sound at first. ``work`` takes what is compiled."""
    library, control_path = work / "faulty_disk.so", work / "faulty_disk"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"], check=True)
    control_path.write_bytes(_PAGE.pack(0, 0, 0))
    with control_path.open("r+b") as file, mmap.mmap(file.fileno(), _PAGE.size) as control:
        yield FaultyDisk(folder.resolve(), library, control, control_path)
