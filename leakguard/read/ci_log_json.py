"""Logs that services hand out as JSON: CircleCI, Drone and Woodpecker, Buildkite."""

from __future__ import annotations

import json
from typing import Any

LARGEST = 64 * 1024 * 1024
"""Larger ones are read as plain text: their escapes are decoded by the scan anyway."""

_TEXTS = ("message", "out", "content", "log", "text", "output")


def looks(head: bytes) -> bool:
    """Whether a log may be JSON as a whole."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")


def sections(data: bytes) -> list[tuple[str, bytes]] | None:
    """(step, text) of each part of such a log; None if it is none of them."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, list):
        text = _joined(document)
        return [("", text)] if text is not None else None
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("content"), str):  # Buildkite
        return [("", _bytes(document["content"]))]
    if isinstance(document.get("steps"), list):  # CircleCI's build with its actions
        return _steps(document["steps"]) or None
    return None


def _joined(entries: list[Any]) -> bytes | None:
    """Messages in order; each is a stretch of output, cut anywhere, or a line without its end."""
    texts = []
    for entry in entries:
        if not isinstance(entry, dict):
            return None
        text = next((entry[key] for key in _TEXTS if isinstance(entry.get(key), str)), None)
        if text is None:
            return None
        whole_lines = "pos" in entry and not text.endswith("\n")  # Drone counts lines
        texts.append(text + "\n" if whole_lines else text)
    return _bytes("".join(texts)) if texts else None


def _steps(steps: list[Any]) -> list[tuple[str, bytes]]:
    found = []
    for step in steps:
        actions = step.get("actions") if isinstance(step, dict) else None
        for action in actions if isinstance(actions, list) else ():
            if not isinstance(action, dict):
                continue
            name = str(action.get("name") or step.get("name") or "")
            output = action.get("output")
            text = _joined(output) if isinstance(output, list) else None
            if text is not None:
                found.append((name, text))
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
