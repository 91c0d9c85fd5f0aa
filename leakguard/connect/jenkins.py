"""Jenkins: the console of a build, and its artifacts.

https://www.jenkins.io/doc/book/using/remote-access-api/. A user and an API
token (which needs no crumb) in JENKINS_USER and JENKINS_TOKEN, sent only to the
server that JENKINS_URL names.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.connect.address import bare, origin
from leakguard.connect.fetched import Case, Deletable
from leakguard.connect.http import Client
from leakguard.connect.save import Saver
from leakguard.errors import UnreadError, UsageError
from leakguard.secret import Secret

WAY_OUT = "set JENKINS_URL, JENKINS_USER and JENKINS_TOKEN (an API token of that user)"


class Jenkins:
    """One build."""

    def __init__(self, build: str, env: Mapping[str, str]) -> None:
        """`build` is the address of a build. Raises UsageError."""
        origin(build)
        self._base = bare(build).rstrip("/").removesuffix("/console").removesuffix("/consoleText")
        self._number = self._base.rpartition("/")[2]
        if not self._number.isdecimal() or "/job/" not in self._base:
            raise UsageError(
                f"{bare(build)!r} is not the address of a build", "it ends in /job/NAME/NUMBER/"
            )
        user = env.get("JENKINS_USER") or env.get("JENKINS_USER_ID") or ""
        token = env.get("JENKINS_TOKEN") or env.get("JENKINS_API_TOKEN") or ""
        secret = None
        if user and token:
            home = env.get("JENKINS_URL", "")
            if not home or origin(home) != origin(build):
                raise UsageError(
                    f"JENKINS_URL does not name {urlsplit(build).hostname}, so the token is not "
                    "sent there",
                    "set JENKINS_URL to the server that the token belongs to",
                )
            secret = Secret(b"Basic " + b64encode(f"{user}:{token}".encode()))
        self.client = Client(build, "Authorization", secret, way_out=WAY_OUT)

    def fetch(self, saver: Saver, *, artifacts: bool) -> Case:
        """The console's text, and what the build kept."""
        query = "tree=number,building,artifacts[relativePath]"
        about = self.client.json(f"{self._base}/api/json?{query}")
        if not isinstance(about, dict):
            raise UnreadError(f"build {self._number}: the answer is not understood")
        case = Case(f"Jenkins build {urlsplit(self._base).path.strip('/')}", self._number)
        if about.get("building"):
            case.notes.append("the build has not ended: more may follow")
        saver.save(self.client, case, f"{self._base}/consoleText", f"build-{self._number}.log")
        for entry in about.get("artifacts") or () if artifacts else ():
            path = _path(entry)
            name = f"artifact-{path.replace('/', '-')}"
            saver.save(self.client, case, f"{self._base}/artifact/{quote(path)}", name)
        case.deletable.append(
            Deletable(
                f"build {self._number}, its log and artifacts", "POST", f"{self._base}/doDelete",
                gone=f"{self._base}/api/json?tree=number",  # it answers by leading to the job
            )
        )  # fmt: skip
        return case


def _path(entry: Any) -> str:
    path = entry.get("relativePath") if isinstance(entry, dict) else None
    if not isinstance(path, str) or ".." in path.split("/") or path.startswith("/"):
        raise UnreadError("an entry of the list of artifacts is not understood")
    return path
