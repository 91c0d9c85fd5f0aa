"""GitHub's REST interface, as far as tokens go.

It remembers accounts, tokens, applications and installations. `/credentials/revoke` takes
reports without a name, answers 202 to anything, and acts after the next few requests only.

What this cannot prove: GitHub's real delays and limits, single sign-on, and the lock-out
after many refused logins.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.fake import Asked, Fake, Said

PACKAGES: tuple[str, ...] = ()


def available() -> str:
    """It always can."""
    return ""


@dataclass
class Token:
    """One token: whose, of which kind, and what it may do."""

    login: str
    kind: str
    scopes: str = "repo"
    alive: bool = True


class GitHub(Fake):
    """Accounts, an OAuth application, and an App with one installation."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, Token] = {}
        self.client = ("app-one", secrets.token_hex(20))
        self.app_id, self.installation = "77", "4242"
        self.app_key, self._app_public = _rsa()
        self.late = 2  # requests until a report is acted upon
        self.enterprise = False
        self._reported: list[list[Any]] = []

    def token(self, login: str = "octo", kind: str = "personal", scopes: str = "repo") -> str:
        """A new token."""
        value = secrets.token_hex(20)
        self.tokens[value] = Token(login, kind, scopes)
        return value

    def answer(self, asked: Asked) -> Said:
        self._act_on_reports()
        routes = {
            ("POST", "/credentials/revoke"): self._report,
            ("GET", "/user"): self._user,
            ("GET", "/installation/repositories"): self._repositories,
            ("DELETE", "/installation/token"): self._end,
            ("DELETE", f"/applications/{self.client[0]}/token"): self._revoke_grant,
            ("GET", "/app"): lambda one: Said(200, {}) if self._is_app(one) else _unauthorized(),
            ("POST", f"/app/installations/{self.installation}/access_tokens"): self._mint,
        }
        route = routes.get((asked.method, asked.path))
        return route(asked) if route else Said(404, {"message": "Not Found"})

    def _alive(self, asked: Asked, *kinds: str) -> Token | None:
        token = self.tokens.get(asked.bearer)
        return token if token and token.alive and token.kind in kinds else None

    def _user(self, asked: Asked) -> Said:
        token = self._alive(asked, "personal", "oauth")
        if token is None:
            return _unauthorized()
        return Said(200, {"login": token.login}, {"X-OAuth-Scopes": token.scopes})

    def _repositories(self, asked: Asked) -> Said:
        found = self._alive(asked, "installation")
        return Said(200, {"repositories": []}) if found else _unauthorized()

    def _report(self, asked: Asked) -> Said:
        named = "authorization" in asked.headers
        if named != self.enterprise:
            return Said(403, {"message": "Forbidden"})
        if not asked.body.get("credentials"):
            return Said(422, {"message": "Validation failed"})
        self._reported += [[self.late, one] for one in asked.body["credentials"]]
        return Said(202)

    def _act_on_reports(self) -> None:
        for report in self._reported:
            report[0] -= 1
            token = self.tokens.get(report[1])
            if report[0] < 0 and token and token.kind == "personal":
                token.alive = False

    def _revoke_grant(self, asked: Asked) -> Said:
        if asked.basic != self.client:
            return _unauthorized()
        token = self.tokens.get(asked.body["access_token"])
        if token is None or not token.alive or token.kind != "oauth":
            return Said(404, {"message": "Not Found"})
        token.alive = False
        return Said(204)

    def _end(self, asked: Asked) -> Said:
        token = self._alive(asked, "installation")
        if token is None:
            return _unauthorized()
        token.alive = False
        return Said(204)

    def _is_app(self, asked: Asked) -> bool:
        import jwt

        try:
            claims = jwt.decode(asked.bearer, self._app_public, algorithms=["RS256"])
        except jwt.PyJWTError:
            return False
        return bool(claims["iss"] == self.app_id and claims["exp"] - claims["iat"] <= 600)

    def _mint(self, asked: Asked) -> Said:
        if not self._is_app(asked):
            return _unauthorized()
        body = {"token": self.token("", "installation"), "expires_at": "2030-01-01T00:00:00Z"}
        return Said(201, body)


def _unauthorized() -> Said:
    return Said(401, {"message": "Bad credentials"})


def _rsa() -> tuple[str, Any]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return pem.decode(), key.public_key()


@contextmanager
def start(_: Path | None = None) -> Iterator[GitHub]:
    """A server without accounts."""
    github = GitHub()
    with github.serving():
        yield github
