"""Repositories that are damaged, cut off or somebody else's: unread is not clean."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile.scratch import CLEAN, USAGE, ZERO, Repo, fake, holding

LOOKS = {
    "hook": ("hook", "pre-commit"),
    "staged": ("scan", "--staged"),
    "range": ("scan", "--range", "HEAD~1..HEAD"),
    "history": ("scan", "--history", "--all"),
}


def damage(file: Path, how: str) -> None:
    """Cut a file short, empty it, or overwrite it."""
    whole = file.read_bytes()
    file.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "noise": b"noise" * 9}[how])


# The index


@pytest.mark.parametrize("how", ["empty", "noise"])
def test_a_damaged_index_stops_the_commit(repo: Repo, secret: str, how: str) -> None:
    repo.stage("f", holding(secret))
    damage(repo.path / ".git/index", how)
    repo.gate().unread("commit not scanned", "index")
    repo.leakguard("scan", "--staged").unread("commit not scanned", "index")
    repo.leakguard("scan").unread("cannot list the files", "index")


@pytest.mark.parametrize("part", (2, 4, 6, 8, 9))
def test_an_index_that_is_cut_anywhere_brings_no_secret_into_a_commit(
    repo: Repo, secret: str, part: int
) -> None:
    """git reads some of these without a word, but writes no commit from them."""
    repo.stage("f", holding(secret))
    index = repo.path / ".git/index"
    whole = index.read_bytes()
    index.write_bytes(whole[: len(whole) * part // 10])
    if repo.gate().status == CLEAN:
        with pytest.raises(AssertionError, match="index"):
            repo.commit()


def test_an_index_that_cannot_be_found_is_an_empty_one(repo: Repo, secret: str) -> None:
    repo.stage("f", holding(secret))
    repo.gate(GIT_INDEX_FILE=str(repo.path / "nowhere")).is_silent()


# Objects


@pytest.mark.parametrize("look", ["hook", "staged"])
@pytest.mark.parametrize("how", ["cut", "empty", "noise", "gone"])
def test_a_staged_object_that_cannot_be_read_stops_the_commit(
    repo: Repo, secret: str, how: str, look: str
) -> None:
    repo.stage("f", holding(secret) * 50)
    loose = repo.loose(repo.git("rev-parse", ":f"))
    loose.unlink() if how == "gone" else damage(loose, how)
    repo.leakguard(*LOOKS[look]).unread("not clean")


@pytest.mark.parametrize("look", ["range", "history"])
@pytest.mark.parametrize("kind", ["blob", "tree", "commit"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_committed_object_that_cannot_be_read_is_no_clean_history(
    repo: Repo, how: str, kind: str, look: str
) -> None:
    repo.commit_file("folder/f", "clean\n" * 50)
    name = {"blob": "HEAD:folder/f", "tree": "HEAD:folder", "commit": "HEAD~1"}[kind]
    repo.commit_file("g", "clean\n")
    span = "HEAD~2..HEAD" if kind != "commit" else "HEAD~1..HEAD"
    object_id = repo.git("rev-parse", name)
    commits = [repo.git("rev-parse", one) for one in span.split("..")]
    loose = repo.loose(object_id)
    loose.unlink() if how == "gone" else damage(loose, how)
    words = (*LOOKS["range"][:2], "..".join(commits)) if look == "range" else LOOKS["history"]
    repo.leakguard(*words).unread("not clean")


def test_a_secret_beside_a_damaged_object_is_still_told_in_a_scan_of_the_files(
    repo: Repo, secret: str
) -> None:
    repo.stage("f", holding(secret))
    damage(repo.loose(repo.git("rev-parse", ":f")), "cut")
    repo.leakguard("scan").found("f:1:10")


def test_a_damaged_pack_is_no_clean_history(repo: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret) * 50)
    repo.git("repack", "-q", "-a", "-d")
    [pack] = (repo.path / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o644)
    whole = bytearray(pack.read_bytes())
    whole[60:-40] = bytes(len(whole) - 100)
    pack.write_bytes(bytes(whole))
    repo.leakguard(*LOOKS["history"]).unread("not clean")


def test_objects_that_an_alternate_has_not_got_are_unread(
    make_repo: Callable[..., Repo], secret: str
) -> None:
    store = make_repo("store")
    store.commit_file("f", holding(secret))
    borrower = make_repo("borrower")
    alternates = borrower.path / ".git/objects/info/alternates"
    alternates.write_text(f"{store.path}/.git/objects\n")
    borrower.git("update-ref", "refs/heads/main", store.head())
    borrower.leakguard(*LOOKS["history"]).found("f:1:10")
    shutil.move(store.path, store.path.parent / "gone")
    borrower.leakguard(*LOOKS["history"]).unread("not clean")


def test_a_damaged_head_is_unread(repo: Repo) -> None:
    repo.stage("g", "y\n")
    (repo.path / ".git/HEAD").write_text("not a reference\n")
    for look in LOOKS.values():
        repo.leakguard(*look).unread("not a git repository")


def test_a_damaged_branch_counts_as_none(repo: Repo, secret: str) -> None:
    """git takes the branch for one without a commit, so everything staged is new."""
    repo.commit_file("f", holding(secret))
    (repo.path / ".git/refs/heads/main").write_text("not a reference\n")
    repo.gate().found("f:1:10")
    repo.leakguard(*LOOKS["range"]).unread()
    repo.leakguard(*LOOKS["history"]).unread()


@pytest.mark.parametrize("content", ["", "gitdir: nowhere\n"])
def test_a_git_file_that_leads_nowhere_is_unread(folder: Repo, content: str) -> None:
    folder.write(".git", content)
    for look in LOOKS.values():
        folder.leakguard(*look).unread()
    folder.leakguard("scan").unread()


def test_an_empty_git_folder_is_unread(folder: Repo) -> None:
    (folder.path / ".git").mkdir()
    folder.gate().unread("not a git repository")


def test_outside_of_a_repository_a_hook_stops(folder: Repo) -> None:
    folder.gate().unread("not inside a git repository")
    folder.leakguard("scan", "--history").failed(USAGE, "not a git repository")


# Shallow


@pytest.fixture
def upstream(repo: Repo, secret: str) -> Repo:
    """Three commits; the second brings a secret that the third takes away."""
    repo.commit_file("f", holding(secret))
    repo.commit_file("f", "clean\n")
    return repo


@pytest.fixture
def shallow(upstream: Repo, env: dict[str, str]) -> Repo:
    """A clone of the last commit only."""
    path = upstream.path.parent / "shallow"
    upstream.git("clone", "-q", "--depth=1", f"file://{upstream.path}", str(path))
    return Repo(path, env)


def test_the_history_of_a_shallow_clone_is_unread_and_says_so(shallow: Repo) -> None:
    shallow.leakguard("scan", "--history", "--all").unread("shallow", "git fetch --unshallow")


def test_a_range_whose_base_is_beyond_the_border_is_unread(upstream: Repo, shallow: Repo) -> None:
    base = upstream.git("rev-parse", "HEAD~2")
    shallow.leakguard("scan", "--range", f"{base}..HEAD").unread()


def test_a_range_that_crosses_the_border_is_unread(upstream: Repo, shallow: Repo) -> None:
    """A pipeline that fetches the tip and the base, but nothing in between."""
    base = upstream.git("rev-parse", "HEAD~2")
    shallow.git("fetch", "-q", "--depth=1", "origin", base, GIT_PROTOCOL="version=2")
    shallow.leakguard("scan", "--range", f"{base}..HEAD").unread("shallow")
    shallow.leakguard("scan", "--since", "10 years ago").unread("shallow")


def test_a_range_on_this_side_of_the_border_is_scanned(shallow: Repo, secret: str) -> None:
    shallow.commit_file("g", holding(secret))
    shallow.leakguard("scan", "--range", "HEAD~1..HEAD").found("g:1:10")
    shallow.commit_file("g", "clean\n")
    shallow.leakguard("scan", "--range", "HEAD~1..HEAD").is_clean()


def test_a_push_from_a_shallow_clone_is_scanned(shallow: Repo, secret: str) -> None:
    shallow.push_head().is_silent()
    shallow.commit_file("g", holding(secret))
    shallow.push_head().found("g:1:10")


# Partial


@pytest.fixture
def partial(upstream: Repo, env: dict[str, str]) -> Repo:
    """A clone without blobs, whose remote notes every visit."""
    upstream.git("config", "uploadpack.allowFilter", "true")
    upstream.git("config", "uploadpack.allowAnySHA1InWant", "true")
    path = upstream.path.parent / "partial"
    upstream.git(
        "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{upstream.path}", str(path)
    )
    note = upstream.path.parent / "visited"
    visit = upstream.path.parent / "visit"
    visit.write_text(f'#!/bin/sh\necho "$@" >>{note}\nexec git-upload-pack "$@"\n')
    visit.chmod(0o755)
    clone = Repo(path, env)
    clone.git("config", "remote.origin.uploadpack", str(visit))
    return clone


def nobody_came(partial: Repo) -> bool:
    """Whether the remote saw nobody."""
    return not (partial.path.parent / "visited").exists()


def test_the_note_of_visits_works(partial: Repo) -> None:
    partial.git("cat-file", "-p", "HEAD:f")
    assert not nobody_came(partial)


def test_a_partial_clone_is_unread_and_nothing_is_fetched(partial: Repo) -> None:
    partial.leakguard("scan", "--history", "--all").unread("partial", "git fetch --refetch")
    partial.leakguard("scan", "--range", "HEAD~2..HEAD").unread("missing")
    partial.leakguard("scan", "--since", "10 years ago").unread("missing")
    partial.push(f"refs/heads/x {partial.head()} refs/heads/x {ZERO}").is_silent()
    assert nobody_came(partial)


def test_a_push_from_a_partial_clone_is_unread_and_nothing_is_fetched(partial: Repo) -> None:
    partial.git("remote", "add", "elsewhere", str(partial.path))
    line = f"refs/heads/x {partial.head()} refs/heads/x {ZERO}\n".encode()
    answer = partial.leakguard("hook", "pre-push", "elsewhere", "url", stdin=line)
    answer.unread("missing")
    assert nobody_came(partial)


def test_a_staged_object_that_was_never_fetched_is_unread(partial: Repo) -> None:
    blob = partial.git("rev-parse", "HEAD:f", GIT_NO_LAZY_FETCH="1")
    partial.git("read-tree", "HEAD")
    partial.git("update-index", "--add", "--cacheinfo", f"100644,{blob},elsewhere")
    partial.gate().unread("missing")
    assert nobody_came(partial)


def test_new_content_in_a_partial_clone_is_scanned(partial: Repo, secret: str) -> None:
    partial.git("read-tree", "HEAD")
    partial.stage("g", holding(secret))
    partial.gate().found("g:1:10")
    assert nobody_came(partial)


def test_a_treeless_clone_is_unread_and_nothing_is_fetched(partial: Repo) -> None:
    path = partial.path.parent / "treeless"
    remote = partial.git("remote", "get-url", "origin")
    partial.git("clone", "-q", "--no-checkout", "--filter=tree:0", remote, str(path))
    treeless = Repo(path, partial.env)
    visit = partial.git("config", "remote.origin.uploadpack")
    treeless.git("config", "remote.origin.uploadpack", visit)
    treeless.leakguard("scan", "--history", "--all").unread()
    treeless.leakguard("scan", "--range", "HEAD~1..HEAD").unread()
    treeless.stage("g", "clean\n")
    treeless.gate().unread()
    assert nobody_came(treeless)


# Somebody else's


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_unread_and_says_why(repo: Repo, secret: str) -> None:
    repo.stage("f", holding(secret))
    for file in [repo.path, *repo.path.rglob("*")]:
        os.chown(file, 12345, 12345, follow_symlinks=False)
    for look in [*LOOKS.values(), ("scan",)]:
        repo.leakguard(*look).unread("belongs to another user", "safe.directory")
    line = f"refs/heads/main {fake('x')[7:47]} refs/heads/main {ZERO}\n"
    repo.leakguard("hook", "pre-push", "origin", "url", stdin=line.encode()).unread(
        "belongs to another user"
    )
    trusting = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": str(repo.path)}  # fmt: skip
    repo.git("config", "--global", "--add", "safe.directory", str(repo.path))
    repo.gate(**trusting).found("f:1:10")


def test_without_git_nothing_is_called_clean(repo: Repo, secret: str, tmp_path: Path) -> None:
    repo.stage("f", holding(secret))
    nothing = tmp_path / "bin"
    nothing.mkdir()
    for look in [*LOOKS.values(), ("scan",)]:
        repo.leakguard(*look, PATH=str(nothing)).unread("git could not be started", "install git")


@pytest.mark.parametrize("status", ["0", "1"])
def test_a_git_that_says_nothing_is_not_believed_when_it_fails(
    repo: Repo, secret: str, tmp_path: Path, status: str
) -> None:
    repo.stage("f", holding(secret))
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f"#!/bin/sh\nexit {status}\n")
    wrapper.chmod(0o755)
    answer = repo.gate(PATH=str(wrapper.parent))
    if status == "1":
        answer.unread()


def test_a_git_that_stops_in_the_middle_is_not_believed(
    repo: Repo, secret: str, tmp_path: Path
) -> None:
    repo.stage("f", "clean\n" * 1000 + holding(secret))
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    real = shutil.which("git")
    wrapper.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" cat-file "*) {real} "$@" | head -c 2000 ;; *) exec {real} "$@" ;; esac\n'
    )
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}{os.pathsep}{repo.env['PATH']}"
    repo.gate(PATH=path).unread("middle of an object")
