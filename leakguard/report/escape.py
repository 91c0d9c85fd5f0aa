"""Foreign text inside markup: XML, HTML, Markdown. What comes out is ASCII.

A report is read by programs that believe what they read. Here a name can
neither close an element nor begin one, nor become a link or an image.
"""

from __future__ import annotations

import re
from html import escape

from leakguard import late
from leakguard.report.style import clean

_ADDRESS = late.pattern(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,2000}", re.ASCII)
"""What a URI may be written with (RFC 3986), brackets of IPv6 hosts left out."""

_MARKDOWN = late.pattern(r"[\\`*_{}\[\]<>#!@~%$&^|]|:(?=\S)|(?<=www)\.", re.IGNORECASE)
"""What begins something in CommonMark, in GitHub's or in GitLab's: also tables,
addresses without brackets, and references (`@name`, `#1`, `!1`, `~label`)."""

_SPAN = late.pattern(r"[ -_a-{}~]+", re.ASCII)
"""Printable ASCII without a backtick or a pipe (which ends a table's cell)."""


def line(text: str, most: int = 500) -> str:
    """Foreign prose on one line, harmless on a terminal, at most `most` characters."""
    return clip(clean(" ".join(text.split())), most)


def clip(text: str, most: int) -> str:
    """`text`, or its beginning and `...`."""
    return text if len(text) <= most else text[: most - 3] + "..."


def is_address(url: str) -> bool:
    """Whether `url` is a plain web address, which may become a link."""
    return _ADDRESS.fullmatch(url) is not None


def xml(text: str) -> str:
    """Clean text for an element or a quoted attribute of XML or HTML."""
    return _ascii(escape(clean(text), quote=True))


def markdown(text: str) -> str:
    """Clean text for the middle of a line of Markdown.

    A character reference never is structure (CommonMark 2.5), whatever it stands for.
    """
    return _ascii(_MARKDOWN.sub(_reference, clean(text)))


def code(text: str) -> str:
    """Clean text as Markdown code; with references where a code span could be left."""
    shown = clean(text)
    if _SPAN.fullmatch(shown):
        return f"`{shown}`"
    return f"<code>{markdown(shown)}</code>"


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")
