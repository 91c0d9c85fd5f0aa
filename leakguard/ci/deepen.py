"""The one place in which leakguard lets git use the network: it asks the checkout's own remote for
commits that a shallow or single-branch clone left out, and only when `--deepen` says so.

git gets nothing from us but names. Only the protocol of that remote is
switched on; hooks, submodules and remote helpers stay off.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

from leakguard.ci.event import Event
from leakguard.errors import UnreadError
from leakguard.read import git

PROTOCOLS = ("https", "http", "ssh", "file")
DEPTHS = ("--deepen=100", "--deepen=1000", "--unshallow")
SECONDS = 1800
"""After so long a fetch is given up; git gives up earlier when nothing moves."""

_SAFE = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "submodule.recurse=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "http.lowSpeedLimit=1000",
    "-c", "http.lowSpeedTime=60",
)  # fmt: skip
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance",
          "--upload-pack=git-upload-pack", "--end-of-options")  # fmt: skip
_ODD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_USER = re.compile(r"//[^/@\s]+@")


def steps(event: Event, top: str, remote: str) -> Iterator[None]:
    """Fetch a little more each time; the caller looks again after each step.

    Raises UnreadError when the remote cannot be asked at all.
    """
    protocol = _protocol(top, remote)

    def fetch(*words: str, specs: list[str]) -> str:
        return _fetch(top, remote, protocol, words, specs)

    refs, loose = _wanted(event, top, remote)
    shallow = _is_shallow(top)
    first = ("--depth=1",) if shallow else ()
    given, problem = [], ""
    for spec in (*refs, *loose):
        failed = "" if _is_here(top, spec) else fetch(*first, specs=[spec])
        problem = failed or problem
        if not failed:
            given.append(spec)
    yield
    if not given:
        raise UnreadError("the remote did not give them", cause=problem)
    for depth in DEPTHS if shallow else ():
        # A server may refuse to be asked for a commit by its name.
        problem = fetch(depth, specs=given)
        if problem:
            problem = fetch(depth, specs=[spec for spec in given if spec in refs])
        yield
    if problem:
        raise UnreadError("the remote did not give them", cause=problem)


def fill(event: Event, top: str, remote: str) -> None:
    """Fetch the contents of files that a partial clone left out. Raises UnreadError."""
    name = f"remote.{remote}.promisor"
    if git.text("config", "--bool", name, folder=top, ok=(0, 1)) != "true":
        return
    refs, loose = _wanted(event, top, remote)
    here = [name for name in loose if _is_here(top, name)]
    protocol = _protocol(top, remote)
    problem = _fetch(top, remote, protocol, ("--refetch", "--no-filter"), [*refs, *here])
    if problem:
        raise UnreadError("the remote did not give what the partial clone lacks", cause=problem)


def _wanted(event: Event, top: str, remote: str) -> tuple[list[str], list[str]]:
    """Branches of the remote, and what is asked for by other names, as fetch takes them."""
    head = event.head
    if head == "HEAD":
        head = git.text("rev-parse", "--verify", "--quiet", "HEAD", folder=top, ok=(0, 1, 128))
    default = f"refs/heads/{event.default}" if event.default else ""
    names = [name for name in dict.fromkeys((*event.bases, default, *event.wanted, head))
             if name and not _ODD.search(name)]  # fmt: skip
    branches = [name for name in names if name.startswith("refs/heads/")]
    others = [name for name in names if name not in branches]
    return [_tracking(name, remote) for name in branches], others


def _tracking(ref: str, remote: str) -> str:
    return f"+{ref}:refs/remotes/{remote}/{ref.removeprefix('refs/heads/')}"


def _is_here(top: str, name: str) -> bool:
    if name.startswith(("+", "refs/")):
        return False
    return not git.run("cat-file", "-e", f"{name}^{{object}}", folder=top, ok=(0, 1, 128))[0]


def _is_shallow(top: str) -> bool:
    return git.text("rev-parse", "--is-shallow-repository", folder=top) == "true"


def _protocol(top: str, remote: str) -> str:
    """How the remote is reached. Raises UnreadError for a way that we do not switch on."""
    url = git.text("remote", "get-url", remote, folder=top, ok=(0, 2, 128))
    scheme, marked, _ = url.partition("://")
    if not marked:
        path = url.startswith(("/", ".")) or os.path.exists(os.path.join(top, url))
        scheme = "file" if path else "ssh" if ":" in url and "::" not in url else ""
    if not url or scheme.lower() not in PROTOCOLS:
        raise UnreadError(
            f"the remote {remote!r} cannot be asked",
            f"fetch in a step of its own; we use {', '.join(PROTOCOLS)}",
        )
    return scheme.lower()


def _fetch(top: str, remote: str, protocol: str, words: tuple[str, ...], specs: list[str]) -> str:
    """Fetch; what went wrong, "" if nothing did. Raises UnreadError when git cannot be run."""
    env = git.environment() | {"GIT_ALLOW_PROTOCOL": protocol}
    if "GIT_ASKPASS" in os.environ:  # how some services hand git its credentials
        env["GIT_ASKPASS"] = os.environ["GIT_ASKPASS"]
    command = ["git", "-C", top, *_SAFE, *_FETCH[:-1], *words, _FETCH[-1], remote, *specs]
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UnreadError(f"the remote did not answer within {SECONDS} s") from None
    except OSError as error:
        raise UnreadError("git could not be started", cause=error.strerror or "") from None
    if not done.returncode:
        return ""
    said = done.stderr[-git.MAX_STDERR :].decode("utf-8", "replace").strip()
    return _USER.sub("//***@", git.complaint(said)) or "git fetch failed"
