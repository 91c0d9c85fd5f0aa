"""The tools that are compared, and how each is told to do the same job.

Every tool gets the form that is kindest to it and stays offline: no live
checks, no look for updates, no scan of `.git` as if it were sources.
"""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Job(Enum):
    """What a tool is asked to do."""

    HOOK = "hook"  # look at what is staged
    TREE = "tree"  # look at the checked-out files
    HISTORY = "history"  # look at every version of every file on every branch
    LOG = "log"  # look at the finished log of a job


@dataclass(frozen=True, slots=True)
class Spec:
    """A tool we know. `{repo}` and `{file}` stand for the repository and the staged file."""

    name: str
    program: str
    jobs: Mapping[Job, str]
    found: frozenset[int]  # exit codes that mean: I found something
    version: str = "--version"
    cache: str = ""  # the environment variable that names its cache folder
    proves: bool = True  # an exit code tells whether it found something
    wrapper: bool = False  # a script of pip that starts a native program


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that is here."""

    spec: Spec
    command: tuple[str, ...]
    version: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name it as in the tables."""
        return self.spec.name

    def arguments(self, job: Job, repo: Path, file: str = "") -> tuple[str, ...] | None:
        """Give its command line for a job, or None when it does not do that."""
        words = self.spec.jobs.get(job)
        if words is None:
            return None
        places = {"repo": str(repo), "file": file}
        return (*self.command, *(word.format(**places) for word in words.split()))

    def succeeded(self, code: int) -> bool:
        """Tell an answer (clean, or something found) from a failure."""
        return code == 0 or code in self.spec.found


KINGFISHER = "--no-validate --no-update-check --quiet --redact"
GITLEAKS = "--no-banner --redact --exit-code 9"
TRUFFLEHOG = "--no-verification --no-update --fail"
TRUFFLEHOG_GIT = f"git file://{{repo}} --trust-local-git-config {TRUFFLEHOG}"
GITLEAKS_JOBS = {
    Job.HOOK: f"git --pre-commit --staged {GITLEAKS} {{repo}}",
    Job.TREE: f"dir {GITLEAKS} {{repo}}",
    Job.HISTORY: f"git {GITLEAKS} {{repo}}",
}
KINGFISHER_JOBS = {
    Job.HOOK: f"scan {{repo}} --staged {KINGFISHER}",
    Job.TREE: f"scan {{repo}} --git-history none --exclude .git {KINGFISHER}",
    # Given the working tree it reads that too; given .git it would read the pack as a file.
    Job.HISTORY: f"scan {{repo}}/.git --exclude .git {KINGFISHER}",
    Job.LOG: f"scan {{file}} --git-history none --max-file-size 4096 {KINGFISHER}",
}

LEAKGUARD = Spec(
    "leakguard",
    "leakguard",
    {
        Job.HOOK: "hook pre-commit",
        Job.TREE: "scan {repo}",
        Job.HISTORY: "scan --history --all",
        Job.LOG: "logs {file}",
    },
    found=frozenset({1}),
    cache="LEAKGUARD_CACHE",
)
FLOOR = "git cat-file"
FLOOR_UNORDERED = "git cat-file --unordered"
SPECS = (
    LEAKGUARD,
    Spec(
        FLOOR,
        "git",
        {Job.HISTORY: "cat-file --batch-all-objects --batch"},
        found=frozenset(),
        proves=False,
    ),
    Spec(
        FLOOR_UNORDERED,
        "git",
        {Job.HISTORY: "cat-file --batch-all-objects --batch --unordered"},
        found=frozenset(),
        proves=False,
    ),
    Spec(
        "kingfisher",
        "kingfisher",
        KINGFISHER_JOBS,
        found=frozenset({200, 205}),
        cache="KF_RULE_CACHE_DIR",
    ),
    Spec(
        "kingfisher --turbo",
        "kingfisher",
        {job: f"{words} --turbo" for job, words in KINGFISHER_JOBS.items()},
        found=frozenset({200, 205}),
        cache="KF_RULE_CACHE_DIR",
    ),
    Spec(
        "kingfisher (pip script)",
        "kingfisher",
        {Job.HOOK: KINGFISHER_JOBS[Job.HOOK]},
        found=frozenset({200, 205}),
        cache="KF_RULE_CACHE_DIR",
        wrapper=True,
    ),
    Spec("gitleaks", "gitleaks", GITLEAKS_JOBS, found=frozenset({9}), version="version"),
    Spec("betterleaks", "betterleaks", GITLEAKS_JOBS, found=frozenset({9}), version="version"),
    Spec(
        "trufflehog",
        "trufflehog",
        {
            Job.HOOK: f"{TRUFFLEHOG_GIT} --since-commit HEAD",
            Job.TREE: f"filesystem {{repo}} {TRUFFLEHOG}",
            Job.HISTORY: TRUFFLEHOG_GIT,
        },
        found=frozenset({183}),
    ),
    Spec(
        "detect-secrets-hook",
        "detect-secrets-hook",
        {Job.HOOK: "--no-verify {file}", Job.LOG: "--no-verify {file}"},
        frozenset({1}),
    ),
    Spec(
        "detect-secrets",
        "detect-secrets",
        {Job.TREE: "scan --no-verify ."},
        found=frozenset(),
        proves=False,
    ),
)


def find(spec: Spec, cache: Path) -> Tool | None:
    """Look for a tool beside the running Python, then on the PATH."""
    beside = sysconfig.get_path("scripts")
    program = shutil.which(spec.program, path=beside) or shutil.which(spec.program)
    if program is None:
        return None
    if not spec.wrapper:
        program = native(Path(program), spec.program)
    environment = {spec.cache: str(cache / spec.program)} if spec.cache else {}
    return Tool(spec, (program,), version_of((program, spec.version)), environment)


def native(program: Path, name: str) -> str:
    """See through the script that pip puts before a native program, if there is one."""
    with program.open("rb") as file:
        head = file.readline(200)
    if not head.startswith(b"#!"):
        return str(program)
    interpreter = head[2:].decode().strip()
    ask = f"import {name} as m; print(m.get_binary_path())"
    if name != "kingfisher" or not Path(interpreter).exists():
        return str(program)
    answer = speak((interpreter, "-c", ask))
    return answer if answer and Path(answer).exists() else str(program)


def version_of(command: Sequence[str]) -> str:
    """Ask a tool for its version."""
    words = speak(command).split()
    numbers = [word.lstrip("v") for word in words if any(letter.isdigit() for letter in word)]
    return numbers[0] if numbers else "unknown version"


def speak(command: Sequence[str]) -> str:
    """Run a command and give the first line it prints; nothing when it fails."""
    try:
        done = subprocess.run(  # the tools that are measured anyway
            command, check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def own_leakguard(command: Sequence[str], cache: Path) -> Tool:
    """Measure a leakguard that is started in a special way."""
    return Tool(
        LEAKGUARD,
        tuple(command),
        version_of((*command, LEAKGUARD.version)),
        {LEAKGUARD.cache: str(cache / "leakguard")},
    )
