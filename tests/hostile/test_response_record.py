"""The record under what happens to machines: clocks, crowds, kill -9, full and damaged disks."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from hostile.forked import Forked, Said
from hostile.scratch import environment, is_plain

OPEN = ("respond", "--manual", "--class", "generic", "--label", "billing", "--channel", "chat")
"""Opens an incident without a repository."""


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Forked]]:
    """The program twice, for two people."""
    folder = tmp_path_factory.mktemp("programs")
    env = environment(folder / "home", folder / "cache")
    with ExitStack() as stack:
        yield [
            stack.enter_context(Forked(folder / f"said{number}", folder, env))
            for number in range(2)
        ]


@pytest.fixture
def ask(programs: list[Forked], tmp_path: Path) -> Callable[..., Said]:
    """The program over a record of its own; every answer must be sane."""

    def run(*words: str, who: int = 0, **env: str) -> Said:
        env = {"LEAKGUARD_DATA": str(tmp_path / "data"), "LEAKGUARD_ACTOR": f"p{who}"} | env
        said = programs[who].run(*words, cwd=tmp_path, **env)
        assert said.status in (0, 2, 3, 4, 6, 7), said
        assert "Traceback" not in said.text
        assert is_plain(said.text), said
        return said

    return run


def at(days: float, folder: Path, env: dict[str, str]) -> None:
    """A note, and the looks, on a machine whose clock is wrong by so many days."""
    code = (
        "import sys; from datetime import UTC, datetime, timedelta\n"
        "import leakguard.cli.desk as desk\n"
        f"desk.Desk.now = lambda self: datetime.now(UTC) + timedelta(days={days})\n"
        "from leakguard.cli import main\n"
        f"asked = [['note', '1', 'the clock is {days} days off'], ['watch', '--once'],\n"
        "         ['status', '1'], ['notice', '1', 'status'], ['explain', '1']]\n"
        "sys.exit(max(main(words) for words in asked))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=folder, env=env, capture_output=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode in (0, 6, 7), done.stderr.decode()


def test_a_clock_that_jumps_leaves_a_record_in_order(
    ask: Callable[..., Said], programs: list[Forked], tmp_path: Path
) -> None:
    assert ask(*OPEN).status == 0
    env = programs[0].env | {"LEAKGUARD_DATA": str(tmp_path / "data")}
    for days in (-20_000, 30 * 365, -2):
        at(days, tmp_path, env)
    rows = [row for row in ask("timeline", "1").out.splitlines() if row[:2].isdigit()]
    assert rows == sorted(rows, key=lambda row: row[:19])
    assert len([row for row in rows if "days off" in row]) == 3
    assert ask("audit", "verify").status == 0
    assert ask(*OPEN).status == 0


def test_two_people_at_once_lose_nothing(ask: Callable[..., Said]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ask(*OPEN)
    steps = ("identify", "code-name")

    def work(who: int) -> list[Said]:
        said = [ask("note", "1", f"note {number} of p{who}", who=who) for number in range(6)]
        return said + [ask("done", "1", step, "--note", f"by {who}", who=who) for step in steps]

    with ThreadPoolExecutor(2) as pool:
        said = [one for several in pool.map(work, range(2)) for one in several]
    assert all(one.status in (0, 2, 6) for one in said), said
    assert sum(one.status == 0 for one in said) > 12
    told = ask("timeline", "1").out
    for who in range(2):
        for number in range(6):
            assert f"  note {number} of p{who}\n" in told
    assert ask("audit", "verify").status == 0


def test_two_people_open_incidents_at_once_under_numbers_of_their_own(
    ask: Callable[..., Said],
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda who: [ask(*OPEN, who=who).status for _ in range(3)], range(2)))
    assert said == [[0] * 3] * 2
    names = [line.split()[0] for line in ask("list", "--all").out.splitlines()]
    assert [name[-4:] for name in sorted(names)] == [f"{number:04}" for number in range(1, 7)]
    assert ask("audit", "verify").status == 0


LOOP = """
import sys
from leakguard.cli import main
for number in range(10_000):
    status = main([word.replace("%", str(number)) for word in sys.argv[1:]])
    if status: sys.exit(status)
"""


@pytest.mark.parametrize("words", [("note", "1", "note %."), (*OPEN, "--title", "incident %.")])
def test_kill_9_at_any_moment_leaves_a_record_that_is_whole(
    ask: Callable[..., Said], programs: list[Forked], tmp_path: Path, words: tuple[str, ...]
) -> None:
    ask(*OPEN)
    env = programs[0].env | {"LEAKGUARD_DATA": str(tmp_path / "data")}
    for moment in (0.31, 0.83):
        told = tmp_path / "told"
        with told.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-P", "-c", LOOP, *words], cwd=tmp_path, env=env, stdout=out
            )
            deadline = time.monotonic() + 60
            while told.stat().st_size < 100 and time.monotonic() < deadline:
                time.sleep(0.005)  # it has begun to write
            time.sleep(moment)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        said = told.read_text()
        assert said
        assert ask("audit", "verify").status == 0
        assert ask("note", "1", f"after {moment}").status == 0
    assert "after 0.83" in ask("timeline", "1").out
    shown = ask("timeline", "1").out + ask("list", "--all").out
    assert ("  note 0.\n" in shown) or ("incident 0." in shown)


EVERYTHING = (
    ("status",), ("status", "1", "--json"), ("timeline", "1"), ("checklist", "1"),
    ("note", "1", "x"), ("done", "1", "identify"), ("watch", "--once"), ("audit", "verify"),
    ("notice", "1"), OPEN, ("advance", "1"),
)  # fmt: skip


def _garbage(data: Path) -> None:
    _settled(data)
    (data / "incidents.db").write_bytes(os.urandom(8192))


def _cut(data: Path) -> None:
    _settled(data)
    raw = (data / "incidents.db").read_bytes()
    (data / "incidents.db").write_bytes(raw[: len(raw) // 2])


def _holes(data: Path) -> None:
    _settled(data)
    raw = bytearray((data / "incidents.db").read_bytes())
    for start in range(4096 + 100, len(raw) - 600, 4096):
        raw[start : start + 500] = os.urandom(500)
    (data / "incidents.db").write_bytes(raw)


def _settled(data: Path) -> None:
    """All of it in one file."""
    import sqlite3

    with sqlite3.connect(data / "incidents.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    for ending in ("-wal", "-shm"):
        Path(f"{data}/incidents.db{ending}").unlink(missing_ok=True)


def _empty(data: Path) -> None:
    for ending in ("-wal", "-shm"):
        Path(f"{data}/incidents.db{ending}").unlink(missing_ok=True)
    (data / "incidents.db").write_bytes(b"")


def _gone(data: Path) -> None:
    for file in data.glob("incidents.db*"):
        file.unlink()


def _folder(data: Path) -> None:
    _gone(data)
    (data / "incidents.db").mkdir()


READS = ("status", "timeline", "checklist", "watch", "notice", "advance")
"""What only looks needs no key, and may not come across what is broken."""


def _no_keys(data: Path) -> None:
    shutil.rmtree(data / "keys")


def _other_key(data: Path) -> None:
    (data / "keys/signing.key").write_bytes(os.urandom(32))


def _open_to_all(data: Path) -> None:
    (data / "incidents.db").chmod(0o666)


def _a_link(data: Path) -> None:
    (data / "incidents.db").rename(data.parent / "elsewhere.db")
    (data / "incidents.db").symlink_to(data.parent / "elsewhere.db")


@pytest.mark.parametrize(
    "harm",
    [
        _garbage,
        _cut,
        _holes,
        _empty,
        _gone,
        _folder,
        _no_keys,
        _other_key,
        _open_to_all,
        _a_link,
    ],
)
def test_a_damaged_record_is_one_clear_error_in_every_command(
    ask: Callable[..., Said], tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    ask(*OPEN)
    ask("note", "1", "x" * 30_000)
    harm(tmp_path / "data")
    for words in EVERYTHING:
        said = ask(*words)
        if words[0] in READS and said.status in (0, 6) and harm in (_holes, _no_keys, _other_key):
            continue
        assert said.status == 4, (words, said)
        if words[0] != "audit":
            assert said.text.count("error: ") == 1, said
            assert "hint: " in said.text, said
        assert len(said.text) < 2000, said
    assert ask("audit", "verify").status == 4
    assert ask("doctor").status == 3


def test_files_that_may_grow_no_more_are_one_clear_error(
    programs: list[Forked], ask: Callable[..., Said], tmp_path: Path
) -> None:
    ask(*OPEN)
    env = programs[0].env | {"LEAKGUARD_DATA": str(tmp_path / "data")}

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    for words in (("note", "1", "x" * 20_000), OPEN):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "leakguard", *words], cwd=tmp_path, env=env, check=False,
            capture_output=True, preexec_fn=small, timeout=60,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 4, said
        assert said.count("error: ") == 1
        assert "Traceback" not in said
    assert ask("audit", "verify").status == 0
    assert ask("note", "1", "room again").status == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of less than a megabyte."""
    disk = tmp_path / "data"
    disk.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size=900k,mode=700,uid={os.geteuid()}", "none", str(disk)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_and_a_read_only_disk_are_one_clear_error(
    ask: Callable[..., Said], small_disk: Path
) -> None:
    assert ask(*OPEN).status == 0
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    for words in (("note", "1", "x" * 30_000), OPEN):
        said = ask(*words)
        assert (said.status, said.text.count("error: ")) == (4, 1), said
    filler.unlink()
    assert ask("audit", "verify").status == 0
    assert ask("note", "1", "room again").status == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for words in (("note", "1", "x"), ("done", "1", "identify"), OPEN):
        said = ask(*words)
        assert (said.status, said.text.count("error: ")) == (4, 1), said


def test_a_record_inside_of_a_repository_is_refused(
    ask: Callable[..., Said], tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    for place in ("repo", "repo/deep/er"):
        for name in ("LEAKGUARD_DATA", "LEAKGUARD_STORE"):
            said = ask(*OPEN, **{name: str(tmp_path / place / "data")})
            assert said.status == 2, (place, name)
    assert not list((tmp_path / "repo").rglob("*.db*"))
