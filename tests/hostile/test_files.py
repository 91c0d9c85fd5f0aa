"""Files and folders as they come: gone, growing, forbidden, links, pipes, devices."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostile.scratch import PROGRAM, Answer, Repo, fake, holding

NOBODY = 65534


# What may not be read


def as_nobody(folder: Repo, *words: str) -> Answer:
    """Run the program as a user who may not read everything."""
    command = [*PROGRAM, *words]
    cache = Path(folder.env["LEAKGUARD_CACHE"])
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root reads everything, and there is no setpriv to become somebody else")
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        usable = subprocess.run(
            [*become, *PROGRAM, "--version"], capture_output=True, cwd="/", check=False
        )
        if usable.returncode:
            pytest.skip("nobody else may run the program here")
        command = become + command
        os.chown(cache, NOBODY, NOBODY)
    done = subprocess.run(
        command, cwd=folder.path, env=folder.env | {"LEAKGUARD_CACHE": str(cache)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr).is_sane()


@pytest.fixture(scope="module")
def open_place() -> Iterator[Path]:
    """A folder that everybody may enter, which those of pytest are not, with a cache in it."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        (Path(path) / "cache").mkdir(0o700)
        yield Path(path)


@pytest.fixture
def open_folder(open_place: Path, env: dict[str, str]) -> Repo:
    """A folder in there."""
    path = Path(tempfile.mkdtemp(dir=open_place))
    path.chmod(0o755)
    changes = {"HOME": "/", "GIT_CONFIG_GLOBAL": "/dev/null"}
    return Repo(path, env | changes | {"LEAKGUARD_CACHE": str(open_place / "cache")})


def test_a_file_that_may_not_be_read_is_unread(open_folder: Repo, secret: str) -> None:
    open_folder.write("f", "clean\n").chmod(0)
    as_nobody(open_folder, "scan").unread("not scanned: f", "Permission denied")
    as_nobody(open_folder, "scan", "f").unread("not scanned: f", "Permission denied")
    open_folder.write("g", holding(secret))
    said = as_nobody(open_folder, "scan")
    said.found("g:1:10")
    assert "not scanned: f" in said.out


def test_a_folder_that_may_not_be_read_is_unread(open_folder: Repo, secret: str) -> None:
    open_folder.write("a/deep/f", holding(secret))
    (open_folder.path / "a/deep").chmod(0)
    open_folder.write("b", "clean\n")
    as_nobody(open_folder, "scan").unread("not scanned: a/deep", "Permission denied")
    as_nobody(open_folder, "scan", "a/deep").unread("not scanned: a/deep", "Permission denied")
    as_nobody(open_folder, "scan", "a/deep/f").unread("cannot read")


def test_a_folder_that_git_may_not_enter_is_unread(open_folder: Repo, secret: str) -> None:
    """git leaves it out with a warning and calls that a success."""
    open_folder.git("init", "-q")
    open_folder.write("a/deep/f", holding(secret))
    open_folder.write("b", "clean\n")
    if os.geteuid() == 0:
        for path in [open_folder.path, *open_folder.path.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    (open_folder.path / "a/deep").chmod(0)
    as_nobody(open_folder, "scan").unread("not scanned: a/deep", "Permission denied")


def test_a_folder_in_place_of_a_file_is_not_taken_for_a_clean_one(repo: Repo, secret: str) -> None:
    repo.commit_file("f", "clean\n")
    (repo.path / "f").unlink()
    repo.write("f/inside", holding(secret))
    repo.leakguard("scan").found("f/inside:1:10")
    repo.leakguard("scan", "f").found("f/inside:1:10")
    repo.leakguard("hook", "pre-commit", "f").found("f/inside:1:10")


# What changes while it is read


def test_a_file_that_goes_away_in_between_is_no_failure(folder: Repo, secret: str) -> None:
    """git or a compiler removes files at any time; what is gone cannot leak."""
    with busy(lambda number: flicker(folder.path / f"gone{number % 50}")):
        folder.write("f", holding(secret))
        for _ in range(4):
            folder.leakguard("scan").found("f:1:10")


def flicker(file: Path) -> None:
    """Make a file and remove it again."""
    file.write_text("clean\n")
    file.unlink(missing_ok=True)


class busy:
    """Does something again and again beside the test."""

    def __init__(self, step: Callable[[int], object]) -> None:
        self._step = step
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        number = 0
        while not self._stop.is_set():
            self._step(number)
            number += 1
            time.sleep(0.001)

    def __enter__(self) -> busy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_folders_that_come_and_go_are_no_failure(folder: Repo, secret: str) -> None:
    def step(number: int) -> None:
        path = folder.path / f"d{number % 20}"
        path.mkdir(exist_ok=True)
        (path / "f").write_text("clean\n")
        shutil.rmtree(path)

    folder.write("f", holding(secret))
    with busy(step):
        for _ in range(4):
            folder.leakguard("scan").found("f:1:10")


def test_a_file_that_grows_and_shrinks_while_it_is_read_ends_well(
    folder: Repo, secret: str
) -> None:
    """Files as large as a chunk and larger, written from both ends of the size."""
    filler = b"the quick brown fox\n" * 30_000
    files = [folder.path / name for name in ("a", "b")]

    def step(number: int) -> None:
        with files[number % 2].open("ab" if number % 40 > 1 else "wb") as file:
            file.write(filler)

    folder.write("f", holding(secret))
    with busy(step):
        for _ in range(5):
            said = folder.leakguard("scan")
            assert "--> f:1:10" in said.out
            assert said.status == 1


def test_a_log_that_is_written_all_the_time_is_read_to_an_end(folder: Repo, secret: str) -> None:
    log = folder.write("log", holding(secret))

    def step(_: int) -> None:
        with log.open("ab") as file:
            file.write(b"another line of the log\n" * 100)

    with busy(step):
        folder.leakguard("scan", "log").found("log:1:10")


# What is no file


def test_pipes_devices_and_sockets_in_a_folder_are_passed_over(folder: Repo, secret: str) -> None:
    os.mkfifo(folder.path / "pipe")
    (folder.path / "link to a pipe").symlink_to("pipe")
    (folder.path / "link to a device").symlink_to("/dev/zero")
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder.path / "socket"))
        if os.geteuid() == 0:
            os.mknod(folder.path / "device", stat.S_IFCHR | 0o644, os.makedev(1, 5))
        folder.write("z", holding(secret))
        folder.leakguard("scan").found("z:1:10")
        folder.git("init", "-q")
        folder.leakguard("scan").found("z:1:10")
        folder.leakguard("scan", "--ignored").found("z:1:10")


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe", "link to a device"])
def test_what_is_no_file_is_an_error_when_it_is_asked_for(folder: Repo, kind: str) -> None:
    os.mkfifo(folder.path / "pipe")
    (folder.path / "link to a pipe").symlink_to("pipe")
    (folder.path / "link to a device").symlink_to("/dev/zero")
    folder.git("init", "-q")
    path = "/dev/zero" if kind == "device" else kind
    folder.leakguard("scan", path).unread("device, a pipe or a socket", "leakguard scan -")
    if not kind.startswith("link"):  # of a link that git names, the text counts
        folder.leakguard("hook", "pre-commit", path).unread("device, a pipe or a socket")


def test_a_pipe_in_place_of_a_tracked_file_does_not_hang(repo: Repo, secret: str) -> None:
    repo.commit_file("f", "clean\n")
    (repo.path / "f").unlink()
    os.mkfifo(repo.path / "f")
    repo.write("g", holding(secret))
    repo.leakguard("scan").found("g:1:10")


def test_a_file_of_the_kernel_without_a_size_is_read(folder: Repo) -> None:
    folder.leakguard("scan", "/proc/self/status").is_clean()
    assert "1 file" in folder.leakguard("scan", "/proc/version").out


# Links


@pytest.fixture
def outside(tmp_path: Path, secret: str) -> Path:
    """A folder with a secret, outside of what is scanned."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_text(holding(secret))
    return path


def test_of_a_staged_link_only_the_text_counts(repo: Repo, outside: Path) -> None:
    (repo.path / "file").symlink_to(outside / "secret")
    (repo.path / "folder").symlink_to(outside)
    repo.git("add", "-A")
    repo.gate().is_silent()
    repo.leakguard("hook", "pre-commit", "file", "folder").is_silent()
    repo.leakguard("scan", "--staged").is_clean()
    repo.leakguard("scan").is_clean()
    repo.leakguard("scan", "--ignored").is_clean()
    repo.commit()
    repo.leakguard("scan", "--range", "HEAD~1..HEAD").is_clean()


def test_a_link_whose_text_is_a_secret_is_found(repo: Repo, secret: str) -> None:
    (repo.path / "link").symlink_to(secret)
    repo.leakguard("scan").found("link:1:1")
    repo.leakguard("scan", "link").found("link:1:1")
    repo.git("add", "-A")
    repo.gate().found("link:1:1")
    repo.commit()
    repo.leakguard("scan", "--range", "HEAD~1..HEAD").found("link:1:1")
    repo.leakguard("scan", "--history").found("link:1:1")


def test_a_link_that_is_asked_for_by_name_is_followed(folder: Repo, outside: Path) -> None:
    """Whoever names a link means what it leads to; a scan of its text would call that clean."""
    (folder.path / "file").symlink_to(outside / "secret")
    (folder.path / "whole").symlink_to(outside)
    (folder.path / "chain").symlink_to("whole")
    for name in ("file", "whole", "chain", "whole/"):
        assert "secret:1:10" in folder.leakguard("scan", name).out
    folder.leakguard("scan").is_clean()


def test_loops_of_links_end(folder: Repo, secret: str) -> None:
    (folder.path / "self").symlink_to("self")
    (folder.path / "a").symlink_to("b")
    (folder.path / "b").symlink_to("a")
    (folder.path / "deep").mkdir()
    (folder.path / "deep/up").symlink_to("..")
    (folder.path / "dangling").symlink_to("nowhere")
    folder.write("deep/f", holding(secret))
    folder.leakguard("scan").found("deep/f:1:10")
    folder.git("init", "-q")
    folder.leakguard("scan").found("deep/f:1:10")
    folder.git("add", "-A")
    folder.gate().found("deep/f:1:10")
    for name in ("self", "a"):
        folder.leakguard("scan", name).unread("cannot read")
    folder.leakguard("scan", "dangling").is_clean()


def test_a_folder_replaced_by_a_link_is_not_followed_out(repo: Repo, outside: Path) -> None:
    repo.commit_file("sub/secret", "clean\n")
    shutil.rmtree(repo.path / "sub")
    (repo.path / "sub").symlink_to(outside)
    repo.leakguard("scan").is_clean()


def test_a_repository_that_is_reached_by_a_link_is_looked_at(
    repo: Repo, secret: str, tmp_path: Path
) -> None:
    repo.stage("sub/f", holding(secret))
    (tmp_path / "link").symlink_to(repo.path / "sub")
    linked = Repo(tmp_path / "link", repo.env | {"PWD": str(tmp_path / "link")})
    linked.gate().found("sub/f:1:10")
    linked.leakguard("hook", "pre-commit", "f").found("sub/f:1:10")
    linked.leakguard("scan", "f").found("sub/f:1:10")


# Depth, amount and emptiness


def test_folders_of_great_depth_are_walked(folder: Repo, secret: str) -> None:
    here = os.open(folder.path, os.O_RDONLY)
    try:
        for _ in range(600):
            os.mkdir("deep-folder", dir_fd=here)
            below = os.open("deep-folder", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        file = os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=here)
        os.write(file, holding(secret).encode())
        os.close(file)
    finally:
        os.close(here)
    folder.write("f", holding(fake("near")))
    said = folder.leakguard("scan")
    assert said.status == 1
    assert "--> f:1:10" in said.out
    assert "not scanned" in said.out or said.out.count("-->") == 2
    subprocess.run(["rm", "-rf", str(folder.path / "deep-folder")], check=True)


def test_empty_files_and_folders_are_clean(folder: Repo) -> None:
    folder.leakguard("scan").is_clean()
    folder.write("empty", "")
    folder.leakguard("scan", "empty").is_clean()
    folder.leakguard("scan").is_clean()
    folder.leakguard("scan", "-").is_clean()
