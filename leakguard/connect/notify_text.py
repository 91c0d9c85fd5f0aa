"""A message's Markdown as other places write it."""

from __future__ import annotations

import re

from leakguard.respond.comms_sandbox import plain

MORE = "... (the rest stands in the record: leakguard notice)"


def letter(markdown: str) -> str:
    """Plain text for mail: as it is, without what only Markdown needs."""
    return plain(markdown)


def slack(markdown: str) -> str:
    """Slack's own markup. Its control characters are escaped first: no mention, no link of others.

    https://api.slack.com/reference/surfaces/formatting
    """
    text = plain(markdown)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"&lt;(https?://[^\s|&]{1,500})&gt;", r"<\1>", text)
    text = re.sub(r"^#{1,6} +(.*)$", r"*\1*", text, flags=re.MULTILINE)
    text = re.sub(r"\*\*(.+?)\*\*", r"*\1*", text)
    return re.sub(r"^- ", "\u2022 ", text, flags=re.MULTILINE)


def cut(text: str, most: int) -> str:
    """At most `most` characters, at the end of a line if there is one near, and it says so."""
    if len(text) <= most:
        return text
    kept = text[: most - len(MORE) - 1]
    end = kept.rfind("\n")
    return f"{kept[:end] if end > len(kept) // 2 else kept}\n{MORE}"
