"""`git push` to a repository on disk: stopped before it leaves, or refused where it arrives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Planted, Repo, fake


@pytest.fixture
def server(make_repo: Callable[..., Repo]) -> Repo:
    """A bare repository without hooks."""
    return make_repo("server.git", "--bare")


@pytest.fixture
def client(started: Repo, server: Repo) -> Repo:
    """A repository with hooks, whose first commit the server has."""
    started.git("remote", "add", "origin", str(server.path))
    started.git("push", "-q", "-u", "origin", "main")
    return started


def refs(server: Repo) -> str:
    """All that the server has."""
    return server.ask("for-each-ref")


def commit_secret(repo: Repo, secret: str, name: str = "f") -> Planted:
    """Commit a secret without the commit hook."""
    planted = repo.plant(name, secret, after=1)
    repo.git("add", ".")
    repo.commit_unseen("with a secret")
    return planted


def commit_removal(repo: Repo, name: str = "f") -> None:
    """Commit the file without its secret."""
    repo.commit_file(name, "clean\n", "removed")


def push_is_blocked(repo: Repo, server: Repo, planted: Planted, *words: str) -> str:
    """The push is stopped, says why, and the server is as it was."""
    before = refs(server)
    result = repo.git("push", *words, ok=False)
    planted.is_told(result.output)
    assert refs(server) == before
    return result.output


# Before it leaves


def test_a_clean_push_passes_in_silence(client: Repo) -> None:
    client.commit_file("f", "clean\n")
    assert client.git("push", "-q").output == ""


def test_an_update_with_a_secret_is_stopped(client: Repo, server: Repo, secret: str) -> None:
    planted = commit_secret(client, secret)
    output = push_is_blocked(client, server, planted, "origin", "main")
    assert client.head()[:7] in output


def test_a_new_branch_with_a_secret_is_stopped(client: Repo, server: Repo, secret: str) -> None:
    client.git("switch", "-q", "-c", "new")
    planted = commit_secret(client, secret)
    push_is_blocked(client, server, planted, "-u", "origin", "new")


def test_the_very_first_push_is_looked_at(started: Repo, server: Repo, secret: str) -> None:
    started.git("remote", "add", "origin", str(server.path))
    planted = commit_secret(started, secret)
    push_is_blocked(started, server, planted, "origin", "main")
    push_is_blocked(started, server, planted, "--all", "origin")


def test_a_push_to_an_address_instead_of_a_remote_is_looked_at(
    client: Repo, server: Repo, secret: str
) -> None:
    planted = commit_secret(client, secret)
    push_is_blocked(client, server, planted, str(server.path), "main")
    push_is_blocked(client, server, planted, f"file://{server.path}", "HEAD:refs/heads/x")


def test_a_secret_that_a_later_commit_removed_is_stopped(
    client: Repo, server: Repo, secret: str
) -> None:
    planted = commit_secret(client, secret)
    commit_removal(client)
    push_is_blocked(client, server, planted, "origin", "main")


def test_a_secret_that_the_server_has_does_not_stop_the_next_push(
    client: Repo, server: Repo, secret: str
) -> None:
    commit_secret(client, secret)
    client.git("-c", "core.hooksPath=/dev/null", "push", "-q", "origin", "main")
    client.commit_file("other", "clean\n")
    client.git("push", "-q", "origin", "main")
    client.git("push", "-q", "origin", "main:again")


def test_a_forced_push_is_looked_at(client: Repo, server: Repo, secret: str) -> None:
    client.commit_file("f", "one\n")
    client.git("push", "-q")
    client.git("reset", "-q", "--hard", "HEAD~1")
    planted = commit_secret(client, secret)
    push_is_blocked(client, server, planted, "--force", "origin", "main")
    client.git("reset", "-q", "--hard", "HEAD~1")
    client.git("push", "-q", "--force", "origin", "main")


def test_a_forced_push_over_commits_that_we_do_not_have_is_looked_at(
    client: Repo, server: Repo, make_repo: Callable[..., Repo], secret: str
) -> None:
    other = make_repo("other")
    other.git("pull", "-q", str(server.path), "main")
    other.commit_file("theirs", "theirs\n")
    other.git("push", "-q", str(server.path), "HEAD:main")
    planted = commit_secret(client, secret)
    push_is_blocked(client, server, planted, "--force", "origin", "main")
    client.git("reset", "-q", "--hard", "HEAD~1")
    client.commit_file("ours", "ours\n")
    client.git("push", "-q", "--force", "origin", "main")


@pytest.mark.parametrize("kind", [(), ("-a", "-m", "release")])
def test_a_tag_on_a_commit_with_a_secret_is_stopped(
    client: Repo, server: Repo, secret: str, kind: tuple[str, ...]
) -> None:
    planted = commit_secret(client, secret)
    client.git("tag", *kind, "v1")
    client.git("reset", "-q", "--hard", "HEAD~1")
    push_is_blocked(client, server, planted, "origin", "v1")
    push_is_blocked(client, server, planted, "--tags")


def test_a_tag_on_a_known_commit_passes(client: Repo, server: Repo) -> None:
    client.git("tag", "v1")
    client.git("tag", "-a", "-m", "release", "v2")
    client.git("push", "-q", "--tags")
    assert "refs/tags/v2" in refs(server)


def test_a_secret_in_a_commit_message_is_stopped_at_the_push(
    client: Repo, server: Repo, secret: str
) -> None:
    client.git("-c", "core.hooksPath=/dev/null", "commit", "--allow-empty", "-m", f"use {secret}")
    before = refs(server)
    result = client.git("push", ok=False)
    Planted(secret, "commit message").is_told(result.output)
    assert refs(server) == before


def test_deleting_a_branch_passes(client: Repo, server: Repo, secret: str) -> None:
    client.git("switch", "-q", "-c", "gone")
    commit_secret(client, secret)
    client.git("-c", "core.hooksPath=/dev/null", "push", "-q", "origin", "gone")
    client.git("push", "-q", "origin", "--delete", "gone")
    assert "gone" not in refs(server)


def test_one_bad_branch_among_several_stops_the_push(
    client: Repo, server: Repo, secret: str
) -> None:
    client.git("branch", "aaa")
    client.git("branch", "zzz")
    client.git("switch", "-q", "-c", "mmm")
    planted = commit_secret(client, secret)
    push_is_blocked(client, server, planted, "origin", "aaa", "mmm", "zzz")


def test_deleting_one_branch_does_not_hide_another(client: Repo, server: Repo, secret: str) -> None:
    client.git("push", "-q", "origin", "main:old")
    planted = commit_secret(client, secret)
    push_is_blocked(client, server, planted, "origin", ":old", "main")


def test_what_a_rebase_brought_past_the_commit_hook_is_stopped_at_the_push(
    client: Repo, server: Repo, secret: str
) -> None:
    """git runs no pre-commit hook for the commits that a rebase writes."""
    client.git("switch", "-q", "-c", "work")
    planted = commit_secret(client, secret)
    client.git("switch", "-q", "main")
    client.commit_file("main", "main\n")
    client.git("push", "-q")
    client.git("switch", "-q", "work")
    client.git("rebase", "-q", "main")
    push_is_blocked(client, server, planted, "origin", "work")


def test_what_a_cherry_pick_brought_past_the_commit_hook_is_stopped_at_the_push(
    client: Repo, server: Repo, secret: str
) -> None:
    client.git("switch", "-q", "-c", "work")
    planted = commit_secret(client, secret)
    client.git("switch", "-q", "main")
    client.git("cherry-pick", "work")
    push_is_blocked(client, server, planted, "origin", "main")


def test_a_secret_that_only_a_merge_commit_holds_is_stopped(
    client: Repo, server: Repo, secret: str
) -> None:
    client.git("switch", "-q", "-c", "side")
    client.commit_file("side", "side\n")
    client.git("switch", "-q", "main")
    client.commit_file("main", "main\n")
    client.git("merge", "-q", "--no-commit", "--no-ff", "side")
    planted = commit_secret(client, secret, "evil")
    push_is_blocked(client, server, planted, "origin", "main")


def test_a_renamed_file_with_a_secret_that_the_server_has_passes(
    client: Repo, server: Repo, secret: str
) -> None:
    commit_secret(client, secret, "old")
    client.git("-c", "core.hooksPath=/dev/null", "push", "-q", "origin", "main")
    client.git("mv", "old", "new")
    client.git("commit", "-q", "-m", "moved")
    client.git("push", "-q", "origin", "main")


def test_a_push_from_a_worktree_is_looked_at(client: Repo, server: Repo, secret: str) -> None:
    client.git("worktree", "add", "-q", "../tree", "-b", "other")
    tree = Repo(client.path.parent / "tree", client.env)
    planted = commit_secret(tree, secret)
    push_is_blocked(tree, server, planted, "origin", "other")


def test_a_tag_on_a_bare_blob_or_tree_is_looked_at(client: Repo, server: Repo, secret: str) -> None:
    planted = client.plant("f", secret)
    client.git("add", "f")
    before = refs(server)
    for name, thing in (
        ("blob", client.ask("rev-parse", ":f")),
        ("tree", client.ask("write-tree")),
    ):
        client.git("tag", name, thing)
        result = client.git("push", "origin", name, ok=False)
        planted.is_not_shown(result.output)
        assert "error[digitalocean-pat]" in result.output
        assert refs(server) == before
    client.write("clean", "clean\n")
    client.git("tag", "clean", client.ask("hash-object", "-w", "clean"))
    client.git("push", "-q", "origin", "clean")


def test_a_secret_in_the_message_of_a_tag_is_stopped(
    client: Repo, server: Repo, secret: str
) -> None:
    client.git("tag", "-a", "-m", f"use {secret}", "v1")
    before = refs(server)
    result = client.git("push", "origin", "v1", ok=False)
    Planted(secret, "v1").is_told(result.output)
    assert refs(server) == before


def test_a_secret_in_a_note_is_stopped(client: Repo, server: Repo, secret: str) -> None:
    client.git("notes", "add", "-m", f"use {secret}")
    before = refs(server)
    result = client.git("push", "origin", "refs/notes/commits", ok=False)
    Planted(secret, ":1:5").is_told(result.output)
    assert refs(server) == before


def test_a_mirror_push_is_looked_at(started: Repo, server: Repo, secret: str) -> None:
    started.git("remote", "add", "origin", str(server.path))
    planted = commit_secret(started, secret)
    started.git("tag", "kept")
    started.git("reset", "-q", "--hard", "HEAD~1")
    push_is_blocked(started, server, planted, "--mirror", "origin")


def test_a_replacement_does_not_hide_what_is_really_pushed(
    client: Repo, server: Repo, secret: str
) -> None:
    planted = commit_secret(client, secret)
    bad = client.head()
    client.git("reset", "-q", "--hard", "HEAD~1")
    good = client.commit_file("f", "clean\n")
    client.git("reset", "-q", "--hard", bad)
    client.git("replace", bad, good)
    push_is_blocked(client, server, planted, "origin", "main")


@pytest.mark.parametrize("how", ["--depth=1", "--filter=blob:none"])
def test_a_push_from_a_clone_that_lacks_objects_is_looked_at(
    client: Repo, server: Repo, secret: str, how: str
) -> None:
    server.git("config", "uploadpack.allowFilter", "true")
    for text in ("one\n", "two\n"):
        client.commit_file("f", text)
    client.git("push", "-q")
    client.git("clone", "-q", how, f"file://{server.path}", "../thin")
    thin = Repo(client.path.parent / "thin", client.env)
    thin.leakguard("install")
    thin.commit_file("f", "three\n")
    thin.git("push", "-q", "origin", "HEAD:main", "HEAD:again")
    planted = commit_secret(thin, secret)
    push_is_blocked(thin, server, planted, "origin", "HEAD:main")
    push_is_blocked(thin, server, planted, "origin", "HEAD:new")


def test_a_push_of_nothing_passes(client: Repo) -> None:
    client.git("push", "-q")
    client.git("push", "-q", "--tags")


# Where it arrives


@pytest.fixture
def guarded(server: Repo) -> Repo:
    """The bare repository with a pre-receive hook."""
    server.leakguard("install")
    return server


@pytest.fixture
def visitor(make_repo: Callable[..., Repo], guarded: Repo) -> Repo:
    """A repository without hooks, whose first commit the guarded server has."""
    repo = make_repo("visitor")
    repo.git("remote", "add", "origin", str(guarded.path))
    repo.commit_file("README", "hello\n")
    repo.git("push", "-q", "-u", "origin", "main")
    return repo


def test_the_server_takes_a_clean_push_in_silence(visitor: Repo) -> None:
    visitor.commit_file("f", "clean\n")
    assert visitor.git("push", "-q").output == ""


def test_the_server_refuses_a_secret_and_keeps_nothing_of_it(
    visitor: Repo, guarded: Repo, secret: str
) -> None:
    planted = commit_secret(visitor, secret)
    output = push_is_blocked(visitor, guarded, planted, "origin", "main")
    assert "pre-receive hook declined" in output
    assert guarded.git("cat-file", "-e", visitor.head(), ok=None).status != 0
    assert guarded.git("cat-file", "-e", visitor.ask("rev-parse", "HEAD:f"), ok=None).status != 0


def test_the_server_refuses_a_new_branch_and_a_tag(
    visitor: Repo, guarded: Repo, secret: str
) -> None:
    visitor.git("switch", "-q", "-c", "new")
    planted = commit_secret(visitor, secret)
    visitor.git("tag", "-a", "-m", "release", "v1")
    push_is_blocked(visitor, guarded, planted, "origin", "new")
    push_is_blocked(visitor, guarded, planted, "origin", "v1")


def test_the_server_refuses_a_secret_that_a_later_commit_removed(
    visitor: Repo, guarded: Repo, secret: str
) -> None:
    planted = commit_secret(visitor, secret)
    commit_removal(visitor)
    push_is_blocked(visitor, guarded, planted, "origin", "main")


def test_the_server_refuses_a_forced_push(visitor: Repo, guarded: Repo, secret: str) -> None:
    visitor.git("commit", "-q", "--amend", "-m", "other")
    planted = commit_secret(visitor, secret)
    push_is_blocked(visitor, guarded, planted, "--force", "origin", "main")


def test_the_server_refuses_all_of_a_push_with_one_bad_branch(
    visitor: Repo, guarded: Repo, secret: str
) -> None:
    visitor.git("branch", "good")
    planted = commit_secret(visitor, secret)
    push_is_blocked(visitor, guarded, planted, "origin", "good", "main")


def test_the_server_refuses_a_secret_in_a_tag_without_a_commit(
    visitor: Repo, guarded: Repo, secret: str
) -> None:
    visitor.plant("f", secret)
    visitor.git("tag", "blob", visitor.ask("hash-object", "-w", "f"))
    visitor.git("tag", "-a", "-m", f"use {secret}", "message")
    before = refs(guarded)
    for name in ("blob", "message"):
        result = visitor.git("push", "origin", name, ok=False)
        assert "error[digitalocean-pat]" in result.output
        Planted(secret, "").is_not_shown(result.output)
        assert refs(guarded) == before


def test_the_server_sees_a_line_added_to_a_large_file(
    visitor: Repo, guarded: Repo, secret: str
) -> None:
    visitor.commit_file("large", "line\n" * 5000)
    visitor.git("push", "-q")
    planted = visitor.plant("large", secret, after=5000)
    visitor.git("commit", "-q", "-a", "-m", "more")
    push_is_blocked(visitor, guarded, planted, "origin", "main")


def test_the_server_takes_a_deletion(visitor: Repo, guarded: Repo) -> None:
    visitor.git("push", "-q", "origin", "main:gone")
    visitor.git("push", "-q", "origin", ":gone")
    assert "gone" not in refs(guarded)


def test_the_server_looks_at_a_first_push_into_an_empty_repository(
    make_repo: Callable[..., Repo], guarded: Repo, secret: str
) -> None:
    repo = make_repo("first")
    planted = commit_secret(repo, secret)
    push_is_blocked(repo, guarded, planted, str(guarded.path), "HEAD:main")


def test_the_server_does_not_stop_at_secrets_that_it_has(visitor: Repo, guarded: Repo) -> None:
    commit_secret(visitor, fake("old"))
    hook = guarded.path / "hooks/pre-receive"
    hook.rename(hook.with_name("away"))
    visitor.git("push", "-q", "origin", "main")
    hook.with_name("away").rename(hook)
    visitor.commit_file("g", "clean\n")
    visitor.git("push", "-q", "origin", "main")
    visitor.git("push", "-q", "origin", "main:again")
