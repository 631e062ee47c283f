"""Results written to a file whole or not at all."""

import shutil
import tempfile
from pathlib import Path

from dispatch.offline.special_files import is_pipe_or_device


def write_whole(path: Path, text: str) -> None:
    """The file, or the one it is a link to, holds the whole text or, after a failure, what it held before.

    A pipe or a device is written into: what takes its place would break those who use it.
    """
    if is_pipe_or_device(path):
        path.write_text(text, encoding="utf-8")
        return
    target = path.resolve()
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        written = Path(scratch, "written")
        written.write_text(text, encoding="utf-8")
        if target.exists():
            shutil.copymode(target, written)
        written.replace(target)
