"""Every service once for real: its environment, in a checkout, with a leak that was taken out."""

from __future__ import annotations

import pytest

from ci.place import Repo, World


def pulls(base: str, head: str) -> dict[str, dict[str, str]]:
    """The environment of a pull request of `feature` to `main`, service by service."""
    return {
        "gitlab": {
            "GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "3", "CI_COMMIT_SHA": head,
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_DEFAULT_BRANCH": "main",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        },
        "jenkins": {
            "JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "8", "GIT_COMMIT": head,
            "CHANGE_ID": "3", "CHANGE_TARGET": "main", "BRANCH_NAME": "PR-3",
        },
        "circleci": {
            "CIRCLECI": "true", "CIRCLE_SHA1": head, "CIRCLE_BRANCH": "feature",
            "CIRCLE_PULL_REQUEST": "https://code.example/acme/pay/pull/3",
        },
        "azure": {
            "TF_BUILD": "True", "BUILD_SOURCEVERSION": head, "BUILD_REASON": "PullRequest",
            "BUILD_SOURCEBRANCH": "refs/pull/3/merge",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        },
        "bitbucket": {
            "BITBUCKET_BUILD_NUMBER": "8", "BITBUCKET_COMMIT": head, "BITBUCKET_PR_ID": "3",
            "BITBUCKET_PR_DESTINATION_BRANCH": "main",
            "BITBUCKET_PR_DESTINATION_COMMIT": base[:12],
        },
        "drone": {
            "DRONE": "true", "DRONE_COMMIT_SHA": head, "DRONE_BUILD_EVENT": "pull_request",
            "DRONE_TARGET_BRANCH": "main", "DRONE_PULL_REQUEST": "3",
        },
        "woodpecker": {
            "CI": "woodpecker", "CI_COMMIT_SHA": head, "CI_PIPELINE_EVENT": "pull_request",
            "CI_COMMIT_TARGET_BRANCH": "main", "CI_COMMIT_PULL_REQUEST": "3",
        },
        "travis": {
            "TRAVIS": "true", "TRAVIS_PULL_REQUEST": "3", "TRAVIS_PULL_REQUEST_SHA": head,
            "TRAVIS_BRANCH": "main", "TRAVIS_EVENT_TYPE": "pull_request",
        },
        "teamcity": {
            "TEAMCITY_VERSION": "2025.07", "BUILD_VCS_NUMBER": head,
            "LEAKGUARD_TARGET_BRANCH": "main",
        },
        "buildkite": {
            "BUILDKITE": "true", "BUILDKITE_COMMIT": head, "BUILDKITE_PULL_REQUEST": "3",
            "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main", "BUILDKITE_BRANCH": "feature",
        },
    }  # fmt: skip


@pytest.mark.parametrize("service", list(pulls("", "")))
def test_a_change_is_judged_by_its_target_on_every_service(
    world: World, dev: Repo, service: str
) -> None:
    dev.leak("old.py")
    base = dev.head()
    dev.push("main")
    dev.branch("feature")
    dev.leak("new.py")
    dev.commit(".leakguard.yml", "paths:\n  exclude: ['*.py']\n")
    head = dev.commit("new.py", "clean\n")
    dev.push("feature")
    env = pulls(base, head)[service]
    repo = world.checkout(head)
    repo.git("remote", "set-head", "origin", "main")
    answer = repo.ci(**env).found("new.py")
    assert "a change cannot allow its own leak" in " ".join(answer.out.split())


@pytest.mark.parametrize("service", ["gitlab", "azure", "circleci"])
def test_a_shallow_checkout_is_not_clean_on_any_service(
    world: World, dev: Repo, service: str
) -> None:
    base = dev.head()
    dev.branch("feature")
    dev.leak("new.py")
    head = dev.commit("new.py", "clean\n")
    dev.push("feature")
    env = pulls(base, head)[service]
    repo = world.checkout(head, depth=1)
    line = {"gitlab": "GIT_DEPTH", "azure": "fetchDepth: 0", "circleci": "method: full"}[service]
    repo.ci(**env).unread(line)


def test_where_nobody_says_what_was_there_more_is_looked_at_not_less(
    world: World, dev: Repo
) -> None:
    dev.leak("old.py")
    dev.push("main")
    main = dev.head()
    dev.branch("feature")
    head = dev.leak("new.py")
    dev.push("feature")

    def azure(commit: str, ref: str) -> dict[str, str]:
        return {"TF_BUILD": "True", "BUILD_SOURCEVERSION": commit, "BUILD_SOURCEBRANCH": ref,
                "BUILD_REASON": "IndividualCI"}  # fmt: skip

    repo = world.checkout(head)
    repo.ci(**azure(head, "refs/heads/feature")).found("new.py", "old.py")
    repo.git("remote", "set-head", "origin", "main")
    repo.ci(**azure(head, "refs/heads/feature")).found("new.py")
    repo.ci(**azure(main, "refs/heads/main")).found("old.py")
