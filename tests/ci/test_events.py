"""Which commits are looked at, for each kind of event, in checkouts as services make them."""

from __future__ import annotations

import json
import shutil

import pytest

from ci.place import ZERO, Repo, World, fake, merge_group_event, pull_event, push_event

# Pushes


def test_a_clean_push_passes_and_says_what_was_looked_at(world: World, dev: Repo) -> None:
    before, after = dev.head(), dev.commit("b.py", "b\n")
    dev.push("main")
    answer = world.checkout(after).gh("push", push_event(before, after)).clean()
    assert f"looked at push to main: {before[:7]}..{after[:7]}" in answer.out
    assert "Clean: 1 commit" in answer.out


def test_every_commit_of_a_push_is_looked_at_also_what_a_later_one_removed(
    world: World, dev: Repo
) -> None:
    before = dev.head()
    dev.leak("gone.py")
    after = dev.commit("gone.py", "clean\n")
    dev.push("main")
    world.checkout(after).gh("push", push_event(before, after)).found("gone.py")


def test_what_stood_there_before_the_push_is_not_told_again(world: World, dev: Repo) -> None:
    before = dev.leak("old.py")
    after = dev.commit("b.py", "b\n")
    dev.push("main")
    world.checkout(after).gh("push", push_event(before, after)).clean()


def test_the_message_of_a_commit_is_looked_at(world: World, dev: Repo) -> None:
    before = dev.head()
    after = dev.commit("b.py", "b\n", f"token = {fake('message')}")
    dev.push("main")
    answer = world.checkout(after).gh("push", push_event(before, after))
    assert answer.status == 1
    assert "commit message" in answer.out


def test_the_first_push_of_a_branch_brings_what_the_default_branch_lacks(
    world: World, dev: Repo
) -> None:
    dev.leak("old.py")
    dev.push("main")
    dev.branch("feature")
    dev.leak("new.py")
    after = dev.commit("b.py", "b\n")
    dev.push("feature")
    event = push_event(ZERO, after, "refs/heads/feature")
    world.checkout(after).gh("push", event).found("new.py")


def test_the_very_first_push_brings_everything(world: World, dev: Repo) -> None:
    dev.leak("old.py")
    after = dev.commit("b.py", "b\n")
    dev.push("main")
    world.checkout(after).gh("push", push_event(ZERO, after)).found("old.py")


def test_a_forced_push_is_compared_with_what_it_threw_away(world: World, dev: Repo) -> None:
    dev.branch("feature")
    before = dev.commit("b.py", "b\n")
    dev.push("feature")
    dev.git("reset", "-q", "--hard", "main")
    after = dev.leak("new.py")
    dev.push("--force", "feature")
    event = push_event(before, after, "refs/heads/feature", forced=True)
    world.checkout(after).gh("push", event).found("new.py")


def test_a_forced_push_to_the_default_branch_whose_past_is_gone_brings_everything(
    world: World, dev: Repo
) -> None:
    dev.leak("old.py")
    after = dev.commit("b.py", "b\n")
    dev.push("main")
    event = push_event("12" * 20, after, forced=True)
    world.checkout(after).gh("push", event).found("old.py")


def test_a_deleted_branch_brings_nothing(world: World, dev: Repo) -> None:
    event = push_event(dev.head(), ZERO, "refs/heads/feature")
    world.checkout(dev.head()).gh("push", event).clean()


def test_a_branch_that_is_called_like_an_option_stays_a_name(world: World, dev: Repo) -> None:
    event = push_event(ZERO, dev.head(), "refs/heads/--upload-pack=x")
    world.checkout(dev.head()).gh("push", event).unread("no branch's name")


# Tags


def test_a_tag_on_the_default_branch_brings_its_own_message(world: World, dev: Repo) -> None:
    dev.leak("old.py")
    dev.git("tag", "-a", "v1", "-m", f"token = {fake('tag')}")
    dev.push("main", "v1")
    tag = dev.git("rev-parse", "v1")
    answer = world.checkout(dev.head()).gh("push", push_event(ZERO, tag, "refs/tags/v1"))
    assert answer.status == 1
    assert "commit message" in answer.out
    assert "old.py" not in answer.out


def test_a_tag_beside_the_branches_brings_its_commits(world: World, dev: Repo) -> None:
    dev.branch("side")
    commit = dev.leak("side.py")
    dev.git("tag", "v2")
    dev.push("v2")
    world.checkout(commit).gh("push", push_event(ZERO, commit, "refs/tags/v2")).found("side.py")


# Pull requests and merge queues


def feature(dev: Repo) -> tuple[str, str]:
    """A branch with a leak that a later commit removes, and `main` that went on; base and head."""
    dev.branch("feature")
    dev.leak("new.py")
    head = dev.commit("new.py", "clean\n")
    dev.push("feature")
    dev.git("switch", "-q", "main")
    base = dev.leak("theirs.py")
    dev.push("main")
    return base, head


def test_a_pull_request_brings_what_its_target_lacks(world: World, dev: Repo) -> None:
    base, head = feature(dev)
    answer = world.checkout(head).gh("pull_request", pull_event(base, head)).found("new.py")
    assert "pull request 3" in answer.out


def test_the_merge_commit_that_the_service_checks_out_changes_nothing(
    world: World, dev: Repo
) -> None:
    base, head = feature(dev)
    dev.git("switch", "-q", "--detach", base)
    dev.git("merge", "-q", "--no-ff", "-m", "merge", head)
    dev.push("HEAD:refs/pull/3/merge", f"{head}:refs/pull/3/head")
    repo = world.checkout(dev.head())
    repo.gh("pull_request", pull_event(base, head)).found("new.py")


def test_more_than_thirty_commits_are_no_page_too_many(world: World, dev: Repo) -> None:
    base = dev.head()
    dev.branch("long")
    dev.leak("first.py")
    for number in range(35):
        dev.commit("n", f"{number}\n")
    dev.push("long")
    world.checkout(dev.head()).gh("pull_request", pull_event(base, dev.head())).found("first.py")


def test_a_fork_needs_no_secret_and_no_network(world: World, dev: Repo) -> None:
    base, head = feature(dev)
    dev.push(f"{head}:refs/pull/3/head", ":refs/heads/feature")
    repo = world.checkout(head)
    shutil.rmtree(world.server.path)
    answer = repo.gh("pull_request", pull_event(base, head, fork=True)).found("new.py")
    assert "pull request 3 from a fork" in answer.out


def test_a_merge_group_brings_what_its_base_lacks(world: World, dev: Repo) -> None:
    base, head = feature(dev)
    dev.git("merge", "-q", "--no-ff", "-m", "queue", head)
    dev.push("HEAD:refs/heads/gh-readonly-queue/main/pr-3")
    answer = world.checkout(dev.head()).gh("merge_group", merge_group_event(base, dev.head()))
    answer.found("new.py")


# What brings no commits


def test_a_schedule_looks_at_the_whole_history(world: World, dev: Repo) -> None:
    dev.leak("old.py")
    dev.commit("old.py", "clean\n")
    dev.push("main")
    repo = world.checkout(dev.head())
    payload = {"schedule": "0 3 * * *", "repository": {"default_branch": "main"}}
    repo.gh("schedule", payload).found("old.py")
    repo.gh("workflow_dispatch", payload).found("old.py")


def test_files_that_the_pipeline_made_are_looked_at_too(world: World, dev: Repo) -> None:
    before, after = dev.head(), dev.commit("b.py", "b\n")
    dev.push("main")
    repo = world.checkout(after)
    (repo.path / "dist").mkdir()
    (repo.path / "dist" / "app.js").write_text(f'token = "{fake("dist")}"\n')
    (repo.path / "other.js").write_text(f'token = "{fake("other")}"\n')
    repo.gh("push", push_event(before, after), "dist").found("dist/app.js")
    payload = {"repository": {"default_branch": "main"}}
    repo.gh("schedule", payload, "dist").found("dist/app.js")


def test_an_event_that_does_not_say_its_commits_is_refused(world: World, dev: Repo) -> None:
    repo = world.checkout(dev.head())
    repo.gh("issue_comment", {"issue": {"number": 1}}).unread("--base COMMIT")


@pytest.mark.parametrize("missing", ["head", "base", "sha"])
def test_an_event_file_without_a_field_is_not_clean(world: World, dev: Repo, missing: str) -> None:
    event = pull_event(dev.head(), dev.head())
    pull = event["pull_request"]
    if missing == "sha":
        del pull["head"]["sha"]
    else:
        del pull[missing]
    world.checkout(dev.head()).gh("pull_request", event).unread("the event does not say")


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '"x"', "\x00"])
def test_a_broken_event_file_is_not_clean(world: World, dev: Repo, text: str) -> None:
    repo = world.checkout(dev.head())
    file = world.folder / "event.json"
    file.write_text(text)
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(file)}
    repo.ci(**env).unread("event file")


def test_an_event_file_that_is_not_there_is_not_clean(world: World, dev: Repo) -> None:
    world.checkout(dev.head()).ci(GITHUB_ACTIONS="true", GITHUB_EVENT_NAME="push").unread()


# By hand


def test_a_base_says_it_where_no_service_does(world: World, dev: Repo) -> None:
    _, head = feature(dev)
    repo = world.checkout(head)
    repo.ci("--base", "origin/main").found("new.py")
    repo.ci("--base", "main", "--head", head).found("new.py")
    repo.ci("--range", f"origin/main..{head}").found("new.py")


@pytest.mark.parametrize("words", [["--base", ""], ["--range", "..HEAD"], ["--range", "main"],
                                   ["--head", "HEAD"], ["--base", "x", "--head", ""],
                                   ["--base", "x", "--range", "a..b"], []])  # fmt: skip
def test_an_empty_variable_does_not_pass_for_clean(
    world: World, dev: Repo, words: list[str]
) -> None:
    assert world.checkout(dev.head()).ci(*words).status == 2


def test_a_base_that_is_not_here_is_no_matter_of_a_shallow_clone(world: World, dev: Repo) -> None:
    answer = world.checkout(dev.head()).ci("--base", "nowhere")
    assert answer.status == 4
    assert "range: not all commits are here: no branch nowhere here" in answer.said.replace(
        "\n  ", " "
    )
    assert "git fetch origin" in answer.said.replace("\n  ", " ")
    assert "--unshallow" not in answer.said.replace("\n  ", " ")


# Shallow checkouts


def test_a_shallow_checkout_is_not_clean_and_the_line_to_add_is_named(
    world: World, dev: Repo
) -> None:
    base, head = feature(dev)
    repo = world.checkout(head, depth=1)
    answer = repo.gh("pull_request", pull_event(base, head))
    answer.unread("fetch-depth: 0", "leakguard ci --deepen")
    repo.gh("push", push_event(base, head)).unread("fetch-depth: 0")
    repo.gh("schedule", {"repository": {}}).unread("fetch-depth: 0")
    repo.gh("push", push_event(ZERO, head, "refs/heads/feature")).unread("fetch-depth: 0")


def test_history_that_ends_within_the_commits_is_not_clean(world: World, dev: Repo) -> None:
    base = dev.head()
    dev.branch("feature")
    for number in range(4):
        dev.commit("n", f"{number}\n")
    dev.push("feature")
    repo = world.checkout(dev.head(), depth=2)
    repo.git("fetch", "-q", "--depth=1", "origin", base)
    repo.gh("pull_request", pull_event(base, dev.head())).unread("fetch-depth: 0")


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_checkout_is_deepened_when_it_may_be(world: World, dev: Repo, depth: int) -> None:
    base, head = feature(dev)
    repo = world.checkout(head, depth=depth)
    repo.gh("pull_request", pull_event(base, head), "--deepen").found("new.py")


@pytest.mark.parametrize("event", ["push", "first", "schedule", "tag"])
def test_every_kind_of_event_is_deepened(world: World, dev: Repo, event: str) -> None:
    before = dev.head()
    dev.branch("feature")
    dev.leak("new.py")
    after = dev.commit("new.py", "clean\n")
    dev.git("tag", "v3")
    dev.push("feature", "v3")
    repo = world.checkout(after, depth=1)
    name, payload = {
        "push": ("push", push_event(before, after, "refs/heads/feature")),
        "first": ("push", push_event(ZERO, after, "refs/heads/feature")),
        "tag": ("push", push_event(ZERO, after, "refs/tags/v3")),
        "schedule": ("schedule", {"repository": {"default_branch": "main"}}),
    }[event]
    repo.gh(name, payload, "--deepen").found("new.py")


def test_a_forced_push_is_deepened_although_its_past_is_gone(world: World, dev: Repo) -> None:
    dev.branch("feature")
    dev.leak("new.py")
    after = dev.commit("new.py", "clean\n")
    dev.push("feature")
    repo = world.checkout(after, depth=1)
    event = push_event("12" * 20, after, "refs/heads/feature", forced=True)
    repo.gh("push", event, "--deepen").found("new.py")


def test_what_the_remote_does_not_give_is_not_clean(world: World, dev: Repo) -> None:
    base, head = feature(dev)
    repo = world.checkout(head, depth=1)
    shutil.rmtree(world.server.path)
    repo.gh("pull_request", pull_event(base, head), "--deepen").unread("fetch-depth: 0")


def test_a_remote_that_is_a_program_is_not_run(world: World, dev: Repo) -> None:
    base, head = feature(dev)
    repo = world.checkout(head, depth=1)
    trace = world.folder / "ran"
    repo.git("remote", "set-url", "origin", f"ext::sh -c 'touch {trace}'")
    repo.gh("pull_request", pull_event(base, head), "--deepen").unread("cannot be asked")
    assert not trace.exists()


def test_a_repository_of_somebody_else_is_not_clean_and_says_what_to_trust(
    world: World, dev: Repo
) -> None:
    base, head = feature(dev)
    repo = world.checkout(head)
    event = pull_event(base, head)
    answer = repo.gh("pull_request", event, GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    answer.unread("safe.directory")


def test_without_leave_nothing_is_fetched(world: World, dev: Repo) -> None:
    base, head = feature(dev)
    repo = world.checkout(head, depth=1)
    before = repo.git("count-objects", "-v")
    repo.gh("pull_request", pull_event(base, head)).unread()
    assert repo.git("count-objects", "-v") == before


def test_a_clone_without_contents_is_not_clean_and_can_be_completed(
    world: World, dev: Repo
) -> None:
    base, head = feature(dev)
    world.server.git("config", "uploadpack.allowFilter", "true")
    path = world.folder / "blobless"
    dev.git("clone", "-q", "--filter=blob:none", "-b", "feature", f"file://{world.server.path}",
            str(path))  # fmt: skip
    repo = Repo(path, world.env)
    event = pull_event(base, head)
    repo.gh("pull_request", event).unread("fetch-depth: 0")
    repo.gh("pull_request", event, "--deepen").found("new.py")


def test_a_report_of_a_run_that_could_not_look_says_so(world: World, dev: Repo) -> None:
    base, head = feature(dev)
    repo = world.checkout(head, depth=1)
    answer = repo.gh("pull_request", pull_event(base, head), "--json", "out/r.json")
    report = json.loads((repo.path / "out" / "r.json").read_text())
    assert report["outcome"] == "unread"
    assert "::error" in answer.unread().out
    assert "not everything was scanned" in (world.folder / "checkout-summary.md").read_text()
