"""What is no file, although it stands where one could."""

from pathlib import Path


def is_pipe_or_device(path: Path) -> bool:
    """Whether something stands there that is neither a file nor a folder, and must not be replaced by one."""
    return path.exists() and not path.is_file() and not path.is_dir()
