"""The one type that may hold a raw secret, and its one door."""

from typing import NoReturn

MASK = "*****"


class Secret:
    """A raw value that does not print, format, pickle or copy.

    `reveal()` is the only way in; searching for it finds every place that
    handles a raw value.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def reveal(self) -> bytes:
        """The raw bytes. Never log, store or pass the result on."""
        return self._raw

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied")

    def fingerprint(self, rule_id: str, salt: bytes, *, guessable: bool) -> str:
        """16 hex digits that name this value under this rule, without telling it.

        Depends on rule and value only, so moving code keeps it and a changed
        value is a new one. A guessable value (a person's password) goes through
        scrypt (RFC 7914; N=2**12, r=8: about 10 ms and 4 MiB a guess), a random
        token through keyed BLAKE2b (RFC 7693).
        """
        import hashlib

        person = rule_id.encode()
        if guessable:
            key = hashlib.scrypt(self._raw, salt=salt + b"\0" + person, n=2**12, r=8, p=1, dklen=8)
            return key.hex()
        digest = hashlib.blake2b(digest_size=8, key=hashlib.blake2b(salt, digest_size=32).digest())
        digest.update(person + b"\0" + self._raw)
        return digest.hexdigest()
