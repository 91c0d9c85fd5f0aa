"""Acting as a service account of Google Cloud, with its key file."""

from __future__ import annotations

import functools
import json
from typing import Any

from leakguard.rotate.kit import Fail
from leakguard.rotate.parts import web

GOOGLE = "Google"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def key_file(text: str) -> dict[str, Any]:
    """A key file; nothing when a value is none (a rule may have found the bare key)."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "private_key" in found else {}


def token(text: str) -> str:
    """A fresh access token. Raises Fail with what the token endpoint says to the key file."""
    from google.auth import exceptions  # type: ignore[import-untyped, unused-ignore]
    from google.auth.transport.requests import (  # type: ignore[import-untyped, unused-ignore]
        Request as Transport,
    )
    from google.oauth2 import service_account  # type: ignore[import-untyped, unused-ignore]

    file = key_file(text)
    if not file:
        raise Fail("unsupported", "the value is no key file of a service account (JSON)")
    web.encrypted(str(file.get("token_uri", "")))
    kind: Any = service_account.Credentials
    try:
        made = kind.from_service_account_info(file, scopes=[SCOPE])
        with web.session() as session:
            made.refresh(Transport(session))
    except exceptions.TransportError as error:
        raise Fail("network", type(error).__name__, retryable=True) from None
    except exceptions.RefreshError as error:
        raise _refusal(error) from None
    except (ValueError, exceptions.GoogleAuthError) as error:
        raise Fail("unsupported", f"the key file is damaged: {type(error).__name__}") from None
    return str(made.token)


def send(admin: str, method: str, url: str, **parts: Any) -> Any:
    """What Google answers to the service account of a key file."""
    headers = {"Authorization": f"Bearer {_acting(admin)}"}
    return web.send(GOOGLE, method, url, headers=headers, **parts)


def must(answer: Any) -> Any:
    """The answer, if it is a success."""
    return web.must(GOOGLE, answer)


@functools.cache
def _acting(admin: str) -> str:
    """One access token serves all requests of a phase."""
    return token(admin)


def _refusal(error: Any) -> Fail:
    """google-auth gives the endpoint's answer as the second argument."""
    said = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    if said.get("error") == "invalid_grant":
        return Fail("auth", "the token endpoint answered invalid_grant")
    return Fail("network" if error.retryable else "bug", "the token endpoint gave no token")
