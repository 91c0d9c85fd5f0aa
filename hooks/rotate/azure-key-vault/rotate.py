#!/usr/bin/env python3
"""Adds a version to a secret in Azure Key Vault, and disables the leaked one.

Who reads the secret without a version gets the new value from then on; who pinned a
version goes on getting that one until it is disabled, which can be taken back. Content
type, tags and dates of the secret stay.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.rotate.kit import Fail, Request, check, script
from leakguard.rotate.parts import versions
from leakguard.rotate.parts.azure import AZURE, send
from leakguard.rotate.parts.web import KINDS, must

rotate = script()

API = "7.4"
MEANS = KINDS | {400: "unsupported"}


class Vault:
    """The secret that a request is about."""

    def __init__(self, ask: Request) -> None:
        self._ask = ask
        name = quote(ask.target["secret"], safe="")
        self._where = f"{ask.target['vault'].rstrip('/')}/secrets/{name}"

    def may(self) -> list[dict[str, Any]]:
        """Key Vault tells no permission before it is used: only reading and listing are tried."""
        checks = []
        for what, url in (("get", self._where), ("list", f"{self._where}/versions")):
            status = self._call("GET", url).status_code
            why = f"Key Vault answered {status}"
            checks.append(check(f"may {what} the secret", status == 200, why))
        return checks

    def latest(self) -> tuple[str, str]:
        """The id of the current version, and its value."""
        said = self._read(self._where)
        return _version(said), said["value"]

    def value(self, version: str) -> str:
        """What a version holds, if it is enabled."""
        return str(self._read(f"{self._where}/{version}")["value"])

    def add(self, value: str) -> str:
        """The id of the version that was added. What describes the secret goes along."""
        before = self._read(self._where)
        dates = {name: before["attributes"][name] for name in ("nbf", "exp")
                 if name in before["attributes"]}  # fmt: skip
        body = {"value": value, "attributes": {"enabled": True, **dates}}
        body |= {name: before[name] for name in ("contentType", "tags") if before.get(name)}
        return _version(self._must("PUT", self._where, body).json())

    def enabled(self) -> set[str]:
        """The ids of the versions that can be read."""
        found, url = set(), f"{self._where}/versions"
        while url:
            said = self._read(url)
            found |= {_version(one) for one in said["value"] if one["attributes"]["enabled"]}
            url = said.get("nextLink") or ""
            if url and urlsplit(url).netloc != urlsplit(self._where).netloc:
                raise Fail("bug", "the next page is at another address")
        return found

    def switch(self, version: str, *, on: bool) -> None:
        """Enable a version, or disable it."""
        self._must("PATCH", f"{self._where}/{version}", {"attributes": {"enabled": on}})

    def _read(self, url: str) -> dict[str, Any]:
        return dict(self._must("GET", url).json())

    def _must(self, method: str, url: str, body: Any = None) -> Any:
        return must(AZURE, self._call(method, url, body), MEANS)

    def _call(self, method: str, url: str, body: Any = None) -> Any:
        scope = self._ask.target.get("scope") or "https://vault.azure.net/.default"
        params = {} if "api-version=" in url else {"api-version": API}
        return send(self._ask, scope, method, url, params=params, json=body)


versions.serve(rotate, Vault)


def _version(said: dict[str, Any]) -> str:
    return str(said["id"].rpartition("/")[2])


if __name__ == "__main__":
    rotate.main()
