"""Files and folders that only their owner may touch: made so, and refused when they are not."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from leakguard.keep.errors import StoreError

WINDOWS = sys.platform == "win32"  # its folders are private by inheritance; it has no such modes
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def folder(path: str, *, make: bool = True) -> None:
    """Make a folder for us alone, or check that it is ours and nobody else can write there."""
    try:
        if make:
            os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.lstat(path)
    except OSError as error:
        raise unusable(path, error) from None
    if stat.S_ISLNK(status.st_mode):
        raise StoreError(f"{path} is a link", "use the folder that it leads to")
    _ours(path, status, "folder")
    _way(os.path.dirname(os.path.realpath(path)))


def file(path: str) -> None:
    """Check that an existing file is ours, no link, and that nobody else can write it."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise unusable(path, error) from None
    if not stat.S_ISREG(status.st_mode):
        what = "a link" if stat.S_ISLNK(status.st_mode) else "no file"
        raise StoreError(f"{path} is {what}", "name the file itself")
    _ours(path, status, "file")


def create(path: str, content: bytes = b"") -> bool:
    """Make a file (0600) whole or not at all. False when there already is one."""
    beside = f"{path}.{secrets.token_hex(6)}.tmp"
    try:
        _write(beside, content)
        try:
            os.link(beside, path)  # fails when somebody was faster, which a rename would not
        except FileExistsError:
            return False
        finally:
            os.unlink(beside)
        sync_folder(os.path.dirname(path))
    except OSError as error:
        raise unusable(path, error) from None
    return True


def prepare(path: str, content: bytes) -> str:
    """Write what is to replace `path` beside it, down to the disk. The name of that file."""
    beside = path + ".next"
    try:
        _write(beside, content, replace=True)
    except OSError as error:
        raise unusable(beside, error) from None
    return beside


def read(path: str, limit: int = 65_536) -> bytes | None:
    """A private file's content; None when there is none. Raises StoreError if it is not ours."""
    if not os.path.lexists(path):
        return None
    file(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
        with open(descriptor, "rb") as opened:
            return opened.read(limit)
    except OSError as error:
        raise unusable(path, error) from None


@contextmanager
def alone(path: str) -> Iterator[None]:
    """Wait until no other process or thread is in here; the kernel ends it when we die."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o600)
    except OSError as error:
        raise unusable(path, error) from None
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)  # which also unlocks


def sync_folder(path: str) -> None:
    """Bring a rename or a new name in a folder down to the disk."""
    if WINDOWS:
        return
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unusable(path: str, error: OSError) -> StoreError:
    """The error of the system, with what a person can do about it."""
    hints = {
        "ENOSPC": "free some space and try again",
        "EDQUOT": "free some space and try again",
        "EROFS": "use a folder that can be written: LEAKGUARD_DATA=FOLDER",
        "EACCES": "use a folder that is yours: LEAKGUARD_DATA=FOLDER",
        "EPERM": "use a folder that is yours: LEAKGUARD_DATA=FOLDER",
        "ENOENT": "put it back from a backup",
    }
    import errno

    hint = hints.get(errno.errorcode.get(error.errno or 0, ""))
    given = (hint,) if hint else ()
    return StoreError(f"{path} cannot be used", *given, cause=error.strerror or "")


def _ours(path: str, status: os.stat_result, kind: str) -> None:
    if WINDOWS:
        return
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"the {kind} {path} belongs to another user", "run as that user, or use your own"
        )
    if status.st_mode & _OTHERS:
        raise StoreError(f"others can write to the {kind} {path}", f"run: chmod go-w {path}")


def _way(path: str) -> None:
    """No folder on the way may let others put another in its place."""
    while not WINDOWS:
        status = os.stat(path)
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            raise StoreError(
                f"others can exchange what is in the folder {path}",
                "use a folder below your home: LEAKGUARD_DATA=FOLDER",
            )
        if path == os.path.dirname(path):
            return
        path = os.path.dirname(path)


def _write(path: str, content: bytes, *, replace: bool = False) -> None:
    how = os.O_TRUNC if replace else os.O_EXCL
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how | _NO_LINK, 0o600)
    with open(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)


if WINDOWS:

    def _lock(descriptor: int) -> None:
        import msvcrt

        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
            except OSError:  # it gives up after ten seconds
                continue
            return
else:

    def _lock(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
