"""GitLab CI: the log and the artifacts of a job, or of every job of a pipeline.

https://docs.gitlab.com/api/jobs/ and .../job_artifacts/. The token needs
`read_api`, and `api` with the right to update the job to erase it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from leakguard.connect.address import origin
from leakguard.connect.fetched import Case, Deletable
from leakguard.connect.http import Client
from leakguard.connect.save import Saver
from leakguard.errors import UnreadError, UsageError
from leakguard.secret import Secret

_ADDRESS = re.compile(r"/(?P<project>.+?)/-/(?P<kind>jobs|pipelines)/(?P<number>\d+)(?:/.*)?$")
WAY_OUT = (
    "set GITLAB_TOKEN to a token with read_api (api to erase); CI_JOB_TOKEN may read artifacts only"
)


class GitLab:
    """One job, or one pipeline."""

    def __init__(self, job: str, project: str, env: Mapping[str, str]) -> None:
        """`job` is a number or the address of a job or pipeline. Raises UsageError."""
        server = env.get("CI_SERVER_URL") or env.get("GITLAB_URL") or "https://gitlab.com"
        self._kind, number = "jobs", job
        if "://" in job:
            found = _ADDRESS.search(urlsplit(job).path)
            if origin(job) != origin(server):
                raise UsageError(
                    f"the job lies at {urlsplit(job).hostname}, the token belongs to "
                    f"{urlsplit(server).hostname}",
                    "for a server of your own set GITLAB_URL to its address",
                )
            if found is None:
                raise UsageError(f"{job!r} is not the address of a job or pipeline",
                                 "it ends in /-/jobs/NUMBER")  # fmt: skip
            base = urlsplit(server).path.rstrip("/")
            project = f"/{found['project']}".removeprefix(base).strip("/")
            self._kind, number = found["kind"], found["number"]
        project = project or env.get("CI_PROJECT_ID", "")
        if not number.isdecimal() or not project:
            raise UsageError(
                "which job of which project?",
                "leakguard logs --gitlab 123456 --repo GROUP/PROJECT, or the address of the job",
            )
        self._number = number
        self._base = f"{server.rstrip('/')}/api/v4/projects/{quote(project, safe='')}"
        header, token = "PRIVATE-TOKEN", env.get("GITLAB_TOKEN", "")
        if not token:
            header, token = "JOB-TOKEN", env.get("CI_JOB_TOKEN", "")
        secret = Secret(token.encode()) if token else None
        self.client = Client(server, header, secret, way_out=WAY_OUT)

    def fetch(self, saver: Saver, *, artifacts: bool) -> Case:
        """The logs, retried jobs included."""
        what = "job" if self._kind == "jobs" else "pipeline"
        case = Case(f"GitLab {what} {self._number}", self._number)
        for about in self._jobs():
            number = about.get("id") if isinstance(about, dict) else None
            if not isinstance(number, int):
                raise UnreadError("an entry of the list of jobs is not understood")
            self._job(number, about, saver, case, artifacts)
        return case

    def _jobs(self) -> Iterator[Any]:
        if self._kind == "jobs":
            yield self.client.json(f"{self._base}/jobs/{self._number}")
            return
        url = f"{self._base}/pipelines/{self._number}/jobs?per_page=100&include_retried=true"
        yield from self.client.pages(url)

    def _job(
        self, number: int, about: dict[str, Any], saver: Saver, case: Case, artifacts: bool
    ) -> None:
        url = f"{self._base}/jobs/{number}"
        if about.get("erased_at"):
            case.notes.append(f"job {number} was erased before")
            return
        if about.get("status") in ("created", "pending", "manual", "skipped", "scheduled"):
            case.notes.append(f"job {number} has not run ({about['status']})")
            return
        if about.get("status") == "running":
            case.notes.append(f"job {number} has not ended: more may follow")
        saver.save(self.client, case, f"{url}/trace", f"job-{number}.log")
        if artifacts and about.get("artifacts_file"):
            saver.save(self.client, case, f"{url}/artifacts", f"job-{number}-artifacts.zip")
        what = f"log and artifacts of job {number}"
        case.deletable.append(Deletable(what, "POST", f"{url}/erase"))
