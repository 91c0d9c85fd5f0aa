"""The NATS script against a real server, through a whole life."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import free_port, nats, place

from rotate.drive import ROTATION, SCRIPTS, Answer, done, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(nats.available()), reason=nats.available())

SCRIPT = SCRIPTS / "nats"
DEAD = {"new": "accepted", "old": "refused", "old_error": "auth", "derived": "none"}

ONE_LINE = "users = [ {user: other, password: %s}, {user: app_a, password: %s}, ]\n"
LINES = """# who may log in: {user: app_a, password: "not me"}
users: [
  { user: other, password: %s }   // the first
  {
    "password": %s  # leaked
    user = 'app_a'
    permissions { publish: ["a.>", "b"], subscribe: { deny: ">" } }
  }
]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[nats.Server]:
    with place() as folder, nats.start(folder) as running:
        yield running


@dataclass
class Leak(Rotation):
    """The user `app_a`, whose password has leaked, and `app_b`, which is to take over."""

    script = SCRIPT
    server: nats.Server
    layout: str = LINES
    more: dict[str, Any] = field(default_factory=dict)
    old_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    new_value: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def target(self) -> dict[str, Any]:
        return self.server.target(user="app_a", partner="app_b") | self.more

    @property
    def secrets(self) -> dict[str, str]:
        return {"old": self.old_value, "new": self.new_value}

    def __post_init__(self) -> None:
        words = (json.dumps(secrets.token_hex(16)), json.dumps(self.kept()))
        self.server.users(self.layout % words)

    def kept(self) -> str:
        """The leaked password as the file has it."""
        return self.old_value

    @property
    def text(self) -> str:
        return self.server.file.read_text("utf-8")


@pytest.fixture
def leak(server: nats.Server) -> Leak:
    return Leak(server)


def ended(line: socket.socket) -> bool:
    """Whether the server closes the session, within the socket's patience."""
    try:
        while line.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_it_describes_itself_as_its_manifest_does() -> None:
    said = done(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_a_plan_and_a_dry_run_change_nothing(leak: Leak) -> None:
    before = (leak.text, leak.server.loaded())
    plan = leak.ask("plan")
    assert failing_checks(plan) == []
    assert plan["known"] == ["other", "app_a"]
    assert any("TLS is not supported" in line for line in plan["observed"])
    for phase in ("create", "disable_old", "rollback"):
        leak.ask(phase, dry_run=True)
    assert (leak.text, leak.server.loaded()) == before


@pytest.mark.parametrize("layout", [ONE_LINE, LINES], ids=["one line", "many lines"])
def test_from_a_leaked_password_to_a_dead_one(server: nats.Server, layout: str) -> None:
    leak = Leak(server, layout)
    assert leak.state() == ("active", "absent")
    assert (leak.status("create"), leak.status("create")) == ("done", "already")
    leak.ask("verify_new")
    assert leak.probe()["old"] == "accepted"
    assert leak.state() == ("active", "active")
    assert leak.text.count('deny: ">"') == 2 * layout.count('deny: ">"')
    assert (leak.status("disable_old"), leak.status("disable_old")) == ("done", "already")
    assert leak.state() == ("disabled", "active")
    leak.ask("kill_derived")
    assert leak.probe() == DEAD
    assert (leak.status("destroy_old"), leak.status("destroy_old")) == ("done", "already")
    assert leak.state() == ("absent", "active")
    assert "#leakguard" not in leak.text
    assert leak.probe() == DEAD
    assert leak.fails("rollback") == "conflict"


def test_a_session_of_the_leaked_password_really_ends(leak: Leak) -> None:
    leak.after("create")
    with leak.server.session("app_a", leak.old_value) as line:
        assert leak.probe()["derived"] == "alive"
        assert leak.fails("kill_derived") == "conflict"
        leak.after("disable_old")
        assert leak.ask("kill_derived")["evidence"][0]["sessions_left"] == 0
        assert ended(line)


def test_without_a_monitoring_port_it_says_that_nobody_looked(leak: Leak) -> None:
    leak.more = {"monitor_url": ""}
    leak.after("create", "disable_old")
    assert "nobody looked" in leak.ask("kill_derived")["observed"][-1]
    assert leak.probe()["derived"] == "unknown"


@pytest.mark.parametrize("layout", [ONE_LINE, LINES], ids=["one line", "many lines"])
def test_rollback_leaves_the_file_as_it_was(server: nats.Server, layout: str) -> None:
    leak = Leak(server, layout)
    before = leak.text
    leak.after("create", "disable_old")
    assert len(leak.ask("rollback")["observed"]) == 2
    assert leak.text == before
    assert leak.status("rollback") == "already"
    with leak.server.session("app_a", leak.old_value):
        assert leak.state() == ("active", "absent")


def test_a_partner_that_belongs_to_something_else_is_left_alone(leak: Leak) -> None:
    leak.more = {"partner": "other"}
    before = leak.text
    assert failing_checks(leak.ask("plan")) == ["the partner is not in the file"]
    assert leak.fails("create") == "conflict"
    assert leak.status("rollback") == "already"
    assert leak.text == before


def test_an_entry_that_is_not_closed_is_not_destroyed(leak: Leak) -> None:
    assert leak.after("create").fails("destroy_old") == "conflict"
    assert leak.state() == ("active", "active")


def test_a_server_that_is_down_refuses_nobody(leak: Leak) -> None:
    leak.after("create", "disable_old")
    leak.more = {"port": free_port(), "monitor_url": f"http://127.0.0.1:{free_port()}"}
    found = leak.probe()
    assert found == {"new": "unreachable", "old": "unreachable", "derived": "unknown"}
    assert leak.fails("verify_new") == "network"
    assert leak.fails("kill_derived") == "network"


def test_a_reload_by_command_and_neither_way(leak: Leak) -> None:
    pid = leak.server.process.pid
    leak.more = {"pid_file": "", "reload": f"nats-server --signal reload={pid}"}
    leak.after("create", "verify_new")
    leak.more = {"pid_file": "", "partner": "app_c"}
    assert failing_checks(leak.ask("plan")) == ["the server can be told to read its file"]


def test_a_password_in_a_variable_stands_elsewhere(leak: Leak) -> None:
    leak.server.file.write_text("users = [{user: app_a, password: $SOMEWHERE}]\n", "utf-8")
    assert "the password stands in the file" in failing_checks(leak.ask("plan"))


def test_a_file_that_is_not_understood_is_left_alone(leak: Leak) -> None:
    broken = leak.text.rstrip()[:-1]
    leak.server.file.write_text(broken, "utf-8")
    for phase in ("plan", "create", "disable_old", "observe"):
        assert leak.fails(phase) == "unsupported"
    assert leak.text == broken


def test_a_hashed_password_gets_a_hashed_successor(server: nats.Server) -> None:
    bcrypt = pytest.importorskip("bcrypt", reason="not installed: the Python package bcrypt")

    class Hashed(Leak):
        def kept(self) -> str:
            salt = bcrypt.gensalt(4, prefix=b"2a")
            return str(bcrypt.hashpw(self.old_value.encode(), salt).decode())

    leak = Hashed(server)
    assert failing_checks(leak.ask("plan")) == []
    assert (leak.status("create"), leak.status("create")) == ("done", "already")
    assert leak.new_value not in leak.text
    leak.after("verify_new", "disable_old", "kill_derived")
    assert leak.probe() == DEAD


def unprivileged(leak: Leak, phase: str) -> Answer:
    """The script's answer where its user may read the file's folder but not write it."""
    folder, was_root = leak.server.folder, os.geteuid() == 0
    bound = ["setpriv", "--bounding-set", "-dac_override"] if was_root else []
    request = {"protocol": 1, "phase": phase, "rotation": ROTATION, **leak.parts}
    if was_root:
        shutil.chown(folder, "nobody")
    folder.chmod(0o555)
    try:
        said = subprocess.run(
            [*bound, sys.executable, "-I", "-B", SCRIPT / "rotate.py"],
            input=json.dumps(request), text=True, capture_output=True, check=True,
        )  # fmt: skip
    finally:
        folder.chmod(0o755)
        if was_root:
            shutil.chown(folder, "root")
    answer: Answer = json.loads(said.stdout)
    return answer


@pytest.mark.skipif(
    os.geteuid() == 0 and not shutil.which("setpriv"), reason="not installed: the program setpriv"
)
def test_a_plan_says_that_the_file_cannot_be_changed(leak: Leak) -> None:
    before = leak.text
    assert failing_checks(unprivileged(leak, "plan")) == ["the file can be changed"]
    assert unprivileged(leak, "create")["error"]["class"] == "permission"
    assert leak.text == before
