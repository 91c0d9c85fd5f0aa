"""Dovecot's passwd-file as lines: accounts, and accounts that a rotation set aside.

A line set aside is a comment, which Dovecot skips: what it was is still there until it
is struck, and so is the moment from which no session may be older.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

ASIDE = re.compile(r"^#leakguard (?P<rotation>\S+) (?P<at>\d+) (?P<line>.*)$")


@dataclass(frozen=True, slots=True)
class Aside:
    """A line that a rotation set aside, since when nobody gets in by it (in seconds of the server's
    clock, 0: not known yet), and what it was.
    """

    rotation: str
    at: int
    line: str

    @property
    def user(self) -> str:
        """Whose line it was; of a struck one only this is left."""
        return self.line.partition(":")[0]

    @property
    def struck(self) -> bool:
        """Whether the password is gone for good."""
        return ":" not in self.line

    def text(self) -> str:
        """As it stands in the file."""
        return f"#leakguard {self.rotation} {self.at} {self.line}"


def hashed(password: str, salt_from: str) -> str:
    """{SSHA512}; one rotation always makes the same value, so that doing it twice is seen."""
    salt = hashlib.sha256(salt_from.encode()).digest()[:16]
    digest = hashlib.sha512(password.encode() + salt).digest()
    return "{SSHA512}" + base64.b64encode(digest + salt).decode()


def account(text: str, user: str) -> str:
    """The line of an account, "" when there is none."""
    return next((line for line in text.splitlines() if line.startswith(f"{user}:")), "")


def users(text: str) -> list[str]:
    """Every account that may log in."""
    lines = (line for line in text.splitlines() if line.strip() and line[0] != "#")
    return [line.partition(":")[0] for line in lines]


def with_password(line: str, user: str, value: str) -> str:
    """A line for `user` that is another's in all but name and password."""
    rest = line.split(":")[2:] if ":" in line else []
    return ":".join([user, value, *rest])


def put(text: str, line: str) -> str:
    """The file with this line, in the place of the account's former one."""
    user = line.partition(":")[0]
    if account(text, user):
        return _swapped(text, account(text, user), line)
    gap = "\n" if text and not text.endswith("\n") else ""
    return f"{text}{gap}{line}\n"


def set_aside(text: str, user: str, rotation: str) -> str:
    """The file with an account's line turned into a comment."""
    line = account(text, user)
    return _swapped(text, line, Aside(rotation, 0, line).text())


def dated(text: str, one: Aside, at: int) -> str:
    """The file with the moment of an account that was set aside."""
    return _swapped(text, one.text(), Aside(one.rotation, at, one.line).text())


def aside(text: str, user: str, rotation: str) -> Aside | None:
    """What this rotation set aside of an account."""
    found = (ASIDE.match(line) for line in text.splitlines())
    all_of = (Aside(hit["rotation"], int(hit["at"]), hit["line"]) for hit in found if hit)
    return next((one for one in all_of if (one.user, one.rotation) == (user, rotation)), None)


def strike(text: str, one: Aside) -> str:
    """The file without the password that was set aside; the moment stays."""
    return _swapped(text, one.text(), Aside(one.rotation, one.at, one.user).text())


def bring_back(text: str, one: Aside) -> str:
    """The file with the account as it was."""
    without = "".join(line for line in _lines(text) if line.rstrip("\n") != one.text())
    return put(without, one.line)


def without(text: str, user: str) -> str:
    """The file without an account."""
    return "".join(line for line in _lines(text) if not line.startswith(f"{user}:"))


def _swapped(text: str, old: str, new: str) -> str:
    return "".join(f"{new}\n" if line.rstrip("\n") == old else line for line in _lines(text))


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
