"""Several values in one block: the pattern of a rule frames it, its `each` picks the values.

A manifest or a configuration file says once what it is and then lists one
credential after the other. A pattern alone would find the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakguard.detect.decode import from_base64

DECODERS = {"base64": from_base64}
"""Name of an encoding in which a rule's values stand, and what gives the plain value."""

Entry = tuple[bytes, re.Match[bytes], bool]
"""(value, match of `each`, whether the value was decoded)"""


def entries(
    each: re.Pattern[bytes], how: str, data: bytes, span: tuple[int, int]
) -> Iterator[Entry]:
    """Every value of the block `data[span]`.

    One that decodes to text is that text, whose fingerprint is the one of the
    same value in the clear; one that does not (a binary key) stays as it stands.
    """
    for found in each.finditer(data, *span):
        stands = found[value_group(each)]
        plain = DECODERS[how](stands) if how else None
        yield (stands, found, False) if plain is None else (plain, found, True)


def value_group(each: re.Pattern[bytes]) -> int | str:
    """The group of `each` that holds the value."""
    return "secret" if "secret" in each.groupindex else 0


def line(found: re.Match[bytes], value: bytes) -> bytes:
    """The line on which an encoded value would stand in the clear."""
    name = found["name"] if "name" in found.re.groupindex else b""
    return (name or b"") + b": " + value
