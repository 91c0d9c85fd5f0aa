"""Travis CI.

https://docs.travis-ci.com/user/environment-variables/
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
    head = commit(get("TRAVIS_COMMIT")) or "HEAD"
    before = commit(get("TRAVIS_COMMIT_RANGE", "").partition(".")[0])
    name = branch(get("TRAVIS_BRANCH"))
    number = get("TRAVIS_PULL_REQUEST", "false")
    if number != "false":
        return Event("travis", Kind.PULL_REQUEST, commit(get("TRAVIS_PULL_REQUEST_SHA")) or head,
                     known(tip(name)), wanted=(f"refs/pull/{int(number)}/head",)
                     if number.isdecimal() else (), what=f"pull request {number}",
                     fork=get("TRAVIS_PULL_REQUEST_SLUG") != get("TRAVIS_REPO_SLUG"))  # fmt: skip
    if tag := get("TRAVIS_TAG"):
        return Event("travis", Kind.TAG, head, what=f"tag {tag}")
    if get("TRAVIS_EVENT_TYPE") in ("cron", "api"):
        return Event("travis", Kind.HISTORY, head, what=get("TRAVIS_EVENT_TYPE", ""))
    return Event("travis", Kind.PUSH, head, known(before), name, wanted=known(tip(name)),
                 what=f"push to {name}" if name else "")  # fmt: skip


SERVICE = Service(
    "travis",
    "Travis CI",
    lambda env: env.get("TRAVIS") == "true",
    _event,
    "in .travis.yml: git: {depth: false}",
)
