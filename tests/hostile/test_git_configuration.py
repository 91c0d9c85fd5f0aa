"""Settings, attributes, grafts and replacements change what git shows; they hide no secret."""

from __future__ import annotations

import pytest

from hostile.scratch import ZERO, Repo, fake, holding

SETTINGS = {
    "color.ui": "always",
    "color.diff": "always",
    "column.ui": "always",
    "core.quotePath": "true",
    "core.abbrev": "4",
    "core.attributesFile": "/dev/null",
    "core.bigFileThreshold": "1",
    "core.commentChar": "auto",
    "core.compression": "9",
    "core.ignoreCase": "true",
    "core.logAllRefUpdates": "always",
    "core.precomposeUnicode": "true",
    "core.preloadIndex": "false",
    "core.sparseCheckout": "true",
    "core.splitIndex": "true",
    "core.trustctime": "false",
    "core.untrackedCache": "true",
    "core.warnAmbiguousRefs": "false",
    "core.whitespace": "cr-at-eol",
    "diff.algorithm": "patience",
    "diff.autoRefreshIndex": "false",
    "diff.colorMoved": "zebra",
    "diff.context": "9",
    "diff.dirstat": "lines",
    "diff.dstPrefix": "@@ -",
    "diff.srcPrefix": "@@ -",
    "diff.ignoreSubmodules": "all",
    "diff.indentHeuristic": "true",
    "diff.interHunkContext": "50",
    "diff.mnemonicPrefix": "true",
    "diff.noprefix": "true",
    "diff.orderFile": "/no/such/file",
    "diff.relative": "true",
    "diff.renameLimit": "1",
    "diff.renames": "copies",
    "diff.statGraphWidth": "1",
    "diff.submodule": "diff",
    "diff.suppressBlankEmpty": "true",
    "diff.wordRegex": ".",
    "diff.wsErrorHighlight": "all",
    "format.pretty": "raw",
    "format.notes": "true",
    "i18n.logOutputEncoding": "UTF-16",
    "log.abbrevCommit": "true",
    "log.date": "relative",
    "log.decorate": "full",
    "log.diffMerges": "off",
    "log.follow": "true",
    "log.mailmap": "true",
    "log.showRoot": "false",
    "log.excludeDecoration": "*",
    "notes.displayRef": "*",
    "status.displayCommentPrefix": "true",
    "status.relativePaths": "false",
    "status.renames": "false",
    "status.showUntrackedFiles": "no",
    "submodule.recurse": "true",
    "tag.sort": "-version:refname",
    "versionsort.suffix": "x",
}
"""What changes the words, the order or the amount that some git command prints."""

HIDING = (
    "* -diff -text ident\n",
    "* binary export-ignore export-subst\n",
    "* working-tree-encoding=UTF-16 text eol=crlf\n",
    "* working-tree-encoding=no-such-encoding whitespace=-all\n",
    "[attr]hidden -diff -text -merge linguist-generated\n* hidden diff=unset\n",
)
"""Attributes with which some tool does not look at a file."""


@pytest.fixture
def changed(repo: Repo, secret: str) -> Repo:
    """A commit that brings a secret, and a staged change that brings another one."""
    repo.commit_file("old", holding(fake("old"), after=5))
    repo.commit_file("f", holding(fake("committed"), after=3))
    repo.git("mv", "old", "new")
    repo.stage("new", holding(fake("old"), after=5) + holding(secret))
    repo.commit_file("README", "hello\nworld\n")
    repo.stage("g", holding(fake("staged"), after=1))
    return repo


def looks_the_same(repo: Repo) -> None:
    """Every look finds what is there, whatever git was told."""
    line = f"refs/heads/main {repo.head()} refs/heads/main {ZERO}"
    span = "HEAD~1..HEAD"
    repo.gate().found("g:2:10")
    repo.leakguard("scan", "--staged").found("g:2:10")
    repo.leakguard("scan", "--range", span).found("new:8:10")
    repo.leakguard("scan", "--range", "HEAD~2..HEAD").found("f:4:10", "new:8:10")
    repo.leakguard("scan", "--history", "--all").found("f:4:10", "new:6:10", "new:8:10")
    repo.push(line).found("f:4:10", "old:6:10", "new:8:10")
    repo.leakguard("scan").found("f:4:10", "new:6:10", "new:8:10", "g:2:10")


def test_without_settings_everything_is_found(changed: Repo) -> None:
    looks_the_same(changed)


def test_settings_change_nothing(changed: Repo) -> None:
    for key, value in SETTINGS.items():
        changed.git("config", key, value)
    changed.write(".git/info/sparse-checkout", "/README\n")
    looks_the_same(changed)


@pytest.mark.parametrize("names", [
    ("GIT_DIFF_OPTS", "GIT_LITERAL_PATHSPECS", "GIT_ADVICE"),
    ("GIT_GLOB_PATHSPECS",), ("GIT_ICASE_PATHSPECS", "GIT_NOGLOB_PATHSPECS"),
])  # fmt: skip
def test_variables_change_nothing(changed: Repo, names: tuple[str, ...]) -> None:
    told = dict.fromkeys(names, "1")
    changed.gate(**told).found("g:2:10")
    changed.leakguard("scan", **told).found("f:4:10", "new:6:10", "new:8:10", "g:2:10")


@pytest.mark.parametrize("attributes", HIDING)
def test_attributes_hide_nothing(changed: Repo, attributes: str) -> None:
    changed.write(".git/info/attributes", attributes)
    changed.write(".gitattributes", attributes)
    changed.gate().found("g:2:10")
    changed.leakguard("scan", "--range", "HEAD~1..HEAD").found("new:8:10")
    changed.leakguard("scan", "--history").found("f:4:10", "new:6:10", "new:8:10")


def test_a_copy_is_looked_at_whatever_git_calls_it(repo: Repo, secret: str) -> None:
    repo.git("config", "diff.renames", "copies")
    text = "".join(f"line {number}\n" for number in range(50))
    repo.commit_file("one", text)
    repo.stage("one", text + "more\n")
    repo.stage("two", text + holding(secret))
    repo.gate().found("two:51:10")
    repo.commit()
    repo.leakguard("scan", "--range", "HEAD~1..HEAD").found("two:51:10")


def test_a_replacement_hides_nothing(repo: Repo, secret: str) -> None:
    clean = repo.head()
    brought = repo.commit_file("f", holding(secret))
    repo.commit_file("f", "clean\n")
    blob = repo.git("rev-parse", f"{brought}:f")
    other = repo.git("rev-parse", "HEAD:f")
    repo.git("replace", blob, other)
    repo.git("replace", brought, clean)
    repo.leakguard("scan", "--range", f"{clean}..HEAD").found("f:1:10")
    repo.leakguard("scan", "--history", "--all").found("f:1:10")
    repo.push_head().found("f:1:10")


def test_a_replaced_object_in_the_index_hides_nothing(repo: Repo, secret: str) -> None:
    repo.stage("clean", "clean\n")
    repo.stage("f", holding(secret))
    repo.git("replace", repo.git("rev-parse", ":f"), repo.git("rev-parse", ":clean"))
    repo.gate().found("f:1:10")


@pytest.mark.parametrize("look", ["range", "history", "push"])
def test_a_graft_hides_nothing(repo: Repo, secret: str, look: str) -> None:
    first = repo.head()
    repo.commit_file("f", holding(secret))
    tip = repo.commit_file("f", "clean\n")
    repo.write(".git/info/grafts", f"{tip} {first}\n")
    if look == "push":
        repo.push_head().found("f:1:10")
    else:
        words = ("--range", f"{first}..HEAD") if look == "range" else ("--history", "--all")
        repo.leakguard("scan", *words).found("f:1:10")


def test_a_commit_graph_that_lies_is_no_matter(repo: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret))
    repo.commit_file("f", "clean\n")
    repo.git("commit-graph", "write", "--reachable", "--changed-paths")
    repo.leakguard("scan", "--history").found("f:1:10")
    repo.leakguard("scan", "--range", "HEAD~2..HEAD").found("f:1:10")


def test_notes_and_other_references_are_part_of_all(repo: Repo, secret: str) -> None:
    repo.git("notes", "add", "-m", f"token {secret}")
    repo.leakguard("scan", "--history").is_clean()
    assert repo.leakguard("scan", "--history", "--all").status == 1


def test_a_stash_is_part_of_all(repo: Repo, secret: str) -> None:
    repo.stage("f", holding(secret))
    repo.git("stash", "push", "-q")
    repo.leakguard("scan", "--history").is_clean()
    repo.leakguard("scan", "--history", "--all").found("f:1:10")


def test_a_file_without_a_name_in_any_commit_is_let_go(repo: Repo, secret: str) -> None:
    repo.git("hash-object", "-w", "--stdin", stdin=holding(secret).encode())
    repo.leakguard("scan", "--history", "--all").is_clean()


@pytest.mark.parametrize("lines", [
    b'[core] bare = false\n; comment\n[alias]\n\tempty\n\tx = "a ; b" # comment\n[a.b]\n\tc=d\n',
    b"[user]\n\tname = \xff\xfe\n",
    b'[include]\n\tpath = nowhere\n[includeIf "gitdir:**"]\n\tpath = description-of-nothing\n'
    b"[core]\n\tx = a\\\n b\n[core]\n\tx = again\n",
    b'[remote "a b"]\n\turl = x\n[remote "%(x)s"]\n\turl = ${y}\n[remote "origin"]\n'
    b'[branch "main"]\n\tremote = gone\n\tmerge = refs/heads/gone\n[remote "other"]\n\tprune\n',
])  # fmt: skip
def test_a_configuration_that_git_understands_stops_nothing(
    repo: Repo, secret: str, lines: bytes
) -> None:
    repo.commit_file("f", holding(secret))
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD~1")
    with (repo.path / ".git/config").open("ab") as file:
        file.write(lines)
    repo.git("status")
    repo.leakguard("scan", "--history", "--all").found("f:1:10")
    line = f"refs/heads/main {repo.head()} refs/heads/main {ZERO}"
    repo.push(line).found("f:1:10")
    repo.stage("g", holding(secret))
    repo.gate().found("g:1:10")


def test_a_configuration_that_git_does_not_understand_is_unread(repo: Repo) -> None:
    repo.stage("f", "clean\n")
    repo.write(".git/config", "[core\n")
    repo.gate().unread("bad config")
    repo.leakguard("scan", "--history").unread("bad config")
    repo.leakguard("scan").unread("bad config")


def test_a_name_of_a_branch_cannot_pass_for_anything_else(repo: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret))
    for name in ("a\u2028blob", "a\u0085b", "-x", "blob", "%x00", "\u202egnp"):
        repo.git("update-ref", "--stdin", "-z", stdin=f"create refs/heads/{name}\0HEAD\0".encode())
    repo.leakguard("scan", "--history", "--all").found("f:1:10")
    repo.push_head().found("f:1:10")
