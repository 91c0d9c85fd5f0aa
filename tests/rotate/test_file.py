"""A file that holds a value and nothing else."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from servers.fake import Asked, Fake, Said

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

SCRIPT = SCRIPTS / "file"


@pytest.fixture
def old() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def new() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def path(tmp_path: Path, old: str) -> Path:
    file = tmp_path / "password"
    file.write_text(old, "utf-8")
    file.chmod(0o440)
    return file


def parts(path: Path, old: str, new: str, **target: Any) -> dict[str, Any]:
    where = {"path": str(path)} | target
    return {"target": where, "consumer": where, "secrets": {"old": old, "new": new}}


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_content_changes_and_its_end_and_mode_stay(
    path: Path, old: str, new: str, end: str
) -> None:
    path.chmod(0o640)
    path.write_bytes((old + end).encode())
    one = parts(path, old, new)
    assert failing_checks(done(SCRIPT, "plan", **one)) == []
    done(SCRIPT, "distribute", **one, dry_run=True)
    assert path.read_bytes() == (old + end).encode()
    assert done(SCRIPT, "distribute", **one)["status"] == "done"
    assert path.read_bytes() == (new + end).encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert done(SCRIPT, "distribute", **one)["status"] == "already"
    state = done(SCRIPT, "observe", **one)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")
    done(SCRIPT, "rollback", **one)
    assert path.read_bytes() == (old + end).encode()
    assert os.listdir(path.parent) == [path.name]


def test_a_value_of_several_lines_keeps_them(path: Path, old: str) -> None:
    value = "-----\n" + "\n".join(secrets.token_hex(32) for _ in range(3)) + "\n-----\n"
    one = parts(path, old, value)
    done(SCRIPT, "distribute", **one)
    assert path.read_text("utf-8") == value
    assert done(SCRIPT, "distribute", **one)["status"] == "already"
    assert done(SCRIPT, "confirm", **one)["status"] == "done"


def test_a_missing_file_is_made_for_its_owner_alone(path: Path, old: str, new: str) -> None:
    path.unlink()
    assert failed(SCRIPT, "plan", **parts(path, old, new)) == "not_found"
    assert failed(SCRIPT, "distribute", **parts(path, old, new)) == "not_found"
    one = parts(path, old, new, create=True)
    assert failing_checks(done(SCRIPT, "plan", **one)) == []
    done(SCRIPT, "distribute", **one)
    assert path.read_text("utf-8") == new + "\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_value_in_the_file_is_not_overwritten_by_mistake(
    path: Path, old: str, new: str
) -> None:
    other = parts(path, secrets.token_hex(16), new)
    assert failing_checks(done(SCRIPT, "plan", **other)) == ["the file holds the value that leaked"]
    assert failed(SCRIPT, "rollback", **other) == "conflict"


def test_a_link_is_refused_unless_asked_for(path: Path, old: str, new: str) -> None:
    link = path.parent / "link"
    link.symlink_to(path)
    assert failed(SCRIPT, "distribute", **parts(link, old, new)) == "unsupported"
    done(SCRIPT, "distribute", **parts(link, old, new, follow_symlink=True))
    assert path.read_text("utf-8") == new


class Health(Fake):
    """An application that tells when it was started."""

    started: Any = None

    def answer(self, asked: Asked) -> Said:
        return Said(200, {"started_at": self.started})


def test_it_is_confirmed_by_whoever_started_later(path: Path, old: str, new: str) -> None:
    pid_file, health = path.parent / "pid", Health()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    pid_file.write_text(str(child.pid), "utf-8")
    try:
        time.sleep(0.05)  # start times are told in ticks of 10 ms
        done(SCRIPT, "distribute", **parts(path, old, new))
        late = done(SCRIPT, "confirm", **parts(path, old, new, pid_file=str(pid_file)))
    finally:
        child.communicate(b"\n")
    assert (late["status"], late["method"]) == ("pending", "usage")
    with health.serving():
        one = parts(path, old, new, health_url=health.url)
        for started, status in ((None, "pending"), ("2001-01-01T00:00:00+00:00", "pending"),
                                (time.time() + 1, "done")):  # fmt: skip
            health.started = started
            assert done(SCRIPT, "confirm", **one)["status"] == status
    assert done(SCRIPT, "confirm", **one)["status"] == "pending"  # nobody answers
    assert done(SCRIPT, "confirm", **parts(path, old, new))["method"] == "config"
