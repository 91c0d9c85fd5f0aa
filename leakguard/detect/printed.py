"""Values that standards and manuals print: everybody has them, so they open nothing.

OAuth 1 and 2 (RFC 5849, 6749, 6750, 7636), JOSE (RFC 7515 to 7520), WebSocket and one-time
passwords (RFC 6455, 4226), the emulator of Cosmos DB, the first accounts of Hardhat and
Ganache, and the manuals of Flask and Stripe.

Kept as the beginning of their SHA-256: what looks like a token has no place in a repository.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

WIDTH = 12
"""So many hexadecimal digits of a digest are kept."""

PRINTED = frozenset(
    """
    00cf4c781dc3 0330b11998cb 0482b850eec9 04e3524cafd2 0d299b1eb548 13d31e961a1a 15cef4b629cc
    190edf59d573 1a952341acaa 2598f7d6adc1 293257ab6495 29df0fb2df77 2c31d647d566 2cafc0970149
    2ff8b0fb93ac 3e6099e82cea 48c9d176f91d 4c20e6f5cc11 53f5da0aaa93 549c9390539e 5586407997f5
    578592185588 57afc11665be 584b27d64ebc 5ccf2edb4f07 649e1f5c769e 687da00b09c8 6aa14267d949
    6c96130f130a 73f71af093fd 764acfc9bee7 79bd8cb5ce94 80f8b7c904d4 81c8e693b384 8335c5533482
    8b1b17a9740c 8be5d113c087 8d567eb88aff 8f0d5d5f8ad3 9d03b692e941 9e309cccd311 a35b81a7d792
    a45404ae333d a71b359a87af aa6547439583 ad71fb416553 b26ab6529d20 b87dad10a32a b8e148545b13
    bb9b1163338b bc1a50966c9e c10838189a43 c20fbc2b9618 c4ad638fad0d ca7459e2b267 cb87c87e4a13
    cf4d418ed3de e32bfba8430f e9974c507d2a f2d6ca165150 fde65288758a
    """.split()  # noqa: SIM905 (reads best as text)
)


def printed(value: bytes) -> bool:
    """Whether a standard or a manual prints the value."""
    return _sha256()(value).hexdigest()[:WIDTH] in PRINTED


@cache
def _sha256() -> Any:
    """The hash as Python itself brings it: hashlib would load OpenSSL first, which takes 4 ms."""
    for name in ("_sha2", "_sha256"):  # since Python 3.12, and before
        with suppress(ImportError):
            return import_module(name).sha256
    return import_module("hashlib").sha256
