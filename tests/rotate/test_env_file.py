"""A value in a file of KEY=value lines, and a process that has read it or not."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers.fake import Asked, Fake, Said

from rotate.drive import (
    ROTATION,
    SCRIPTS,
    call,
    done,
    failed,
    failing_checks,
    manifest_of,
)

SCRIPT = SCRIPTS / "env-file"


@pytest.fixture
def old() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def new() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def path(tmp_path: Path, old: str) -> Path:
    file = tmp_path / ".env"
    file.write_text(f"# ours\nAPP_PORT=8080\nAPP_SECRET={old}\n\nAPP_NAME='a b'\n", "utf-8")
    file.chmod(0o640)
    return file


def parts(path: Path, old: str, new: str, **target: Any) -> dict[str, Any]:
    where = {"path": str(path), "key": "APP_SECRET"} | target
    return {"target": where, "consumer": where, "secrets": {"old": old, "new": new}}


@contextmanager
def sleeping(folder: Path, **environment: str) -> Iterator[str]:
    """A process that could have read the file; the path of its pid file."""
    argv = [sys.executable, "-c", "input()"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment)
    file = folder / "app.pid"
    file.write_text(f"{child.pid}\n", "utf-8")
    try:
        yield str(file)
    finally:
        child.communicate(b"\n")


class Health(Fake):
    """An application that tells about itself."""

    said: Any = None

    def answer(self, asked: Asked) -> Said:
        return Said(200, self.said) if asked.path == "/healthz" else Said(404)


@pytest.fixture
def health() -> Iterator[Health]:
    fake = Health()
    with fake.serving():
        yield fake


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["secret_origin"] == "client"
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


def test_a_plan_and_a_dry_run_change_nothing(path: Path, old: str, new: str) -> None:
    before, made = path.read_bytes(), path.stat().st_ino
    plan = done(SCRIPT, "plan", **parts(path, old, new))
    assert failing_checks(plan) == []
    assert plan["known"] == ["APP_SECRET"]
    done(SCRIPT, "distribute", **parts(path, old, new), dry_run=True)
    assert (path.read_bytes(), path.stat().st_ino) == (before, made)
    assert os.listdir(path.parent) == [path.name]


def test_only_the_value_changes_and_a_second_time_changes_nothing(
    path: Path, old: str, new: str
) -> None:
    before = path.read_text("utf-8")
    assert done(SCRIPT, "distribute", **parts(path, old, new))["status"] == "done"
    after, made = path.stat(), path.read_text("utf-8")
    assert made == before.replace(old, new)
    assert after.st_mode & 0o777 == 0o640
    assert done(SCRIPT, "distribute", **parts(path, old, new))["status"] == "already"
    assert path.stat().st_ino == after.st_ino
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_the_owner_stays(path: Path, old: str, new: str) -> None:
    os.chown(path, 12345, 23456)
    done(SCRIPT, "distribute", **parts(path, old, new))
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
    assert path.stat().st_mode & 0o777 == 0o640


LINES = {
    "exported": ("export APP_SECRET=@", "export APP_SECRET=#"),
    "in double quotes": ('APP_SECRET = "@"  # why', 'APP_SECRET = "#"  # why'),
    "in single quotes": ("APP_SECRET='@'", "APP_SECRET='#'"),
    "with a remark": ("APP_SECRET=@ # why", "APP_SECRET=# # why"),
    "of Windows": ("APP_SECRET=@\r\nB=1\r\n", "APP_SECRET=#\r\nB=1\r\n"),
    "twice": ("APP_SECRET=first\nAPP_SECRET=@", "APP_SECRET=#\nAPP_SECRET=#"),
    "beside a longer name": ("MY_APP_SECRET=1\nAPP_SECRET=@", "MY_APP_SECRET=1\nAPP_SECRET=#"),
    "commented out": ("#APP_SECRET=@\nAPP_SECRET=@", "#APP_SECRET=@\nAPP_SECRET=#"),
    "of odd bytes": ("A=\udcff\nAPP_SECRET=@", "A=\udcff\nAPP_SECRET=#"),
}


@pytest.mark.parametrize("how", LINES)
def test_a_line_keeps_its_looks(path: Path, old: str, new: str, how: str) -> None:
    before, after = LINES[how]
    raw = before.replace("@", old).encode("utf-8", "surrogateescape")
    path.write_bytes(raw)
    done(SCRIPT, "distribute", **parts(path, old, new))
    # In the lines above `@` stands for the old value and `#` after a sign for the new one.
    wanted = after.replace("=#", f"={new}").replace('"#"', f'"{new}"').replace("'#'", f"'{new}'")
    wanted = wanted.replace("@", old)
    assert path.read_bytes().decode("utf-8", "surrogateescape") == wanted


def test_a_key_of_an_ini_section_is_told_from_its_namesake(path: Path, old: str, new: str) -> None:
    path.write_text(f"[web]\nAPP_SECRET: {old}\n[mail]\nAPP_SECRET: {old}\n", "utf-8")
    done(SCRIPT, "distribute", **parts(path, old, new, section="mail"))
    assert path.read_text("utf-8") == f"[web]\nAPP_SECRET: {old}\n[mail]\nAPP_SECRET: {new}\n"


def test_a_login_within_a_url_is_replaced_and_the_rest_stays(
    path: Path, old: str, new: str
) -> None:
    url = "postgresql://{}:{}@db.example.com:5432/app?sslmode=verify-full"
    path.write_text(f"APP_SECRET={url.format('app_a', old)}\n", "utf-8")
    one = parts(path, old, new + "/+", part="url-login")
    one["new"], one["old"] = {"user": "app_b"}, {"user": "app_a"}
    assert failing_checks(done(SCRIPT, "plan", **one)) == []
    done(SCRIPT, "distribute", **one)
    assert path.read_text("utf-8") == f"APP_SECRET={url.format('app_b', new + '%2F%2B')}\n"
    assert done(SCRIPT, "confirm", **one)["status"] == "done"
    done(SCRIPT, "rollback", **one)
    assert path.read_text("utf-8") == f"APP_SECRET={url.format('app_a', old)}\n"


def test_the_public_half_goes_along(path: Path, old: str, new: str) -> None:
    path.write_text(f"APP_KEY_ID=one\nAPP_SECRET={old}\n", "utf-8")
    one = parts(path, old, new, id_key="APP_KEY_ID") | {"new": {"id": "two"}}
    done(SCRIPT, "distribute", **one)
    assert path.read_text("utf-8") == f"APP_KEY_ID=two\nAPP_SECRET={new}\n"


def test_a_missing_key_is_added_only_when_asked_for(path: Path, old: str, new: str) -> None:
    path.write_text("A=1", "utf-8")
    assert failing_checks(done(SCRIPT, "plan", **parts(path, old, new))) == [
        "the keys are in the file"
    ]
    assert failed(SCRIPT, "distribute", **parts(path, old, new)) == "not_found"
    done(SCRIPT, "distribute", **parts(path, old, new, add_missing=True))
    assert path.read_text("utf-8") == f"A=1\nAPP_SECRET={new}\n"


def test_the_way_back_needs_the_old_value_and_an_untouched_file(
    path: Path, old: str, new: str
) -> None:
    one = parts(path, old, new)
    before = path.read_text("utf-8")
    done(SCRIPT, "distribute", **one)
    assert failed(SCRIPT, "rollback", **one | {"secrets": {"new": new}}) == "missing"
    done(SCRIPT, "rollback", **one)
    assert path.read_text("utf-8") == before
    assert done(SCRIPT, "rollback", **one)["status"] == "already"
    path.write_text(f"APP_SECRET={secrets.token_hex(8)}\n", "utf-8")
    assert failed(SCRIPT, "rollback", **one) == "conflict"


def test_observe_tells_which_value_is_there(path: Path, old: str, new: str) -> None:
    one = parts(path, old, new)
    state = done(SCRIPT, "observe", **one)["state"]
    assert (state["old"], state["new"]) == ("active", "absent")
    done(SCRIPT, "distribute", **one)
    state = done(SCRIPT, "observe", **one)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")


# What stands in the way


def test_another_value_under_the_key_is_not_overwritten_by_mistake(
    path: Path, old: str, new: str
) -> None:
    other = parts(path, secrets.token_hex(16), new)
    assert failing_checks(done(SCRIPT, "plan", **other)) == ["the key holds the value that leaked"]
    other["target"]["expect_old"] = False
    assert failing_checks(done(SCRIPT, "plan", **other)) == []


def test_a_link_is_refused_unless_asked_for(path: Path, old: str, new: str) -> None:
    link = path.parent / "link"
    link.symlink_to(path)
    for phase in ("plan", "distribute", "confirm", "observe"):
        assert failed(SCRIPT, phase, **parts(link, old, new)) == "unsupported"
    done(SCRIPT, "distribute", **parts(link, old, new, follow_symlink=True))
    assert link.is_symlink()
    assert new in path.read_text("utf-8")


def test_a_hard_link_would_keep_the_old_value(path: Path, old: str, new: str) -> None:
    os.link(path, path.parent / "other")
    plan = done(SCRIPT, "plan", **parts(path, old, new))
    assert failing_checks(plan) == ["the file has one name"]


@pytest.mark.skipif(shutil.which("git") is None, reason="not installed: the program git")
def test_a_file_that_git_tracks_would_leak_the_new_value_as_well(
    path: Path, old: str, new: str
) -> None:
    for argv in (["init", "-q"], ["add", "-f", path.name]):
        subprocess.run(["git", *argv], cwd=path.parent, check=True)
    plan = done(SCRIPT, "plan", **parts(path, old, new))
    assert failing_checks(plan) == ["git does not track the file"]


@pytest.mark.parametrize("bad", ["a b", "$HOME", "`id`", 'x"y', "x\ny", "x\\n"])
def test_a_value_that_readers_would_take_apart_is_refused(path: Path, old: str, bad: str) -> None:
    before = path.read_bytes()
    assert failed(SCRIPT, "distribute", **parts(path, old, bad)) == "unsupported"
    assert path.read_bytes() == before


def test_a_value_over_several_lines_is_left_alone(path: Path, old: str, new: str) -> None:
    path.write_text(f'APP_SECRET="{old}\nmore"\n', "utf-8")
    assert failed(SCRIPT, "distribute", **parts(path, old, new)) == "unsupported"


def test_what_is_no_file_is_said_to_be_none(path: Path, old: str, new: str) -> None:
    os.mkfifo(path.parent / "pipe")
    assert failed(SCRIPT, "plan", **parts(path.parent / "pipe", old, new)) == "unsupported"
    assert failed(SCRIPT, "plan", **parts(path.parent / "none", old, new)) == "not_found"
    assert failed(SCRIPT, "plan", **parts(Path(".env"), old, new)) == "unsupported"


def test_a_reader_never_sees_half_a_file(path: Path, old: str, new: str) -> None:
    """However often it is replaced, who opens it gets one whole text or the other."""
    texts = {path.read_text("utf-8"), path.read_text("utf-8").replace(old, new)}
    seen: set[str] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.add(path.read_text("utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for phase in ("distribute", "rollback") * 10:
        done(SCRIPT, phase, **parts(path, old, new))
    over.set()
    reader.join()
    assert seen <= texts


# Whether anybody has read it


def test_without_a_process_to_look_at_only_the_file_is_vouched_for(
    path: Path, old: str, new: str
) -> None:
    assert failed(SCRIPT, "confirm", **parts(path, old, new)) == "conflict"
    done(SCRIPT, "distribute", **parts(path, old, new))
    said = done(SCRIPT, "confirm", **parts(path, old, new))
    assert (said["status"], said["method"]) == ("done", "config")
    assert "nobody looked at who reads it" in said["observed"][0]


def test_a_process_older_than_the_file_has_not_read_it(path: Path, old: str, new: str) -> None:
    with sleeping(path.parent) as pid_file:
        one = parts(path, old, new, pid_file=pid_file)
        time.sleep(0.05)  # start times are told in ticks of 10 ms
        done(SCRIPT, "distribute", **one)
        said = done(SCRIPT, "confirm", **one)
        assert (said["status"], said["method"]) == ("pending", "usage")
    assert done(SCRIPT, "confirm", **one)["status"] == "pending"  # it has ended
    with sleeping(path.parent):
        assert done(SCRIPT, "confirm", **one)["status"] == "done"


def test_the_environment_of_a_process_counts_more_than_its_age(
    path: Path, old: str, new: str
) -> None:
    one = parts(path, old, new, pid_file=str(path.parent / "app.pid"))
    done(SCRIPT, "distribute", **one)
    with sleeping(path.parent, APP_SECRET=old):
        assert done(SCRIPT, "confirm", **one)["status"] == "pending"
    with sleeping(path.parent, APP_SECRET=new):
        assert done(SCRIPT, "confirm", **one)["status"] == "done"


def test_an_application_repeats_the_generation_that_was_written(
    path: Path, old: str, new: str, health: Health
) -> None:
    more = {"generation_key": "APP_GENERATION", "add_missing": True}
    one = parts(path, old, new, health_url=f"{health.url}/healthz", **more)
    done(SCRIPT, "distribute", **one)
    assert f"APP_GENERATION={ROTATION}" in path.read_text("utf-8")
    for said, status in (({"generation": "before"}, "pending"), ({}, "pending"),
                         ({"generation": ROTATION}, "done")):  # fmt: skip
        health.said = said
        assert done(SCRIPT, "confirm", **one)["status"] == status
    two = one | {"target": one["target"] | {"health_url": f"{health.url}/healthz {health.url}/no"}}
    said = done(SCRIPT, "confirm", **two)
    assert (said["status"], said["method"]) == ("pending", "health")


def test_an_application_tells_when_it_was_started(
    path: Path, old: str, new: str, health: Health
) -> None:
    started = "app.started"
    one = parts(path, old, new, health_url=f"{health.url}/healthz", health_field=started)
    health.said = {"app": {"started": time.time()}}
    done(SCRIPT, "distribute", **one)
    assert done(SCRIPT, "confirm", **one)["status"] == "pending"
    health.said = json.loads(json.dumps({"app": {"started": time.time() + 1}}))
    assert done(SCRIPT, "confirm", **one)["status"] == "done"
