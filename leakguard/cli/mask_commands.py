"""How CI services are told to mask a value: a line on standard output that they do not show.

GitHub Actions: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
Azure Pipelines: https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
The other services know only values that were entered in their settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from leakguard.detect.known import SHORTEST_CODED
from leakguard.detect.mask import Commands
from leakguard.secret import Secret


class Service:
    """One service: what it is told, and how to recognise that a program tells it."""

    def __init__(
        self, begin: bytes, escapes: tuple[tuple[bytes, bytes], ...], heard: Commands
    ) -> None:
        self._begin = begin
        self._escapes = escapes
        self.heard = heard

    def tell(self, secret: Secret) -> bytes:
        """The lines for one value: all of it, and each of its lines, since logs are shown so."""
        return b"".join(self._begin + self._escaped(part) + b"\n" for part in _parts(secret))

    def _escaped(self, value: bytes) -> bytes:
        for plain, coded in self._escapes:
            value = value.replace(plain, coded)
        return value


def _parts(secret: Secret) -> Iterator[bytes]:
    value = secret.reveal()
    yield value
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORTEST_CODED and line[:5] != b"-----")


_ENDS = ((b"\r", b"%0D"), (b"\n", b"%0A"))
GITHUB = Service(
    b"::add-mask::",
    ((b"%", b"%25"), *_ENDS),
    Commands(
        b"::add-mask::",
        re.compile(rb"^[ \t]{0,40}::add-mask::(?P<value>[^\r\n]+)", re.MULTILINE),
    ),
)
AZURE = Service(
    b"##vso[task.setsecret]",
    ((b"%", b"%AZP25"), *_ENDS),
    Commands(
        b"##vso[task.set",
        re.compile(
            rb"^##vso\[task\.set(?:secret|variable [^\]\r\n]{0,400}\bissecret=true[^\]\r\n]{0,400})"
            rb"\](?P<value>[^\r\n]+)",
            re.MULTILINE | re.IGNORECASE,
        ),
    ),
)


def service(environment: Mapping[str, str]) -> Service | None:
    """The service around us, by the variables that it documents."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return GITHUB
    if environment.get("TF_BUILD", "").lower() == "true":
        return AZURE
    return None
