"""The commands of the templates, taken out of them and run in a checkout as the service makes it.

Only what fetches leakguard is replaced: `pip install` installs nothing, and `leakguard` is
the one that is being tested.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from ci.place import Repo, World

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "ci"


def loaded(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def runs(name: str, pattern: str) -> list[str]:
    """The commands in a file that is no YAML."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [
        dedent(next(filter(None, one.groups()))).strip()
        for one in re.finditer(pattern, text, re.DOTALL)
    ]


@dataclass(frozen=True)
class Service:
    """Its commands, its environment in a pull request of HEAD, and the reports that it keeps."""

    commands: Callable[[], list[str]]
    env: dict[str, str]
    kept: tuple[str, ...]
    shell: str = "sh"
    one_branch: bool = False


SERVICES = {
    "gitlab": Service(
        lambda: loaded("gitlab.yml")["leakguard"]["script"],
        {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "4", "CI_DEFAULT_BRANCH": "main",
         "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_COMMIT_SHA": "HEAD"},
        ("gl-secret-detection-report.json", "gl-code-quality-report.json", "leakguard-junit.xml",
         "leakguard.html"),
    ),
    "jenkins": Service(
        lambda: runs("Jenkinsfile", r"sh '''(.*?)'''|sh '([^']+)'"),
        {"JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "8", "GIT_COMMIT": "HEAD",
         "CHANGE_ID": "4", "CHANGE_TARGET": "main", "WORKSPACE_TMP": "TEMP"},
        ("leakguard-junit.xml", "leakguard.html", "leakguard.sarif"),
        one_branch=True,
    ),
    "circleci": Service(
        lambda: [step["run"] for step in loaded("circleci.yml")["jobs"]["leakguard"]["steps"]
                 if "run" in step],
        {"CIRCLECI": "true", "CIRCLE_SHA1": "HEAD", "CIRCLE_BRANCH": "feature",
         "CIRCLE_PULL_REQUEST": "https://code.example/acme/pay/pull/4"},
        ("reports/leakguard.xml", "reports/leakguard.html"),
        shell="bash",
    ),
    "azure": Service(
        lambda: [re.sub(r"\$\([\w.]+\)", "TEMP", step["script"])
                 for step in loaded("azure-pipelines.yml")["steps"] if "script" in step],
        {"TF_BUILD": "True", "BUILD_SOURCEVERSION": "HEAD", "BUILD_REASON": "PullRequest",
         "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main"},
        ("TEMP/leakguard.xml", "TEMP/CodeAnalysisLogs/leakguard.sarif"),
        shell="bash",
    ),
    "bitbucket": Service(
        lambda: loaded("bitbucket-pipelines.yml")["definitions"]["steps"][0]["step"]["script"],
        {"BITBUCKET_BUILD_NUMBER": "8", "BITBUCKET_COMMIT": "HEAD", "BITBUCKET_PR_ID": "4",
         "BITBUCKET_PR_DESTINATION_BRANCH": "main"},
        ("test-results/leakguard.xml", "leakguard.html"),
        one_branch=True,
    ),
    "drone": Service(
        lambda: loaded("drone.yml")["steps"][0]["commands"],
        {"DRONE": "true", "DRONE_COMMIT_SHA": "HEAD", "DRONE_BUILD_EVENT": "pull_request",
         "DRONE_TARGET_BRANCH": "main", "DRONE_REPO_BRANCH": "main"},
        ("leakguard.html",),
        one_branch=True,
    ),
    "buildkite": Service(
        lambda: [one.replace("$$", "$") for one in loaded("buildkite.yml")["steps"][0]["commands"]],
        {"BUILDKITE": "true", "BUILDKITE_COMMIT": "HEAD", "BUILDKITE_PULL_REQUEST": "4",
         "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main"},
        ("leakguard.md", "leakguard.html", "leakguard.xml"),
        shell="bash", one_branch=True,
    ),
    "teamcity": Service(
        lambda: [one.replace("%teamcity.build.tempDir%", "TEMP")
                 for one in runs("teamcity.kts", '"""(.*?)"""')],
        {"TEAMCITY_VERSION": "2025.07", "BUILD_VCS_NUMBER": "HEAD",
         "LEAKGUARD_TARGET_BRANCH": "main", "LEAKGUARD_BRANCH": "feature"},
        ("leakguard.html", "leakguard.xml"),
    ),
    "travis": Service(
        lambda: [*loaded("travis.yml")["install"], *loaded("travis.yml")["script"]],
        {"TRAVIS": "true", "TRAVIS_COMMIT": "HEAD", "TRAVIS_PULL_REQUEST": "4",
         "TRAVIS_BRANCH": "main", "TRAVIS_REPO_SLUG": "acme/pay"},
        (),
        shell="bash", one_branch=True,
    ),
}  # fmt: skip


@pytest.fixture
def shim(world: World) -> Path:
    """A folder for the front of PATH: `python` notes what it would install."""
    folder = world.folder / "shim"
    folder.mkdir()
    tool = f'#!/bin/sh\nexec "{sys.executable}" -P -m leakguard "$@"\n'
    python = (
        "#!/bin/sh\n"
        f'case "$*" in\n*"-m pip install"*) echo "$*" >>"{folder}/installed" ;;\n'
        f'*"-m venv "*) for last; do :; done; mkdir -p "$last/bin" && '
        f'cp "{folder}/python" "{folder}/leakguard" "$last/bin" ;;\n'
        "*) exit 99 ;;\nesac\n"
    )
    for name, text in {"leakguard": tool, "python": python, "python3": python}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def checkout(world: World, service: Service, commit: str) -> Repo:
    """As the service leaves it: all branches, or full history of one."""
    if not service.one_branch:
        repo = world.checkout(commit)
        repo.git("remote", "set-head", "origin", "main")  # `git clone` does
        return repo
    repo = Repo(world.folder / "checkout", world.env)
    repo.path.mkdir()
    repo.git("init", "-q")
    repo.git("remote", "add", "origin", f"file://{world.server.path}")
    repo.git("fetch", "-q", "origin", "+refs/heads/feature:refs/remotes/origin/feature")
    repo.git("checkout", "-q", "--detach", commit)
    return repo


def test_every_template_but_the_actions_is_run_here() -> None:
    files = {file.stem.partition("-pipelines")[0].lower() for file in FOLDER.iterdir()}
    files = {"jenkins" if name == "jenkinsfile" else name for name in files}
    assert files - {"readme", "github", "pre-receive"} == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_the_commands_of_a_template_find_what_a_pull_request_brings(
    name: str, world: World, dev: Repo, shim: Path
) -> None:
    service = SERVICES[name]
    dev.branch("feature")
    head = dev.leak("new.py")
    dev.push("feature")
    repo = checkout(world, service, head)
    temp = world.folder / "temp"
    temp.mkdir()
    commands = "\n".join(["set -e", *service.commands()]).replace("TEMP", str(temp))
    env = {
        key: {"HEAD": head, "TEMP": str(temp)}.get(text, text) for key, text in service.env.items()
    }
    path = f"{shim}:{repo.env['PATH']}"
    answer = repo.run(service.shell, "-c", commands, PATH=path, **env)
    answer.found("new.py")
    assert "OWNER/leakguard@v" in (shim / "installed").read_text()
    for kept in service.kept:
        file = Path(kept.replace("TEMP", str(temp)))
        text = (file if file.is_absolute() else repo.path / file).read_text()
        assert "new.py" in text, kept
