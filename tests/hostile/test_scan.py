"""`leakguard scan`: what is asked for is what is looked at, and the exit code says how it went."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hostile.scratch import (
    CLEAN,
    CONFIG,
    FOUND,
    PROGRAM,
    SECONDS,
    UNREAD,
    USAGE,
    ZERO,
    Repo,
    fake,
    holding,
)
from leakguard.read.stream import CHUNK, OVERLAP

MIB = 1024 * 1024


# Standard input


def test_standard_input_is_looked_at(folder: Repo, secret: str) -> None:
    folder.leakguard("scan", "-", stdin=holding(secret).encode()).found("(standard input):1:10")
    folder.leakguard("scan", "-", stdin=b"clean\n").is_clean()
    folder.leakguard("scan", "-", stdin=b"").is_clean()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_wide_standard_input_is_looked_at(folder: Repo, secret: str, encoding: str) -> None:
    stdin = holding(secret, after=3).encode(encoding)
    folder.leakguard("scan", "-", stdin=stdin).found("(standard input):4:10")


def test_standard_input_that_comes_in_drops_is_looked_at(folder: Repo, secret: str) -> None:
    text = holding(secret, after=30)
    feed = f"import sys, time\nfor c in {text!r}:\n sys.stdout.write(c); sys.stdout.flush()"
    with subprocess.Popen([sys.executable, "-c", feed], stdout=subprocess.PIPE) as drops:
        done = subprocess.run(
            [*PROGRAM, "scan", "-"], stdin=drops.stdout, cwd=folder.path, env=folder.env,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert "(standard input):31:10" in done.stdout


def test_closed_standard_input_is_empty_and_nothing_else_takes_its_place(
    folder: Repo, secret: str
) -> None:
    folder.write("f", holding(secret))
    script = f"{' '.join(PROGRAM)} scan - <&-; {' '.join(PROGRAM)} scan f <&-"
    done = folder._run(("sh", "-c", script), b"", {})
    assert done.returncode == FOUND
    assert done.stdout.startswith(b"Clean: 1 file")
    assert b"--> f:1:10" in done.stdout
    assert not done.stderr


def test_an_archive_on_standard_input_is_looked_into(folder: Repo, secret: str) -> None:
    folder.leakguard("scan", "-", stdin=zipped({"a/f": holding(secret)})).found(
        "(standard input)!a/f:1:10"
    )


def zipped(files: dict[str, str]) -> bytes:
    """An archive in memory."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file.getvalue()


# Paths


def test_paths_of_all_kinds_together(repo: Repo, folder: Repo) -> None:
    folder.write("out/f", holding(fake("outside")))
    repo.stage("tracked", holding(fake("tracked")))
    repo.write("untracked", holding(fake("untracked")))
    repo.write("sub/deep", holding(fake("deep")))
    repo.write("not named", holding(fake("not named")))
    out = folder.path / "out"
    repo.leakguard("scan", "tracked", "untracked", "sub", str(out)).found(
        f"{out}/f:1:10", "sub/deep:1:10", "tracked:1:10", "untracked:1:10"
    )
    repo.inside("sub").leakguard("scan", "deep", "../tracked").found(
        "sub/deep:1:10", "tracked:1:10"
    )
    repo.leakguard("scan", "tracked", "./tracked", str(repo.path / "tracked")).found("tracked:1:10")


def test_one_path_that_is_missing_is_no_clean_scan(repo: Repo, secret: str) -> None:
    repo.write("f", holding(secret))
    assert repo.leakguard("scan", "README", "missing").status == UNREAD
    assert repo.leakguard("scan", "f", "missing").status in (FOUND, UNREAD)


def test_what_gitignore_names_is_left_out_unless_it_is_asked_for(repo: Repo) -> None:
    repo.write(".gitignore", "build/\n*.log\n!keep.log\n")
    for name in ("build/out", "a.log", "keep.log", "sub/b.log"):
        repo.write(name, holding(fake(name)))
    repo.stage("tracked.log", holding(fake("tracked")))
    repo.leakguard("scan").found("keep.log:1:10", "tracked.log:1:10")
    repo.leakguard("scan", "--ignored").found(
        "a.log:1:10", "build/out:1:10", "keep.log:1:10", "sub/b.log:1:10", "tracked.log:1:10"
    )
    repo.leakguard("scan", "a.log").found("a.log:1:10")
    repo.leakguard("scan", "build").found("build/out:1:10")
    repo.leakguard("scan", "build/out").found("build/out:1:10")
    repo.inside("build").leakguard("scan", ".").found("build/out:1:10")


def test_an_excluded_path_is_left_out_of_every_look(repo: Repo, secret: str) -> None:
    repo.stage(".leakguard.yml", "paths:\n  exclude: ['vendor/**']\n")
    repo.stage("vendor/f", holding(secret))
    repo.gate().is_silent()
    repo.leakguard("scan").is_clean()
    repo.leakguard("scan", "vendor/f").is_clean()
    repo.git("mv", "vendor/f", "moved")
    repo.gate().found("moved:1:10")


def test_a_repository_in_a_repository_is_looked_at(repo: Repo) -> None:
    inner = Repo(repo.path / "inner", repo.env)
    inner.path.mkdir()
    inner.git("init", "-q")
    inner.commit_file("tracked", holding(fake("tracked")))
    inner.write("untracked", holding(fake("untracked")))
    repo.leakguard("scan").found("inner/tracked:1:10", "inner/untracked:1:10")
    repo.leakguard("scan", "inner").found("inner/tracked:1:10", "inner/untracked:1:10")
    inner.leakguard("scan").found("tracked:1:10", "untracked:1:10")


def test_a_submodule_is_passed_over_unless_it_is_asked_for(repo: Repo, tmp_path: Path) -> None:
    part = Repo(tmp_path / "part", repo.env)
    part.path.mkdir()
    part.git("init", "-q")
    part.commit_file("f", holding(fake("theirs")))
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part.path), "p")
    repo.commit()
    repo.leakguard("scan").is_clean()
    repo.leakguard("scan", "p").found("p/f:1:10")


def test_a_folder_with_several_repositories_is_looked_at(folder: Repo) -> None:
    for name in ("one", "two"):
        part = Repo(folder.path / name, folder.env)
        part.path.mkdir()
        part.git("init", "-q")
        part.write("f", holding(fake(name)))
    folder.leakguard("scan").found("one/f:1:10", "two/f:1:10")
    folder.leakguard("scan", "one", "two").found("one/f:1:10", "two/f:1:10")


def test_inside_of_the_git_folder_nothing_is_called_clean(repo: Repo) -> None:
    repo.inside(".git").leakguard("scan", ".").unread()


# Ranges


def test_a_range_holds_what_its_commits_add(repo: Repo) -> None:
    base = repo.commit_file("old", holding(fake("old")))
    repo.commit_file("f", holding(fake("gone")))
    repo.commit_file("f", "clean\n")
    repo.commit_file("g", holding(fake("last")))
    repo.leakguard("scan", "--range", f"{base}..HEAD").found("f:1:10", "g:1:10")
    repo.leakguard("scan", "--range", f"{base}..HEAD~1").found("f:1:10")
    repo.leakguard("scan", "--range", "HEAD~1..").found("g:1:10")
    repo.leakguard("scan", "--range", "HEAD").found("f:1:10", "g:1:10", "old:1:10")
    repo.leakguard("scan", "--range", "HEAD..HEAD").is_clean()


def test_since_holds_what_was_committed_since(repo: Repo) -> None:
    for name, date in (("old", "2001-01-01T00:00:00Z"), ("new", "2021-01-01T00:00:00Z")):
        repo.stage(name, holding(fake(name)))
        repo.git("commit", "-q", "-m", name, GIT_COMMITTER_DATE=date, GIT_AUTHOR_DATE=date)
    repo.leakguard("scan", "--since", "2010-01-01").found("new:1:10")
    repo.leakguard("scan", "--since", "30 years ago").found("new:1:10", "old:1:10")
    repo.leakguard("scan", "--since", "yesterday").is_clean()


def test_a_range_that_a_pipeline_left_empty_is_no_pass(repo: Repo, secret: str) -> None:
    """`--range "$BASE..$HEAD"` with variables that nobody set."""
    repo.commit_file("f", holding(secret))
    spans = ["", "..", "...", "..HEAD", "...HEAD", "-x", "--all", "--output=x", "--not HEAD",
             "HEAD HEAD~1", " "]  # fmt: skip
    for words, said in repo.each(("scan", "--range", span) for span in spans):
        assert said.status in (USAGE, UNREAD), words
    assert not (repo.path / "x").exists()


def test_a_range_of_commits_that_are_not_there_is_unread(repo: Repo) -> None:
    spans = [f"{ZERO}..HEAD", "nowhere..HEAD", "HEAD..nowhere", f"{'1' * 40}..", "HEAD~99..HEAD",
             "README"]  # fmt: skip
    for words, said in repo.each(("scan", "--range", span) for span in spans):
        assert said.status == UNREAD, words


def test_a_day_that_is_none_is_no_pass(repo: Repo, secret: str) -> None:
    """git takes any words for "now", so that nothing is younger."""
    repo.commit_file("f", holding(secret))
    days = ["", "not a day", "x", "--all", " "]
    for words, said in repo.each(("scan", "--since", day) for day in days):
        assert said.status == USAGE, words


def test_a_repository_without_a_commit_is_no_clean_history(empty: Repo) -> None:
    assert empty.leakguard("scan", "--range", "HEAD").status == UNREAD
    assert empty.leakguard("scan", "--since", "yesterday").status == UNREAD
    assert empty.leakguard("scan", "--history").status in (CLEAN, UNREAD)
    empty.leakguard("scan", "--staged").is_clean()
    empty.leakguard("scan").is_clean()


def test_what_does_not_go_together_is_a_mistake(repo: Repo) -> None:
    repo.write("f", "clean\n")
    mistakes: list[tuple[str, ...]] = [
        ("--staged", "--history"), ("--staged", "f"), ("--range", "HEAD", "--since", "x"),
        ("--all",), ("--all", "--staged"), ("--jobs", "0"), ("--format", "no-such"), ("--no-such",),
        ("--range",), ("--history", "f"), ("--output", "/nowhere/x"), ("--output", "."),
    ]  # fmt: skip
    for words, said in repo.each(("scan", *words) for words in mistakes):
        assert said.status == USAGE, words
        assert said.err.startswith("error: "), words


# History


def test_the_history_of_a_bare_repository_is_looked_at(repo: Repo, secret: str) -> None:
    repo.commit_file("f", holding(secret))
    repo.commit_file("f", "clean\n")
    path = repo.path.parent / "bare.git"
    repo.git("clone", "-q", "--bare", str(repo.path), str(path))
    bare = Repo(path, repo.env)
    bare.leakguard("scan", "--history").found("f:1:10")
    bare.leakguard("scan", "--range", "HEAD~1..HEAD").is_clean()
    bare.leakguard("scan", "--range", "HEAD~2..HEAD").found("f:1:10")


def test_a_rule_for_some_paths_holds_in_history_too(repo: Repo) -> None:
    repo.stage(".leakguard.yml", "rules:\n  override:\n    digitalocean-pat: {paths: ['*.conf']}\n")
    repo.commit_file("a.conf", f"{fake('a')}\n")
    repo.commit_file("b.txt", f"{fake('b')}\n")
    repo.leakguard("scan").found("a.conf:1:1")
    repo.leakguard("scan", "--history").found("a.conf:1:1")


def test_a_history_packed_in_any_way_is_looked_at(repo: Repo, secret: str) -> None:
    for number in range(30):
        repo.stage("f", f"{holding(secret) if number == 15 else ''}{number}\n" * 3)
        if number % 10 == 0:
            repo.git("repack", "-q", "-d")
        repo.commit()
    repo.git("repack", "-q", "-a", "-d", "--depth=50", "--window=50")
    repo.leakguard("scan", "--history").found("f:1:10")
    repo.leakguard("scan", "--history", "--jobs", "7").found("f:1:10")


# Large inputs


def large(path: Path, size: int, spots: dict[int, str]) -> None:
    """A text of `size` bytes; `spots` says which bytes begin what."""
    unit = b"the quick brown fox jumps over the lazy dog, line after line\n"
    block = (unit * (MIB // len(unit) + 1))[:MIB]
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)
        for offset, text in spots.items():
            file.seek(offset)
            file.write(text.encode())


def line_of(path: Path, text: str) -> int:
    """The line on which a text begins, counted from 1."""
    data = path.read_bytes()
    return data.count(b"\n", 0, data.index(text.encode())) + 1


def peak(repo: Repo, *words: str, stdin: Path | None = None) -> tuple[int, str]:
    """(the most memory that the program used, MiB; what it printed)."""
    program = (
        "import sys; from leakguard import cli; status = cli.main(sys.argv[1:]); "
        "print([line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line][0])"
    )
    with open(stdin or os.devnull, "rb") as source:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, *words], cwd=repo.path, env=repo.env,
            stdin=source, capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    assert not done.stderr
    report, _, last = done.stdout.rstrip().rpartition("\n")
    return int(last) // 1024, report


def test_a_large_file_is_read_in_little_memory(folder: Repo, secret: str) -> None:
    """300 MB, most of it a hole, with text and secrets at both ends and between."""
    path = folder.path / "large"
    spot = f'\ntoken = "{secret}"\n'
    large(path, 8 * MIB, {4 * MIB: spot})
    other = f'\ntoken = "{fake("other")}"\n'
    with path.open("r+b") as file:
        file.seek(300 * MIB)
        file.write(other.encode())
    used, report = peak(folder, "scan", "large")
    assert used < 150
    assert report.count("error[digitalocean-pat]") == 2
    assert f"--> large:{line_of(path, spot) + 1}:10" in report
    assert f"--> large:{line_of(path, other) + 1}:10" in report


def test_a_large_text_is_read_in_little_memory_from_a_pipe_too(folder: Repo, secret: str) -> None:
    path = folder.path / "large"
    large(path, 100 * MIB, {99 * MIB + 7: f'\ntoken = "{secret}"\n'})
    for words in (("scan", "large"), ("scan", "-")):
        used, report = peak(folder, *words, stdin=path)
        assert used < 150
        assert report.count("error[") == 1
        assert f":{line_of(path, secret)}:10" in report


def border_spots() -> dict[int, str]:
    """A secret across each border that reading in parts has: of the parts and of their own ranges."""
    spots = {}
    for part in (1, 2):
        for border in (0, OVERLAP, 2 * OVERLAP):
            offset = part * CHUNK + border - 40
            spots[offset] = f'\ntoken = "{fake(str(offset))}"\n'
    spots[32 * MIB - 40] = f'\ntoken = "{fake("object")}"\n'
    return spots


@pytest.mark.parametrize("look", ["tree", "stdin", "staged", "history", "range"])
def test_a_secret_across_a_border_is_found_once_and_placed(repo: Repo, look: str) -> None:
    spots = border_spots()
    path = repo.path / "large"
    large(path, 34 * MIB, spots)
    repo.git("config", "core.compression", "0")
    if look != "tree":
        repo.git("add", "large")
        repo.commit() if look in ("history", "range") else None
    words = {
        "tree": ["large"], "stdin": ["-"], "staged": ["--staged"], "history": ["--history"],
        "range": ["--range", "HEAD~1..HEAD"],
    }[look]  # fmt: skip
    report = json.loads(
        repo.leakguard("scan", *words, "--format", "json", stdin=path.read_bytes()).out
    )
    places = sorted(
        (place["start_line"], place["start_column"])
        for finding in report["findings"]
        for place in finding["locations"]
    )
    assert places == sorted((line_of(path, text) + 1, 10) for text in spots.values())


def test_an_archive_that_is_large_is_looked_into(folder: Repo, secret: str) -> None:
    filler = os.urandom(9 * MIB).hex()
    (folder.path / "a.zip").write_bytes(zipped({"filler": filler, "f": holding(secret)}))
    folder.leakguard("scan").found("a.zip!f:1:10")


# Exit codes


@pytest.fixture
def half_read(folder: Repo) -> Repo:
    """A folder with an archive that cannot be read to its end."""
    whole = zipped({"f": "clean\n" * 100})
    (folder.path / "broken.zip").write_bytes(whole[: len(whole) // 2])
    return folder


def test_found_beats_unread_and_unread_beats_clean(half_read: Repo, secret: str) -> None:
    half_read.leakguard("scan").unread("not scanned: broken.zip")
    half_read.leakguard("scan", "--exit-zero").unread("not scanned: broken.zip")
    half_read.write("f", holding(secret))
    said = half_read.leakguard("scan")
    said.found("f:1:10")
    assert "not scanned: broken.zip" in said.out


def test_exit_zero_is_for_findings_only(half_read: Repo, secret: str) -> None:
    half_read.write("f", holding(secret))
    assert half_read.leakguard("scan", "f", "--exit-zero").status == CLEAN
    assert half_read.leakguard("scan", "--exit-zero").status == UNREAD
    assert half_read.leakguard("scan", "missing", "--exit-zero").status == UNREAD
    half_read.write(".leakguard.yml", "nonsense: 1\n")
    half_read.git("init", "-q")
    assert half_read.leakguard("scan", "--exit-zero").status == CONFIG


@pytest.mark.parametrize("shape", ["text", "json", "sarif"])
def test_every_format_tells_what_was_not_read(half_read: Repo, shape: str) -> None:
    half_read.leakguard("scan", "--format", shape).unread("broken.zip")
    half_read.leakguard("scan", "--format", shape, "--output", "report")
    assert "broken.zip" in (half_read.path / "report").read_text()


def test_a_report_that_cannot_be_written_is_no_pass(repo: Repo, secret: str) -> None:
    repo.write("f", holding(secret))
    for path in ("nowhere/report", ".", "/dev/full"):
        said = repo.leakguard("scan", "f", "--output", path)
        said.failed(USAGE, "cannot write")
    assert repo.leakguard("scan", "f", "--output", "report").status == FOUND
