"""openssh-host-key against a real sshd, with the real ssh client on the other side."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import openssh, place, program

from rotate.drive import SCRIPTS, failed, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(openssh.available()), reason=openssh.available())

SCRIPT = SCRIPTS / "openssh-host-key"


@dataclass
class Scene(Rotation):
    """A host whose key leaked."""

    script = SCRIPT
    server: openssh.Server
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with place() as folder, openssh.start(folder) as server:
        key = folder / "host_key"
        target = {
            "host": "127.0.0.1", "port": server.port, "key": str(key),
            "test": f"{program('sshd')} -t -f {server.config}",
            "reload": f"kill -s HUP {server.process.pid}", "transport": "local",
        }  # fmt: skip
        yield Scene(server, target, {"old": key.read_text()})


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    manifest = manifest_of(SCRIPT)
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest[name] == value


def test_a_rotation_makes_sshd_show_the_new_key_and_forget_the_old_one(scene: Scene) -> None:
    before = scene.server.host_key
    scene.prepare()
    assert scene.server.host_key == before
    assert scene.state() == ("active", "absent")
    assert scene.ask("create")["status"] == "done"
    assert scene.ask("create")["status"] == "already"
    scene.ask("verify_new")
    assert scene.state() == ("active", "disabled")
    assert scene.said() == ("refused", "accepted")

    assert scene.ask("disable_old")["status"] == "done"
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.said() == ("accepted", "refused")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"
    assert scene.state() == ("disabled", "active")

    assert scene.ask("destroy_old")["status"] == "done"
    assert scene.ask("destroy_old")["status"] == "already"
    assert scene.state() == ("absent", "active")
    body = scene.secrets["old"].splitlines()[2]
    for path in scene.server.folder.glob("host_key*"):
        assert body not in path.read_text(), path.name
    assert (scene.server.folder / "host_key").stat().st_mode & 0o777 == 0o600


def test_sshd_is_never_left_without_a_key(scene: Scene) -> None:
    scene.ask("plan")
    assert scene.said() == ("unknown", "accepted")
    assert failed(SCRIPT, "disable_old", **scene.parts) == "unsupported"


def test_what_is_observed_after_a_failed_reload_is_what_sshd_really_shows(scene: Scene) -> None:
    scene.prepare()
    scene.ask("create")
    scene.target["reload"], reload = "false", scene.target["reload"]
    assert failed(SCRIPT, "disable_old", **scene.parts) == "conflict"
    # This sshd reads its keys anew for every connection; the observation says so.
    assert (scene.state()[0] == "disabled") == (scene.said() == ("accepted", "refused"))
    scene.target["reload"] = reload
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.state() == ("disabled", "active")


def test_clients_with_the_new_lines_do_not_believe_a_thief(scene: Scene) -> None:
    stolen = Path(shutil.copy(scene.server.folder / "host_key", scene.server.folder / "stolen"))
    scene.target["names"] = "host.example.com"
    before = f"host.example.com {scene.server.host_key}\n"
    scene.replace()
    scene.ask("destroy_old")
    with openssh.impostor(scene.server.folder, stolen) as port:
        assert is_believed(scene.server.folder, port, before)
        assert not is_believed(scene.server.folder, port, lines(scene))
        assert not is_believed(scene.server.folder, port, before + lines(scene))
    assert is_believed(scene.server.folder, scene.server.port, lines(scene))


def test_a_server_that_is_down_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.server.process.stop()
    assert scene.said() == ("unreachable", "unreachable")


def test_a_key_that_sshd_would_not_start_with_is_taken_back(scene: Scene) -> None:
    scene.prepare()
    scene.ask("create")
    scene.target["test"] = "false"
    assert failed(SCRIPT, "disable_old", **scene.parts) == "conflict"
    assert scene.said() == ("refused", "accepted")
    assert scene.state() == ("active", "disabled")


def test_a_switch_that_stopped_between_the_two_halves_is_finished_by_the_next_try(
    scene: Scene,
) -> None:
    scene.prepare()
    scene.ask("create")
    key = scene.server.folder / "host_key"
    for half in ("", ".pub"):
        shutil.copy(f"{key}{half}", f"{key}.leakguard-old{half}")
    shutil.move(f"{key}.leakguard-new", key)
    assert scene.ask("disable_old")["status"] == "done"
    assert scene.said() == ("accepted", "refused")
    assert scene.server.host_key == scene.new["public"]


def test_a_rollback_makes_sshd_show_the_old_key_again(scene: Scene) -> None:
    before = scene.server.host_key
    scene.replace()
    assert scene.ask("rollback")["observed"] == ["made sshd use the old key again"]
    assert scene.server.host_key == before
    assert scene.said() == ("refused", "accepted")
    assert scene.state() == ("active", "absent")
    assert scene.ask("rollback")["status"] == "already"


def test_a_key_in_use_is_not_destroyed(scene: Scene) -> None:
    scene.prepare()
    assert failed(SCRIPT, "destroy_old", **scene.parts) == "conflict"


def test_a_host_is_reached_through_ssh_by_a_key_that_did_not_leak(scene: Scene) -> None:
    responder = openssh.key_pair(scene.server.folder / "responder")
    scene.server.authorized_keys.write_text(f"{openssh.public(responder)}\n")
    scene.secrets["responder"] = responder.read_text()
    scene.target |= {"transport": "ssh", "ssh_user": scene.server.user}
    scene.target["ssh_host_key"] = scene.server.host_key
    assert failing_checks(scene.ask("plan")) == ["the host is not recognised by its leaked key"]
    scene.target["ssh_host_key"] = openssh.public(scene.server.folder / "second_host_key")
    scene.replace()
    scene.ask("destroy_old")
    assert scene.said() == ("accepted", "refused")


def test_a_plan_names_what_stands_in_the_way(scene: Scene) -> None:
    second = scene.server.folder / "second_host_key"
    other = openssh.key_pair(scene.server.folder / "other")
    scene.target |= {"key": str(other), "test": "false"}
    scene.secrets["old"] = second.read_text()
    assert failing_checks(scene.ask("plan")) == [
        "the key on the host is the leaked one",
        "sshd shows that key",
        "sshd's configuration is sound",
    ]


def lines(scene: Scene) -> str:
    return "".join(f"{line}\n" for line in scene.new["known_hosts"])


def is_believed(folder: Path, port: int, known_hosts: str) -> bool:
    """Whether a client that knows these lines goes on to log in."""
    (folder / "known").write_text(known_hosts)
    said = subprocess.run(
        ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "HostKeyAlias=host.example.com",
         "-o", f"UserKnownHostsFile={folder}/known", "-o", "GlobalKnownHostsFile=none",
         "-o", "IdentityFile=none", "-o", "IdentityAgent=none", "-p", str(port), "127.0.0.1"],
        capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip
    assert "Permission denied" in said or "verification failed" in said, said
    return "Permission denied" in said
