"""TeamCity. Branches are build parameters: hand them over as environment variables or `--base`."""

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
    head = commit(get("BUILD_VCS_NUMBER")) or "HEAD"
    if target := get("LEAKGUARD_TARGET_BRANCH"):
        return Event("teamcity", Kind.PULL_REQUEST, head, known(tip(target)))
    name = branch(get("LEAKGUARD_BRANCH"))
    return Event("teamcity", Kind.PUSH, head, branch=name, what=f"build of {name}" if name else "")


SERVICE = Service(
    "teamcity",
    "TeamCity",
    lambda env: bool(env.get("TEAMCITY_VERSION")),
    _event,
    "in the build's parameters: teamcity.git.shallowClone = false",
    annotations="teamcity",
)
