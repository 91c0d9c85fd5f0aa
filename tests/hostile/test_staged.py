"""Everything that an index can hold, through `leakguard hook pre-commit`."""

from __future__ import annotations

import codecs
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from hostile.scratch import PROGRAM, Repo, fake, holding
from leakguard.recipe import expand

FILLER = "".join(f"line {number}\n" for number in range(1, 41))


# Which index


def test_the_first_commit_is_looked_at(empty: Repo, secret: str) -> None:
    empty.gate().is_silent()
    empty.stage("f", "clean\n")
    empty.gate().is_silent()
    empty.stage("g", holding(secret))
    empty.gate().found("g:1:10")


def test_the_index_that_git_names_is_the_one_that_counts(
    repo: Repo, secret: str, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    repo.write("f", holding(secret))
    repo.git("read-tree", "HEAD", GIT_INDEX_FILE=str(other))
    repo.git("add", "f", GIT_INDEX_FILE=str(other))
    repo.gate().is_silent()
    repo.gate(GIT_INDEX_FILE=str(other)).found("f:1:10")
    os.rename(other, repo.path / ".git/next")
    repo.gate(GIT_INDEX_FILE=".git/next").found("f:1:10")


def test_an_index_whose_secret_is_gone_from_the_folder_still_holds_it(
    repo: Repo, secret: str
) -> None:
    repo.stage("f", holding(secret))
    repo.write("f", "clean\n")
    repo.gate().found("f:1:10")
    (repo.path / "f").unlink()
    repo.gate().found("f:1:10")
    repo.leakguard("hook", "pre-commit", "README").found("f:1:10")


def test_a_folder_whose_secret_is_not_staged_holds_none(repo: Repo, secret: str) -> None:
    repo.stage("f", "clean\n")
    repo.write("f", holding(secret))
    repo.gate().is_silent()
    repo.leakguard("hook", "pre-commit", "f").is_silent()


def hooked(repo: Repo) -> None:
    """Let git run the hook."""
    hook = repo.write(
        ".git/hooks/pre-commit", f"#!/bin/sh\nexec {' '.join(PROGRAM)} hook pre-commit\n"
    )
    hook.chmod(0o755)


@pytest.mark.parametrize("words", [("-a",), ("-i", "f"), ("-o", "f"), ("f",), ("--amend", "-a")])
def test_a_commit_that_stages_by_itself_is_looked_at(
    repo: Repo, secret: str, words: tuple[str, ...]
) -> None:
    """git writes an index.lock or another index for these, and names it."""
    repo.commit_file("f", "clean\n")
    hooked(repo)
    before = repo.head()
    repo.write("f", holding(secret))
    with pytest.raises(AssertionError, match="1 secret in 1 staged file"):
        repo.git("commit", "-m", "m", *words)
    assert repo.head() == before
    repo.write("f", "clean again\n")
    repo.git("commit", "-m", "m", *words)


def test_a_worktree_and_a_folder_in_it_are_looked_at(repo: Repo, secret: str) -> None:
    repo.git("worktree", "add", "-q", "../tree")
    tree = Repo(repo.path.parent / "tree", repo.env)
    tree.stage("sub/f", holding(secret))
    assert (tree.path / ".git").is_file()
    tree.gate().found("sub/f:1:10")
    tree.inside("sub").gate().found("sub/f:1:10")
    tree.inside("sub").leakguard("scan", "--staged").found("sub/f:1:10")
    repo.gate().is_silent()


def test_a_folder_of_the_repository_sees_all_of_it(repo: Repo, secret: str) -> None:
    repo.write("sub/deep/clean", "clean\n")
    repo.stage("f", holding(secret))
    below = repo.inside("sub/deep")
    below.gate().found("f:1:10")
    below.leakguard("hook", "pre-commit", "../../f", "clean").found("f:1:10")
    below.leakguard("scan").found("f:1:10")
    below.leakguard("scan", ".").is_clean()


def test_variables_that_git_sets_for_a_hook_are_followed(
    repo: Repo, secret: str, tmp_path: Path
) -> None:
    repo.stage("sub/f", holding(secret))
    git_folder = {"GIT_DIR": str(repo.path / ".git")}
    repo.gate(**git_folder).found("sub/f:1:10")
    repo.gate(GIT_DIR=".git", GIT_PREFIX="", GIT_EXEC_PATH=repo.git("--exec-path")).found(
        "sub/f:1:10"
    )
    elsewhere = Repo(tmp_path, repo.env | git_folder | {"GIT_WORK_TREE": str(repo.path)})
    elsewhere.gate().found("sub/f:1:10")
    bare = Repo(tmp_path / "repo/.git", repo.env)
    bare.gate().found("sub/f:1:10")


# What kind of change


@pytest.fixture
def old(repo: Repo) -> Repo:
    """A secret from before there was a gate, on line 41."""
    repo.commit_file("old", FILLER + holding(fake("old")) + FILLER)
    return repo


def test_a_rename_without_edits_passes(old: Repo) -> None:
    (old.path / "sub").mkdir()
    old.git("mv", "old", "sub/new")
    old.gate().is_silent()


def test_a_rename_with_edits_elsewhere_passes(old: Repo) -> None:
    old.git("mv", "old", "new")
    old.stage("new", "first\n" + FILLER + holding(fake("old")) + FILLER + "last\n")
    old.gate().is_silent()


def test_a_rename_with_a_new_secret_is_stopped_for_the_new_one(old: Repo, secret: str) -> None:
    old.git("mv", "old", "new")
    old.stage("new", FILLER + holding(fake("old")) + FILLER + holding(secret))
    old.gate().found("new:83:10")


def test_a_copy_is_new_content(old: Repo) -> None:
    shutil.copy(old.path / "old", old.path / "copy")
    old.git("add", "copy")
    old.gate().found("copy:41:10")


def test_a_rewritten_file_under_a_new_name_is_new_content(old: Repo) -> None:
    old.git("rm", "-q", "old")
    old.stage("new", holding(fake("old")))
    old.gate().found("new:1:10")


def test_a_change_of_mode_passes(old: Repo) -> None:
    old.git("update-index", "--chmod=+x", "old")
    old.gate().is_silent()


def test_a_deletion_passes(old: Repo) -> None:
    old.git("rm", "-q", "old")
    old.gate().is_silent()


def test_a_file_that_becomes_a_link_shows_its_text_only(old: Repo, secret: str) -> None:
    (old.path / "old").unlink()
    (old.path / "old").symlink_to("/etc/hostname")
    old.git("add", "old")
    old.gate().is_silent()
    (old.path / "old").unlink()
    (old.path / "old").symlink_to(secret)
    old.git("add", "old")
    old.gate().found("old:1:1")


def test_a_link_that_becomes_a_file_is_new_content(repo: Repo, secret: str) -> None:
    (repo.path / "f").symlink_to("README")
    repo.git("add", "f")
    repo.commit()
    (repo.path / "f").unlink()
    repo.stage("f", holding(secret))
    repo.gate().found("f:1:10")


def test_a_file_that_becomes_a_folder_is_looked_at(old: Repo, secret: str) -> None:
    old.git("rm", "-q", "old")
    old.stage("old/f", holding(secret))
    old.gate().found("old/f:1:10")


def test_the_pointer_of_a_submodule_passes_and_hides_nothing(
    repo: Repo, make_repo: Callable[..., Repo], secret: str
) -> None:
    part = make_repo("part")
    part.commit_file("f", holding(secret))
    repo.git("submodule", "--quiet", "add", str(part.path), "part")
    repo.gate().is_silent()
    repo.leakguard("hook", "pre-commit", "part", ".gitmodules").is_silent()
    repo.commit()
    repo.git("update-index", "--cacheinfo", f"160000,{'1' * 40},part")
    repo.stage("f", holding(fake("other")))
    repo.gate().found("f:1:10")
    repo.git("rm", "-q", "-f", "--cached", "part")
    shutil.rmtree(repo.path / "part")
    repo.stage("part", holding(secret))
    repo.gate().found("f:1:10", "part:1:10")


def test_what_is_only_intended_to_be_added_is_not_staged(repo: Repo, secret: str) -> None:
    repo.write("f", holding(secret))
    repo.git("add", "-N", "f")
    repo.gate().is_silent()
    repo.stage("g", holding(secret))
    repo.gate().found("g:1:10")


def test_flags_in_the_index_hide_nothing(repo: Repo, secret: str) -> None:
    repo.commit_file("f", "clean\n")
    repo.stage("f", holding(secret))
    for flag in ("--assume-unchanged", "--skip-worktree"):
        repo.git("update-index", flag, "f")
        repo.gate().found("f:1:10")
        repo.leakguard("scan").found("f:1:10")


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_an_index_of_any_version_is_read(repo: Repo, secret: str, version: str) -> None:
    repo.stage("sub/f", holding(secret))
    repo.git("update-index", "--index-version", version)
    repo.git("update-index", "--split-index")
    repo.gate().found("sub/f:1:10")


# Which lines


def test_an_unchanged_line_does_not_block_and_a_changed_one_does(old: Repo) -> None:
    old.stage("old", "first\n" + FILLER + holding(fake("old")) + FILLER)
    old.gate().is_silent()
    old.stage("old", FILLER + holding(fake("old")).replace("token", "  token") + FILLER)
    old.gate().found("old:41:12")


def test_half_of_a_pair_that_completes_an_old_half_is_stopped(repo: Repo) -> None:
    rng = Random("pair")
    key_id = "AKIA" + expand("{{base32:16}}", rng)
    value = expand("{{base64:40}}", rng)
    repo.commit_file("f", f"[default]\naws_access_key_id = {key_id}\n")
    repo.stage("f", f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {value}\n")
    said = repo.gate()
    assert said.status == 1
    assert "--> f:3:25" in said.out
    assert "f:2:" not in said.out
    assert value not in said.out


def test_more_of_an_old_private_key_is_a_change(repo: Repo) -> None:
    armour = expand("{{pem:RSA PRIVATE KEY}}", Random("pem")).splitlines()
    repo.commit_file("f", "\n".join(armour) + "\n")
    repo.stage("f", "\n".join([*armour[:3], armour[5], *armour[3:5], *armour[6:]]) + "\n")
    assert repo.gate().status == 1


# Merges


@pytest.fixture
def merging(repo: Repo) -> Repo:
    """A merge that stopped at a conflict; the other side brings an old secret."""
    repo.commit_file("both", "base\n")
    repo.git("branch", "other")
    repo.commit_file("both", "ours\n")
    repo.git("switch", "-q", "other")
    repo.stage("theirs", holding(fake("theirs")))
    repo.commit_file("both", f"theirs\n{holding(fake('in both'))}")
    repo.git("switch", "-q", "main")
    with pytest.raises(AssertionError, match="merge"):
        repo.git("merge", "other")
    return repo


def test_what_the_other_side_of_a_merge_committed_does_not_block(merging: Repo) -> None:
    merging.stage("both", f"ours\ntheirs\n{holding(fake('in both'))}")
    merging.gate().is_silent()


def test_a_new_secret_in_the_resolution_of_a_conflict_blocks(merging: Repo, secret: str) -> None:
    merging.stage("both", f"ours\n{holding(fake('in both'))}{holding(secret)}")
    merging.gate().found("both:4:10")


def test_a_new_file_in_a_merge_blocks(merging: Repo, secret: str) -> None:
    merging.stage("both", "resolved\n")
    merging.stage("new", holding(secret))
    merging.gate().found("new:1:10")


def test_a_conflict_that_is_not_resolved_is_no_pass(merging: Repo, secret: str) -> None:
    merging.stage("f", holding(secret))
    merging.gate().found("f:1:10")


def test_a_merge_of_several_branches_blocks_for_new_secrets_only(repo: Repo, secret: str) -> None:
    for name in ("a", "b", "c"):
        repo.git("switch", "-q", "-c", name, "main")
        repo.commit_file(name, holding(fake(name)))
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-commit", "a", "b", "c")
    repo.gate().is_silent()
    repo.stage("new", holding(secret))
    repo.gate().found("new:1:10")


def test_a_merge_in_a_worktree_is_known_as_one(repo: Repo, secret: str) -> None:
    repo.git("worktree", "add", "-q", "../tree")
    tree = Repo(repo.path.parent / "tree", repo.env)
    repo.commit_file("theirs", holding(fake("theirs")))
    tree.git("merge", "-q", "--no-commit", "--no-ff", "main")
    tree.gate().is_silent()
    tree.stage("new", holding(secret))
    tree.gate().found("new:1:10")


# What the bytes are


@pytest.mark.parametrize("content", [
    b'a\r\nb\r\ntoken = "{}"\r\n',
    b'a\nb\ntoken = "{}"',
    b'\xef\xbb\xbfa\nb\ntoken = "{}"\n',
    b'a\n\0\ntoken = "{}"\n\0\0\0',
    b'\xff\xfe\n\nx\xff = "{}"\n'.replace(b"\n\n", b"\n"),
])  # fmt: skip
def test_bytes_of_any_kind_are_looked_at(repo: Repo, secret: str, content: bytes) -> None:
    repo.stage("f", content.replace(b"{}", secret.encode()))
    assert "--> f:3:" in repo.gate().out or "--> f:2:" in repo.gate().out


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("marked", [True, False])
def test_wide_text_is_looked_at(repo: Repo, secret: str, encoding: str, marked: bool) -> None:
    mark = getattr(codecs, "BOM_" + encoding.upper().replace("-", "", 1).replace("-", "_"))
    text = "a\r\nb\r\n" + holding(secret).replace("\n", "\r\n")
    repo.stage("f", mark * marked + text.encode(encoding))
    repo.gate().found("f:3:10")
    assert repo.git("diff", "--cached", "--numstat").startswith("-")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_an_unchanged_line_of_wide_text_does_not_block(repo: Repo, encoding: str) -> None:
    text = FILLER + holding(fake("old")) + FILLER
    repo.commit_file("f", text.encode(encoding))
    repo.stage("f", (text + "more\n").encode(encoding))
    repo.gate().is_silent()


@pytest.mark.parametrize("letter", ["\u010a", "\u0a0a", "\u0a05"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_letters_that_look_like_line_ends_to_git_hide_no_new_line(
    repo: Repo, secret: str, encoding: str, letter: str
) -> None:
    """U+010A in UTF-16 has the byte of a line end; git counts it as one, editors do not."""
    text = FILLER + letter * 30 + "\n" + FILLER
    repo.commit_file("f", text.encode(encoding))
    repo.stage("f", (text + holding(secret) + FILLER).encode(encoding))
    repo.gate().found("f:82:10")


def test_empty_files_pass(repo: Repo) -> None:
    for name in ("a", "b/c", "d.zip"):
        repo.stage(name, "")
    repo.gate().is_silent()
    repo.commit()
    repo.stage("a", "clean\n")
    repo.stage("b/c", "\n")
    repo.gate().is_silent()


# Amounts


def test_ten_thousand_staged_files_are_looked_at(repo: Repo, secret: str) -> None:
    lines = []
    for number in range(10_000):
        data = f"file {number}\n"
        lines.append(f"blob\nmark :{number + 1}\ndata {len(data)}\n{data}\n")
    lines.append("commit refs/heads/many\ncommitter a <a@example.org> 1700000000 +0000\ndata 0\n")
    lines += [f"M 100644 :{number + 1} d{number % 100}/f{number}\n" for number in range(10_000)]
    repo.git("fast-import", "--quiet", stdin="".join(lines).encode())
    repo.git("read-tree", "many")
    began = time.monotonic()
    repo.gate().is_silent()
    assert time.monotonic() - began < 15
    repo.stage("z", holding(secret))
    repo.gate().found("z:1:10")


def test_a_secret_at_the_end_of_one_very_long_line_is_placed(repo: Repo, secret: str) -> None:
    """50 MB of minified script, with a column that counts characters, not bytes."""
    unit = 'function a(b,c){return b+c/"\u00e9"};var d=[1,2,3];'
    text = unit * (50_000_000 // len(unit)) + f'token="{secret}";'
    repo.git("config", "core.compression", "0")
    repo.stage("app.min.js", text)
    column = len(text) - len(f'{secret}";') + 1
    began = time.monotonic()
    repo.gate().found(f"app.min.js:1:{column}")
    assert time.monotonic() - began < 30


def test_many_secrets_are_counted_and_a_screen_is_filled(repo: Repo) -> None:
    text = "".join(f'token = "{fake(str(number))}"\n' for number in range(300))
    repo.stage("f", text)
    said = repo.gate()
    assert "300 secrets" in said.out
    assert said.out.count("-->") == 5
