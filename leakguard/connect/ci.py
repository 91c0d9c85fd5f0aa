"""Which service, and what is asked of it: the door through which `leakguard logs` comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from leakguard.connect.fetched import Case, Deleted
from leakguard.connect.github import GitHub
from leakguard.connect.gitlab import GitLab
from leakguard.connect.http import Client
from leakguard.connect.jenkins import Jenkins
from leakguard.connect.save import Saver

__all__ = ["Case", "Deleted", "Saver", "Service", "delete", "service"]


class Service(Protocol):
    """Something that keeps logs."""

    client: Client

    def fetch(self, saver: Saver, *, artifacts: bool) -> Case:
        """Download all of them."""


def service(kind: str, what: str, repo: str, env: Mapping[str, str]) -> Service:
    """The service that `--github`, `--gitlab` or `--jenkins` named. Raises UsageError."""
    if kind == "github":
        return GitHub(what, repo, env)
    if kind == "gitlab":
        return GitLab(what, repo, env)
    return Jenkins(what, env)


def delete(case: Case, client: Client) -> list[Deleted]:
    """Ask for every deletion of the case; one that fails does not keep the others."""
    found = []
    for one in case.deletable:
        done, detail = client.delete(one)
        found.append(Deleted(one.what, done, detail))
    return found
