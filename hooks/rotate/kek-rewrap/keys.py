"""What wraps data keys: KEKs that are values (files), or objects of a token (pkcs11)."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from leakguard.rotate.kit import Fail, Request

SIZES = (16, 24, 32)


class Keys(Protocol):
    """KEKs by their ids. A data key is whatever the backend makes of it: bytes, or a handle."""

    def has(self, kek: str) -> bool:
        """Whether it can be used now."""

    def make(self, kek: str) -> bool:
        """Make a KEK where the backend is the one to make it. False: it is there already."""

    def destroy(self, kek: str) -> bool:
        """End a KEK where it lives. False: it is not there."""

    def fresh(self) -> Any:
        """A data key for a trial."""

    def wrap(self, kek: str, key: Any) -> bytes:
        """A data key under a KEK."""

    def unwrap(self, kek: str, blob: bytes) -> Any:
        """The data key; None when this KEK does not open it."""

    def same(self, one: Any, other: Any) -> bool:
        """Whether two data keys are one key."""


@contextmanager
def keys(ask: Request, values: dict[str, str]) -> Iterator[Keys]:
    """The KEKs of the target; `values` are those that were supplied, by id."""
    if ask.target.get("backend") == "pkcs11":
        with _session(ask) as session:
            yield _Token(session)
    else:
        yield _Values({kek: _decoded(value) for kek, value in values.items()})


def _decoded(value: str) -> bytes:
    """A KEK as people write one: in hex, or in base64."""
    text = value.strip()
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = _from_base64(text)
    if len(found) not in SIZES:
        raise Fail("unsupported", "a KEK is 16, 24 or 32 bytes, in hex or base64")
    return found


def _from_base64(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return b""


class _Values:
    """AES key wrap (RFC 3394) with KEKs that we were given."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self._values = values

    def has(self, kek: str) -> bool:
        return kek in self._values

    def make(self, kek: str) -> bool:
        if kek not in self._values:
            raise Fail("missing", "the new KEK was not supplied")
        return True

    def destroy(self, kek: str) -> bool:  # applications hold it: nothing of it is here
        return False

    def fresh(self) -> bytes:
        return os.urandom(32)

    def wrap(self, kek: str, key: bytes) -> bytes:
        from cryptography.hazmat.primitives import keywrap

        return keywrap.aes_key_wrap(self._values[kek], key)

    def unwrap(self, kek: str, blob: bytes) -> bytes | None:
        from cryptography.hazmat.primitives import keywrap

        try:
            return keywrap.aes_key_unwrap(self._values[kek], blob)
        except (keywrap.InvalidUnwrap, ValueError):
            return None

    def same(self, one: bytes, other: bytes) -> bool:
        return hmac.compare_digest(one, other)


class _Token:
    """The same inside a token: neither a KEK nor a data key ever leaves it in the clear."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def has(self, kek: str) -> bool:
        return self._found(kek) is not None

    def make(self, kek: str) -> bool:
        from pkcs11 import Attribute, KeyType

        if self.has(kek):
            return False
        uses = {Attribute.WRAP: True, Attribute.UNWRAP: True, Attribute.ENCRYPT: False,
                Attribute.DECRYPT: False, Attribute.SIGN: False, Attribute.VERIFY: False,
                Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}  # fmt: skip
        self._session.generate_key(
            KeyType.AES, 256, label=kek, id=kek.encode(), store=True, template=uses
        )
        return True

    def destroy(self, kek: str) -> bool:
        found = self._found(kek)
        if found is not None:
            found.destroy()
        return found is not None

    def fresh(self) -> Any:
        from pkcs11 import KeyType

        return self._session.generate_key(KeyType.AES, 256, store=False, template=_passing())

    def wrap(self, kek: str, key: Any) -> bytes:
        from pkcs11 import Mechanism

        return bytes(self._needed(kek).wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP))

    def unwrap(self, kek: str, blob: bytes) -> Any:
        """SoftHSM says GeneralError of a wrapping that does not fit; others have words for it."""
        from pkcs11 import KeyType, Mechanism, ObjectClass, exceptions

        key, kind = self._needed(kek), (ObjectClass.SECRET_KEY, KeyType.AES)
        how = {"mechanism": Mechanism.AES_KEY_WRAP, "store": False, "template": _passing()}
        try:
            return key.unwrap_key(*kind, blob, **how)
        except (exceptions.GeneralError, exceptions.WrappedKeyInvalid,
                exceptions.WrappedKeyLenRange, exceptions.EncryptedDataInvalid,
                exceptions.FunctionFailed):  # fmt: skip
            return None

    def same(self, one: Any, other: Any) -> bool:
        from pkcs11 import Mechanism

        block = os.urandom(16)
        said = [bytes(key.encrypt(block, mechanism=Mechanism.AES_ECB)) for key in (one, other)]
        return said[0] == said[1]

    def _found(self, kek: str) -> Any:
        from pkcs11 import Attribute, ObjectClass

        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: kek}
        return next(iter(list(self._session.get_objects(wanted))), None)

    def _needed(self, kek: str) -> Any:
        if (found := self._found(kek)) is None:
            raise Fail("not_found", f"the token has no key {kek}")
        return found


def _passing() -> dict[Any, Any]:
    """What a data key may do on its way from one KEK to the other."""
    from pkcs11 import Attribute

    return {Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: True, Attribute.ENCRYPT: True}


@contextmanager
def _session(ask: Request) -> Iterator[Any]:
    import pkcs11
    from pkcs11 import exceptions

    for pair in filter(None, ask.target.get("environment", "").split(",")):
        name, _, value = pair.strip().partition("=")
        os.environ[name] = value
    try:
        token = pkcs11.lib(ask.target.get("module", "")).get_token(token_label=ask.target["token"])
        session = token.open(rw=True, user_pin=ask.secret("pin"))
    except (exceptions.PinIncorrect, exceptions.PinLocked, exceptions.PinInvalid):
        raise Fail("auth", "the token refuses the PIN") from None
    except exceptions.NoSuchToken:
        raise Fail("not_found", f"there is no token {ask.target['token']}") from None
    except exceptions.PKCS11Error as error:
        raise Fail("network", f"the token cannot be used: {type(error).__name__}") from None
    with session:
        yield session
