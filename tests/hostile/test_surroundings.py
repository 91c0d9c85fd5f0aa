"""Disks, caches, terminals, signals and other processes that do not do as we wish."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostile.scratch import (
    CLEAN,
    CONFIG,
    FOUND,
    INTERRUPTED,
    PROGRAM,
    UNREAD,
    USAGE,
    Repo,
    fake,
    holding,
    is_plain,
)


@pytest.fixture
def staged(repo: Repo, secret: str) -> Repo:
    """A repository with a staged secret, and few rules, so that packs are made quickly."""
    repo.write(".leakguard.yml", "rules: {enable: [digitalocean-pat]}\n")
    repo.stage("f", holding(secret))
    return repo


# The cache


def kept(cache: Path) -> list[str]:
    """What a cache folder holds."""
    return sorted(os.listdir(cache))


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null", "/dev/null/x", "\x00", "x" * 5000])
def test_a_cache_that_cannot_be_made_only_costs_time(staged: Repo, place: str) -> None:
    if "\0" in place:
        place = str(staged.path / "README")
    staged.gate(LEAKGUARD_CACHE=place).found("f:1:10")


def mounted(path: Path, options: str) -> Iterator[Path]:
    """A file system of its own, if we may mount one."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody can write to, not even root."""
    yield from mounted(tmp_path / "read only", "ro,mode=700")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    yield from mounted(tmp_path / "tiny", "size=64k,mode=700")


def test_a_cache_that_may_not_be_written_only_costs_time(staged: Repo, read_only: Path) -> None:
    staged.gate(LEAKGUARD_CACHE=str(read_only)).found("f:1:10")
    assert not kept(read_only)


def test_a_cache_on_a_full_disk_only_costs_time(staged: Repo, tiny: Path) -> None:
    (tiny / "filler").write_bytes(b"x" * 56_000)
    cache = tiny / "cache"
    staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")
    assert not kept(cache), "half a pack was left behind"


def test_a_repository_on_a_full_disk_is_looked_at(staged: Repo, tiny: Path) -> None:
    """The memory of findings cannot be written; the commit is stopped all the same."""
    shutil.move(staged.path / ".git", tiny.parent / "git")
    (staged.path / ".git").write_text(f"gitdir: {tiny.parent}/git\n")
    (tiny.parent / "git/leakguard").symlink_to(tiny)
    (tiny / "filler").write_bytes(b"x" * 60_000)
    staged.gate().found("f:1:10")
    assert not [name for name in kept(tiny) if name.endswith(".new")]


def test_a_limit_on_the_size_of_files_only_costs_time(staged: Repo, tmp_path: Path) -> None:
    cache = tmp_path / "limited"
    script = f"ulimit -f 8; LEAKGUARD_CACHE={cache} exec {' '.join(PROGRAM)} hook pre-commit"
    done = staged._run(("bash", "-c", script), b"", {})
    assert done.returncode == FOUND, done
    assert b"--> f:1:10" in done.stdout
    assert not kept(cache)


@pytest.mark.parametrize("home", [None, "", "relative", "/nowhere/at/all", "/dev/null"])
def test_a_home_of_any_kind_is_no_matter(staged: Repo, home: str | None) -> None:
    env = {name: text for name, text in staged.env.items() if name != "LEAKGUARD_CACHE"}
    env["XDG_CACHE_HOME"] = "" if home is None else f"{staged.path.parent}/xdg"
    if home is None:
        del env["HOME"]
    else:
        env["HOME"] = home
    if home is None:  # or the cache of whoever runs the tests would be used
        env["XDG_CACHE_HOME"] = "relative"
    Repo(staged.path, env).gate().found("f:1:10")
    assert not (staged.path / "relative").exists()


def test_a_pack_that_is_damaged_or_foreign_is_made_anew(staged: Repo, tmp_path: Path) -> None:
    cache = tmp_path / "own"
    staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")
    [name] = kept(cache)
    pack = cache / name
    whole = pack.read_bytes()
    middle = len(whole) // 2
    for damaged in (b"", whole[:middle], whole[:middle] + b"x" + whole[middle + 1 :],
                    b"leakguard pack 1\n-1 -1 0\n", b"leakguard pack 1\n" + b"9" * 5000 + b" 1 1\n"):  # fmt: skip
        pack.write_bytes(damaged)
        staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")
        assert max((cache / one).stat().st_size for one in kept(cache)) == len(whole)


def test_a_pack_that_others_may_write_is_not_used(staged: Repo, tmp_path: Path) -> None:
    cache = tmp_path / "own"
    staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")
    [name] = kept(cache)
    (cache / name).write_bytes(b"leakguard pack 1\n0 2 0\n{}")
    (cache / name).chmod(0o666)
    staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")
    cache.chmod(0o777)
    (cache / name).write_bytes(b"leakguard pack 1\n0 2 0\n{}")
    staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")


def test_a_pack_that_is_a_link_is_not_used(staged: Repo, tmp_path: Path) -> None:
    cache = tmp_path / "own"
    staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")
    [name] = kept(cache)
    os.rename(cache / name, cache / "elsewhere")
    (cache / "elsewhere").write_bytes(b"leakguard pack 1\n0 2 0\n{}")
    (cache / name).symlink_to("elsewhere")
    staged.gate(LEAKGUARD_CACHE=str(cache)).found("f:1:10")


def test_ten_hooks_at_once_with_an_empty_cache_all_answer(staged: Repo, tmp_path: Path) -> None:
    cache = tmp_path / "shared"
    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(lambda _: staged.gate(LEAKGUARD_CACHE=str(cache)), range(10)))
    for answer in said:
        answer.found("f:1:10")
    assert len(kept(cache)) == 1


# Where the report goes


@pytest.mark.parametrize("words", [("scan",), ("scan", "--format", "json"), ("rules", "list"),
                                   ("scan", "--staged"), ("hook", "pre-commit"), ("--help",)])  # fmt: skip
def test_a_reader_that_leaves_gets_no_traceback(repo: Repo, words: tuple[str, ...]) -> None:
    repo.stage("f", "".join(holding(fake(str(number))) for number in range(400)))
    command = " ".join(map(str, (*PROGRAM, *words)))
    script = f"({command}; echo $? >&3) 2>err | head -c 10 >/dev/null"
    done = repo._run(("bash", "-c", f"exec 3>status; {script}"), b"", {})
    assert done.returncode == 0
    assert "Traceback" not in (repo.path / "err").read_text()
    assert int((repo.path / "status").read_text()) in (CLEAN, FOUND, UNREAD)


def test_a_reader_that_is_not_there_gets_no_traceback(repo: Repo, secret: str) -> None:
    repo.stage("f", holding(secret))
    for words in (("scan",), ("hook", "pre-commit"), ("rules", "list")):
        source, sink = os.pipe()
        os.close(source)
        done = subprocess.run(
            [*PROGRAM, *words], cwd=repo.path, env=repo.env, stdout=sink, stderr=subprocess.PIPE,
            check=False, timeout=60,
        )  # fmt: skip
        os.close(sink)
        assert done.stderr == b""
        assert done.returncode in ((FOUND, UNREAD) if words[0] != "rules" else (UNREAD,))


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_answer(repo: Repo, secret: str, closed: str) -> None:
    def status(words: str) -> int:
        script = f"{' '.join(PROGRAM)} {words} {closed}"
        return repo._run(("sh", "-c", script), b"", {}).returncode

    repo.commit_file("old", holding(fake("old")))
    repo.stage("f", "clean\n")
    assert status("hook pre-commit") == CLEAN
    assert status("scan --history") == FOUND
    repo.stage("f", holding(secret))
    assert status("hook pre-commit") == FOUND
    assert status("scan --nonsense") == USAGE
    assert status("scan nowhere") == UNREAD
    repo.write(".leakguard.yml", "nonsense: 1\n")
    assert status("hook pre-commit") == CONFIG


def test_a_full_disk_behind_the_report_is_told(staged: Repo) -> None:
    for words in (("scan",), ("hook", "pre-commit"), ("scan", "--format", "json")):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*PROGRAM, *words], cwd=staged.path, env=staged.env, stdout=full,
                stderr=subprocess.PIPE, text=True, check=False, timeout=60,
            )  # fmt: skip
        assert done.returncode == UNREAD
        assert "the report could not be written" in done.stderr
        assert "a bug" not in done.stderr


@pytest.mark.parametrize("told", [
    {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "LANG": "C"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "no_SUCH.locale"}, {"PYTHONIOENCODING": "utf-16"}, {"PYTHONUTF8": "1"},
])  # fmt: skip
def test_a_terminal_of_any_language_is_fine(repo: Repo, secret: str, told: dict[str, str]) -> None:
    repo.stage("\u00fcml\u00e4ut-\u5bc6\u94a5".encode(), "\u00fc\u5bc6 " + holding(secret))
    repo.stage(b"\xff", holding(fake("other")))
    done = repo._run((*PROGRAM, "hook", "pre-commit"), b"", told)
    assert done.returncode == FOUND, done
    assert b"Traceback" not in done.stderr
    if "utf-16" not in told.values():
        assert done.stdout.count(b"-->") == 2
    done = repo._run((*PROGRAM, "scan", "nowhere-\u00fc"), b"", told)
    assert done.returncode == UNREAD
    assert b"a bug" not in done.stderr


def test_a_real_terminal_gets_colours_and_nothing_else(staged: Repo) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "scan"], cwd=staged.path, env=staged.env | {"TERM": "xterm"}, stdout=theirs,
        stderr=theirs, stdin=theirs,
    ) as child:  # fmt: skip
        os.close(theirs)
        text = b""
        while part := read(ours):
            text += part
    os.close(ours)
    assert child.returncode == FOUND
    import re

    plain = re.sub(r"\x1b\[[0-9]{1,2}m", "", text.decode()).replace("\r\n", "\n")
    assert is_plain(plain)
    assert "--> f:1:10" in plain


def read(descriptor: int) -> bytes:
    """What comes from a terminal; nothing once the other side has gone."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


# Signals


def children(marker: str) -> list[str]:
    """The commands of running processes that have `marker` in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass
    return found


@pytest.fixture
def long_history(repo: Repo) -> Repo:
    """A history that takes a while to read: 80 MB, and no secret."""
    block = "the quick brown fox jumps over the lazy dog\n" * 5000
    parts = ["commit refs/heads/main\ncommitter a <a@example.org> 1700000000 +0000\ndata 0\n"]
    for number in range(350):
        body = f"{number}\n" + block[number % 1000 :]
        parts.append(f"M 100644 inline f{number}\ndata {len(body)}\n{body}\n")
    repo.git("-c", "core.compression=0", "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet",
             "--depth=0", "--force", stdin="".join(parts).encode())  # fmt: skip
    return repo


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_interrupted_history_ends_at_once_and_leaves_nobody_behind(
    long_history: Repo,
) -> None:
    for after in (0.1, 0.2, 0.3, 0.5):
        interrupt(long_history, after)


def interrupt(long_history: Repo, after: float) -> None:
    """Start a scan, interrupt it after so many seconds, and look what is left."""
    marker = f"LEAKGUARD_TEST_MARK={long_history.path}"
    name, _, value = marker.partition("=")
    with subprocess.Popen(
        [*PROGRAM, "scan", "--history", "--all"], cwd=long_history.path,
        env=long_history.env | {name: value}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as child:  # fmt: skip
        time.sleep(after)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=10)
    assert child.returncode in (INTERRUPTED, -signal.SIGINT, CLEAN)
    if child.returncode == INTERRUPTED:
        assert "Traceback" not in err
        assert err.strip() == "error: interrupted; nothing was decided"
        assert not out
    deadline = time.monotonic() + 3
    while children(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not children(marker)


def test_an_interrupted_read_of_standard_input_ends_at_once(folder: Repo) -> None:
    with subprocess.Popen(
        [*PROGRAM, "scan", "-"], cwd=folder.path, env=folder.env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=10)
    assert child.returncode == INTERRUPTED
    assert "Traceback" not in err


def test_a_hook_in_a_folder_that_is_gone_is_unread(repo: Repo) -> None:
    script = f"mkdir x; cd x; rmdir ../x; {' '.join(PROGRAM)} hook pre-commit"
    done = repo._run(("sh", "-c", script), b"", {})
    assert done.returncode == UNREAD, done
    assert b"a bug" not in done.stderr
    done = repo._run(("sh", "-c", script.replace("hook pre-commit", "scan")), b"", {})
    assert done.returncode == UNREAD, done
