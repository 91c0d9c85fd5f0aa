"""Put the servers in place that rotations are tried against, where that can be done.

Needs root and Debian's package manager. Elsewhere it names what is not there, and the
tests that need it say so too; nothing is skipped in silence.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
ANSWERS = "postfix postfix/main_mailer_type select No configuration\n"


def packages() -> list[str]:
    """What the servers of this folder say that they need."""
    wanted: set[str] = set()
    for path in sorted(HERE.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            target = node.target if isinstance(node, ast.AnnAssign) else None
            if isinstance(node, ast.Assign):
                target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == "PACKAGES":
                wanted |= set(ast.literal_eval(node.value))
    return sorted(wanted)


def missing(wanted: list[str]) -> list[str]:
    """Those that are not installed."""
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    there = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in there]


def apt_get(*words: str) -> bool:
    """Whether it worked; what it says goes nowhere, what it complains about to stderr."""
    subprocess.run(["debconf-set-selections"], input=ANSWERS, text=True, check=False)
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *words]
    env = {**os.environ, **QUIET}
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=False)
    return done.returncode == 0


@contextmanager
def nothing_starts() -> Iterator[None]:
    """What is installed is only there to be started by the tests, not by the system."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def main() -> None:
    """Install, or say what will be left out; never fails a test run by itself."""
    wanted = packages()
    if shutil.which("apt-get") is None:
        print(f"no apt-get here: tests that need these are left out: {' '.join(wanted)}")
        return
    lacking = missing(wanted)
    if not lacking:
        return
    if os.geteuid() != 0:
        print(f"not root: tests that need these are left out: {' '.join(lacking)}")
        return
    print(f"installing the servers of the tests: {' '.join(lacking)}", flush=True)
    with nothing_starts():
        apt_get("update")
        if not apt_get("install", "-y", "--no-install-recommends", *lacking):
            for name in lacking:  # one that cannot be had must not cost the others
                apt_get("install", "-y", "--no-install-recommends", name)
    left = missing(wanted)
    if left:
        print(f"could not be installed, tests that need them are left out: {' '.join(left)}")


if __name__ == "__main__":
    sys.exit(main())
