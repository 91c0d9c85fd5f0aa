"""openssh-authorized-key against a real sshd and the real ssh client."""

from __future__ import annotations

import base64
import os
import secrets as random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import openssh, place, until

from rotate.drive import SCRIPTS, call, failed, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(openssh.available()), reason=openssh.available())

SCRIPT = SCRIPTS / "openssh-authorized-key"
OPTIONS = 'from="127.0.0.1",no-agent-forwarding '


@dataclass
class Scene(Rotation):
    """A host that lets one key in, which leaked."""

    script = SCRIPT
    server: openssh.Server
    leaked: Path
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with place() as folder, openssh.start(folder) as server:
        leaked = openssh.key_pair(folder / "leaked")
        server.authorized_keys.write_text(
            f"# kept by hand\n{OPTIONS}{openssh.public(leaked)} ci@example.com\n"
        )
        target = {
            "host": "127.0.0.1",
            "port": server.port,
            "host_key": server.host_key,
            "user": server.user,
            "authorized_keys": str(server.authorized_keys),
            "revoked_keys": str(server.revoked_keys),
            "login_log": str(server.log),
            "sshd_config": str(server.config),
            "transport": "local",
        }
        yield Scene(server, leaked, target, {"old": leaked.read_text()})


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    manifest = manifest_of(SCRIPT)
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest[name] == value


def test_planning_changes_nothing_and_finds_the_line_of_the_leaked_key(scene: Scene) -> None:
    before = scene.server.authorized_keys.read_bytes(), scene.server.revoked_keys.read_bytes()
    plan = scene.ask("plan")
    assert failing_checks(plan) == []
    assert plan["snapshot"]["options"] == OPTIONS
    assert plan["known"] == [plan["old"]["id"]]
    assert (
        scene.server.authorized_keys.read_bytes(),
        scene.server.revoked_keys.read_bytes(),
    ) == before


def test_a_rotation_ends_with_the_new_key_in_and_the_old_one_out_for_good(scene: Scene) -> None:
    scene.prepare()
    assert scene.state() == ("active", "absent")
    assert scene.ask("create")["status"] == "done"
    assert scene.ask("create")["status"] == "already"
    assert scene.server.authorized_keys.read_text().count("leakguard-LG-") == 1
    scene.ask("verify_new")
    assert scene.said() == ("accepted", "accepted")

    assert scene.ask("disable_old")["status"] == "done"
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.said() == ("accepted", "refused")
    assert scene.state() == ("absent", "active")

    assert scene.ask("destroy_old")["status"] == "done"
    assert scene.ask("destroy_old")["status"] == "already"
    assert scene.state() == ("disabled", "active")
    assert scene.server.authorized_keys.read_text().startswith(f"# kept by hand\n{OPTIONS}ssh-")


def test_only_the_revocation_list_holds_when_somebody_adds_the_key_again(scene: Scene) -> None:
    again = scene.server.authorized_keys.read_text()
    scene.replace()
    add_line(scene.server.authorized_keys, again)
    assert scene.said() == ("accepted", "accepted")
    scene.ask("destroy_old")
    add_line(scene.server.authorized_keys, again)
    assert scene.said() == ("accepted", "refused")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"


def test_the_old_key_can_end_before_there_is_a_new_one(scene: Scene) -> None:
    scene.ask("plan")
    scene.ask("disable_old")
    assert scene.said() == ("unknown", "refused")
    pair = scene.ask("generate")
    scene.secrets["new"], scene.new = pair["secrets"]["new"], pair["new"]
    scene.ask("create")
    assert scene.said() == ("accepted", "refused")
    assert OPTIONS in scene.server.authorized_keys.read_text()


def test_sessions_of_the_old_key_end_with_what_they_run_and_others_stay(scene: Scene) -> None:
    scene.replace()
    add_line(scene.server.authorized_keys, f"{openssh.public(scene.leaked)}\n")
    own = scene.server.folder / "own"
    own.write_text(scene.secrets["new"])
    own.chmod(0o600)
    theirs = scene.server.session(scene.leaked, "echo $$; sleep 300; true")
    ours = scene.server.session(own, "echo $$; sleep 300; true")
    try:
        shell = int(theirs.stdout.readline())
        ours.stdout.readline()
        assert scene.ask("probe")["probe"]["derived"] == "alive"
        ended = scene.ask("kill_derived")
        assert ended["evidence"][0]["processes_ended"] >= 3
        theirs.wait(10)
        until(lambda: not os.path.exists(f"/proc/{shell}"))
        assert ours.poll() is None
        assert scene.ask("kill_derived")["status"] == "already"
        assert scene.ask("probe")["probe"]["derived"] == "none"
    finally:
        openssh.end(theirs)
        openssh.end(ours)


def test_a_server_that_is_down_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.server.process.stop()
    probe = scene.ask("probe")["probe"]
    assert (probe["new"], probe["old"]) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "verify_new", target=scene.target, secrets=scene.secrets) == "network"


def test_a_server_with_another_host_key_is_no_proof_of_anything(scene: Scene) -> None:
    scene.replace()
    other = openssh.public(openssh.key_pair(scene.server.folder / "other"))
    scene.target["host_key"] = other
    assert scene.said() == ("unknown", "unknown")
    assert failing_checks(scene.ask("plan")) == [
        "the leaked key is in authorized_keys",
        "sshd shows the pinned host key",
    ]


def test_a_new_key_that_sshd_refuses_is_not_verified(scene: Scene) -> None:
    scene.prepare()
    assert failed(SCRIPT, "verify_new", target=scene.target, secrets=scene.secrets) == "auth"


def test_a_rollback_opens_the_old_door_and_closes_the_new_one(scene: Scene) -> None:
    scene.replace()
    assert len(scene.ask("rollback")["observed"]) == 2
    assert scene.said() == ("refused", "accepted")
    assert scene.ask("rollback")["status"] == "already"


def test_a_leaked_key_with_an_unknown_passphrase_is_judged_by_the_files(scene: Scene) -> None:
    locked = openssh.key_pair(scene.server.folder / "locked", random.token_hex(8))
    add_line(scene.server.authorized_keys, f"{openssh.public(locked)}\n")
    scene.secrets["old"] = locked.read_text()
    scene.prepare()
    scene.ask("create")
    assert scene.ask("probe")["probe"]["old"] == "accepted"
    scene.ask("disable_old")
    probe = scene.ask("probe")["probe"]
    assert (probe["old"], probe["method"]) == ("refused", "metadata")


def test_a_plan_names_what_stands_in_the_way(scene: Scene) -> None:
    scene.target |= {
        "authorized_keys": str(scene.server.folder / "revoked_keys"),
        "revoked_keys": str(scene.server.folder / "nowhere"),
        "login_log": str(scene.server.folder / "no-log"),
    }
    assert failing_checks(scene.ask("plan")) == [
        "the leaked key is in authorized_keys",
        "sessions can be found in sshd's log",
        "the list of revoked keys can be changed",
        "sshd reads that list",
    ]


def test_a_list_of_revoked_keys_kept_as_text_grows_as_text(scene: Scene) -> None:
    scene.server.revoked_keys.write_text(scene.server.host_key + "\n")
    again = scene.server.authorized_keys.read_text()
    scene.replace()
    scene.ask("destroy_old")
    add_line(scene.server.authorized_keys, again)
    assert scene.said() == ("accepted", "refused")
    assert len(scene.server.revoked_keys.read_text().splitlines()) == 2


def test_the_files_can_be_reached_through_ssh_with_the_responders_own_key(scene: Scene) -> None:
    responder = openssh.key_pair(scene.server.folder / "responder")
    add_line(scene.server.authorized_keys, f"{openssh.public(responder)}\n")
    scene.target |= {"transport": "ssh", "ssh_user": scene.server.user}
    scene.secrets["responder"] = responder.read_text()
    scene.server.authorized_keys.chmod(0o640)
    scene.replace()
    assert scene.ask("kill_derived")["status"] in ("already", "done")
    scene.ask("destroy_old")
    assert scene.said() == ("accepted", "refused")
    assert scene.server.authorized_keys.stat().st_mode & 0o777 == 0o640


def test_a_responder_may_not_come_in_with_the_leaked_key(scene: Scene) -> None:
    scene.target |= {"transport": "ssh", "ssh_user": scene.server.user}
    scene.secrets["responder"] = scene.secrets["old"]
    assert failing_checks(scene.ask("plan")) == ["the responder's key is not the leaked one"]


def test_a_responder_who_is_refused_stops_the_plan_with_the_class_auth(scene: Scene) -> None:
    stranger = openssh.key_pair(scene.server.folder / "stranger")
    scene.target |= {"transport": "ssh", "ssh_user": scene.server.user}
    scene.secrets["responder"] = stranger.read_text()
    assert failed(SCRIPT, "plan", target=scene.target, secrets=scene.secrets) == "auth"


def test_no_private_key_reaches_a_file(scene: Scene) -> None:
    scene.replace()
    body = scene.secrets["new"].splitlines()[2]
    for path in scene.server.folder.rglob("*"):
        if path.is_file():
            assert body.encode() not in path.read_bytes(), path.name
    assert base64.b64decode(body)  # the line looked for is the key's own


def test_an_old_key_nobody_supplied_is_asked_for(scene: Scene) -> None:
    assert failed(SCRIPT, "plan", target=scene.target) == "missing"
    answer = call(SCRIPT, "plan", target=scene.target, old={"id": "SHA256:nobody"})
    assert failing_checks(answer) == ["the leaked key is in authorized_keys"]


def add_line(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
