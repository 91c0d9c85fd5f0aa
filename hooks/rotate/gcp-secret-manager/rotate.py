#!/usr/bin/env python3
"""Adds a version to a secret in Google Cloud Secret Manager, and disables the leaked one.

Who reads `latest` gets the new value from then on; `latest` is the newest version whether
enabled or not, so the new one has to be added before an older one ends. Disabling can be
taken back, until somebody destroys the version.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from leakguard.rotate.kit import Request, check, script
from leakguard.rotate.parts import versions
from leakguard.rotate.parts.google import must, send

rotate = script()

PERMISSIONS = ("access", "add", "list", "enable", "disable")


class Manager:
    """The secret that a request is about."""

    def __init__(self, ask: Request) -> None:
        base = ask.target.get("endpoint") or "https://secretmanager.googleapis.com"
        project, secret = (quote(ask.target[one], safe="") for one in ("project", "secret"))
        self._where = f"{base.rstrip('/')}/v1/projects/{project}/secrets/{secret}"
        self._admin = ask.secret("admin")

    def may(self) -> list[dict[str, Any]]:
        """What Google says that we may."""
        wanted = [f"secretmanager.versions.{one}" for one in PERMISSIONS]
        have = self._post(":testIamPermissions", {"permissions": wanted}).get("permissions", ())
        return [check(f"may {one}", one in have, "grant it on the secret") for one in wanted]

    def latest(self) -> tuple[str, str]:
        """The number of the latest version, and its value."""
        said = self._get("/versions/latest:access")
        return _version(said), _decoded(said)

    def value(self, version: str) -> str:
        """What a version holds, if it is enabled."""
        return _decoded(self._get(f"/versions/{version}:access"))

    def add(self, value: str) -> str:
        """The number of the version that was added."""
        data = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
        return _version(self._post(":addVersion", {"payload": {"data": data}}))

    def enabled(self) -> set[str]:
        """The numbers of the versions that can be read."""
        found, page = set(), ""
        while True:
            path = f"/versions?filter=state:ENABLED&pageSize=100&pageToken={quote(page)}"
            said = self._get(path)
            found |= {_version(one) for one in said.get("versions", ())}
            page = said.get("nextPageToken", "")
            if not page:
                return found

    def switch(self, version: str, *, on: bool) -> None:
        """Enable a version, or disable it."""
        self._post(f"/versions/{version}:{'enable' if on else 'disable'}", {})

    def _get(self, path: str) -> dict[str, Any]:
        return dict(must(send(self._admin, "GET", self._where + path)).json())

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(must(send(self._admin, "POST", self._where + path, json=body)).json())


versions.serve(rotate, Manager)


def _version(said: dict[str, Any]) -> str:
    return str(said["name"].rpartition("/")[2])


def _decoded(said: dict[str, Any]) -> str:
    return base64.b64decode(said["payload"]["data"]).decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    rotate.main()
