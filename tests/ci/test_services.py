"""Every service's environment, as its own pages describe it, and what we make of it."""

from __future__ import annotations

from typing import Any

import pytest

from ci.place import ZERO, merge_group_event, pull_event, push_event
from leakguard.ci.event import Kind, branch, commit
from leakguard.ci.services import SERVICES, recognise
from leakguard.errors import UnreadError
from leakguard.report import FORMATS

A, B, C = "a1" * 20, "b2" * 20, "c3" * 20
TIP = "refs/heads/main"

GITLAB = {"CI": "true", "GITLAB_CI": "true", "CI_COMMIT_SHA": B, "CI_DEFAULT_BRANCH": "main"}
JENKINS = {"JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "8", "GIT_COMMIT": B}
CIRCLE = {"CI": "true", "CIRCLECI": "true", "CIRCLE_SHA1": B}
AZURE = {"TF_BUILD": "True", "BUILD_SOURCEVERSION": B}
BITBUCKET = {"CI": "true", "BITBUCKET_BUILD_NUMBER": "8", "BITBUCKET_COMMIT": B}
DRONE = {"CI": "true", "DRONE": "true", "DRONE_COMMIT_SHA": B, "DRONE_REPO_BRANCH": "main"}
WOOD = {"CI": "woodpecker", "CI_COMMIT_SHA": B, "CI_REPO_DEFAULT_BRANCH": "main"}
TRAVIS = {"CI": "true", "TRAVIS": "true", "TRAVIS_COMMIT": B, "TRAVIS_PULL_REQUEST": "false",
          "TRAVIS_REPO_SLUG": "acme/pay"}  # fmt: skip
TEAMCITY = {"TEAMCITY_VERSION": "2025.07", "BUILD_VCS_NUMBER": B}
BUILDKITE = {"CI": "true", "BUILDKITE": "true", "BUILDKITE_COMMIT": B,
             "BUILDKITE_PULL_REQUEST": "false", "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
             "BUILDKITE_SOURCE": "webhook"}  # fmt: skip

CASES: list[tuple[str, dict[str, str], tuple[Kind, str, tuple[str, ...]]]] = [
    ("gitlab push", GITLAB | {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main",
     "CI_COMMIT_BEFORE_SHA": A}, (Kind.PUSH, B, (A,))),
    ("gitlab first push", GITLAB | {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "f",
     "CI_COMMIT_BEFORE_SHA": ZERO}, (Kind.PUSH, B, ())),
    ("gitlab tag", GITLAB | {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1",
     "CI_COMMIT_BEFORE_SHA": ZERO}, (Kind.TAG, B, ())),
    ("gitlab schedule", GITLAB | {"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main",
     "CI_COMMIT_BEFORE_SHA": ZERO}, (Kind.HISTORY, B, ())),
    ("gitlab merge request", GITLAB | {"CI_PIPELINE_SOURCE": "merge_request_event",
     "CI_MERGE_REQUEST_IID": "4", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
     "CI_MERGE_REQUEST_DIFF_BASE_SHA": A, "CI_COMMIT_BEFORE_SHA": ZERO},
     (Kind.PULL_REQUEST, B, (TIP, A))),
    ("gitlab merged result", GITLAB | {"CI_MERGE_REQUEST_IID": "4",
     "CI_MERGE_REQUEST_EVENT_TYPE": "merged_result", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": C,
     "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": A, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"},
     (Kind.PULL_REQUEST, C, (A, TIP))),
    ("gitlab merge train", GITLAB | {"CI_MERGE_REQUEST_IID": "4",
     "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": C,
     "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": A, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"},
     (Kind.MERGE_GROUP, B, (A, TIP))),
    ("jenkins branch", JENKINS | {"BRANCH_NAME": "f", "GIT_PREVIOUS_COMMIT": C,
     "GIT_PREVIOUS_SUCCESSFUL_COMMIT": A}, (Kind.PUSH, B, (A,))),
    ("jenkins first build", JENKINS | {"GIT_BRANCH": "origin/f"}, (Kind.PUSH, B, ())),
    ("jenkins change", JENKINS | {"CHANGE_ID": "4", "CHANGE_TARGET": "main",
     "BRANCH_NAME": "PR-4"}, (Kind.PULL_REQUEST, B, (TIP,))),
    ("jenkins tag", JENKINS | {"TAG_NAME": "v1", "BRANCH_NAME": "v1"}, (Kind.TAG, B, ())),
    ("circleci push", CIRCLE | {"CIRCLE_BRANCH": "f"}, (Kind.PUSH, B, ())),
    ("circleci pull request", CIRCLE | {"CIRCLE_BRANCH": "f",
     "CIRCLE_PULL_REQUEST": "https://code.example/acme/pay/pull/4"}, (Kind.PULL_REQUEST, B, ())),
    ("circleci tag", CIRCLE | {"CIRCLE_TAG": "v1"}, (Kind.TAG, B, ())),
    ("azure push", AZURE | {"BUILD_REASON": "IndividualCI",
     "BUILD_SOURCEBRANCH": "refs/heads/f"}, (Kind.PUSH, B, ())),
    ("azure pull request", AZURE | {"BUILD_REASON": "PullRequest",
     "BUILD_SOURCEBRANCH": "refs/pull/4/merge", "SYSTEM_PULLREQUEST_TARGETBRANCH": TIP,
     "SYSTEM_PULLREQUEST_PULLREQUESTID": "4", "SYSTEM_PULLREQUEST_SOURCECOMMITID": C},
     (Kind.PULL_REQUEST, C, (TIP,))),
    ("azure tag", AZURE | {"BUILD_REASON": "IndividualCI", "BUILD_SOURCEBRANCH": "refs/tags/v1"},
     (Kind.TAG, B, ())),
    ("azure schedule", AZURE | {"BUILD_REASON": "Schedule", "BUILD_SOURCEBRANCH": TIP},
     (Kind.HISTORY, B, ())),
    ("bitbucket push", BITBUCKET | {"BITBUCKET_BRANCH": "f"}, (Kind.PUSH, B, ())),
    ("bitbucket pull request", BITBUCKET | {"BITBUCKET_PR_ID": "4", "BITBUCKET_BRANCH": "f",
     "BITBUCKET_PR_DESTINATION_BRANCH": "main", "BITBUCKET_PR_DESTINATION_COMMIT": A[:12]},
     (Kind.PULL_REQUEST, B, (A[:12], TIP))),
    ("bitbucket tag", BITBUCKET | {"BITBUCKET_TAG": "v1"}, (Kind.TAG, B, ())),
    ("drone push", DRONE | {"DRONE_BUILD_EVENT": "push", "DRONE_BRANCH": "f",
     "DRONE_COMMIT_BEFORE": A}, (Kind.PUSH, B, (A,))),
    ("drone pull request", DRONE | {"DRONE_BUILD_EVENT": "pull_request", "DRONE_BRANCH": "main",
     "DRONE_TARGET_BRANCH": "main", "DRONE_COMMIT_BEFORE": A, "DRONE_PULL_REQUEST": "4",
     "DRONE_COMMIT_REF": "refs/pull/4/head"}, (Kind.PULL_REQUEST, B, (TIP,))),
    ("drone tag", DRONE | {"DRONE_BUILD_EVENT": "tag", "DRONE_TAG": "v1"}, (Kind.TAG, B, ())),
    ("drone cron", DRONE | {"DRONE_BUILD_EVENT": "cron"}, (Kind.HISTORY, B, ())),
    ("woodpecker push", WOOD | {"CI_PIPELINE_EVENT": "push", "CI_COMMIT_BRANCH": "f",
     "CI_PREV_COMMIT_SHA": A}, (Kind.PUSH, B, ())),
    ("woodpecker pull request", WOOD | {"CI_PIPELINE_EVENT": "pull_request",
     "CI_COMMIT_TARGET_BRANCH": "main"}, (Kind.PULL_REQUEST, B, (TIP,))),
    ("woodpecker cron", WOOD | {"CI_PIPELINE_EVENT": "cron"}, (Kind.HISTORY, B, ())),
    ("woodpecker tag", WOOD | {"CI_PIPELINE_EVENT": "tag", "CI_COMMIT_TAG": "v1"},
     (Kind.TAG, B, ())),
    ("travis push", TRAVIS | {"TRAVIS_EVENT_TYPE": "push", "TRAVIS_BRANCH": "f",
     "TRAVIS_COMMIT_RANGE": f"{A[:12]}...{B[:12]}"}, (Kind.PUSH, B, (A[:12],))),
    ("travis first push", TRAVIS | {"TRAVIS_EVENT_TYPE": "push", "TRAVIS_BRANCH": "f",
     "TRAVIS_COMMIT_RANGE": ""}, (Kind.PUSH, B, ())),
    ("travis pull request", TRAVIS | {"TRAVIS_EVENT_TYPE": "pull_request",
     "TRAVIS_PULL_REQUEST": "4", "TRAVIS_BRANCH": "main", "TRAVIS_PULL_REQUEST_SHA": C,
     "TRAVIS_COMMIT_RANGE": f"{A}...{C}"}, (Kind.PULL_REQUEST, C, (TIP,))),
    ("travis cron", TRAVIS | {"TRAVIS_EVENT_TYPE": "cron", "TRAVIS_BRANCH": "main"},
     (Kind.HISTORY, B, ())),
    ("travis tag", TRAVIS | {"TRAVIS_EVENT_TYPE": "push", "TRAVIS_TAG": "v1",
     "TRAVIS_BRANCH": "v1"}, (Kind.TAG, B, ())),
    ("teamcity build", TEAMCITY, (Kind.PUSH, B, ())),
    ("teamcity pull request", TEAMCITY | {"LEAKGUARD_TARGET_BRANCH": "refs/heads/main"},
     (Kind.PULL_REQUEST, B, (TIP,))),
    ("buildkite push", BUILDKITE | {"BUILDKITE_BRANCH": "f"}, (Kind.PUSH, B, ())),
    ("buildkite head", BUILDKITE | {"BUILDKITE_BRANCH": "f", "BUILDKITE_COMMIT": "HEAD"},
     (Kind.PUSH, "HEAD", ())),
    ("buildkite pull request", BUILDKITE | {"BUILDKITE_PULL_REQUEST": "4",
     "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main"}, (Kind.PULL_REQUEST, B, (TIP,))),
    ("buildkite merge queue", BUILDKITE | {"BUILDKITE_MERGE_QUEUE_BASE_COMMIT": A,
     "BUILDKITE_MERGE_QUEUE_BASE_BRANCH": "main"}, (Kind.MERGE_GROUP, B, (A, TIP))),
    ("buildkite schedule", BUILDKITE | {"BUILDKITE_SOURCE": "schedule",
     "BUILDKITE_BRANCH": "main"}, (Kind.HISTORY, B, ())),
    ("buildkite tag", BUILDKITE | {"BUILDKITE_TAG": "v1"}, (Kind.TAG, B, ())),
]  # fmt: skip


@pytest.mark.parametrize(("name", "env", "expected"), CASES, ids=[name for name, *_ in CASES])
def test_a_services_environment_says_which_commits(
    name: str, env: dict[str, str], expected: tuple[Kind, str, tuple[str, ...]]
) -> None:
    service = recognise(env)
    assert service is not None
    assert service.name == name.split(maxsplit=1)[0]
    event = service.event(env, {})
    assert (event.kind, event.head, event.bases) == expected
    assert event.title


HUB = {"GITHUB_ACTIONS": "true", "GITHUB_SHA": B, "GITHUB_REF": "refs/tags/v1"}

HUB_CASES: list[tuple[str, dict[str, Any], tuple[Kind, str, tuple[str, ...]]]] = [
    ("push", push_event(A, B), (Kind.PUSH, B, (A,))),
    ("push", push_event(ZERO, B), (Kind.PUSH, B, ())),
    ("push", push_event(A, B, "refs/tags/v1"), (Kind.TAG, B, (A,))),
    ("push", push_event(A, ZERO), (Kind.DELETION, "HEAD", ())),
    ("pull_request", pull_event(A, B), (Kind.PULL_REQUEST, B, (A, TIP))),
    ("pull_request_target", pull_event(A, B), (Kind.PULL_REQUEST, B, (A, TIP))),
    ("pull_request_review", pull_event(A, B), (Kind.PULL_REQUEST, B, (A, TIP))),
    ("merge_group", merge_group_event(A, B), (Kind.MERGE_GROUP, B, (A, TIP))),
    ("schedule", {"schedule": "0 3 * * *"}, (Kind.HISTORY, "HEAD", ())),
    ("workflow_dispatch", {"inputs": None}, (Kind.HISTORY, "HEAD", ())),
    ("release", {"release": {"tag_name": "v1"}}, (Kind.TAG, B, ())),
    ("create", {"ref": "v1", "ref_type": "tag"}, (Kind.TAG, B, ())),
    ("delete", {"ref": "f", "ref_type": "branch"}, (Kind.DELETION, "HEAD", ())),
]


@pytest.mark.parametrize(("name", "payload", "expected"), HUB_CASES)
def test_a_github_event_says_which_commits(
    name: str, payload: dict[str, Any], expected: tuple[Kind, str, tuple[str, ...]]
) -> None:
    env = HUB | {"GITHUB_EVENT_NAME": name}
    service = recognise(env)
    assert service is not None
    event = service.event(env, payload)
    assert (event.kind, event.head, event.bases) == expected


def test_forks_are_told_apart() -> None:
    def fork(env: dict[str, str]) -> bool:
        service = recognise(env)
        assert service is not None
        return service.event(env, {}).fork

    assert fork(GITLAB | {"CI_MERGE_REQUEST_IID": "4", "CI_MERGE_REQUEST_PROJECT_ID": "1",
                          "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"})  # fmt: skip
    assert fork(CIRCLE | {"CIRCLE_PR_NUMBER": "4"})
    theirs, ours = "https://code.example/stranger/pay.git", "git@code.example:acme/pay.git"
    pull = BUILDKITE | {"BUILDKITE_PULL_REQUEST": "4", "BUILDKITE_REPO": ours}
    assert fork(pull | {"BUILDKITE_PULL_REQUEST_REPO": theirs})
    assert not fork(pull | {"BUILDKITE_PULL_REQUEST_REPO": "https://code.example/acme/pay"})


def test_a_service_that_does_not_say_the_number_leaves_no_gap_in_the_sentence() -> None:
    env = WOOD | {"CI_PIPELINE_EVENT": "pull_request", "CI_COMMIT_TARGET_BRANCH": "main"}
    service = recognise(env)
    assert service is not None
    assert service.event(env, {}).title == "pull request"


def test_jenkins_is_recognised_although_nobody_told_it_its_own_address() -> None:
    service = recognise({"JENKINS_HOME": "/var/lib/jenkins", "BUILD_NUMBER": "8"})
    assert service is not None
    assert service.name == "jenkins"


def test_nothing_is_recognised_where_nothing_is() -> None:
    assert recognise({}) is None
    assert recognise({"CI": "true", "JENKINS_URL": "https://ci.example"}) is None


@pytest.mark.parametrize("service", SERVICES, ids=[one.name for one in SERVICES])
def test_every_service_can_be_told_how_to_fetch_everything(service: Any) -> None:
    assert service.full_history
    assert not service.annotations or service.annotations in FORMATS


@pytest.mark.parametrize("name", ["--all", "main", "x" * 40, f"{A};id", f"{A}..{B}", "a" * 65])
def test_what_is_no_commits_name_never_reaches_git(name: str) -> None:
    with pytest.raises(UnreadError):
        commit(name)


@pytest.mark.parametrize("name", ["-x", "a b", "a..b", "a:b", "a^", "@{1}", "a\n", "a*", "x.lock"])
def test_what_is_no_branchs_name_never_reaches_git(name: str) -> None:
    if name.strip() != name:
        name = f"{name.strip()}\nb"
    with pytest.raises(UnreadError):
        branch(name)
