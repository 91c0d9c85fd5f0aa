"""GitLab CI.

https://docs.gitlab.com/ci/variables/predefined_variables/
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

_WHOLE = ("schedule", "web", "api", "trigger", "pipeline", "parent_pipeline", "chat",
          "security_orchestration_policy")  # fmt: skip
"""Sources of a pipeline that bring no commits."""


def _event(env: Environment, _payload: Payload) -> Event:
    get = env.get
    default = branch(get("CI_DEFAULT_BRANCH"))
    if get("CI_MERGE_REQUEST_IID"):
        return _merge_request(env, default)
    head = commit(get("CI_COMMIT_SHA")) or "HEAD"
    if tag := get("CI_COMMIT_TAG"):
        return Event("gitlab", Kind.TAG, head, default=default, what=f"tag {tag}",
                     wanted=(f"refs/tags/{branch(tag)}",))  # fmt: skip
    if get("CI_PIPELINE_SOURCE") in _WHOLE:
        source = get("CI_PIPELINE_SOURCE", "")
        return Event("gitlab", Kind.HISTORY, head, default=default, what=source)
    if theirs := get("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME"):
        bases = known(commit(get("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_SHA")), tip(theirs))
        head = commit(get("CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA")) or head
        return Event("gitlab", Kind.PULL_REQUEST, head, bases, default=default)
    name = branch(get("CI_COMMIT_BRANCH"))
    bases = known(commit(get("CI_COMMIT_BEFORE_SHA")))
    return Event("gitlab", Kind.PUSH, head, bases, name, default, known(tip(name)),
                 what=f"push to {name}" if name else "")  # fmt: skip


def _merge_request(env: Environment, default: str) -> Event:
    """The target's own commit is told only for merged results; the merge base may be that of an
    earlier target, so it comes last.
    """
    get = env.get
    number = get("CI_MERGE_REQUEST_IID", "")
    train = get("CI_MERGE_REQUEST_EVENT_TYPE") == "merge_train"
    return Event(
        "gitlab",
        Kind.MERGE_GROUP if train else Kind.PULL_REQUEST,
        (train and commit(get("CI_COMMIT_SHA")))
        or commit(get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"))
        or commit(get("CI_COMMIT_SHA"))
        or "HEAD",
        known(
            commit(get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA")),
            tip(get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")),
            commit(get("CI_MERGE_REQUEST_DIFF_BASE_SHA")),
        ),
        default=default,
        wanted=(f"refs/merge-requests/{number}/head",) if number.isdecimal() else (),
        what=f"merge request {number}",
        fork=get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID") != get("CI_MERGE_REQUEST_PROJECT_ID"),
    )


SERVICE = Service(
    "gitlab",
    "GitLab CI",
    lambda env: env.get("GITLAB_CI") == "true",
    _event,
    'in .gitlab-ci.yml, in the job: variables: {GIT_DEPTH: "0"}',
)
