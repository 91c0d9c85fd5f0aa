"""GitLab's REST interface, as far as access tokens go.

It remembers users, tokens with their scopes, and families: rotating a token that was rotated
or revoked revokes its successors, as GitLab's reuse detection does.

What this cannot prove: GitLab's own roles and membership, and what expires at midnight.
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
    """One token; `place` is "" for a personal one, else such as "projects/5"."""

    id: int
    user_id: int
    value: str
    name: str
    scopes: tuple[str, ...]
    place: str
    family: int
    revoked: bool = False

    def shown(self) -> dict[str, Any]:
        """As the interface shows it: without its value."""
        return {
            "id": self.id,
            "name": self.name,
            "revoked": self.revoked,
            "active": not self.revoked,
            "scopes": list(self.scopes),
            "user_id": self.user_id,
            "last_used_at": None,
            "expires_at": "2030-01-01",
            **({"access_level": 30} if self.place else {}),
        }


class GitLab(Fake):
    """One administrator (user 1), and users who manage their own tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[Token] = []
        self.admin = self.make(1, "admin").value

    def make(
        self, user: int, name: str, scopes: tuple[str, ...] = ("api",), place: str = "",
        family: int = 0,
    ) -> Token:  # fmt: skip
        """A new token."""
        number = len(self.tokens) + 10
        value = secrets.token_hex(13)
        self.tokens.append(Token(number, user, value, name, scopes, place, family or number))
        return self.tokens[-1]

    def active(self, user: int) -> list[int]:
        """Ids of the tokens of a user that still work."""
        return [one.id for one in self.tokens if one.user_id == user and not one.revoked]

    def answer(self, asked: Asked) -> Said:
        value = asked.headers.get("private-token", "")
        acting = next((one for one in self.tokens if one.value == value), None)
        path = asked.path.removeprefix("/api/v4").strip("/").split("/")
        if acting is None:
            return Said(401, {"message": "401 Unauthorized"})
        if acting.revoked:
            if path[-2:] == ["self", "rotate"]:
                self._end_family(acting)
            return Said(401, {"error": "invalid_token", "error_description": "Token was revoked."})
        if path[:2] == ["personal_access_tokens", "self"]:
            return self._one(acting, asked, path[2:], acting)
        if "api" not in acting.scopes:
            return Said(403, {"error": "insufficient_scope"})
        return self._managed(acting, asked, path)

    def _managed(self, acting: Token, asked: Asked, path: list[str]) -> Said:
        if path == ["user"]:
            return Said(200, {"id": acting.user_id, "is_admin": acting.user_id == 1})
        if path[0] == "users" and path[2:] == ["personal_access_tokens"]:
            if acting.user_id != 1:
                return Said(403, {"message": "403 Forbidden"})
            return self._made(int(path[1]), asked, "")
        if path[0] in ("projects", "groups") and path[2:3] == ["access_tokens"]:
            return self._in(acting, asked, "/".join(path[:2]), path[3:])
        if path[0] == "personal_access_tokens":
            return self._in(acting, asked, "", path[1:])
        return Said(404, {"message": "404 Not Found"})

    def _in(self, acting: Token, asked: Asked, place: str, rest: list[str]) -> Said:
        mine = [
            one for one in self.tokens
            if one.place == place and acting.user_id in (1, one.user_id)
        ]  # fmt: skip
        if not rest:
            if asked.method == "POST" and place:
                return self._made(500, asked, place)
            return self._listed(mine, asked)
        found = next((one for one in mine if str(one.id) == rest[0]), None)
        if found is None:
            return Said(404, {"message": "404 Not Found"})
        return self._one(acting, asked, rest[1:], found)

    def _listed(self, mine: list[Token], asked: Asked) -> Said:
        user = asked.query.get("user_id")
        found = [one for one in mine if user in (None, "", str(one.user_id))]
        if asked.query.get("state") == "active":
            found = [one for one in found if not one.revoked]
        page, size = int(asked.query.get("page", 1)), 2  # small, so that paging is met
        rest = str(page + 1) if len(found) > page * size else ""
        shown = [one.shown() for one in found[(page - 1) * size : page * size]]
        return Said(200, shown, {"X-Next-Page": rest})

    def _made(self, user: int, asked: Asked, place: str) -> Said:
        body = asked.body
        if not body.get("scopes") or not body.get("expires_at"):
            return Said(400, {"error": "scopes is missing"})
        token = self.make(user, body["name"], tuple(body["scopes"]), place)
        return Said(201, {**token.shown(), "token": token.value})

    def _one(self, _: Token, asked: Asked, rest: list[str], found: Token) -> Said:
        if rest == ["rotate"]:
            if found.revoked:
                self._end_family(found)
                return Said(401, {"message": "401 Unauthorized"})
            found.revoked = True
            token = self.make(found.user_id, found.name, found.scopes, found.place, found.family)
            return Said(200, {**token.shown(), "token": token.value})
        if asked.method == "DELETE":
            found.revoked = True
            return Said(204)
        return Said(200, found.shown())

    def _end_family(self, token: Token) -> None:
        for one in self.tokens:
            if one.family == token.family:
                one.revoked = True


@contextmanager
def start(_: Path | None = None) -> Iterator[GitLab]:
    """A server with one administrator."""
    gitlab = GitLab()
    with gitlab.serving():
        yield gitlab
