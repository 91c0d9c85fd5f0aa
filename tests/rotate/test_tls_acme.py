"""tls-acme against Pebble and a real nginx."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import acme, free_port, place, until

from rotate.drive import SCRIPTS, failed, failing_checks, manifest_of, steady
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(acme.available()), reason=acme.available())

SCRIPT = SCRIPTS / "tls-acme"
ORDERED = "cert.pem.leakguard-new"


@dataclass
class Scene(Rotation):
    """A web server whose private key leaked."""

    script = SCRIPT
    steps = ("generate", "create", "verify_new")
    server: acme.Server
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)

    def prepare(self) -> None:
        self.secrets["old"] = self.server.key.read_text()
        super().prepare()

    def probe(self, **parts: Any) -> dict[str, str]:
        until(self.server.is_settled)  # what an old worker serves is no answer
        answer = steady(
            lambda: self.ask("probe", **parts),
            lambda answer: "unreachable" not in answer["probe"].values(),
        )
        found: dict[str, str] = answer["probe"]
        return found

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.server.key.parent.iterdir()}


@pytest.fixture(scope="module")
def running() -> Iterator[acme.Server]:
    with place() as folder, acme.start(folder) as server:
        yield server


@pytest.fixture(scope="module")
def issued() -> dict[str, Any]:
    """A pair that came from the CA, as one that leaks does; one that is revoked is no use."""
    return {}


@pytest.fixture
def scene(running: acme.Server, issued: dict[str, Any]) -> Scene:
    target = {
        "directory": running.directory, "ca_file": str(running.trust),
        "certificate": str(running.certificate), "key": str(running.key),
        "webroot": str(running.folder / "www"),
        "listeners": ", ".join(f"127.0.0.1:{port}" for port in running.listeners),
        "test": running.test, "reload": running.reload, "transport": "local",
    }  # fmt: skip
    if not issued or running.status(issued["serial"])[0] != "Valid":
        issued |= order(Scene(running, target, {"account": running.account}))
    for path in running.key.parent.glob("*.leakguard-*"):
        path.unlink()
    running.key.write_text(issued["key"])
    running.certificate.write_text(issued["certificate"])
    if not (running.serves_its_pair() and running.is_settled()):
        running.reread()
    return Scene(running, target, {"account": running.account})


def order(scene: Scene) -> dict[str, Any]:
    scene.server.reread()
    scene.prepare()
    serial = scene.ask("create")["new"]["serial"]
    key, certificate = scene.server.key.read_text(), scene.server.certificate.read_text()
    return {"serial": serial, "key": key, "certificate": certificate}


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    manifest = manifest_of(SCRIPT)
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest[name] == value


def test_planning_changes_nothing(scene: Scene) -> None:
    before = scene.files()
    scene.prepare()
    assert scene.files() == before
    assert sorted(scene.plan["snapshot"]["names"]) == sorted(acme.NAMES)
    assert scene.server.status(scene.plan["old"]["serial"])[0] == "Valid"


def test_a_rotation_ends_with_the_new_pair_served_and_the_old_one_revoked(scene: Scene) -> None:
    scene.prepare()
    old = scene.plan["old"]["serial"]
    assert scene.state() == ("active", "absent")
    created = scene.ask("create")
    assert (created["status"], scene.ask("create")["status"]) == ("done", "already")
    scene.new = created["new"]
    assert len(scene.ask("verify_new")["evidence"]) == 2
    assert scene.said() == ("accepted", "accepted")
    assert scene.state() == ("active", "active")
    assert scene.server.status(old)[0] == "Valid"  # a probe revokes nothing

    assert scene.ask("disable_old")["status"] == "done"
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.server.status(old) == ("Revoked", 1)
    assert scene.server.status(scene.new["serial"])[0] == "Valid"
    assert scene.said() == ("accepted", "refused")
    assert scene.state() == ("disabled", "active")

    assert scene.ask("destroy_old")["status"] == "done"
    assert scene.ask("destroy_old")["status"] == "already"
    assert scene.said() == ("accepted", "refused")
    left = b"".join(scene.files().values()).decode()
    assert scene.secrets["old"].splitlines()[1] not in left
    assert scene.server.key.stat().st_mode & 0o777 == 0o600
    assert list((scene.server.folder / "www").rglob(".well-known/acme-challenge/*")) == []


def test_the_new_certificate_is_for_another_key(scene: Scene) -> None:
    scene.replace()
    assert scene.new["id"] != scene.plan["old"]["id"]
    assert scene.server.key.read_text() == scene.secrets["new"]


def test_a_certificate_that_came_before_a_crash_is_used_and_not_ordered_again(scene: Scene) -> None:
    scene.prepare()
    scene.target["test"] = "false"
    before = scene.files()
    until(lambda: scene.fails("create") == "conflict" and ORDERED in scene.files())
    came = scene.files()
    ordered = came.pop(ORDERED)
    assert came == before  # nginx's old pair is back
    scene.target["test"] = scene.server.test
    scene.ask("create")
    assert scene.server.certificate.read_bytes() == ordered


def test_an_old_certificate_that_is_still_in_use_is_not_revoked(scene: Scene) -> None:
    scene.prepare()
    assert failed(SCRIPT, "disable_old", **scene.parts) == "conflict"
    assert scene.server.status(scene.plan["old"]["serial"])[0] == "Valid"


def test_the_old_certificate_can_end_before_there_is_a_new_one(scene: Scene) -> None:
    scene.prepare()
    made, scene.new = scene.new, {}
    assert scene.said() == ("refused", "accepted")
    scene.ask("disable_old")
    assert scene.server.status(scene.plan["old"]["serial"]) == ("Revoked", 1)
    scene.new = made
    scene.ask("create")
    scene.ask("verify_new")
    assert scene.said() == ("accepted", "refused")


def test_a_listener_that_was_forgotten_is_noticed(scene: Scene) -> None:
    scene.target["reload"] = "true"
    scene.prepare()
    scene.ask("create")
    until(lambda: scene.fails("verify_new", deadline=8) == "conflict")
    assert scene.said() == ("refused", "accepted")


def test_a_rollback_before_the_revocation_gives_the_old_pair_back(scene: Scene) -> None:
    before = {name: scene.files()[name] for name in ("cert.pem", "key.pem")}
    scene.replace()
    assert len(scene.ask("rollback")["observed"]) == 2
    assert scene.files() == before
    assert scene.server.status(scene.new["serial"]) == ("Revoked", 4)
    assert scene.server.status(scene.plan["old"]["serial"])[0] == "Valid"
    assert scene.ask("rollback")["status"] == "already"


def test_there_is_no_way_back_to_a_revoked_certificate(scene: Scene) -> None:
    scene.replace()
    scene.ask("disable_old")
    assert failed(SCRIPT, "rollback", **scene.parts) == "unsupported"


def test_listeners_or_a_ca_that_are_down_prove_nothing(scene: Scene) -> None:
    scene.replace()
    scene.ask("disable_old")
    directory = scene.target["directory"]
    scene.target["directory"] = f"https://127.0.0.1:{free_port()}/dir"
    assert scene.said() == ("accepted", "unreachable")
    assert failed(SCRIPT, "disable_old", **scene.parts) == "network"
    scene.target |= {"directory": directory, "listeners": f"127.0.0.1:{free_port()}"}
    assert scene.said() == ("unreachable", "unknown")
    assert failed(SCRIPT, "verify_new", **scene.parts) == "network"


def test_a_plan_names_what_stands_in_the_way(scene: Scene) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    stranger = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    scene.secrets |= {"old": stranger.decode(), "account": stranger.decode()}
    scene.target |= {"test": "false", "listeners": f"127.0.0.1:{(port := free_port())}"}
    assert failing_checks(scene.ask("plan")) == [
        "the installed certificate is for the leaked key",
        "the server's configuration is sound",
        "the CA knows the account",
        f"127.0.0.1:{port} serves the installed certificate",
    ]


def test_an_account_that_uses_the_leaked_key_may_not_rotate_it(scene: Scene) -> None:
    scene.secrets["account"] = scene.server.key.read_text()
    assert "the account's key is not the leaked one" in failing_checks(scene.ask("plan"))
