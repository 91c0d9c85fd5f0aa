"""Logs as they come from Windows, from programs that say too much, and from jobs that still run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leakguard.cli import logs_scan
from leakguard.cli.logs import Wanted, scan
from leakguard.finding import Outcome
from leakguard.read import ci_log_slices

from .conftest import stamped, zipped

Pat = Callable[[], str]
SMALL = 512 * 1024
CALM = "a build says a lot of words about itself and about what it does\n"


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many readers for little logs: what counts is where the cuts are."""
    monkeypatch.setattr(ci_log_slices, "SLICE", SMALL)
    monkeypatch.setattr(logs_scan, "WORTH", SMALL)


def look(name: str, data: bytes = b"", jobs: int = 1) -> Outcome:
    if data:
        Path(name).write_bytes(data)
    return scan([(name, name)], Wanted(jobs=jobs))


def places(outcome: Outcome) -> list[tuple[int, int]]:
    assert not outcome.unread
    return sorted(
        (place.start_line, place.start_column)
        for one in outcome.findings
        for place in one.locations
    )


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r\r\n").encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode("utf-16"),
        lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode("utf-16-be"),
        lambda text: text.encode() + b"\0\xff\xfe" * 500,
        lambda text: text.replace("says", "s\0ys").encode(),
    ],
    ids=["plain", "crlf", "crcrlf", "utf-8 mark", "utf-16", "utf-16 be", "bytes", "zero bytes"],
)
def test_however_a_log_is_written_the_value_is_found_at_its_line(
    encode: Callable[[str], bytes], jobs: int, pat: Pat
) -> None:
    lines = CALM * 12_000
    text = f"{CALM}token {pat()} end\n{lines}last {pat()}\n{lines}"
    assert places(look("odd.log", encode(text), jobs)) == [(2, 7), (12_003, 6)]


def test_what_powershell_writes_with_its_redirection(pat: Pat) -> None:
    """Windows PowerShell 5 writes UTF-16; an appended line of another program stays readable."""
    text = f"PS C:\\> npm publish\r\nnpm notice\r\n$env:NPM_CONFIG_X = '{pat()}'\r\n"
    (place,) = places(look("out.log", text.encode("utf-16")))
    assert place[0] == 3


def test_a_line_that_another_program_appended_to_it(pat: Pat) -> None:
    """`>>` of cmd writes bytes, whatever the file began with."""
    text = f"PS C:\\> build\r\n{CALM}".replace("\n", "\r\n").encode("utf-16")
    data = text + f"token {pat()}\r\nlast words\r\n".encode()
    data += f"$env:A = '{pat()}'\r\n".encode("utf-16-le")
    assert [line for line, _ in places(look("out.log", data))] == [3, 5]


def test_a_log_that_only_begins_like_utf_16(pat: Pat) -> None:
    data = b"\xff\xfe\x80\xc3(\n" + f"token {pat()}\n".encode()
    assert places(look("odd.log", data)) == [(2, 7)]


def test_a_large_log_where_a_file_has_only_one_place_to_read_at(
    pat: Pat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which has neither fork nor pread."""
    monkeypatch.delattr(os, "fork")
    monkeypatch.delattr(os, "pread")
    text = f"token {pat()} end\n{CALM * 20_000}last {pat()}\n"
    assert places(look("large.log", text.encode(), jobs=2)) == [(1, 7), (20_002, 6)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_log_of_nothing_is_a_log(jobs: int) -> None:
    Path("empty.log").touch()
    assert look("empty.log", jobs=jobs).scanned.items == 1


def test_a_line_of_fifty_megabytes(pat: Pat) -> None:
    words = CALM.replace("\n", " ").encode()
    half = words * (25_000_000 // len(words))
    data = half + f"token {pat()} ".encode() + half
    assert places(look("long.log", data, 2)) == [(1, len(half) + 7)]


def test_a_log_that_grows_is_read_as_it_was(pat: Pat) -> None:
    Path("grows.log").write_text(CALM * 30_000 + f"token {pat()}\n")
    code = (
        "import time\n"
        "end = time.monotonic() + 30\n"
        "while time.monotonic() < end:\n"
        "    with open('grows.log', 'a') as file: file.write('more words of a build\\n' * 5)\n"
        "    print(flush=True); time.sleep(0.001)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            for jobs in (1, 2):
                assert places(look("grows.log", jobs=jobs)) == [(30_001, 7)]
        finally:
            writer.send_signal(signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "pread"), reason="there are no slices here")
def test_a_log_that_is_cut_while_it_is_read_is_told() -> None:
    path = Path("cut.log")
    path.write_text(CALM * 40_000)
    with path.open("rb") as file:
        slices = ci_log_slices.cut(file)
        os.truncate(path, slices[-1].start + 5)
        told = ci_log_slices.blob(
            file, ci_log_slices.Origin("ci_log", "cut.log"), slices[-1], ci_log_slices.Steps(), 0
        )
    assert (told.name, told.why) == ("cut.log", ci_log_slices.SHORTER)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_is_opened_once(pat: Pat) -> None:
    os.mkfifo("pipe")
    Path("calm.log").write_text(f"token {pat()}\n" + CALM * 20_000)
    with subprocess.Popen(["sh", "-c", "cat calm.log >pipe"]) as writer:
        words = [sys.executable, "-m", "leakguard", "logs", "--jobs", "2", "pipe"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert "--> pipe:1:7" in done.stdout
    assert writer.returncode == 0


def same(outcome: Outcome) -> list[object]:
    """What does not depend on how a log was cut for reading."""
    return sorted(
        (one.fingerprint, one.confidence, one.locations,
         [seen.detail for seen in one.evidence if seen.term in ("log", "dump", "pair", "view")])
        for one in outcome.findings
    )  # fmt: skip


def at_one_go(name: str) -> Outcome:
    """What is found in a log that comes through a pipe, which nobody can cut into slices."""
    pipe = f"{name}.pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: Path(pipe).write_bytes(Path(name).read_bytes()))
    writer.start()
    outcome = scan([(pipe, name)], Wanted())
    writer.join()
    return outcome


def test_readers_beside_each_other_find_what_one_finds(pat: Pat, fake: Callable[..., str]) -> None:
    """Tokens, steps, a dump and a broken line, all over a log of several slices."""
    parts = []
    for number in range(12):
        parts += [stamped(f"##[group]Step {number}") if number % 3 == 0 else "", CALM * 4_000]
        parts += [f"token {pat()}\n", f"+ export DB_PASSWORD={fake('{{alnum:20}}')}\n"]
        line = "the token is " + "x" * 40 + " " + pat() + " and more"
        parts += [line[at : at + 80] + "\n" for at in range(0, len(line), 80)]
    parts += ["AWS_ACCESS_KEY_ID=AKIA" + fake("{{base32:16}}") + "\n", "A=1\n" * 100,
              "AWS_SECRET_ACCESS_KEY=" + fake("{{base64:40}}") + "\n"]  # fmt: skip
    text = "".join(parts)
    Path("large.log").write_text(text)
    with Path("large.log").open("rb") as file:
        assert len(ci_log_slices.cut(file)) > 2
    alone, together = look("large.log"), look("large.log", jobs=3)
    assert len(alone.findings) == 38
    assert same(alone) == same(together) == same(at_one_go("large.log"))
    assert together.scanned.items == 1
    Path("small.log").write_text(f"token {pat()}\n")
    Path("logs.zip").write_bytes(
        zipped(**{"0_a.txt": text[:1_000_000], "a/1_Run.txt": text[:1_000_000], "1_b.txt": CALM})
    )
    files = [(name, name) for name in ("logs.zip", "small.log", "large.log", "gone.log")]
    one, many = scan(files, Wanted()), scan(files, Wanted(jobs=3))
    assert same(one) == same(many)
    assert one.unread == many.unread
    assert one.scanned.items == many.scanned.items == 5


def test_no_reader_is_left_behind() -> None:
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    if not children.exists():
        pytest.skip("this system does not tell a process's children")
    before = children.read_text()
    Path("calm.log").write_text(CALM * 40_000)
    assert not look("calm.log", jobs=4).findings
    deadline = time.monotonic() + 5
    while children.read_text() != before:
        assert time.monotonic() < deadline, "a reader is still there"
