"""dkim against a real BIND and a real opendkim; dkimpy is the verifier on the other side."""

from __future__ import annotations

import base64
import secrets as random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from servers import dns, place, until

from rotate.drive import SCRIPTS, failed, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(dns.available()), reason=dns.available())

SCRIPT = SCRIPTS / "dkim"
NEW = "lg-2026-0001-s1-r1"


@dataclass
class Scene(Rotation):
    """A domain whose DKIM key leaked."""

    script = SCRIPT
    steps = ("generate", "create", "disable_old")
    server: dns.Server
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)

    def passes(self, mail: bytes) -> bool:
        import dkim

        return dkim.verify(mail, dnsfunc=self.server.dnsfunc)

    def forged(self) -> bytes:
        """Mail that the thief signs."""
        import dkim

        mail = b"From: a@example.com\r\nSubject: trust me\r\n\r\nhello\r\n"
        key = self.secrets["old"].encode()
        return dkim.sign(mail, dns.SELECTOR.encode(), dns.DOMAIN.encode(), key) + mail


@pytest.fixture(scope="module")
def leaked() -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = key.public_key().public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    pem = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
    )
    return base64.b64encode(der).decode(), pem.decode()


@pytest.fixture
def scene(leaked: tuple[str, str]) -> Iterator[Scene]:
    with place() as folder, dns.start(folder, *leaked) as server:
        target = {
            "domain": dns.DOMAIN, "selector": dns.SELECTOR, "dns_server": "127.0.0.1",
            "dns_port": server.port, "resolvers": f"127.0.0.1#{server.port}",
            "tsig_name": dns.MAY, "ttl": 1, "key_table": str(server.key_table),
            "reload": server.reload, "transport": "local",
        }  # fmt: skip
        yield Scene(server, target, {"old": leaked[1], "tsig": server.tsig})


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    manifest = manifest_of(SCRIPT)
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest[name] == value


def test_planning_asks_for_permission_and_changes_nothing(scene: Scene) -> None:
    before = scene.server.text(dns.SELECTOR), scene.server.key_table.read_bytes()
    assert failing_checks(scene.ask("plan")) == []
    assert scene.server.text(NEW) is None
    assert (scene.server.text(dns.SELECTOR), scene.server.key_table.read_bytes()) == before
    assert scene.server.serial() == 1


def test_a_rotation_leaves_only_the_new_key_able_to_sign(scene: Scene) -> None:
    assert scene.passes(scene.forged())
    scene.prepare()
    assert scene.state() == ("active", "absent")
    assert scene.ask("create")["status"] == "done"
    assert scene.ask("create")["status"] == "already"
    assert scene.ask("verify_new")["evidence"][0]["name_servers"] == 2
    assert scene.said() == ("accepted", "accepted")
    assert scene.state() == ("active", "active")
    sent_before = scene.server.mail()
    assert b"s=s1;" in sent_before

    assert scene.ask("disable_old")["status"] == "done"
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.said() == ("accepted", "refused")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"
    assert scene.state() == ("disabled", "active")
    until(lambda: f"s={NEW};".encode() in scene.server.mail())
    assert scene.passes(scene.server.mail())
    assert not scene.passes(scene.forged())
    assert not scene.passes(sent_before)

    assert scene.ask("destroy_old")["status"] == "done"
    assert scene.ask("destroy_old")["status"] == "already"
    assert not (scene.server.folder / "keys" / "s1.private").exists()


def test_the_old_key_can_end_before_there_is_a_new_one(scene: Scene) -> None:
    scene.ask("plan")
    assert scene.ask("probe")["probe"]["new"] == "refused"
    scene.ask("disable_old")
    assert not scene.passes(scene.forged())
    assert b"s=s1;" in scene.server.mail()  # it has nothing else to sign with
    scene.ask("generate")
    scene.ask("create")
    until(lambda: f"s={NEW};".encode() in scene.server.mail())
    assert scene.passes(scene.server.mail())
    assert scene.said() == ("accepted", "refused")


def test_the_new_key_file_gets_the_owner_and_mode_of_the_old_one(scene: Scene) -> None:
    scene.replace()
    laid = scene.server.folder / "keys" / f"{NEW}.private"
    assert laid.stat().st_mode & 0o777 == 0o640
    assert scene.server.key_table.read_text() == f"# keys\nmain {dns.DOMAIN}:{NEW}:{laid}\n"


def test_until_the_old_records_ttl_is_over_a_verifier_may_remember_it(scene: Scene) -> None:
    scene.replace()
    ttl = scene.plan["snapshot"]["ttl"]
    assert ttl == dns.TTL
    scene.plan["snapshot"]["ttl"] = 600  # one that no slow machine outlives
    assert scene.probe()["derived"] == "alive"
    scene.plan["snapshot"]["ttl"] = ttl
    until(lambda: scene.probe()["derived"] == "none")


def test_a_new_key_that_is_not_published_yet_is_pending(scene: Scene) -> None:
    scene.prepare()
    assert scene.ask("verify_new")["status"] == "pending"
    assert scene.said()[0] == "refused"


def test_a_name_server_that_lags_behind_holds_the_proof_back(scene: Scene) -> None:
    scene.replace()
    scene.target["resolvers"] = f"127.0.0.1#{scene.server.port},127.0.0.1#{dns.free_port()}"
    assert scene.said() == ("unreachable", "unreachable")


def test_a_name_server_that_is_down_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.server.named.stop()
    probe = scene.ask("probe")["probe"]
    assert probe == {"new": "unreachable", "old": "unreachable", "derived": "unknown"}
    assert failed(SCRIPT, "disable_old", **scene.parts) == "network"


def test_a_rollback_gives_the_old_key_its_place_back(scene: Scene) -> None:
    before = scene.server.text(dns.SELECTOR), scene.server.key_table.read_text()
    scene.replace()
    assert len(scene.ask("rollback")["observed"]) == 3
    assert (scene.server.text(dns.SELECTOR), scene.server.key_table.read_text()) == before
    assert scene.passes(scene.forged())
    assert scene.state() == ("active", "absent")
    assert scene.ask("rollback")["status"] == "already"


def test_a_key_that_still_signs_is_not_destroyed(scene: Scene) -> None:
    scene.prepare()
    assert failed(SCRIPT, "destroy_old", **scene.parts) == "conflict"


def test_a_leaked_value_that_is_not_at_hand_is_judged_by_the_zone(scene: Scene) -> None:
    del scene.secrets["old"]
    scene.replace()
    probe = scene.ask("probe")["probe"]
    assert (probe["old"], probe["method"]) == ("refused", "metadata")


def test_an_update_key_without_rights_is_found_out_before_anything_changes(scene: Scene) -> None:
    scene.target["tsig_name"] = dns.MAY_NOT
    scene.secrets["tsig"] = scene.server.tsig_without_rights
    assert failing_checks(scene.ask("plan")) == [
        "the zone takes a new selector",
        "the zone lets the old selector be changed",
    ]


def test_a_wrong_update_key_is_refused_with_the_class_auth(scene: Scene) -> None:
    scene.prepare()
    scene.secrets["tsig"] = base64.b64encode(random.token_bytes(32)).decode()
    assert failed(SCRIPT, "create", **scene.parts) == "auth"


def test_a_plan_names_what_stands_in_the_way(scene: Scene) -> None:
    scene.target |= {"selector": "nobody"}
    assert failing_checks(scene.ask("plan")) == [
        "the zone publishes the leaked key",
        "the signer's table names the old selector",
    ]
    scene.target |= {"selector": dns.SELECTOR, "new_selector": dns.SELECTOR}
    assert failing_checks(scene.ask("plan")) == ["the new selector is free"]
