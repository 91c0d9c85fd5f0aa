"""Google Cloud's IAM interface for service account keys, and the token endpoint (RFC 7523).

The endpoint verifies the signature, audience and age of an assertion against the public half of
the key that it names. Accounts have permissions; an account holds ten keys.

What this cannot prove: Google's delays (a new key is known at once here), organisation
policies, and that an access token lives on in other services.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from servers import lacking
from servers.fake import Asked, Fake, Said

PACKAGES: tuple[str, ...] = ()

PROJECT = "reports"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth names no other, wherever it sends
ALL = frozenset({"create", "list", "get", "disable", "enable", "delete"})


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(modules=["google.auth", "jwt", "cryptography"])


@dataclass
class Key:
    """One key: the server keeps only its public half."""

    id: str
    account: str
    public: Any
    disabled: bool = False


class Google(Fake):
    """One project with accounts, their keys, and the access tokens that they obtained."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, Key] = {}
        self.tokens: dict[str, str] = {}
        self.permissions: dict[str, frozenset[str]] = {}

    def account(self, name: str, permissions: frozenset[str] = frozenset()) -> str:
        """A new service account: its e-mail."""
        email = f"{name}@{PROJECT}.iam.gserviceaccount.com"
        self.permissions[email] = permissions
        return email

    def key(self, account: str) -> tuple[str, str]:
        """A new key of an account: its id and its file."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made = Key(secrets.token_hex(20), account, private.public_key())
        self.keys[made.id] = made
        file = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": made.id,
            "private_key": pem.decode(),
            "client_email": account,
            "token_uri": f"{self.url}/token",
        }
        return made.id, json.dumps(file)

    def state(self, account: str) -> dict[str, str]:
        """An account's keys."""
        return {
            key.id: "disabled" if key.disabled else "active"
            for key in self.keys.values()
            if key.account == account
        }

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/token":
            return self._token(asked)
        acting = self.tokens.get(asked.bearer)
        if acting is None:
            return _error(401, "UNAUTHENTICATED")
        head, _, rest = asked.path.partition("/serviceAccounts/")
        account, _, key = rest.partition("/keys")
        if head not in (f"/v1/projects/{PROJECT}", "/v1/projects/-"):
            return _error(404, "NOT_FOUND")
        if account.endswith(":testIamPermissions"):
            return self._permitted(acting, asked)
        if account not in self.permissions:
            return _error(404, "NOT_FOUND")
        return self._manage(acting, asked, account, key.strip("/"))

    def _token(self, asked: Asked) -> Said:

        import jwt

        form = parse_qs(asked.raw.decode())
        if form.get("grant_type") != [GRANT]:
            return Said(400, {"error": "unsupported_grant_type"})
        assertion = form["assertion"][0]
        key = self.keys.get(jwt.get_unverified_header(assertion).get("kid", ""))
        if key is None or key.disabled:
            return Said(400, {"error": "invalid_grant", "error_description": "Invalid JWT."})
        try:
            claims = jwt.decode(
                assertion, key.public, algorithms=["RS256"], audience=AUDIENCE,
                issuer=key.account, options={"require": ["exp", "iat", "iss", "aud"]},
            )  # fmt: skip
        except jwt.PyJWTError:
            return Said(400, {"error": "invalid_grant", "error_description": "Invalid JWT."})
        token = secrets.token_hex(20)
        self.tokens[token] = str(claims["iss"])
        return Said(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _permitted(self, acting: str, asked: Asked) -> Said:
        wanted = asked.body["permissions"]
        have = self.permissions[acting]
        return Said(200, {"permissions": [one for one in wanted if one.split(".")[-1] in have]})

    def _manage(self, acting: str, asked: Asked, account: str, key: str) -> Said:
        name, _, verb = key.partition(":")
        verb = verb or {"GET": "list", "POST": "create", "DELETE": "delete"}[asked.method]
        if verb not in self.permissions[acting]:
            return _error(403, "PERMISSION_DENIED")
        if not name:
            return self._list(account) if verb == "list" else self._create(account)
        found = self.keys.get(name)
        if found is None or found.account != account:
            return _error(404, "NOT_FOUND")
        if verb == "delete":
            del self.keys[name]
        else:
            found.disabled = verb == "disable"
        return Said(200, {})

    def _list(self, account: str) -> Said:
        prefix = f"projects/{PROJECT}/serviceAccounts/{account}/keys"
        found = [
            {"name": f"{prefix}/{key}", "keyType": "USER_MANAGED", "disabled": state == "disabled"}
            for key, state in self.state(account).items()
        ]
        return Said(200, {"keys": found} if found else {})

    def _create(self, account: str) -> Said:
        if len(self.state(account)) >= 10:
            return _error(400, "FAILED_PRECONDITION")
        key, file = self.key(account)
        name = f"projects/{PROJECT}/serviceAccounts/{account}/keys/{key}"
        data = base64.b64encode(file.encode()).decode()
        return Said(200, {"name": name, "privateKeyData": data})


def _error(status: int, name: str) -> Said:
    return Said(status, {"error": {"code": status, "status": name}})


@contextmanager
def start(_: Path | None = None) -> Iterator[Google]:
    """A project without accounts."""
    google = Google()
    with google.serving():
        yield google
