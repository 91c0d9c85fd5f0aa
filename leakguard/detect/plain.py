"""Text as ASCII-compatible bytes: UTF-16 and UTF-32, with or without a byte order mark."""

from __future__ import annotations

import codecs

SAMPLE = 4096


def plain(data: bytes) -> tuple[bytes, int]:
    """(`data` with one byte a character, how many bytes it had) if it is UTF-16 or UTF-32.

    Anything else comes back as it is, with a width of 1.

    Characters beyond U+00FF become `?`: rules are about ASCII, and every line
    and column stays where an editor shows it.
    """
    if data.find(b"\0", 0, SAMPLE) < 0:
        return data, 1
    for mark, width, big in (
        (codecs.BOM_UTF32_LE, 4, False),
        (codecs.BOM_UTF32_BE, 4, True),
        (codecs.BOM_UTF16_LE, 2, False),
        (codecs.BOM_UTF16_BE, 2, True),
    ):
        if data.startswith(mark):
            return _narrow(data[len(mark) :], width, big), width
    for width, big in ((4, False), (4, True), (2, False), (2, True)):
        if _looks_like(data[:SAMPLE], width, big):
            return _narrow(data, width, big), width
    return data, 1


def _looks_like(sample: bytes, width: int, big: bool) -> bool:
    """Whether most units hold one ASCII character: one place of each is full, the others are 0."""
    units = len(sample) // width
    if units < 4:
        return False
    places = [sample[place : units * width : width] for place in range(width)]
    full = places.pop(width - 1 if big else 0)
    return full.count(0) <= 0.05 * units and all(place.count(0) >= 0.7 * units for place in places)


def _narrow(data: bytes, width: int, big: bool) -> bytes:
    low = width - 1 if big else 0
    places = [place for place in range(width) if place != low]
    text = bytearray(data[low::width])
    for place in places:
        high = data[place::width]
        if high.count(0) != len(high):
            for index, byte in enumerate(high):
                if byte and index < len(text):
                    text[index] = 0x3F
    return bytes(text)
