"""gnupg-signing-key against the real gpg: one home signs, others verify."""

from __future__ import annotations

import hashlib
import secrets as random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import lacking, place, run

from rotate.drive import SCRIPTS, failing_checks, manifest_of
from rotate.rotation import Rotation

LACKING = lacking(programs=["gpg", "gpgconf", "gpg-connect-agent"])
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

SCRIPT = SCRIPTS / "gnupg-signing-key"


@dataclass
class Scene(Rotation):
    """A signer with a leaked key, two homes that verify, and two signed artefacts."""

    script = SCRIPT
    folder: Path
    target: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def signer(self) -> Path:
        return self.folder / "signer"

    @property
    def consumer(self) -> Path:
        return self.folder / "first"

    @property
    def artefact(self) -> Path:
        return self.folder / "tool-1.0.txt"

    def verified(self, signature: Path) -> tuple[int, str]:
        """How gpg ends, and what it says, in the first home that verifies."""
        words = ["--status-fd", "1", "--verify", signature, self.artefact]
        ran = gpg(self.consumer, *words)
        found = [word for word in ("GOODSIG", "REVKEYSIG", "NO_PUBKEY") if word in ran.stdout]
        return ran.returncode, found[0]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with place() as folder:
        homes = [folder / name for name in ("signer", "first", "second")]
        for home in homes:
            home.mkdir(mode=0o700)
        key = key_in(homes[0])
        public = gpg(homes[0], "--armor", "--export", key).stdout
        for home in homes[1:]:
            gpg(home, "--import", stdin=public)
            gpg(home, "--import-ownertrust", stdin=f"{key}:6:\n")
        for name, form in (("tool-1.0.txt", ["--armor"]), ("tool-1.1.txt", [])):
            (folder / name).write_text(f"{name}\n")
            gpg(homes[0], *form, "--detach-sign", folder / name)
        (folder / "KEYS").write_text(public)
        target = {
            "signer_home": str(homes[0]),
            "consumer_homes": f"{homes[1]}, {homes[2]}",
            "artefacts": str(folder / "tool-*.txt"),
            "published": str(folder / "KEYS"),
        }
        yield Scene(folder, target, {"old": leaked_value(homes[0], key)})
        for home in homes:
            run(["gpgconf", "--homedir", home, "--kill", "all"])


def key_in(home: Path, passphrase: str = "") -> str:
    """A new key in a home: its fingerprint."""
    words = ["--pinentry-mode", "loopback", "--passphrase-fd", "0"]
    name = "Releases <releases@example.com>"
    gpg(
        home, *words, "--quick-generate-key", name, "ed25519", "sign", "1y", stdin=f"{passphrase}\n"
    )
    listing = gpg(home, "--with-colons", "-K").stdout
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr"))


def leaked_value(home: Path, key: str) -> str:
    return gpg(home, "--armor", "--export-secret-keys", key).stdout


def gpg(home: Path, *words: Any, stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = ["gpg", "--homedir", str(home), "--batch", "--no-tty", *map(str, words)]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)


def test_it_says_of_itself_what_its_manifest_says(scene: Scene) -> None:
    for name, value in scene.ask("describe")["capabilities"].items():
        assert manifest_of(SCRIPT)[name] == value


def test_planning_changes_nothing(scene: Scene) -> None:
    before = everything(scene)
    plan = scene.ask("plan")
    assert failing_checks(plan) == []
    assert plan["known"] == [plan["old"]["id"]]
    assert everything(scene) == before


def test_a_rotation_ends_with_signatures_of_the_new_key_and_the_old_one_revoked(
    scene: Scene,
) -> None:
    scene.prepare()
    assert scene.state() == ("active", "absent")
    assert scene.said() == ("unknown", "accepted")
    kept = scene.folder / "kept.asc"
    kept.write_bytes(scene.artefact.with_suffix(".txt.asc").read_bytes())

    assert [scene.ask("create")["status"] for _ in range(2)] == ["done", "already"]
    scene.ask("verify_new")
    assert scene.said() == ("accepted", "accepted")
    assert [scene.ask("disable_old")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.ask("kill_derived")["evidence"] == [{"signed_anew": 0, "left": 0}]
    assert scene.said() == ("accepted", "refused")
    assert scene.ask("probe")["probe"]["old_error"] == "auth"
    assert scene.state() == ("disabled", "active")
    assert scene.verified(scene.artefact.with_suffix(".txt.asc")) == (0, "GOODSIG")
    assert scene.verified(kept) == (0, "REVKEYSIG")  # gpg ends with 0: no proof of anything

    assert [scene.ask("destroy_old")["status"] for _ in range(2)] == ["done", "already"]
    assert scene.said() == ("accepted", "refused")
    gpg(scene.signer, "--local-user", scene.plan["old"]["id"], "--detach-sign", scene.artefact)
    assert not scene.artefact.with_suffix(".txt.sig").exists()


def test_what_is_published_has_both_keys_and_in_the_end_the_revocation(scene: Scene) -> None:
    fetcher = scene.folder / "fetcher"
    fetcher.mkdir(mode=0o700)
    scene.replace()
    gpg(fetcher, "--import", scene.folder / "KEYS")
    assert ":r:" not in pub_lines(fetcher)
    scene.ask("destroy_old")
    gpg(fetcher, "--import", scene.folder / "KEYS")
    assert pub_lines(fetcher).count("pub:") == 2
    assert "pub:r:" in pub_lines(fetcher)


def test_the_revocation_stays_when_somebody_imports_the_old_key_again(scene: Scene) -> None:
    old = (scene.folder / "KEYS").read_text()
    scene.replace()
    gpg(scene.consumer, "--import", stdin=old)
    assert scene.said() == ("accepted", "refused")


def test_a_home_that_forgot_the_old_key_is_no_proof(scene: Scene) -> None:
    """Whoever brings it the old key makes it trust again: it has to know the revocation."""
    scene.prepare()
    scene.ask("create")
    for home in ("first", "second"):
        gpg(scene.folder / home, "--yes", "--delete-keys", scene.plan["old"]["id"])
    assert scene.said() == ("accepted", "unknown")
    scene.ask("disable_old")
    assert scene.said() == ("accepted", "refused")


def test_a_home_that_misses_the_revocation_keeps_the_old_one_alive(scene: Scene) -> None:
    public = (scene.folder / "KEYS").read_text()
    scene.replace()
    gpg(scene.consumer, "--yes", "--delete-keys", scene.plan["old"]["id"])
    gpg(scene.consumer, "--import", stdin=public)
    assert scene.said() == ("accepted", "accepted")
    assert scene.ask("probe")["probe"]["derived"] == "alive"


def test_the_old_key_can_end_before_there_is_a_new_one(scene: Scene) -> None:
    scene.ask("plan")
    scene.ask("disable_old")
    assert scene.ask("kill_derived")["status"] == "already"
    assert scene.said() == ("unknown", "refused")
    scene.ask("generate")
    scene.ask("create")
    assert scene.said() == ("accepted", "refused")
    assert scene.verified(scene.artefact.with_suffix(".txt.asc")) == (0, "GOODSIG")


def test_a_late_signature_of_the_old_key_is_replaced(scene: Scene) -> None:
    scene.replace()
    signing = ["--yes", "--local-user", scene.plan["old"]["id"], "--armor", "--detach-sign"]
    gpg(scene.signer, *signing, scene.artefact)
    assert scene.verified(scene.artefact.with_suffix(".txt.asc"))[1] == "REVKEYSIG"
    assert scene.ask("kill_derived")["evidence"] == [{"signed_anew": 1, "left": 0}]
    assert scene.verified(scene.artefact.with_suffix(".txt.asc"))[1] == "GOODSIG"


def test_what_changed_since_the_digests_were_written_is_not_signed_anew(scene: Scene) -> None:
    record = scene.folder / "SHA256SUMS"
    names = ("tool-1.0.txt", "tool-1.1.txt")
    rows = [(hashlib.sha256((scene.folder / one).read_bytes()).hexdigest(), one) for one in names]
    record.write_text("".join(f"{digest}  {one}\n" for digest, one in rows))
    scene.target["digests"] = str(record)
    scene.artefact.write_text("a back door\n")
    gpg(scene.signer, "--yes", "--armor", "--detach-sign", scene.artefact)
    scene.ask("plan")
    assert failing_checks(scene.plan) == ["artefacts match digests"]
    scene.ask("generate")
    signed = [step for step in scene.ask("create")["observed"] if "signed anew" in step]
    assert len(signed) == 1
    scene.ask("disable_old")
    assert scene.ask("kill_derived")["evidence"] == [{"signed_anew": 0, "left": 1}]


def test_a_rollback_makes_the_old_key_good_until_the_revocation_is_published(scene: Scene) -> None:
    scene.replace()
    assert scene.ask("rollback")["status"] == "done"
    assert scene.said() == ("refused", "accepted")
    assert scene.verified(scene.artefact.with_suffix(".txt.asc"))[1] == "GOODSIG"
    assert scene.ask("rollback")["status"] == "already"
    scene.ask("destroy_old")
    assert scene.fails("rollback") == "conflict"


def test_a_home_that_is_gone_is_unreachable_never_refused(scene: Scene) -> None:
    scene.replace()
    scene.consumer.rename(scene.folder / "elsewhere")
    assert scene.said() == ("unreachable", "unreachable")
    assert scene.fails("verify_new") == "not_found"


def test_without_the_key_its_birth_certificate_revokes_and_the_lists_tell(scene: Scene) -> None:
    old = scene.ask("plan")["old"]["id"]
    scene.secrets.clear()
    scene.ask("plan", old={"id": old})
    assert failing_checks(scene.plan) == []
    for one in (scene.signer / "private-keys-v1.d").iterdir():
        one.unlink()
    scene.ask("plan", old={"id": old})
    scene.ask("generate")
    scene.ask("disable_old")
    found = scene.ask("probe")["probe"]
    assert (found["old"], found["method"]) == ("refused", "metadata")


def test_keys_may_have_passphrases_which_stay_in_pipes(scene: Scene) -> None:
    gpg(scene.signer, "--yes", "--delete-secret-and-public-key", old_of(scene))
    scene.secrets["old_passphrase"] = random.token_hex(12)
    key = key_in(scene.signer, scene.secrets["old_passphrase"])
    gpg(scene.consumer, "--import", stdin=gpg(scene.signer, "--armor", "--export", key).stdout)
    scene.target |= {"consumer_homes": str(scene.consumer), "artefacts": "", "published": ""}
    scene.secrets["passphrase"] = random.token_hex(12)
    del scene.secrets["old"]
    run(["gpgconf", "--homedir", scene.signer, "--kill", "all"])
    scene.ask("plan", old={"id": key})
    assert failing_checks(scene.plan) == []
    scene.ask("generate")
    for phase in ("create", "verify_new", "disable_old"):
        scene.ask(phase)
    assert scene.said() == ("accepted", "refused")
    scene.secrets["passphrase"] = random.token_hex(12)
    run(["gpgconf", "--homedir", scene.signer, "--kill", "all"])
    assert scene.fails("verify_new") == "auth"


def test_a_key_nobody_can_revoke_stands_in_the_way(scene: Scene) -> None:
    old = scene.ask("plan")["old"]["id"]
    scene.secrets.clear()
    gpg(scene.signer, "--yes", "--delete-secret-keys", old)
    (scene.signer / "openpgp-revocs.d" / f"{old}.rev").unlink()
    plan = scene.ask("plan", old={"id": old})
    assert failing_checks(plan) == ["the leaked key can be revoked"]


def test_nothing_of_it_stays_in_memory_files(scene: Scene) -> None:
    before = set(Path("/dev/shm").glob("lg-gpg-*"))
    scene.replace()
    assert set(Path("/dev/shm").glob("lg-gpg-*")) == before


def old_of(scene: Scene) -> str:
    found: str = scene.ask("plan")["old"]["id"]
    return found


def pub_lines(home: Path) -> str:
    listing = gpg(home, "--with-colons", "-k").stdout
    return "\n".join(line for line in listing.splitlines() if line.startswith("pub"))


def everything(scene: Scene) -> dict[str, Any]:
    homes = {one: gpg(scene.folder / one, "--armor", "--export").stdout
             for one in ("signer", "first", "second")}  # fmt: skip
    return homes | {one.name: one.read_bytes() for one in scene.folder.iterdir() if one.is_file()}
