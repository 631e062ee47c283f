"""Succession: one bundle takes another's place, and the one before can be put back as it was.

`PATH` is what is served, `PATH.previous` what was served before it. Folders are renamed, never written into, so what
comes back is what went, byte for byte; and each step ends with either bundle whole at `PATH`.
"""

import shutil
import tempfile
from pathlib import Path

from dispatch.model.bundle import BundleError, verify_bundle

PREVIOUS = ".previous"


def previous_of(path: Path) -> Path:
    """Where the bundle is kept that was served before the one at a path."""
    path = path.resolve()
    return path.with_name(path.name + PREVIOUS)


def promote(candidate: Path, path: Path) -> str:
    """Copies a bundle into the place of the one at a path, which is kept; returns its digest.

    Raises BundleError, and changes nothing, where either is not whole; ValueError where both are the same.
    """
    path, previous = path.resolve(), previous_of(path)
    digest = verify_bundle(candidate)
    if verify_bundle(path) == digest:
        raise ValueError(f"{path} is that bundle already: there is nothing to promote")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        copy, older = Path(scratch, "new"), Path(scratch, "older")
        shutil.copytree(candidate, copy)
        verify_bundle(copy)
        if previous.exists():
            previous.rename(older)
        try:
            _swap(copy, path, previous)
        except OSError:
            if older.exists():
                older.rename(previous)
            raise
    return digest


def rollback(path: Path) -> str:
    """Puts back the bundle before the one at a path, which takes its place as the one before; returns its digest.

    So a second rollback undoes the first. Raises BundleError, and changes nothing, where there is none that is whole.
    """
    path, previous = path.resolve(), previous_of(path)
    returning = path.with_name(f".{path.name}.returning")
    if returning.is_dir() and not previous.is_dir():
        returning.rename(previous)  # a rollback was cut short before anything else had moved
    if not previous.is_dir():
        raise BundleError(f"{previous}: nothing is kept there, so nothing can be put back")
    digest = verify_bundle(returning if returning.is_dir() else previous)
    if not returning.is_dir():
        previous.rename(returning)
        if path.is_dir():  # a promotion may have been cut short
            path.rename(previous)
    returning.rename(path)
    return digest


def _swap(new: Path, path: Path, previous: Path) -> None:
    """The bundle at path becomes previous, and the new one stands at path; undone where that fails."""
    path.rename(previous)
    try:
        new.rename(path)
    except OSError:
        previous.rename(path)
        raise
