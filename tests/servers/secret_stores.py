"""Three places that keep values for others, as fakes: GitLab variables, Secret Manager, Key Vault.

Each remembers its versions, checks who asks and what they may at every request, and
refuses what the real one refuses: a value that cannot be masked (400), a disabled version
(400 at Google, 403 at Azure), a stale token (401).

What they cannot prove: the providers' delays and limits, Google's and Azure's policies, and what
a running job or application gets.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from servers.fake import Asked, Fake, Said
from servers.gcp import PROJECT, Google

PACKAGES: tuple[str, ...] = ()

MASKABLE = re.compile(r"[A-Za-z0-9+/=@:.~_-]{8,}")


def available() -> str:
    """They always can (the one of Google needs what `servers.gcp` needs)."""
    return ""


class GitLab(Fake):
    """Variables of one project, by name and environment scope."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.reader = secrets.token_hex(10), secrets.token_hex(10)
        self.variables: dict[tuple[str, str], dict[str, Any]] = {}

    def have(self, key: str, value: str, scope: str = "*", **more: Any) -> None:
        """Have a variable."""
        about = {"key": key, "value": value, "environment_scope": scope, "masked": True}
        self.variables[key, scope] = {**about, "protected": True, "hidden": False, **more}

    def answer(self, asked: Asked) -> Said:
        who = asked.headers.get("private-token", "")
        if who not in (self.token, self.reader):
            return Said(401, {"message": "401 Unauthorized"})
        if asked.path.endswith("/personal_access_tokens/self"):
            return Said(200, {"scopes": ["api" if who == self.token else "read_api"]})
        match = re.fullmatch(r"/(?:projects/team%2Fapp|groups/7)/variables/([^/]+)", asked.path)
        scope = asked.query.get("filter[environment_scope]", "")
        if asked.method == "PUT":
            scope = asked.body.get("filter", {}).get("environment_scope", "")
        found = self.variables.get((unquote(match[1]), scope)) if match else None
        if found is None:
            return Said(404, {"message": "404 Variable Not Found"})
        if asked.method == "PUT":
            return self._put(asked, found, who)
        return Said(200, found | ({"value": None} if found["hidden"] else {}))

    def _put(self, asked: Asked, found: dict[str, Any], who: str) -> Said:
        if who != self.token:
            return Said(403, {"error": "insufficient_scope"})
        if found["masked"] and not MASKABLE.fullmatch(asked.body["value"]):
            return Said(400, {"message": {"value": ["is invalid"]}})
        found["value"] = asked.body["value"]
        return Said(200, found)


class SecretManager(Google):
    """Secrets of one project; accounts, keys and tokens are those of `Google`."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, list[dict[str, Any]]] = {}

    def have(self, name: str, *values: str) -> None:
        """Have a secret with these versions."""
        self.versions[name] = [{"value": one, "state": "ENABLED"} for one in values]

    def answer(self, asked: Asked) -> Said:
        match = re.fullmatch(
            rf"/v1/projects/{PROJECT}/secrets/(\w+)(?::(\w+))?(?:/versions)?(?:/(\w+):(\w+))?",
            asked.path,
        )
        if match is None:
            return super().answer(asked)
        acting = self.tokens.get(asked.bearer)
        if acting is None:
            return Said(401, {"error": {"status": "UNAUTHENTICATED"}})
        name, verb, number, what = match.groups()
        if verb == "testIamPermissions":
            return self._permitted(acting, asked)
        needed = {"addVersion": "add"}.get(verb or "", what or "list")
        if needed not in self.permissions[acting]:
            return Said(403, {"error": {"status": "PERMISSION_DENIED"}})
        if name not in self.versions:
            return Said(404, {"error": {"status": "NOT_FOUND"}})
        if verb == "addVersion":
            value = base64.b64decode(asked.body["payload"]["data"]).decode()
            self.versions[name].append({"value": value, "state": "ENABLED"})
            return Said(200, {"name": self._name(name, len(self.versions[name]))})
        return self._one(name, number, what) if number else self._list_versions(name, asked)

    def _name(self, name: str, number: int) -> str:
        return f"projects/1/secrets/{name}/versions/{number}"

    def _one(self, name: str, number: str, what: str) -> Said:
        index = len(self.versions[name]) if number == "latest" else int(number)
        version = self.versions[name][index - 1]
        if what in ("enable", "disable"):
            version["state"] = {"enable": "ENABLED", "disable": "DISABLED"}[what]
            return Said(200, {"name": self._name(name, index), "state": version["state"]})
        if version["state"] != "ENABLED":
            return Said(400, {"error": {"status": "FAILED_PRECONDITION"}})
        data = base64.b64encode(version["value"].encode()).decode()
        return Said(200, {"name": self._name(name, index), "payload": {"data": data}})

    def _list_versions(self, name: str, asked: Asked) -> Said:
        """Two at a time, so that who forgets the next page misses some."""
        enabled = [
            {"name": self._name(name, number), "state": "ENABLED"}
            for number, one in enumerate(self.versions[name], 1)
            if one["state"] == "ENABLED"
        ]
        at = int(asked.query.get("pageToken") or 0)
        more = {"nextPageToken": str(at + 2)} if len(enabled) > at + 2 else {}
        return Said(200, {"versions": enabled[at : at + 2], **more})


class KeyVault(Fake):
    """One vault, and one application that may do what `may` says."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = secrets.token_urlsafe(24)
        self.may = {"get", "list", "set"}
        self.versions: dict[str, dict[str, dict[str, Any]]] = {}
        self._bearers: set[str] = set()

    def have(self, name: str, value: str, **more: Any) -> str:
        """Add a version of a secret: its id."""
        version = secrets.token_hex(16)
        about = {"value": value, "attributes": {"enabled": True}, **more}
        self.versions.setdefault(name, {})[version] = about
        return version

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/tenant-1/oauth2/v2.0/token":
            return self._token(asked)
        if asked.bearer not in self._bearers:
            return Said(401, {"error": {"code": "Unauthorized"}})
        if "api-version" not in asked.query:
            return Said(400, {"error": {"code": "BadParameter"}})
        _, _, name, *rest = asked.path.split("/")
        listing = rest == ["versions"]
        verb = {"GET": "list" if listing else "get"}.get(asked.method, "set")
        if verb not in self.may:
            return Said(403, {"error": {"code": "Forbidden"}})
        if name not in self.versions:
            return Said(404, {"error": {"code": "SecretNotFound"}})
        if listing:
            return self._list(name, asked)
        return {"GET": self._get, "PUT": self._set, "PATCH": self._change}[asked.method](
            name, rest, asked
        )

    def _token(self, asked: Asked) -> Said:
        form = {name: one[0] for name, one in parse_qs(asked.raw.decode()).items()}
        if (form["client_id"], form["client_secret"]) != ("app-1", self.secret):
            return Said(401, {"error": "invalid_client"})
        if form["scope"] != "https://vault.azure.net/.default":
            return Said(400, {"error": "invalid_scope"})
        token = secrets.token_hex(20)
        self._bearers.add(token)
        return Said(200, {"access_token": token, "expires_in": 3600})

    def _told(self, name: str, version: str) -> dict[str, Any]:
        return {**self.versions[name][version], "id": f"{self.url}/secrets/{name}/{version}"}

    def _get(self, name: str, rest: list[str], _: Asked) -> Said:
        version = rest[0] if rest else list(self.versions[name])[-1]
        told = self._told(name, version)
        if not told["attributes"]["enabled"]:
            return Said(403, {"error": {"code": "Forbidden", "innererror": "SecretDisabled"}})
        return Said(200, told)

    def _set(self, name: str, _: list[str], asked: Asked) -> Said:
        more = {one: asked.body[one] for one in ("contentType", "tags") if one in asked.body}
        return Said(200, self._told(name, self.have(name, asked.body["value"], **more)))

    def _change(self, name: str, rest: list[str], asked: Asked) -> Said:
        self.versions[name][rest[0]]["attributes"] |= asked.body["attributes"]
        return Said(200, self._told(name, rest[0]))

    def _list(self, name: str, asked: Asked) -> Said:
        """Two at a time, so that who forgets the next page misses some."""
        found = [self._told(name, one) for one in self.versions[name]]
        at = int(asked.query.get("at", 0))
        link = f"{self.url}/secrets/{name}/versions?api-version=7.4&at={at + 2}"
        page = [{key: one[key] for key in ("id", "attributes")} for one in found[at : at + 2]]
        return Said(200, {"value": page, "nextLink": link if len(found) > at + 2 else None})


@contextmanager
def gitlab(_: Path | None = None) -> Iterator[GitLab]:
    """A project without variables."""
    fake = GitLab()
    with fake.serving():
        yield fake


@contextmanager
def secret_manager(_: Path | None = None) -> Iterator[SecretManager]:
    """A project without secrets."""
    fake = SecretManager()
    with fake.serving():
        yield fake


@contextmanager
def key_vault(_: Path | None = None) -> Iterator[KeyVault]:
    """A vault without secrets."""
    fake = KeyVault()
    with fake.serving():
        yield fake
