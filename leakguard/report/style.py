"""How text is painted, and how foreign text is made harmless.

Colour only repeats what the words say. Whether there is colour at all is
decided in `cli/console.py`; here names become codes.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from leakguard import late

_CODES = {"rule": "31", "path": "1", "frame": "2", "bold": "1"}
"""Red for the rule, bold for the path, dim for frames; never a bright colour."""

_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_OURS = late.pattern(r"\x1b\[[0-9]{1,2}m|\x1b\]8;;[^\x1b]*\x1b\\")
_ORDER = late.pattern(r"##(?=\w{0,20}\[)")
_ANY_ORDER = late.pattern(r"##(?=(?:vso|teamcity)?\[)", re.IGNORECASE)
_AT_START = late.pattern(r"(?m)^((?:\x1b\[[0-9;]{0,9}m|\s){0,99}):(?=:)")


class Style(NamedTuple):
    """Whether to colour and whether the terminal knows links (OSC 8)."""

    colour: bool = False
    links: bool = False

    def paint(self, name: str, text: str) -> str:
        """`text` in the colour of `name` (rule, path, frame, bold); `text` must be clean."""
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.colour else text

    def link(self, url: str) -> str:
        """`url` in full, which a terminal that knows links makes clickable."""
        shown = clean(url)
        if not self.links or not shown.isascii() or not shown.startswith(("https://", "http://")):
            return shown
        return f"\x1b]8;;{shown}\x1b\\{shown}\x1b]8;;\x1b\\"


PLAIN = Style()


def clean(text: str) -> str:
    """Foreign text that cannot drive a terminal or a CI runner.

    Controls, bidi overrides, invisible characters and undecodable bytes come
    out as escapes; letters of any script stay. The opening of a runner's
    command (`##[...]`, `##vso[...]`), which counts anywhere in a log line, is
    broken up.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escape(char) for char in text)
    return _ORDER.sub(r"#\\x23", text)


def defused(text: str) -> str:
    """Finished text of ours without what a service that reads the log would obey.

    A last line of defence, for whole lines: GitHub obeys `::name::` at the start of
    one, `##[...]`, `##vso[...]` and `##teamcity[...]` count anywhere.
    """
    if "##" in text:
        text = _ANY_ORDER.sub("# #", text)
    return _AT_START.sub(r"\1: ", text) if "::" in text else text


def words(text: str) -> list[str]:
    """The words of foreign prose, each clean; line ends count as spaces."""
    return [clean(word) for word in text.split()]


def _escape(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as `os.fsdecode` gives it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Columns on a terminal; our own codes take none, wide letters take two."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(_columns(char) for char in _OURS.sub("", text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
