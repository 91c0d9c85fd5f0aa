"""GitHub Actions; Gitea and Forgejo, which speak the same.

https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows
https://docs.github.com/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from typing import Any

from leakguard.ci.event import (
    Environment,
    Event,
    Kind,
    Payload,
    Service,
    branch,
    commit,
    known,
    tip,
)
from leakguard.errors import UnreadError

_WHOLE = ("schedule", "workflow_dispatch", "repository_dispatch", "workflow_call")
"""Events that bring no commits: what is checked out is looked at with all its history."""


def _event(env: Environment, payload: Payload) -> Event:
    name = env.get("GITHUB_EVENT_NAME", "")
    default = branch(_maybe(payload, "repository", "default_branch"))
    if "pull_request" in payload:
        return _pull_request(payload, default)
    if name == "merge_group":
        return _merge_group(payload, default)
    if name == "push":
        return _push(payload, default)
    if name in ("create", "release"):
        return _created(env, default, name)
    if name == "delete":
        return Event("github", Kind.DELETION, what="deletion")
    if name in _WHOLE:
        return Event("github", Kind.HISTORY, default=default, what=name)
    raise UnreadError(
        f"the event {name or '(none)'!r} does not say which commits it brings",
        "say it: leakguard ci --base COMMIT --head COMMIT",
        "or run it on push, pull_request, merge_group and schedule",
    )


def _push(payload: Payload, default: str) -> Event:
    ref, after = _text(payload, "ref"), commit(_text(payload, "after"))
    if not after:
        return Event("github", Kind.DELETION, what=f"deletion of {ref}")
    tag = ref.startswith("refs/tags/")
    return Event(
        "github",
        Kind.TAG if tag else Kind.PUSH,
        after,
        known(commit(_text(payload, "before"))),
        "" if tag else branch(ref),
        default,
        (ref,),
        f"tag {ref.removeprefix('refs/tags/')}" if tag else f"push to {branch(ref)}",
    )


def _pull_request(payload: Payload, default: str) -> Event:
    number = _maybe(payload, "pull_request", "number")
    theirs = _maybe(payload, "pull_request", "head", "repo", "full_name")
    ours = _maybe(payload, "pull_request", "base", "repo", "full_name")
    return Event(
        "github",
        Kind.PULL_REQUEST,
        _sure(commit(_text(payload, "pull_request", "head", "sha")), "pull_request.head.sha"),
        known(
            commit(_text(payload, "pull_request", "base", "sha")),
            tip(_maybe(payload, "pull_request", "base", "ref")),
        ),
        default=default,
        wanted=(f"refs/pull/{number}/head",) if isinstance(number, int) else (),
        what=f"pull request {number}" if isinstance(number, int) else "",
        fork=ours is not None and theirs != ours,
    )


def _merge_group(payload: Payload, default: str) -> Event:
    ref = _maybe(payload, "merge_group", "head_ref")
    return Event(
        "github",
        Kind.MERGE_GROUP,
        _sure(commit(_text(payload, "merge_group", "head_sha")), "merge_group.head_sha"),
        known(
            commit(_text(payload, "merge_group", "base_sha")),
            tip(_maybe(payload, "merge_group", "base_ref")),
        ),
        default=default,
        wanted=(f"refs/heads/{branch(ref)}",) if ref else (),
    )


def _created(env: Environment, default: str, name: str) -> Event:
    """A branch, a tag or a release that was made: a first push."""
    ref = env.get("GITHUB_REF", "")
    tag = ref.startswith("refs/tags/")
    return Event(
        "github",
        Kind.TAG if tag else Kind.PUSH,
        _sure(commit(env.get("GITHUB_SHA")), "GITHUB_SHA"),
        branch="" if tag else branch(ref),
        default=default,
        wanted=(ref,) if ref else (),
        what=f"{name} of {ref.split('/', 2)[-1]}",
    )


def _maybe(payload: Payload, *path: str) -> Any:
    """What stands at a path of the payload, None where it does not exist."""
    found: Any = payload
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(payload: Payload, *path: str) -> str:
    """As `_maybe`. Raises UnreadError unless it is text."""
    found = _maybe(payload, *path)
    if not isinstance(found, str):
        raise _lacks(".".join(path))
    return found


def _sure(name: str, field: str) -> str:
    """A commit's name that is not "none"."""
    if not name:
        raise _lacks(field)
    return name


def _lacks(field: str) -> UnreadError:
    return UnreadError(
        f"the event does not say {field}, so nobody knows which commits it brings",
        "say it: leakguard ci --base COMMIT --head COMMIT",
    )


SERVICE = Service(
    "github",
    "GitHub Actions",
    lambda env: env.get("GITHUB_ACTIONS") == "true",
    _event,
    "below `uses: actions/checkout@...`: with: {fetch-depth: 0}",
    annotations="github",
    summary="GITHUB_STEP_SUMMARY",
)
