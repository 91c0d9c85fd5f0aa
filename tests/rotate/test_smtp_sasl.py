"""smtp-sasl against a real Postfix that asks a real Dovecot."""

from __future__ import annotations

import imaplib
import os
import secrets as random
import smtplib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import mail, openssh, place, until

from rotate.drive import SCRIPTS, failed, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(mail.available()), reason=mail.available())

SCRIPT = SCRIPTS / "smtp-sasl"
SECOND = "relay-b"


@dataclass
class Scene(Rotation):
    """A mail account whose password leaked."""

    script = SCRIPT
    steps = ("create", "verify_new", "disable_old")
    server: mail.Server
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)


@pytest.fixture(scope="module")
def running() -> Iterator[mail.Server]:
    """One mail server for all: each start costs seconds."""
    with place() as folder, mail.start(folder) as server:
        yield server


@pytest.fixture
def scene(running: mail.Server) -> Iterator[Scene]:
    before = running.passwd.read_text()
    target = {
        "host": "127.0.0.1", "port": running.smtp, "tls": "starttls",
        "ca_file": str(running.folder / "ca.pem"), "user": mail.ACCOUNT, "other_user": SECOND,
        "passwd_file": str(running.passwd), "flush": f"{running.doveadm} auth cache flush",
        "kick": f"{running.doveadm} kick", "postfix_config": str(running.folder / "etc"),
        "transport": "local",
    }  # fmt: skip
    yield Scene(running, target, {"old": running.password, "new": random.token_urlsafe(32)})
    running.passwd.write_text(before)
    os.utime(running.passwd, times=(0, random.randbelow(10**9)))  # Dovecot reads what looks changed
    mail.run([*running.doveadm.split(), "auth", "cache", "flush"])
    until(lambda: running.lets_in(running.password), running.postfix)


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    manifest = manifest_of(SCRIPT)
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest[name] == value


def test_planning_changes_nothing(scene: Scene) -> None:
    before = scene.server.passwd.read_bytes()
    plan = scene.planned()
    assert plan["capabilities"]["overlap"] == "alternating"
    assert plan["known"] == [mail.ACCOUNT]
    assert scene.server.passwd.read_bytes() == before


def test_a_second_account_takes_over_before_the_first_is_closed(scene: Scene) -> None:
    scene.ask("plan")
    assert scene.state() == ("active", "absent")
    created = scene.ask("create")
    assert (created["status"], scene.ask("create")["status"]) == ("done", "already")
    scene.new = created["new"]
    assert scene.new["user"] == SECOND
    scene.ask("verify_new")
    until(lambda: scene.said() == ("accepted", "accepted"))
    assert scene.state() == ("active", "active")

    assert scene.ask("disable_old")["status"] == "done"
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.state() == ("disabled", "active")
    until(lambda: scene.said() == ("accepted", "refused"))
    assert scene.ask("probe")["probe"]["old_error"] == "auth"

    assert scene.ask("destroy_old")["status"] == "done"
    assert scene.ask("destroy_old")["status"] == "already"
    assert scene.state() == ("absent", "active")
    text = scene.server.passwd.read_text()
    assert text.startswith("# accounts\n")
    assert mail.stored(scene.server.password) not in text
    assert scene.secrets["new"] not in text


def test_a_password_that_dovecot_has_not_forgotten_is_seen_by_the_probe(scene: Scene) -> None:
    """It reads a copy of what is changed here, until `flush` makes a new one."""
    changed, read = scene.server.folder / "changed", scene.server.passwd
    changed.write_text(read.read_text())
    forget = f"cp {changed} {read}"
    scene.target |= {"passwd_file": str(changed), "flush": forget}
    scene.prepare()
    scene.ask("verify_new")
    scene.target["flush"] = ""
    scene.ask("disable_old")
    until(lambda: scene.said() == ("accepted", "accepted"))
    scene.target["flush"] = forget
    assert scene.status("disable_old") == "already"  # and tells Dovecot again
    until(lambda: scene.said() == ("accepted", "refused"))


def test_a_session_that_has_logged_in_sends_on_until_it_is_ended(scene: Scene) -> None:
    server, password = scene.server, scene.server.password
    with closing(server.session(password)) as theirs, server.mailbox(password) as mailbox:
        scene.replace()
        send(theirs)
        assert scene.ask("probe")["probe"]["derived"] == "alive"
        ended = scene.ask("kill_derived")["evidence"][0]
        assert ended["smtpd_ended"] >= 1
        assert ended["sessions_left"] == 0
        assert ended["kicked"]
        with pytest.raises((smtplib.SMTPException, OSError)):
            send(theirs)
        until(lambda: has_hung_up(mailbox))  # the signal may still be on its way
        assert scene.ask("probe")["probe"]["derived"] == "none"
        assert scene.ask("kill_derived")["status"] == "already"


def test_a_session_begun_before_dovecot_was_told_is_an_old_one(scene: Scene) -> None:
    """The file is written, and the old password still good, for seconds."""
    server, read = scene.server, scene.server.passwd
    changed = server.folder / "changed"
    changed.write_text(read.read_text())
    scene.prepare()
    scene.ask("verify_new")
    scene.target |= {
        "passwd_file": str(changed), "flush": f"sh -c 'sleep 3; cp {changed} {read}'",
    }  # fmt: skip
    changed.write_text(read.read_text())
    with ThreadPoolExecutor() as beside, ExitStack() as held:
        for _ in range(5):  # so that no smtpd of before is left to take what comes later
            held.enter_context(closing(smtplib.SMTP("127.0.0.1", server.smtp)))
        closing_it = beside.submit(scene.ask, "disable_old")
        until(lambda: "#leakguard" in changed.read_text())
        time.sleep(1.5)
        theirs = server.session(server.password)
        closing_it.result()
    with closing(theirs):
        assert scene.ask("probe")["probe"]["derived"] == "alive"
        assert scene.ask("kill_derived")["evidence"][0]["smtpd_ended"] >= 1


def test_a_session_of_the_second_account_begun_afterwards_is_left_alone(scene: Scene) -> None:
    scene.replace()
    later = (
        time.monotonic() + 4
    )  # two until Dovecot has noticed, and processes are dated by the second
    until(lambda: time.monotonic() > later)
    until(lambda: scene.ask("kill_derived")["status"] == "already")
    until(lambda: scene.server.lets_in(scene.secrets["new"], SECOND))
    with closing(scene.server.session(scene.secrets["new"], SECOND)) as ours:
        scene.ask("destroy_old")
        scene.ask("kill_derived")
        send(ours)
        ours.quit()


def test_without_a_second_account_the_same_one_gets_a_new_password(scene: Scene) -> None:
    scene.target["other_user"] = ""
    scene.ask("plan")
    assert scene.plan["capabilities"]["overlap"] == "none"
    assert scene.ask("create")["status"] == "done"
    assert scene.ask("create")["status"] == "already"
    scene.ask("verify_new")
    assert scene.ask("disable_old")["status"] == "already"
    until(lambda: scene.said() == ("accepted", "refused"))
    assert scene.state() == ("disabled", "active")
    scene.ask("rollback")
    until(lambda: scene.said() == ("refused", "accepted"))
    assert scene.state() == ("active", "absent")


def test_the_old_account_can_end_before_the_second_one_begins(scene: Scene) -> None:
    scene.ask("plan")
    scene.ask("disable_old")
    until(lambda: scene.said() == ("refused", "refused"))
    scene.ask("create")
    scene.ask("verify_new")
    assert scene.state() == ("disabled", "active")


def test_a_rollback_restores_the_file_to_the_letter(scene: Scene) -> None:
    before = scene.server.passwd.read_text()
    scene.replace()
    assert len(scene.ask("rollback")["observed"]) == 2
    assert scene.server.passwd.read_text() == before
    assert scene.ask("rollback")["status"] == "already"


def test_a_server_that_is_down_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.target["port"] = mail.free_port()
    assert scene.said() == ("unreachable", "unreachable")
    assert failed(SCRIPT, "verify_new", **scene.parts) == "network"


def test_a_second_account_that_somebody_uses_is_not_taken(scene: Scene) -> None:
    with scene.server.passwd.open("a") as file:
        file.write(f"{SECOND}:{mail.stored(random.token_urlsafe(12))}::::::\n")
    assert failing_checks(scene.ask("plan")) == ["the second account is free"]
    assert failed(SCRIPT, "create", **scene.parts) == "conflict"


def test_sessions_are_not_ended_while_the_old_account_is_open(scene: Scene) -> None:
    scene.ask("plan")
    assert failed(SCRIPT, "kill_derived", **scene.parts) == "conflict"


def test_a_plan_names_what_stands_in_the_way(scene: Scene) -> None:
    scene.target |= {
        "user": "nobody-here",
        "tls": "none",
        "port": mail.free_port(),
        "postfix_config": str(scene.server.folder),
    }
    assert failing_checks(scene.ask("plan")) == [
        "the leaked account is in the passwd-file",
        "the mail server offers a login",
        "sessions can be found",
    ]


@pytest.mark.skipif(bool(openssh.available()), reason=openssh.available())
def test_the_servers_files_can_be_reached_through_ssh(scene: Scene) -> None:
    with place() as folder, openssh.start(folder) as gate:
        key = openssh.key_pair(folder / "responder")
        gate.authorized_keys.write_text(f"{openssh.public(key)}\n")
        scene.secrets["responder"] = key.read_text()
        scene.target |= {
            "transport": "ssh", "ssh_host": "127.0.0.1", "ssh_port": gate.port,
            "ssh_user": gate.user, "ssh_host_key": gate.host_key,
        }  # fmt: skip
        scene.replace()
        until(lambda: scene.said() == ("accepted", "refused"))
        scene.ask("kill_derived")
        scene.ask("destroy_old")


def send(client: smtplib.SMTP) -> None:
    client.sendmail("a@example.com", ["b@example.com"], "Subject: still here\n\nyes\n")


def has_hung_up(mailbox: imaplib.IMAP4) -> bool:
    """Whether Dovecot has ended a session; no answer in time is none, and fails."""
    try:
        mailbox.noop()
    except TimeoutError:
        raise
    except (mailbox.abort, OSError):
        return True
    return False
