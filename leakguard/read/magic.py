"""Is this the beginning of an archive? Asked of every input, so it costs next to nothing.

On the start-up path of every commit.
"""

_STARTS = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x07\x08PK",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x5d\x00\x00",
    b"\x28\xb5\x2f\xfd",
    b"!<arch>\n",
    b"070701",
    b"070702",
    b"Cr24",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"MSCF\0\0\0\0",
    b"\x04\x22\x4d\x18",
    b"LZIP\x01",
    b"\xed\xab\xee\xdb",
    b"xar!",
)


def looks_like_archive(head: bytes) -> bool:
    """Whether `head` (the first 512 bytes, or all there is) begins an archive we know of.

    A guess that errs towards yes: what turns out to be none is read as it is.
    """
    return (
        head.startswith(_STARTS)
        or head[257:262] == b"ustar"
        or head[1:4] == b"\x2a\x4d\x18"  # zstd, a skippable frame first
        or head[154:156] == b"\0 "  # tar before ustar
        or (head.startswith(b"#!") and b"PK\x03\x04" in head)
        or (head[:1] == b"{" and b'"version":3' in head[:64].translate(None, b" \t\r\n"))
    )  # the last is a source map: the texts of its sources
