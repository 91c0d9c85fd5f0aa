"""ssh-signing-key against the real ssh-keygen and the real git."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import lacking, openssh, place, run

from rotate.drive import SCRIPTS, failed, failing_checks, manifest_of
from rotate.rotation import Rotation

LACKING = lacking(programs=["ssh-keygen", "ssh-agent", "git"], modules=["cryptography"])
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

SCRIPT = SCRIPTS / "ssh-signing-key"
WHO = "dev@example.com"


@dataclass
class Scene(Rotation):
    """A repository whose verifiers trust one key, which leaked."""

    script = SCRIPT
    folder: Path
    leaked: Path
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)

    @property
    def allowed(self) -> Path:
        return self.folder / "allowed_signers"

    @property
    def revoked(self) -> Path:
        return self.folder / "revoked_keys"

    def backdated(self) -> int:
        """What ssh-keygen says of a signature of the old key, asked about a day in 2019."""
        (self.folder / "tag").write_text("v1\n")
        run(["ssh-keygen", "-q", "-Y", "sign", "-f", self.leaked, "-n", "git", self.folder / "tag"])
        signature = self.folder / "tag.sig"
        words = ["-f", self.allowed, "-r", self.revoked, "-I", WHO, "-n", "git", "-s", signature]
        with (self.folder / "tag").open() as tag:
            asked = ["ssh-keygen", "-Y", "verify", *words, "-Overify-time=20190101"]
            code = subprocess.run(asked, stdin=tag, capture_output=True, check=False).returncode
        signature.unlink()
        return code


@pytest.fixture
def scene() -> Iterator[Scene]:
    with place() as folder:
        leaked = openssh.key_pair(folder / "leaked")
        line = f'# kept by hand\n{WHO} namespaces="git" {openssh.public(leaked)} dev\n'
        (folder / "allowed_signers").write_text(line)
        run(["ssh-keygen", "-q", "-k", "-f", folder / "revoked_keys"])
        target = {
            "allowed_signers": str(folder / "allowed_signers"),
            "revoked_keys": str(folder / "revoked_keys"),
            "principal": WHO,
            "namespace": "git",
            "transport": "local",
        }
        yield Scene(folder, leaked, target, {"old": leaked.read_text()})


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest_of(SCRIPT)[name] == value


def test_planning_changes_nothing_and_finds_the_lines_of_the_leaked_key(scene: Scene) -> None:
    before = scene.allowed.read_bytes(), scene.revoked.read_bytes()
    plan = scene.ask("plan")
    assert failing_checks(plan) == []
    assert plan["known"] == [plan["old"]["id"]]
    assert (scene.allowed.read_bytes(), scene.revoked.read_bytes()) == before


def test_a_rotation_ends_with_the_old_key_on_the_list_of_revoked_keys(scene: Scene) -> None:
    scene.prepare()
    assert scene.state() == ("active", "absent")
    assert failed(SCRIPT, "verify_new", target=scene.target, secrets=scene.secrets) == "auth"
    assert [scene.ask("create")["status"] for _ in range(2)] == ["done", "already"]
    assert 'namespaces="git"' in scene.allowed.read_text().splitlines()[-1]
    scene.ask("verify_new")
    assert scene.said() == ("accepted", "accepted")
    assert [scene.ask("disable_old")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.said() == ("accepted", "refused")
    assert scene.state() == ("absent", "active")
    assert [scene.ask("destroy_old")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.state() == ("disabled", "active")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"
    assert scene.allowed.read_text().startswith("# kept by hand\n")


def test_only_the_list_of_revoked_keys_holds_when_the_line_comes_back(scene: Scene) -> None:
    line = scene.allowed.read_text()
    scene.replace()
    scene.allowed.write_text(scene.allowed.read_text() + line)
    assert scene.said() == ("accepted", "accepted")
    scene.ask("destroy_old")
    scene.allowed.write_text(scene.allowed.read_text() + line)
    assert scene.said() == ("accepted", "refused")


def test_a_period_does_not_stop_a_signature_that_is_dated_back(scene: Scene) -> None:
    line = f'{WHO} namespaces="git",valid-before="20200101" {openssh.public(scene.leaked)}\n'
    scene.allowed.write_text(line)
    assert scene.backdated() == 0
    scene.replace()
    assert "valid-before" not in scene.allowed.read_text()
    scene.ask("destroy_old")
    scene.allowed.write_text(scene.allowed.read_text() + line)
    assert scene.backdated() != 0


def test_git_refuses_a_commit_of_the_old_key_and_takes_one_of_the_new(scene: Scene) -> None:
    config = repository(scene)
    scene.target["git_config"] = str(config)
    commit(scene, scene.leaked)
    assert verified(scene) == 0
    scene.replace()
    scene.ask("destroy_old")
    assert verified(scene) != 0
    own = scene.folder / "own"
    own.write_text(scene.secrets["new"])
    own.chmod(0o600)
    commit(scene, own)
    assert verified(scene) == 0


def test_a_git_that_reads_no_list_of_revoked_keys_stands_in_the_way(scene: Scene) -> None:
    config = repository(scene)
    run(["git", "config", "--file", config, "--unset", "gpg.ssh.revocationFile"])
    scene.target["git_config"] = str(config)
    assert failing_checks(scene.ask("plan")) == ["git reads both files"]


def test_the_old_key_can_end_before_there_is_a_new_one(scene: Scene) -> None:
    scene.ask("plan")
    scene.ask("disable_old")
    assert scene.said() == ("unknown", "refused")
    pair = scene.ask("generate")
    scene.secrets["new"], scene.new = pair["secrets"]["new"], pair["new"]
    scene.ask("create")
    assert scene.said() == ("accepted", "refused")


def test_files_that_are_gone_prove_nothing(scene: Scene) -> None:
    scene.replace()
    scene.allowed.rename(scene.folder / "elsewhere")
    assert scene.said() == ("unreachable", "unreachable")


def test_a_list_that_nobody_can_read_proves_nothing(scene: Scene) -> None:
    scene.replace()
    scene.revoked.write_text("no list of keys\n")
    assert scene.said() == ("unknown", "unknown")
    assert "the list of revoked keys can be read" in failing_checks(scene.ask("plan"))


def test_a_rollback_trusts_the_old_key_again_until_it_is_revoked(scene: Scene) -> None:
    scene.replace()
    assert len(scene.ask("rollback")["observed"]) == 2
    assert scene.said() == ("refused", "accepted")
    assert scene.ask("rollback")["status"] == "already"
    scene.ask("destroy_old")
    parts = {"target": scene.target, "plan": scene.plan, "new": scene.new}
    assert failed(SCRIPT, "rollback", **parts) == "conflict"


def test_without_the_leaked_value_the_files_are_what_is_judged(scene: Scene) -> None:
    scene.prepare()
    scene.ask("create")
    del scene.secrets["old"]
    assert scene.ask("probe")["probe"]["old"] == "accepted"
    scene.ask("disable_old")
    found = scene.ask("probe")["probe"]
    assert (found["old"], found["method"]) == ("refused", "metadata")


def test_no_private_key_reaches_a_file(scene: Scene) -> None:
    scene.replace()
    scene.ask("destroy_old")
    body = scene.secrets["new"].splitlines()[2].encode()
    assert not [
        one for one in scene.folder.rglob("*") if one.is_file() and body in one.read_bytes()
    ]


def repository(scene: Scene) -> Path:
    git(scene, "init", "-q")
    for name, value in {
        "user.name": "dev", "user.email": WHO, "gpg.format": "ssh",
        "gpg.ssh.allowedSignersFile": str(scene.allowed),
        "gpg.ssh.revocationFile": str(scene.revoked),
    }.items():  # fmt: skip
        git(scene, "config", name, value)
    return scene.folder / ".git" / "config"


def commit(scene: Scene, key: Path) -> None:
    signing = ["-c", f"user.signingKey={key}"]
    git(scene, *signing, "commit", "-q", "-S", "--allow-empty", "--no-verify", "-m", "signed")


def verified(scene: Scene) -> int:
    asked = ["git", "-C", str(scene.folder), "verify-commit", "HEAD"]
    return subprocess.run(asked, capture_output=True, check=False).returncode


def git(scene: Scene, *words: str) -> None:
    run(["git", "-C", scene.folder, *words])
