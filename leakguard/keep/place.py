"""Where the store is: an environment variable, a path, a PostgreSQL address, or the data folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from leakguard.errors import UsageError

NAME = "incidents.db"
_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


@dataclass(frozen=True, slots=True)
class Place:
    """A SQLite file (`path`) or the address of a PostgreSQL database (`url`, which may hold a
    password: it is never shown), and the folder of the installation's keys.
    """

    path: str
    url: str
    keys: str

    def __repr__(self) -> str:
        return f"Place({self.path or 'postgresql'!r})"


def place(where: str | None, environ: Mapping[str, str] = os.environ) -> Place:
    """What `where` means; None asks LEAKGUARD_STORE, then the user's data folder."""
    where = where or environ.get("LEAKGUARD_STORE") or os.path.join(data_folder(environ), NAME)
    given = environ.get("LEAKGUARD_KEY_DIR", "")
    if where.startswith(_SCHEMES):
        return Place("", where, given or os.path.join(data_folder(environ), "keys"))
    if "://" in where:
        raise UsageError(
            f"a store of kind {where.partition('://')[0]!r} is unknown",
            "use the path of a SQLite file or postgresql://USER@HOST/DATABASE",
        )
    path = os.path.abspath(os.path.expanduser(where))
    return Place(path, "", given or os.path.join(os.path.dirname(path), "keys"))


def data_folder(environ: Mapping[str, str] = os.environ) -> str:
    """The folder for what leakguard keeps of this user."""
    if given := environ.get("LEAKGUARD_DATA"):
        return os.path.abspath(given)
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = environ.get("XDG_DATA_HOME", "")
        base = base if os.path.isabs(base) else os.path.join(home, ".local", "share")
    return os.path.join(base, "leakguard")


def outside_repository(path: str) -> None:
    """Refuse a place that the next `git add` would take along. Raises UsageError."""
    below, here = "", os.path.realpath(os.path.dirname(path))
    while here != os.path.dirname(here):
        if below != ".git" and os.path.lexists(os.path.join(here, ".git")):
            raise UsageError(
                f"{path} is inside a git work tree, where it could be committed",
                "use another place: LEAKGUARD_DATA=FOLDER",
            )
        below, here = os.path.basename(here), os.path.dirname(here)
