"""Results written to a file whole or not at all."""

import shutil
import tempfile
from pathlib import Path


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


def is_pipe_or_device(path: Path) -> bool:
    """Whether something stands there that is neither a file nor a folder, and must not be replaced by one."""
    return path.exists() and not path.is_file() and not path.is_dir()
