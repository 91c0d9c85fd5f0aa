"""The text of a hook script: filled in, sealed, and recognised again. Pure.

The seal is a hash of the rest of the file, so that an edit made after the
install is seen and not thrown away.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

MARKER = b"# leakguard hook v1"

_PYTHON = b"python=''"
_OWN = b'own="$0.leakguard-chained"'
_OWN_EVERYWHERE = b"""\
git=${GIT_DIR:-.git} # asking git itself costs a process, in hooks that run often
{ [ -d "$git" ] && [ ! -e "$git/commondir" ]; } || git=$(git rev-parse --git-common-dir)
own="$git/hooks/${0##*/}\""""
_SEALED = re.compile(rb"^(# leakguard hook v\d{1,3})(?: seal ([0-9a-f]{16}))?$", re.MULTILINE)
_ASKS_ITS_NAME = re.compile(
    rb"""basename\b[^\n]{0,20}\$\{?0 | \$\{0\#\# | \$PROGRAM_NAME | sys\.argv\[0\]""", re.VERBOSE
)


class Kind(StrEnum):
    """Whose script it is."""

    FOREIGN = "foreign"
    OURS = "ours"
    EDITED = "edited"


def make(template: bytes, python: str, *, everywhere: bool = False) -> bytes:
    """The script to write.

    `python` is an interpreter that can run leakguard, or "" to bake none in;
    `everywhere` makes it run the hook of whatever repository it is in first,
    where it otherwise runs the one that it was put in front of.
    """
    text = template.replace(b"\r\n", b"\n")
    text = text.replace(_PYTHON, b"python=" + quote(python).encode("utf-8", "surrogateescape"))
    if everywhere:
        text = text.replace(_OWN, _OWN_EVERYWHERE)
    return text.replace(MARKER, MARKER + b" seal " + _seal(text), 1)


def quote(text: str) -> str:
    """As one word of POSIX sh, whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


def kind(text: bytes) -> Kind:
    """Whose it is. A copy made by hand has no seal, so nobody knows what was done to it."""
    found = _SEALED.search(text)
    if found is None:
        return Kind.FOREIGN
    bare = text[: found.end(1)] + text[found.end() :]
    return Kind.OURS if found[2] == _seal(bare) else Kind.EDITED


def is_gate(text: bytes) -> bool:
    """Whether a script of ours runs leakguard, or only somebody else's hook."""
    return b"\npython=" in text


def asks_its_name(text: bytes) -> bool:
    """Whether a foreign hook acts by the name it is called by, so that it must keep it."""
    return _ASKS_ITS_NAME.search(text) is not None


def _seal(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
