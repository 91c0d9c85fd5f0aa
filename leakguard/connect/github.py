"""GitHub Actions: the logs of all attempts of a run, and its artifacts.

https://docs.github.com/en/rest/actions/workflow-runs and .../artifacts. The
token needs "Actions: read", and "Actions: write" to delete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from leakguard.connect.address import origin
from leakguard.connect.fetched import Case, Deletable
from leakguard.connect.http import Client
from leakguard.connect.save import Saver
from leakguard.errors import UnreadError, UsageError
from leakguard.secret import Secret

_RUN = re.compile(r"/(?P<repo>[\w.-]+/[\w.-]+)/actions/runs/(?P<run>\d+)(?:/.*)?$")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
WAY_OUT = "set GH_TOKEN to a token with Actions: read (write to delete) for this repository"


class GitHub:
    """One run of one repository."""

    def __init__(self, run: str, repo: str, env: Mapping[str, str]) -> None:
        """`run` is a number or the address of a run. Raises UsageError."""
        server = env.get("GITHUB_SERVER_URL") or "https://github.com"
        if "://" in run:
            if origin(run) != origin(server):
                raise UsageError(
                    f"the run lies at {urlsplit(run).hostname}, the token belongs to "
                    f"{urlsplit(server).hostname}",
                    "for a server of your own set GITHUB_SERVER_URL (and GITHUB_API_URL)",
                )
            found = _RUN.search(urlsplit(run).path)
            if found is None:
                raise UsageError(f"{run!r} is not the address of a run",
                                 "it ends in /actions/runs/NUMBER")  # fmt: skip
            repo, run = found["repo"], found["run"]
        repo = repo or env.get("GITHUB_REPOSITORY", "")
        if not run.isdecimal() or not _REPO.fullmatch(repo):
            raise UsageError(
                "which run of which repository?",
                "leakguard logs --github 123456 --repo OWNER/NAME, or the address of the run",
            )
        api = env.get("GITHUB_API_URL") or _api(server)
        if origin(api)[1] not in (origin(server)[1], f"api.{origin(server)[1]}"):
            raise UsageError("GITHUB_API_URL and GITHUB_SERVER_URL name different hosts")
        self._base = f"{api.rstrip('/')}/repos/{repo}/actions"
        self._run = run
        self._repo = repo
        token = env.get("GH_TOKEN") or env.get("GITHUB_TOKEN") or ""
        secret = Secret(f"Bearer {token}".encode()) if token else None
        self.client = Client(api, "Authorization", secret, way_out=WAY_OUT)

    def fetch(self, saver: Saver, *, artifacts: bool) -> Case:
        """Everything that the run printed, in all its attempts."""
        about = self.client.json(f"{self._base}/runs/{self._run}", **_HEADERS)
        if not isinstance(about, dict):
            raise UnreadError(f"run {self._run}: the answer is not understood")
        case = Case(f"GitHub run {self._run} of {self._repo}", self._run)
        if about.get("status") not in ("completed", None):
            case.notes.append(f"the run has not ended ({about['status']}): more may follow")
        attempts = about.get("run_attempt")
        last = attempts if isinstance(attempts, int) and 0 < attempts < 1000 else 1
        for attempt in range(1, last + 1):
            name = f"run-{self._run}-attempt-{attempt}.zip"
            url = f"{self._base}/runs/{self._run}/attempts/{attempt}/logs"
            saver.save(self.client, case, url, name, may_be_gone=attempt < last)
        case.deletable.append(
            Deletable(
                f"the logs of run {self._run}", "DELETE", f"{self._base}/runs/{self._run}/logs"
            )
        )
        for entry in self._artifacts() if artifacts else ():
            self._artifact(entry, saver, case)
        return case

    def _artifacts(self) -> Iterator[Any]:
        url = f"{self._base}/runs/{self._run}/artifacts?per_page=100"
        return self.client.pages(url, "artifacts", **_HEADERS)

    def _artifact(self, entry: Any, saver: Saver, case: Case) -> None:
        number, name = (entry.get("id"), entry.get("name")) if isinstance(entry, dict) else (0, "")
        if not isinstance(number, int) or not number:
            raise UnreadError("an entry of the list of artifacts is not understood")
        if entry.get("expired"):
            case.notes.append(f"artifact {name!r} has expired: GitHub has deleted it")
            return
        url = f"{self._base}/artifacts/{number}"
        saver.save(self.client, case, f"{url}/zip", f"artifact-{number}-{name}.zip")
        case.deletable.append(Deletable(f"artifact {name!r}", "DELETE", url))


def _api(server: str) -> str:
    host = origin(server)[1]
    return "https://api.github.com" if host == "github.com" else f"{server.rstrip('/')}/api/v3"
