"""JSON that every consumer can read: ASCII, valid UTF-8, one object, one line."""

from __future__ import annotations

import json
from collections.abc import Mapping


def dump(report: Mapping[str, object]) -> str:
    """One object and a newline.

    `##` is written as an escape of the same meaning: CI runners look for their
    commands (`##[...]`, `##vso[...]`) anywhere in a line.
    """
    text = json.dumps(report, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("##", "#\\u0023") + "\n"


def plain(text: str) -> str:
    """`text` as JSON can hold it: a byte that is not UTF-8 becomes `\\xNN`, as in the text report.

    Other lone surrogates, which no encoding of a file name gives, become `\\uNNNN`.
    """
    if text.isascii():
        return text
    return "".join(_written(char) if "\ud800" <= char <= "\udfff" else char for char in text)


def _written(surrogate: str) -> str:
    code = ord(surrogate)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
