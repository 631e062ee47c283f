"""Succession: one bundle takes another's place, and the one before can be put back as it was.

`PATH` is what is served, `PATH.previous` what was served before it. Folders are never written into: they change places,
which Linux does in one step, so that a kill at any moment leaves a whole bundle at `PATH`. Where the system cannot, a
kill between two renames may leave none there; the next promotion or rollback puts it back.
"""

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

from dispatch.model.bundle import BundleError, sync_folder, verify_bundle

PREVIOUS = ".previous"
_HERE = -100  # AT_FDCWD of renameat2: paths are what they say
_EXCHANGE = 2  # RENAME_EXCHANGE


def previous_of(path: Path) -> Path:
    """Where the bundle is kept that was served before the one at a path."""
    path = path.resolve()
    return path.with_name(path.name + PREVIOUS)


def promote(candidate: Path, path: Path) -> str:
    """Copies a bundle into the place of the one at a path, which is kept; returns its digest.

    Raises BundleError, and changes nothing, where either is not whole; ValueError where both are the same.
    """
    path, previous = path.resolve(), previous_of(path)
    _settle(path)
    digest = verify_bundle(candidate)
    if verify_bundle(path) == digest:
        raise ValueError(f"{path} is that bundle already: there is nothing to promote")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        new, old = _copied(candidate, Path(scratch, "new")), _copied(path, Path(scratch, "old"))
        # First what a rollback puts back: whatever is served, it is never older than the one before that.
        if previous.is_dir():
            _exchange(old, previous)
        else:
            old.rename(previous)
        _exchange(new, path)
    return digest


def rollback(path: Path) -> str:
    """Puts back the bundle before the one at a path, which takes its place as the one before; returns its digest.

    So a second rollback undoes the first. Raises BundleError, and changes nothing, where there is none that is whole.
    """
    path, previous = path.resolve(), previous_of(path)
    if _settle(path):
        return verify_bundle(path)
    if not previous.is_dir():
        raise BundleError(f"{previous}: nothing is kept there, so nothing can be put back")
    digest = verify_bundle(previous)
    if path.is_dir():
        _exchange(previous, path)
    else:
        previous.rename(path)
    return digest


def _copied(bundle: Path, copy: Path) -> Path:
    """A copy that the disk holds. Raises BundleError where the bundle is not whole or changes meanwhile."""
    digest = verify_bundle(bundle)
    shutil.copytree(bundle, copy)
    if verify_bundle(copy) != digest:
        raise BundleError(f"{bundle} has changed while it was copied")
    sync_folder(copy)
    return copy


def _exchange(one: Path, other: Path) -> None:
    """What stands at two paths changes places; undone where that fails."""
    if _exchanged_at_once(one, other):
        return
    aside = _aside(other)
    other.rename(aside)
    try:
        one.rename(other)
    except OSError:
        aside.rename(other)
        raise
    aside.rename(one)


def _exchanged_at_once(one: Path, other: Path) -> bool:
    """Whether the system could do it in one step."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # another system than Linux, or a C library without it
        return False
    return bool(renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.aside")


def _settle(path: Path) -> bool:
    """Ends an exchange that was cut short between two renames; returns whether that was a rollback, which is done."""
    previous = previous_of(path)
    for place in (path, previous):
        aside = _aside(place)
        if not aside.is_dir():
            continue
        if not place.is_dir():
            aside.rename(place)
        elif not previous.is_dir():
            aside.rename(previous)
            return True
        else:  # its copy is kept already
            shutil.rmtree(aside)
    return False
