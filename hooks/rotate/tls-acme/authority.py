"""The CA, spoken to as an ACME account: order over HTTP-01, revoke, and ask again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from leakguard.rotate.kit import Fail

KEY_COMPROMISE, SUPERSEDED = 1, 4  # RFC 5280, 5.3.1
PATIENCE = 120  # seconds for the CA to look and to sign

Lay = Callable[[str, bytes], None]
"""Puts a file with this name and content where the CA will fetch it."""


class Authority:
    """A session with the CA."""

    def __init__(self, target: dict[str, Any], account_key: str) -> None:
        from acme import client

        self._key = _jwk(account_key)
        trust = target.get("ca_file") or True
        net = client.ClientNetwork(
            self._key, alg=_algorithm(self._key), verify_ssl=trust, user_agent="leakguard"
        )
        self._client = _asked(
            lambda: client.ClientV2(client.ClientV2.get_directory(target["directory"], net), net)
        )
        _asked(lambda: self._log_in(net))

    def order(self, csr: bytes, lay: Lay) -> bytes:
        """A certificate with its chain in PEM, after the CA found what `lay` put there."""
        deadline = dt.datetime.now() + dt.timedelta(seconds=PATIENCE)

        def ordered() -> str:
            order = self._client.new_order(csr)
            for authorization in order.authorizations:
                self._prove(authorization, lay)
            chain: str = self._client.poll_and_finalize(order, deadline).fullchain_pem
            return chain

        return _asked(ordered).encode()

    def revoke(self, certificate: bytes, reason: int) -> bool:
        """Revoke the first certificate of a PEM text; False when the CA already had."""
        from acme import messages
        from cryptography import x509

        leaf = x509.load_pem_x509_certificate(certificate)
        try:
            _asked(lambda: self._client.revoke(leaf, reason), passing=messages.Error)
        except messages.Error as error:
            if error.code == "alreadyRevoked":
                return False
            raise _failure(error) from None
        return True

    def _prove(self, authorization: Any, lay: Lay) -> None:
        from acme import challenges, messages

        if authorization.body.status == messages.STATUS_VALID:
            return  # the CA remembers an earlier proof
        for challenge in authorization.body.challenges:
            if isinstance(challenge.chall, challenges.HTTP01):
                answer, content = challenge.response_and_validation(self._key)
                lay(challenge.chall.encode("token"), content.encode())
                self._client.answer_challenge(challenge, answer)
                return
        raise Fail("unsupported", "the CA offers no http-01 challenge")

    def _log_in(self, net: Any) -> None:
        """Find the account behind the key; ACME answers with where it lives."""
        from acme import errors, messages

        try:
            self._client.new_account(messages.NewRegistration(only_return_existing=True))
        except errors.ConflictError as found:
            net.account = messages.RegistrationResource(
                uri=found.location, body=messages.Registration()
            )


def _asked(call: Callable[[], Any], passing: type[Exception] | tuple[()] = ()) -> Any:
    from acme import errors, messages
    from requests import exceptions

    try:
        return call()
    except passing:
        raise
    except (errors.TimeoutError, exceptions.Timeout):
        raise Fail("timeout", "the CA takes too long", retryable=True) from None
    except exceptions.RequestException:
        raise Fail("network", "the CA does not answer", retryable=True) from None
    except messages.Error as error:
        raise _failure(error) from None
    except errors.ValidationError:
        raise Fail("conflict", "the CA did not find the challenge: is `webroot` served?") from None
    except errors.Error as error:
        raise Fail(
            "conflict", f"the CA's answer was not understood: {type(error).__name__}"
        ) from None


def _failure(error: Any) -> Fail:
    kinds = {
        "accountDoesNotExist": "auth", "unauthorized": "permission", "rateLimited": "quota",
        "serverInternal": "network", "badNonce": "network", "malformed": "conflict",
    }  # fmt: skip
    kind = kinds.get(error.code, "conflict")
    return Fail(kind, f"the CA answers {error.code}", retryable=kind in ("network", "quota"))


def _jwk(text: str) -> Any:
    import josepy

    try:
        if text.lstrip().startswith("{"):
            return josepy.JWK.json_loads(text)  # as certbot keeps it
        return josepy.JWK.load(text.encode())
    except (josepy.Error, ValueError, TypeError):
        raise Fail("unsupported", "the account key is neither PEM nor JWK") from None


def _algorithm(key: Any) -> Any:
    import josepy

    return josepy.ES256 if isinstance(key, josepy.JWKEC) else josepy.RS256
