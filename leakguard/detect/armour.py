"""Private keys in PEM or OpenPGP armour, also those whose end has not come (yet)."""

from __future__ import annotations

from collections.abc import Iterator

from leakguard import late

KEY = b"PRIVATE KEY"
_ARMOUR = late.pattern(
    rb"-----(?P<edge>BEGIN|END) (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
)
_BODY = late.pattern(
    rb"(?:[ \t]{0,40}(?:[A-Za-z0-9+/=]{40,80}|[A-Za-z-]{1,40}: [^\r\n]{0,100})?\r?\n)*+"
    rb"[ \t]{0,40}(?:[A-Za-z0-9+/=]{1,80}\r?\n?\Z)?"
)


def open_key(data: bytes, longest: int) -> int:
    """Where the line begins on which a private key opens that may still go on; -1 if none, or if
    it is longer than `longest`.
    """
    found = None
    for found in _ARMOUR.finditer(data):  # noqa: B007 - the last one counts
        pass
    if found is None or found["edge"] == b"END" or len(data) - found.end() > longest:
        return -1
    body = _BODY.match(data, found.end())
    if body is None or body.end() < len(data):
        return -1
    return data.rfind(b"\n", 0, found.start()) + 1


def unended(text: bytes, floor: int) -> Iterator[tuple[int, int]]:
    """The bodies of private keys whose end did not come."""
    edges = list(_ARMOUR.finditer(text))
    for this, following in zip(edges, [*edges[1:], None], strict=True):
        if this["edge"] == b"BEGIN" and (following is None or following["edge"] == b"BEGIN"):
            body = _BODY.match(text, this.end())
            if body is not None and body.end() > floor and body.group().strip():
                yield this.end(), body.end()
