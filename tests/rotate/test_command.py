"""A program of the user takes the new value on its standard input."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from rotate.drive import ROTATION, SCRIPTS, call, done, failed, failing_checks, manifest_of

SCRIPT = SCRIPTS / "command"

TAKES = """#!{python} -I
import os, pathlib, sys
here = pathlib.Path(__file__).parent
value = sys.stdin.read()
(here / "taken").write_text(value)
(here / "words").write_text(repr(sys.argv[1:]))
(here / "home").write_text(os.environ["HOME"])
print(value)                      # a careless program
print(value, file=sys.stderr)
"""

USES = """#!{python} -I
import pathlib, sys
taken = pathlib.Path(__file__).parent / "in-use"
sys.exit(0 if taken.exists() and taken.read_text() == sys.stdin.read() else 75)
"""

ENDS = """#!{python} -I
import os, sys
status = int(sys.argv[1])
os.kill(os.getpid(), -status) if status < 0 else sys.exit(status)
"""


def program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text.format(python=sys.executable), "utf-8")
    path.chmod(0o755)
    return str(path)


def parts(**target: Any) -> dict[str, Any]:
    values = {"old": secrets.token_hex(16), "new": secrets.token_hex(16)}
    return {"target": target, "consumer": target, "secrets": values}


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said["dry_run"] == manifest_of(SCRIPT)["dry_run"]


def test_the_value_comes_on_standard_input_and_nowhere_else(tmp_path: Path) -> None:
    command = program(tmp_path, "takes", TAKES) + " --name 'my app'"
    one = parts(command=command)
    assert failing_checks(done(SCRIPT, "plan", **one)) == []
    done(SCRIPT, "distribute", **one, dry_run=True)
    assert not (tmp_path / "taken").exists()
    done(SCRIPT, "distribute", **one)  # `done` looks into argv, environment and output
    assert (tmp_path / "taken").read_text("utf-8") == one["secrets"]["new"]
    assert (tmp_path / "words").read_text("utf-8") == "['--name', 'my app']"
    done(SCRIPT, "rollback", **one)
    assert (tmp_path / "taken").read_text("utf-8") == one["secrets"]["old"]


def test_an_object_tells_the_public_half_as_well(tmp_path: Path) -> None:
    one = parts(command=program(tmp_path, "takes", TAKES), input="json", own_home=True)
    done(SCRIPT, "distribute", **one, new={"id": "two", "user": "app_b"})
    taken = json.loads((tmp_path / "taken").read_text("utf-8"))
    assert taken.pop("value") == one["secrets"]["new"]
    assert taken == {"id": "two", "user": "app_b", "rotation": ROTATION}
    assert (tmp_path / "home").read_text("utf-8") == os.path.expanduser("~")


def test_it_is_in_use_when_the_users_own_program_says_so(tmp_path: Path) -> None:
    takes = program(tmp_path, "takes", TAKES)
    one = parts(command=takes)
    assert done(SCRIPT, "confirm", **one)["method"] == "config"
    two = parts(command=takes, confirm=program(tmp_path, "uses", USES))
    assert done(SCRIPT, "confirm", **two)["status"] == "pending"
    (tmp_path / "in-use").write_text(two["secrets"]["new"], "utf-8")
    said = done(SCRIPT, "confirm", **two)
    assert (said["status"], said["method"]) == ("done", "usage")


@pytest.mark.parametrize(
    "status, kind",
    [(1, "conflict"), (69, "network"), (77, "permission"), (-int(signal.SIGKILL), "bug")],
)
def test_what_a_program_ends_with_decides(tmp_path: Path, status: int, kind: str) -> None:
    one = parts(command=f"{program(tmp_path, 'ends', ENDS)} {status}")
    assert failed(SCRIPT, "distribute", **one) == kind


def test_a_program_that_is_not_ready_stands_in_the_way(tmp_path: Path) -> None:
    ends = program(tmp_path, "ends", ENDS)
    ready, unready = parts(command=ends, ready=f"{ends} 0"), parts(command=ends, ready=f"{ends} 1")
    assert failing_checks(done(SCRIPT, "plan", **ready)) == []
    assert failing_checks(done(SCRIPT, "plan", **unready)) == ["it is ready"]
    assert done(SCRIPT, "distribute", **parts(command=f"{ends} 75"))["status"] == "pending"


def test_a_program_that_others_may_change_is_not_run(tmp_path: Path) -> None:
    command = program(tmp_path, "takes", TAKES)
    Path(command).chmod(0o777)
    what = ["`command` can be run, and is nobody else's"]
    assert failing_checks(done(SCRIPT, "plan", **parts(command=command))) == what
    assert failing_checks(done(SCRIPT, "plan", **parts(command=command + "s"))) == what
    Path(command).chmod(0o644)
    assert failing_checks(done(SCRIPT, "plan", **parts(command=command))) == what


@pytest.mark.parametrize("command", ["tee /tmp/x", "./tee", "'/usr/bin/tee", ""])
def test_a_program_is_named_by_its_absolute_path(command: str) -> None:
    for phase in ("plan", "distribute", "observe"):
        assert failed(SCRIPT, phase, **parts(command=command)) == "unsupported"


def test_a_program_that_is_gone_is_missing(tmp_path: Path) -> None:
    assert failed(SCRIPT, "distribute", **parts(command=f"{tmp_path}/gone")) == "missing"


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    hangs = program(tmp_path, "hangs", "#!{python} -I\nimport time\ntime.sleep(60)\n")
    assert failed(SCRIPT, "distribute", **parts(command=hangs), deadline=0.5) == "timeout"
