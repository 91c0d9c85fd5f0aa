"""Buildkite.

https://buildkite.com/docs/pipelines/configure/environment-variables
"""

from __future__ import annotations

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


def _event(env: Environment, _payload: Payload) -> Event:
    get = env.get
    named = get("BUILDKITE_COMMIT", "HEAD")
    head = "HEAD" if named == "HEAD" else commit(named) or "HEAD"
    default = branch(get("BUILDKITE_PIPELINE_DEFAULT_BRANCH"))
    number = get("BUILDKITE_PULL_REQUEST", "false")
    if merging := get("BUILDKITE_MERGE_QUEUE_BASE_COMMIT"):
        bases = known(commit(merging), tip(get("BUILDKITE_MERGE_QUEUE_BASE_BRANCH")))
        return Event("buildkite", Kind.MERGE_GROUP, head, bases, default=default)
    if number not in ("false", ""):
        bases = known(tip(get("BUILDKITE_PULL_REQUEST_BASE_BRANCH")))
        theirs = get("BUILDKITE_PULL_REQUEST_REPO", "")
        return Event("buildkite", Kind.PULL_REQUEST, head, bases, default=default,
                     wanted=(f"refs/pull/{number}/head",) if number.isdecimal() else (),
                     what=f"pull request {number}", fork=bool(theirs)
                     and _same(theirs) != _same(get("BUILDKITE_REPO", "")))  # fmt: skip
    if tag := get("BUILDKITE_TAG"):
        return Event("buildkite", Kind.TAG, head, default=default, what=f"tag {tag}")
    if get("BUILDKITE_SOURCE") in ("schedule", "ui", "api", "trigger_job"):
        source = get("BUILDKITE_SOURCE", "")
        return Event("buildkite", Kind.HISTORY, head, default=default, what=source)
    name = branch(get("BUILDKITE_BRANCH"))
    return Event("buildkite", Kind.PUSH, head, (), name, default, known(tip(name)),
                 f"push to {name}")  # fmt: skip


def _same(url: str) -> str:
    """Owner and name of a repository, however it is reached."""
    return "/".join(url.removesuffix(".git").replace(":", "/").split("/")[-2:])


SERVICE = Service(
    "buildkite",
    "Buildkite",
    lambda env: env.get("BUILDKITE") == "true",
    _event,
    'in the step: env: {BUILDKITE_GIT_CLONE_FLAGS: "-v", BUILDKITE_GIT_FETCH_FLAGS: "-v"}',
)
