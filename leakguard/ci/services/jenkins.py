"""Jenkins, with the variables of its git and branch-source plugins."""

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
    head = commit(get("GIT_COMMIT")) or "HEAD"
    if number := get("CHANGE_ID"):
        return Event("jenkins", Kind.PULL_REQUEST, head, known(tip(get("CHANGE_TARGET"))),
                     what=f"change {number}", fork=bool(get("CHANGE_FORK")))  # fmt: skip
    if tag := get("TAG_NAME"):
        return Event("jenkins", Kind.TAG, head, what=f"tag {tag}")
    # What the last good build looked at needs no second look; what a failed one found does.
    seen = commit(get("GIT_PREVIOUS_SUCCESSFUL_COMMIT"))
    name = branch(get("BRANCH_NAME") or get("GIT_BRANCH"))
    return Event("jenkins", Kind.PUSH, head, known(seen), name,
                 what=f"build of {name}" if name else "")  # fmt: skip


SERVICE = Service(
    "jenkins",
    "Jenkins",
    lambda env: (
        bool(env.get("JENKINS_URL") or env.get("JENKINS_HOME"))  # the first: if configured
        and bool(env.get("BUILD_NUMBER"))
    ),
    _event,
    "in the checkout step: extensions: [cloneOption(shallow: false, noTags: false)]",
)
