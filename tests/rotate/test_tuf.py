"""tuf-root-key against a repository behind a real web server, and the real client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import place, tuf

from rotate.drive import SCRIPTS, failing_checks, manifest_of
from rotate.rotation import Rotation

pytestmark = pytest.mark.skipif(bool(tuf.available()), reason=tuf.available())

SCRIPT = SCRIPTS / "tuf-root-key"


@dataclass
class Scene(Rotation):
    """A repository of which one root key leaked."""

    script = SCRIPT
    steps = ("generate", "create", "disable_old", "kill_derived", "verify_new")
    server: tuf.Repository
    secrets: dict[str, str] = field(repr=False)

    @property
    def target(self) -> dict[str, Any]:
        return {"metadata_dir": str(self.server.folder), "url": self.server.url}


def leak(server: tuf.Repository, role: str = "root") -> Scene:
    return Scene(server, {"old": server.private(role)})


@pytest.fixture
def folder() -> Iterator[Path]:
    with place() as made:
        yield made


@pytest.fixture
def scene(folder: Path) -> Iterator[Scene]:
    with tuf.start(folder) as server:
        yield leak(server)


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest_of(SCRIPT)[name] == value


def test_planning_changes_nothing(scene: Scene) -> None:
    before = scene.server.files()
    plan = scene.ask("plan")
    assert failing_checks(plan) == []
    assert plan["snapshot"]["roles"] == ["root"]
    assert scene.server.files() == before


def test_root_two_is_signed_by_both_keys_and_clients_follow_it(scene: Scene) -> None:
    scene.prepare()
    assert scene.state() == ("active", "absent")
    assert scene.said() == ("refused", "accepted")
    assert scene.fails("verify_new") == "auth"
    assert [scene.ask("create")["status"] for _ in range(2)] == ["done", "already"]
    assert sorted(signers_of(scene.server.root(2))) == sorted(
        [scene.plan["old"]["id"], scene.new["id"]]
    )
    scene.ask("verify_new")
    assert scene.ask("disable_old")["status"] == "already"
    assert scene.ask("kill_derived")["status"] == "already"
    assert scene.said() == ("accepted", "refused")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"
    assert scene.state() == ("absent", "active")
    assert tuf.refresh(scene.server.url, scene.server.root(1)) == 2


def test_the_real_client_refuses_a_root_of_the_revoked_key_over_http(scene: Scene) -> None:
    from tuf.api.exceptions import UnsignedMetadataError

    forge(scene.server, 2)
    assert tuf.refresh(scene.server.url, scene.server.root(1)) == 2  # before: it is taken
    (scene.server.folder / "2.root.json").unlink()
    scene.replace()
    forge(scene.server, 3)
    with pytest.raises(UnsignedMetadataError):
        tuf.refresh(scene.server.url, scene.server.root(1))


def test_a_client_that_never_saw_the_next_root_can_still_be_misled(scene: Scene) -> None:
    """What is left of the leak; the plan says it."""
    known = scene.server.root(1)
    scene.replace()
    effects = " ".join(action["effect"] for action in scene.plan["actions"])
    assert "can be given another root" in effects
    forge(scene.server, 2)
    assert tuf.refresh(scene.server.url, known) == 2


def test_metadata_that_the_key_signed_too_is_signed_anew_without_a_gap(folder: Path) -> None:
    with tuf.start(folder, shared=("timestamp", "snapshot", "targets")) as server:
        scene = leak(server)
        scene.prepare()
        assert len(scene.plan["snapshot"]["roles"]) == 4
        assert len(scene.ask("create")["observed"]) == 4
        assert scene.ask("create")["status"] == "already"
        assert len(signers_of(server.files()["timestamp.json"])) == 2
        assert tuf.refresh(server.url, server.root(1)) == 2
        assert len(scene.ask("kill_derived")["observed"]) == 3
        assert scene.ask("kill_derived")["status"] == "already"
        assert signers_of(server.files()["timestamp.json"]) == [scene.new["id"]]
        assert tuf.refresh(server.url, server.root(1)) == 2
        assert scene.said() == ("accepted", "refused")


def test_a_leaked_timestamp_key_is_replaced_by_the_roots_own_keys(folder: Path) -> None:
    with tuf.start(folder) as server:
        scene = leak(server, "timestamp")
        assert failing_checks(scene.ask("plan")) == ["there are keys for the next root"]
        scene.secrets["signers"] = server.private("root")
        assert scene.ask("probe")["probe"]["old"] == "accepted"
        scene.replace()
        assert scene.said() == ("accepted", "refused")


def test_a_threshold_of_two_needs_the_other_signers(folder: Path) -> None:
    with tuf.start(folder, root_keys=3, threshold=2) as server:
        scene = leak(server)
        scene.ask("plan")
        assert failing_checks(scene.plan) == ["there are keys for the next root"]
        assert scene.ask("probe")["probe"]["old"] == "refused"  # alone it opens nothing
        pair = scene.ask("generate")
        scene.secrets["new"], scene.new = pair["secrets"]["new"], pair["new"]
        assert scene.fails("create") == "missing"
        assert "2.root.json" not in server.files()
        scene.secrets["signers"] = server.private("root", 1) + server.private("root", 2)
        assert scene.said() == ("refused", "accepted")
        scene.replace()
        assert scene.said() == ("accepted", "refused")


def test_without_the_leaked_key_others_sign_and_the_root_tells(folder: Path) -> None:
    with tuf.start(folder, root_keys=2) as server:
        scene = leak(server)
        old = scene.ask("plan")["old"]
        scene.secrets = {"signers": server.private("root", 1)}
        scene.ask("plan", old=old)
        pair = scene.ask("generate")
        scene.secrets["new"], scene.new = pair["secrets"]["new"], pair["new"]
        scene.ask("create")
        found = scene.ask("probe")["probe"]
        assert (found["new"], found["old"], found["method"]) == ("accepted", "refused", "metadata")


def test_a_repository_that_is_down_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.server.process.stop()
    assert scene.said() == ("unreachable", "unreachable")
    assert scene.fails("verify_new") == "network"


def test_a_root_that_is_not_out_ends_nothing(scene: Scene) -> None:
    scene.prepare()
    assert scene.fails("disable_old") == "conflict"
    assert scene.fails("kill_derived") == "conflict"


def test_no_private_key_is_published(scene: Scene) -> None:
    scene.replace()
    body = scene.secrets["new"].splitlines()[1].encode()
    assert not [name for name, content in scene.server.files().items() if body in content]


def forge(server: tuf.Repository, version: int) -> None:
    """What whoever holds the leaked key puts where clients look."""
    from tuf.api.metadata import Metadata

    forged = Metadata.from_bytes(server.root(1))
    forged.signed.version = version
    forged.sign(server.keys["root"][0])
    forged.to_file(str(server.folder / f"{version}.root.json"))


def signers_of(metadata: bytes) -> list[str]:
    from tuf.api.metadata import Metadata

    return list(Metadata.from_bytes(metadata).signatures)
