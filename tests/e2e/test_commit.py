"""`git commit` in all its forms, through the installed hook."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from conftest import Planted, Repo, fake


def test_a_commit_with_a_secret_is_stopped(started: Repo, secret: str) -> None:
    planted = started.plant("app/settings.py", secret, after=6)
    started.git("add", ".")
    result = started.is_blocked(planted, "commit", "-m", "m")
    assert result.status == 1
    assert "Nothing was committed." in result.output


def test_a_clean_commit_passes_in_silence(started: Repo) -> None:
    started.write("f", "nothing here\n")
    started.git("add", ".")
    assert started.git("commit", "-q", "-m", "m").output == ""


def test_the_first_commit_is_looked_at(repo: Repo, secret: str) -> None:
    planted = repo.plant("f", secret)
    repo.git("add", ".")
    repo.is_blocked(planted, "commit", "-m", "m")
    assert repo.head() == ""


def test_commit_a_is_looked_at(started: Repo, secret: str) -> None:
    planted = started.plant("README", secret, after=2)
    started.is_blocked(planted, "commit", "-a", "-m", "m")


def test_what_is_not_staged_does_not_matter(started: Repo, secret: str) -> None:
    started.plant("README", secret)
    started.plant("untracked", secret)
    started.write("f", "clean\n")
    started.git("add", "f")
    started.git("commit", "-m", "m")


def test_what_is_staged_matters_even_if_the_file_is_clean_by_now(
    started: Repo, secret: str
) -> None:
    planted = started.plant("f", secret)
    started.git("add", "f")
    started.write("f", "clean\n")
    started.is_blocked(planted, "commit", "-m", "m")
    (started.path / "f").unlink()
    started.is_blocked(planted, "commit", "-m", "m")


def test_an_amended_commit_is_looked_at(started: Repo, secret: str) -> None:
    planted = started.plant("f", secret)
    started.git("add", "f")
    started.is_blocked(planted, "commit", "--amend", "--no-edit")


def test_amending_a_secret_away_passes(started: Repo, secret: str) -> None:
    started.plant("f", secret)
    started.git("add", "f")
    started.commit_unseen()
    started.write("f", "clean\n")
    started.git("commit", "-a", "--amend", "--no-edit")
    assert secret not in started.ask("show", "HEAD:f")


def test_the_first_commit_amended_is_looked_at(started: Repo, secret: str) -> None:
    planted = started.plant("README", secret)
    started.is_blocked(planted, "commit", "-a", "--amend", "--no-edit")


def test_commit_with_a_path_is_looked_at(started: Repo, secret: str) -> None:
    planted = started.plant("README", secret)
    started.is_blocked(planted, "commit", "-m", "m", "--", "README")


def test_commit_with_a_path_leaves_other_staged_files_out(started: Repo, secret: str) -> None:
    started.plant("later", secret)
    started.write("README", "changed\n")
    started.git("add", ".")
    started.git("commit", "-m", "m", "--", "README")
    assert started.ask("show", "--name-only", "--format=", "HEAD") == "README"


def test_commit_include_takes_both(started: Repo, secret: str) -> None:
    planted = started.plant("later", secret)
    started.git("add", ".")
    started.write("README", "changed\n")
    started.is_blocked(planted, "commit", "-m", "m", "--include", "README")


def test_a_commit_from_a_subfolder_names_the_path_from_the_top(started: Repo, secret: str) -> None:
    planted = started.plant("deep/er/f", secret)
    started.git("add", ".")
    started.is_blocked(planted, "-C", "deep/er", "commit", "-m", "m")


def test_a_repository_named_by_variables_is_looked_at(
    started: Repo, secret: str, tmp_path: os.PathLike[str]
) -> None:
    planted = started.plant("f", secret)
    started.git("add", ".")
    before = started.head()
    away = Repo(started.path.parent, started.env)
    top = str(started.path)
    for words in (
        ("--git-dir", f"{top}/.git", "--work-tree", top, "commit", "-m", "m"),
        ("-C", top, "commit", "-m", "m"),
    ):
        planted.is_told(away.git(*words, ok=False).output)
    planted.is_told(
        away.git("commit", "-m", "m", ok=False, GIT_DIR=f"{top}/.git", GIT_WORK_TREE=top).output
    )
    assert started.head() == before


def test_a_clean_merge_of_what_others_committed_passes(started: Repo, secret: str) -> None:
    started.git("switch", "-q", "-c", "theirs")
    started.plant("theirs", secret)
    started.git("add", ".")
    started.commit_unseen()
    started.git("switch", "-q", "main")
    started.commit_file("ours", "ours\n")
    started.git("merge", "-q", "--no-edit", "theirs")
    assert len(started.ask("show", "-s", "--format=%P", "HEAD").split()) == 2


def conflict(repo: Repo, *, theirs: str = "theirs\n", more: Callable[[], object] = bool) -> None:
    """Leave a merge of `theirs` stopped at a conflict in README."""
    repo.git("switch", "-q", "-c", "theirs")
    repo.write("README", theirs)
    more()
    repo.git("add", ".")
    repo.commit_unseen()
    repo.git("switch", "-q", "main")
    repo.commit_file("README", "ours\n")
    repo.git("merge", "theirs", ok=False)


def test_a_secret_in_the_resolution_of_a_conflict_is_stopped(started: Repo, secret: str) -> None:
    conflict(started)
    planted = started.plant("README", secret, after=3)
    started.git("add", "README")
    started.is_blocked(planted, "commit", "--no-edit")
    started.is_blocked(planted, "merge", "--continue")


def test_a_secret_that_the_other_side_had_does_not_stop_the_resolution(
    started: Repo, secret: str
) -> None:
    conflict(started, more=lambda: started.plant("old", secret))
    started.write("README", "both\n")
    started.git("add", "README")
    started.git("commit", "--no-edit")


def test_a_secret_line_of_the_other_side_may_stay_in_a_resolved_file(
    started: Repo, secret: str
) -> None:
    text = f'theirs\ntoken = "{secret}"\n'
    conflict(started, theirs=text)
    started.write("README", f"ours\n{text}")
    started.git("add", "README")
    started.git("commit", "--no-edit")


def test_a_squash_merge_is_a_commit_of_ours(started: Repo, secret: str) -> None:
    started.git("switch", "-q", "-c", "theirs")
    planted = started.plant("f", secret)
    started.git("add", ".")
    started.commit_unseen()
    started.git("switch", "-q", "main")
    started.git("merge", "-q", "--squash", "theirs")
    started.is_blocked(planted, "commit", "-m", "squashed")


def test_a_rebase_of_clean_commits_passes(started: Repo) -> None:
    started.git("switch", "-q", "-c", "work")
    started.commit_file("work", "work\n")
    started.git("switch", "-q", "main")
    started.commit_file("main", "main\n")
    started.git("switch", "-q", "work")
    assert "leakguard" not in started.git("rebase", "main").output


def test_a_commit_made_while_a_rebase_has_stopped_is_looked_at(started: Repo, secret: str) -> None:
    started.commit_file("f", "f\n")
    started.git("rebase", "-q", "-i", "HEAD~1", GIT_SEQUENCE_EDITOR="sed -i s/^pick/edit/")
    planted = started.plant("f", secret)
    started.git("add", "f")
    started.is_blocked(planted, "commit", "--amend", "--no-edit")
    started.write("f", "clean\n")
    started.git("add", "f")
    started.git("rebase", "--continue")


def test_a_cherry_pick_that_stops_is_looked_at_when_it_goes_on(started: Repo, secret: str) -> None:
    started.git("switch", "-q", "-c", "theirs")
    theirs = started.commit_file("README", "theirs\n")
    started.git("switch", "-q", "main")
    started.commit_file("README", "ours\n")
    started.git("cherry-pick", theirs, ok=False)
    planted = started.plant("README", secret)
    started.git("add", "README")
    started.is_blocked(planted, "commit", "--no-edit")


def test_a_worktree_is_looked_at(started: Repo, secret: str) -> None:
    started.git("worktree", "add", "-q", "../tree", "-b", "other")
    tree = Repo(started.path.parent / "tree", started.env)
    planted = tree.plant("f", secret)
    tree.git("add", ".")
    tree.is_blocked(planted, "commit", "-m", "m")
    tree.write("f", "clean\n")
    tree.git("commit", "-a", "-m", "m")


def test_a_conflict_in_a_worktree_is_looked_at(started: Repo, secret: str) -> None:
    started.git("worktree", "add", "-q", "../tree", "-b", "other")
    tree = Repo(started.path.parent / "tree", started.env)
    tree.commit_file("README", "other\n")
    started.plant("old", fake("old"))
    started.write("README", "main\n")
    started.git("add", ".")
    started.commit_unseen()
    tree.git("merge", "main", ok=False)
    planted = tree.plant("README", secret)
    tree.git("add", "README")
    result = tree.is_blocked(planted, "commit", "--no-edit")
    assert "old:1" not in result.output
    tree.write("README", "both\n")
    tree.git("add", "README")
    tree.git("commit", "--no-edit")


def test_the_pointer_of_a_submodule_passes(
    started: Repo, make_repo: Callable[..., Repo], secret: str
) -> None:
    part = make_repo("part")
    part.plant("f", secret)
    part.git("add", ".")
    part.commit_unseen()
    started.git("submodule", "--quiet", "add", str(part.path), "part")
    started.git("commit", "-m", "add")
    part.git("commit", "-q", "--allow-empty", "-m", "newer")
    started.git("-C", "part", "pull", "-q")
    started.git("add", "part")
    started.git("commit", "-m", "move")
    assert started.ask("ls-tree", "HEAD", "part").startswith("160000")


def test_a_commit_in_a_submodule_is_looked_at(
    started: Repo, make_repo: Callable[..., Repo], secret: str
) -> None:
    part = make_repo("part")
    part.commit_file("f", "clean\n")
    started.git("submodule", "--quiet", "add", str(part.path), "part")
    inside = Repo(started.path / "part", started.env)
    inside.leakguard("install")
    planted = inside.plant("f", secret)
    inside.git("add", ".")
    inside.is_blocked(planted, "commit", "-m", "m")


def test_a_link_to_a_file_with_a_secret_outside_passes(started: Repo, secret: str) -> None:
    outside = Repo(started.path.parent, started.env)
    outside.plant("outside", secret)
    (started.path / "link").symlink_to("../outside")
    started.git("add", ".")
    started.git("commit", "-m", "m")


def test_a_link_whose_target_is_a_secret_is_stopped(started: Repo, secret: str) -> None:
    (started.path / "link").symlink_to(secret)
    started.git("add", ".")
    started.is_blocked(Planted(secret, "link:1:1"), "commit", "-m", "m")


def test_a_file_that_becomes_a_link_and_back_is_looked_at(started: Repo, secret: str) -> None:
    (started.path / "README").unlink()
    (started.path / "README").symlink_to("elsewhere")
    started.git("commit", "-q", "-a", "-m", "link")
    (started.path / "README").unlink()
    planted = started.plant("README", secret)
    started.is_blocked(planted, "commit", "-a", "-m", "m")


@pytest.fixture
def with_an_old_secret(started: Repo) -> tuple[Repo, Planted]:
    """A secret that was committed before there was a gate."""
    planted = started.plant("old.txt", fake("old"), after=20)
    started.git("add", ".")
    started.commit_unseen()
    return started, planted


def test_renaming_a_file_with_an_old_secret_passes(
    with_an_old_secret: tuple[Repo, Planted],
) -> None:
    repo, _ = with_an_old_secret
    (repo.path / "folder").mkdir()
    repo.git("mv", "old.txt", "folder/new.txt")
    repo.git("commit", "-m", "m")


def test_another_line_in_a_file_with_an_old_secret_passes(
    with_an_old_secret: tuple[Repo, Planted],
) -> None:
    repo, planted = with_an_old_secret
    repo.plant("old.txt", planted.value, after=22)
    repo.git("commit", "-a", "-m", "m")


def test_a_new_secret_in_a_renamed_file_is_stopped(
    with_an_old_secret: tuple[Repo, Planted], secret: str
) -> None:
    repo, old = with_an_old_secret
    repo.git("mv", "old.txt", "new.txt")
    with (repo.path / "new.txt").open("a") as file:
        file.write(f'token = "{secret}"\n')
    repo.git("add", ".")
    result = repo.is_blocked(Planted(secret, "new.txt:23:10"), "commit", "-m", "m")
    old.is_not_shown(result.output)
    assert "new.txt:21:" not in result.output


def test_deleting_a_file_with_an_old_secret_passes(
    with_an_old_secret: tuple[Repo, Planted],
) -> None:
    repo, _ = with_an_old_secret
    repo.git("rm", "-q", "old.txt")
    repo.git("commit", "-m", "m")


def test_a_changed_mode_passes(with_an_old_secret: tuple[Repo, Planted]) -> None:
    repo, _ = with_an_old_secret
    repo.git("update-index", "--chmod=+x", "old.txt")
    repo.git("commit", "-m", "m")


def test_intent_to_add_is_not_a_commit(started: Repo, secret: str) -> None:
    planted = started.plant("planned", secret)
    started.git("add", "-N", "planned")
    started.write("f", "clean\n")
    started.git("add", "f")
    started.git("commit", "-m", "m")
    started.is_blocked(planted, "commit", "-a", "-m", "m")


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "it's",
        'a"b',
        "-h",
        "--help",
        "--",
        "a\\b",
        "$HOME",
        "uml\u00e4ut",
        ":(glob)x",
        "x;y",
        "*",
    ],
)
def test_names_of_any_kind_are_looked_at(started: Repo, secret: str, name: str) -> None:
    planted = started.plant(name, secret)
    started.git("add", ".")
    started.is_blocked(planted, "commit", "-m", "m")


@pytest.mark.parametrize("name", [b"new\nline", b"esc\x1b[2Jape", b"not-\xff-text", b"tab\tbed"])
def test_names_with_unprintable_characters_are_looked_at_and_escaped(
    started: Repo, secret: str, name: bytes
) -> None:
    with open(os.path.join(os.fsencode(started.path), name), "w", encoding="ascii") as file:
        file.write(f'token = "{secret}"\n')
    started.git("add", ".")
    result = started.is_blocked(Planted(secret, ":1:10"), "commit", "-m", "m")
    assert "\x1b" not in result.output
    assert "new\nline" not in result.output


def test_a_repository_with_longer_object_names_is_looked_at(
    make_repo: Callable[..., Repo], secret: str
) -> None:
    repo = make_repo("long", "--object-format=sha256")
    repo.leakguard("install")
    planted = repo.plant("f", secret)
    repo.git("add", ".")
    repo.is_blocked(planted, "commit", "-m", "m")
    repo.commit_file("f", "clean\n")
    planted = repo.plant("f", secret)
    repo.is_blocked(planted, "commit", "-a", "-m", "m")


def test_options_of_the_repository_do_not_hide_a_secret(started: Repo, secret: str) -> None:
    for key, value in {
        "diff.noprefix": "true", "diff.external": "true", "diff.ignoreSubmodules": "all",
        "diff.renames": "copies", "core.quotePath": "false", "diff.mnemonicPrefix": "true",
        "diff.context": "0", "color.ui": "always", "diff.relative": "true",
        "diff.orderFile": "/no/such/file", "core.fsmonitor": "false", "diff.noindex": "true",
        "diff.suppressBlankEmpty": "true", "diff.wordRegex": ".", "diff.algorithm": "patience",
    }.items():  # fmt: skip
        started.git("config", key, value)
    started.write(".gitattributes", "* -diff -text diff=hidden binary linguist-generated\n")
    planted = started.plant("f", secret, after=3)
    started.git("add", ".")
    started.is_blocked(planted, "commit", "-m", "m")


def test_a_damaged_index_stops_the_commit_without_a_finding(started: Repo) -> None:
    started.write("f", "x\n")
    started.git("add", "f")
    blob = started.ask("rev-parse", ":f")
    loose = started.path / ".git/objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"damaged")
    before = started.head()
    done = started.run("sh", ".git/hooks/pre-commit", ok=False)
    assert done.status == 4
    assert "error[" not in done.output
    assert "not clean" in done.output
    assert started.head() == before


def test_a_sparse_checkout_is_looked_at(started: Repo, secret: str) -> None:
    started.commit_file("in/a", "a\n")
    started.commit_file("out/b", "b\n")
    started.git("sparse-checkout", "set", "in")
    planted = started.plant("in/a", secret)
    started.is_blocked(planted, "commit", "-a", "-m", "m")


def test_a_secret_in_the_message_is_stopped(started: Repo, secret: str) -> None:
    result = started.git("commit", "--allow-empty", "-m", f"use {secret} now", ok=False)
    planted = Planted(secret, "commit message:1:5")
    planted.is_told(result.output)
    assert started.ask("rev-list", "--count", "HEAD") == "1"


def test_a_secret_far_down_in_a_message_from_a_file_is_stopped(started: Repo, secret: str) -> None:
    started.write("message", f"subject\n\nbody\n  see {secret}\n")
    result = started.git("commit", "--allow-empty", "-F", "message", ok=False)
    Planted(secret, "commit message:4:7").is_told(result.output)


def test_the_diff_that_git_shows_below_the_message_is_no_part_of_it(started: Repo) -> None:
    """`git commit --verbose` writes it under a scissors line and cuts it off again."""
    started.plant("old", fake("old"))
    started.git("add", ".")
    started.commit_unseen()
    started.write("old", "taken out\n")
    started.git("commit", "-a", "--verbose", "--edit", "-m", "take the old secret out")


def test_a_clean_message_passes_in_silence(started: Repo) -> None:
    assert started.git("commit", "-q", "--allow-empty", "-m", "clean").output == ""
