"""Replacing the key that signs JWTs, in front of verifiers with PyJWT's real client."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, jwks, place, until

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

pytestmark = pytest.mark.skipif(bool(jwks.available()), reason=f"jwks: {jwks.available()}")

SCRIPT = SCRIPTS / "jwt-jwks"


@pytest.fixture(scope="module")
def running() -> Iterator[jwks.Server]:
    with place() as folder, jwks.start(folder) as server:
        yield server


@pytest.fixture
def server(running: jwks.Server) -> jwks.Server:
    """With one published key of somebody else's, which no rotation may touch."""
    bystander = done(SCRIPT, "generate", target={"algorithm": "EdDSA"})["new"]["public"]
    running.document.write_text(json.dumps({"keys": [{**bystander, "kid": "other"}]}), "utf-8")
    running.forget()
    return running


@pytest.fixture
def parts(server: jwks.Server) -> dict[str, Any]:
    """A leaked key that is published under a name of its own."""
    leaked = done(SCRIPT, "generate", target={"algorithm": "ES256"})
    keys = json.loads(server.document.read_text("utf-8"))["keys"]
    name = f"key-{secrets.token_hex(4)}"
    keys.append({**leaked["new"]["public"], "kid": name})
    server.document.write_text(json.dumps({"keys": keys}), "utf-8")
    return {
        "target": {
            "jwks_file": str(server.document),
            "jwks_url": server.url("/jwks.json"),
            "verifiers": f"{server.url('/quick')}, {server.url('/stubborn')}",
            "flush": server.url("/flush"),
            "claims": json.dumps({"aud": jwks.AUDIENCE}),
            "algorithm": "ES256",
            "dual_window": True,
        },
        "secrets": {"old": leaked["secrets"]["new"], "flusher": server.flusher},
        "old": {"id": name},
    }


def generated(parts: dict[str, Any]) -> str:
    made = done(SCRIPT, "generate", **parts)
    parts["new"] = made["new"]
    parts["secrets"]["new"] = made["secrets"]["new"]
    return str(made["new"]["id"])


def probe(parts: dict[str, Any]) -> tuple[str, str]:
    said = done(SCRIPT, "probe", **parts)["probe"]
    return said["new"], said["old"]


def test_the_script_is_what_its_manifest_says() -> None:
    manifest = manifest_of(SCRIPT)
    said = call(SCRIPT, "describe", target={})["capabilities"]
    assert said == {name: manifest[name] for name in said}


def test_with_a_window_both_keys_verify_until_the_old_one_is_unpublished_and_forgotten(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    old, before = parts["old"]["id"], server.document.read_bytes()
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert failing_checks(parts["plan"]) == []
    assert "capabilities" not in parts["plan"]
    new = generated(parts)
    assert server.document.read_bytes() == before

    assert done(SCRIPT, "create", **parts)["status"] == "done"
    assert done(SCRIPT, "create", **parts)["status"] == "already"
    until(lambda: done(SCRIPT, "verify_new", **parts)["status"] == "done")
    assert probe(parts) == ("accepted", "accepted")

    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    assert server.kids() == ["other", new]
    assert probe(parts) == ("accepted", "accepted")  # unpublished is not forgotten
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "done"
    assert probe(parts) == ("accepted", "refused")
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["old_error"], said["derived"]) == ("auth", "none")
    assert done(SCRIPT, "destroy_old", **parts)["status"] == "already"
    assert old not in server.kids()


def test_without_a_window_the_new_key_takes_the_place_of_the_leaked_one_at_once(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    parts["target"]["dual_window"] = False
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert parts["plan"]["capabilities"] == {"overlap": "none"}
    new = generated(parts)
    done(SCRIPT, "create", **parts)
    assert server.kids() == ["other", new]
    assert done(SCRIPT, "disable_old", **parts)["status"] == "already"
    done(SCRIPT, "kill_derived", **parts)
    assert probe(parts) == ("accepted", "refused")


def test_without_a_flush_one_waits_until_verifiers_forget_by_themselves(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    parts["target"] |= {"flush": "", "dual_window": False, "verifiers": server.url("/quick")}
    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    values = parts["secrets"]
    parts["secrets"] = {"old": values["old"]}  # a token of an unknown key makes a verifier fetch
    assert probe(parts)[1] == "accepted"
    done(SCRIPT, "create", **parts)
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "pending"
    until(lambda: done(SCRIPT, "kill_derived", **parts)["status"] == "done")
    parts["secrets"] = values
    assert probe(parts) == ("accepted", "refused")


def test_a_verifier_that_never_forgets_by_itself_keeps_the_rotation_open(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    parts["target"] |= {"dual_window": False, "verifiers": server.url("/stubborn")}
    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    assert probe({**parts, "secrets": {"old": parts["secrets"]["old"]}})[1] == "accepted"
    done(SCRIPT, "create", **parts)
    parts["target"]["flush"] = ""
    until(lambda: done(SCRIPT, "verify_new", **parts)["status"] == "done")
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "pending"
    said = done(SCRIPT, "probe", **parts)["probe"]
    assert (said["old"], said["derived"]) == ("accepted", "alive")


def test_a_worker_that_no_flush_reached_is_met(server: jwks.Server, parts: dict[str, Any]) -> None:
    parts["target"] |= {"dual_window": False, "verifiers": server.url("/pair")}
    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    assert probe({**parts, "secrets": {"old": parts["secrets"]["old"]}})[1] == "accepted"
    done(SCRIPT, "create", **parts)
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "pending"
    assert probe(parts)[1] == "accepted"


def test_the_leaked_key_tells_under_which_name_it_is_published(parts: dict[str, Any]) -> None:
    name = parts["old"]["id"]
    parts["old"] = {"id": "NAME_IN_SOME_FILE"}
    assert done(SCRIPT, "plan", **parts)["old"] == {"id": name}
    del parts["secrets"]["old"]
    assert failing_checks(done(SCRIPT, "plan", **parts)) == ["the leaked key is published"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_new_key_of_each_kind_verifies(
    server: jwks.Server, parts: dict[str, Any], algorithm: str
) -> None:
    parts["target"] |= {"algorithm": algorithm, "verifiers": server.url("/quick")}
    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    done(SCRIPT, "create", **parts)
    until(lambda: done(SCRIPT, "verify_new", **parts)["status"] == "done")


def test_rollback_publishes_the_old_key_again_and_observe_says_so(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    def state() -> tuple[str, str]:
        said = done(SCRIPT, "observe", **parts)["state"]
        return said["old"], said["new"]

    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    assert state() == ("active", "absent")
    done(SCRIPT, "create", **parts)
    assert state() == ("active", "active")
    done(SCRIPT, "disable_old", **parts)
    assert state() == ("absent", "active")
    assert done(SCRIPT, "rollback", **parts)["status"] == "done"
    assert done(SCRIPT, "rollback", **parts)["status"] == "already"
    assert state() == ("active", "absent")
    assert failed(SCRIPT, "disable_old", **parts) == "conflict"  # nothing would verify


def test_a_leaked_key_may_end_before_there_is_a_new_one(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    assert done(SCRIPT, "disable_old", **parts)["status"] == "done"
    assert done(SCRIPT, "kill_derived", **parts)["status"] == "done"
    assert server.kids() == ["other"]
    assert probe(parts) == ("unknown", "refused")


def test_the_document_keeps_its_mode_and_leaves_no_draft(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    server.document.chmod(0o640)
    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    done(SCRIPT, "create", **parts)
    assert server.document.stat().st_mode & 0o7777 == 0o640
    assert sorted(path.name for path in server.folder.iterdir()) == ["flusher", "jwks.json", "log"]


def test_a_verifier_that_is_down_is_unreachable_never_refused(
    server: jwks.Server, parts: dict[str, Any]
) -> None:
    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    parts["target"]["dual_window"] = False
    done(SCRIPT, "create", **parts)
    done(SCRIPT, "kill_derived", **parts)
    parts["target"]["verifiers"] += f",http://127.0.0.1:{free_port()}/"
    assert probe(parts) == ("unreachable", "unreachable")
    assert done(SCRIPT, "verify_new", **parts)["status"] == "pending"


def test_a_flush_with_the_wrong_bearer_fails_as_auth(parts: dict[str, Any]) -> None:
    parts["target"]["dual_window"] = False
    parts["plan"] = done(SCRIPT, "plan", **parts)
    generated(parts)
    done(SCRIPT, "create", **parts)
    parts["secrets"]["flusher"] = secrets.token_hex(16)
    assert failed(SCRIPT, "kill_derived", **parts) == "auth"
