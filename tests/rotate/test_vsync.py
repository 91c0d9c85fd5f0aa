"""Replacing a vsync passphrase through a stand-in with the same command line.

The stand-in keeps a bundle that only its passphrase opens (scrypt and AES-GCM). What it
cannot prove: the flags and exit codes of the vsync that you run; they are parameters.
"""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import sys
from pathlib import Path
from typing import Any

import pytest

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, manifest_of

SCRIPT = SCRIPTS / "vsync"

STAND_IN = """#!{python} -I
import hashlib, os, pathlib, sys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

bucket = pathlib.Path("bucket")

def box(passphrase, salt):
    return AESGCM(hashlib.scrypt(passphrase.encode(), salt=salt, n=1024, r=8, p=1, dklen=32))

def opened(passphrase):
    raw = (bucket / "bundle").read_bytes()
    return box(passphrase, raw[:16]).decrypt(raw[16:28], raw[28:], None)

def put(passphrase, plain):
    salt, nonce = os.urandom(16), os.urandom(12)
    made = bucket / "bundle.new"
    made.write_bytes(salt + nonce + box(passphrase, salt).encrypt(nonce, plain, None))
    made.replace(bucket / "bundle")

verb, *words = sys.argv[1:]
if not bucket.is_dir():
    sys.exit(1)
if verb == "status":
    sys.exit(0)
if words[0] != "prod":
    sys.exit(1)
given = sys.stdin.read().split("\\n")
try:
    if verb == "init":
        put(given[0], given[1].encode())
    plain = opened(given[0])
    print(plain.decode())                      # a careless program
except InvalidTag:
    print("cannot decrypt with", given[0], file=sys.stderr)
    sys.exit(2)
if verb == "rotate":
    put(given[1], plain)
    with open("audit", "a") as file:
        file.write(words[1] + "\\n")
"""


class Repository:
    """An environment whose passphrase has leaked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "vsync"
        self.program.write_text(STAND_IN.replace("{python}", sys.executable), "utf-8")
        self.program.chmod(0o755)
        (folder / "bucket").mkdir()
        self.secrets = {"old": secrets.token_hex(16), "new": secrets.token_hex(16)}
        self.more: dict[str, Any] = {}
        self._init()

    def _init(self) -> None:
        import subprocess

        text = f"{self.secrets['old']}\n{secrets.token_hex(8)}\n"
        argv = [str(self.program), "init", "prod"]
        subprocess.run(argv, input=text.encode(), cwd=self.folder, check=True, capture_output=True)

    @property
    def parts(self) -> dict[str, Any]:
        declared = manifest_of(SCRIPT)["target"]
        filled = {name: one["default"] for name, one in declared.items() if "default" in one}
        own = {"env": "prod", "program": str(self.program), "folder": str(self.folder)}
        return {"target": filled | own | self.more, "secrets": self.secrets}

    def bundle(self) -> bytes:
        return (self.folder / "bucket" / "bundle").read_bytes()

    def config(self, **more: str) -> str:
        fields = {"bucket": "b", "env": "prod", "accessKeyId": "one"} | more
        fields["secretAccessKey"] = secrets.token_hex(20)
        packed = gzip.compress(json.dumps(fields).encode())
        return "vsync-cfg-v1:" + base64.b64encode(packed).decode()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_the_bundle_is_encrypted_anew_once(repository: Repository) -> None:
    before = repository.bundle()
    plan = done(SCRIPT, "plan", **repository.parts)
    assert failing_checks(plan) == []
    done(SCRIPT, "create", **repository.parts, dry_run=True)
    assert repository.bundle() == before
    assert done(SCRIPT, "create", **repository.parts)["status"] == "done"
    after = repository.bundle()
    assert done(SCRIPT, "create", **repository.parts)["status"] == "already"
    assert repository.bundle() == after
    done(SCRIPT, "verify_new", **repository.parts)
    said = done(SCRIPT, "probe", **repository.parts)["probe"]
    assert (said["new"], said["old"], said["old_error"]) == ("accepted", "refused", "auth")
    state = done(SCRIPT, "observe", **repository.parts)["state"]
    assert (state["old"], state["new"]) == ("absent", "active")
    assert (repository.folder / "audit").read_text("utf-8") == "--note=LG-2026-0001-S1-r1\n"


def test_the_other_half_is_packed_anew_around_another_key(repository: Repository) -> None:
    repository.secrets["config"] = repository.config()
    assert failing_checks(done(SCRIPT, "plan", **repository.parts)) == ["there is another IAM key"]
    assert failed(SCRIPT, "create", **repository.parts) == "missing"
    repository.more = {"key_id": "two"}
    repository.secrets["iam_secret"] = secrets.token_hex(20)
    plan = done(SCRIPT, "plan", **repository.parts)
    assert failing_checks(plan) == []
    assert plan["observed"][1] == 'the configuration is for {"bucket": "b", "env": "prod"}'
    made = done(SCRIPT, "create", **repository.parts)["secrets"]["new_config"]
    fields = json.loads(gzip.decompress(base64.b64decode(made.removeprefix("vsync-cfg-v1:"))))
    assert (fields["bucket"], fields["accessKeyId"]) == ("b", "two")
    assert fields["secretAccessKey"] == repository.secrets["iam_secret"]


def test_what_is_no_configuration_of_this_environment_is_said(repository: Repository) -> None:
    repository.secrets["config"] = repository.config(env="dev")
    checks = failing_checks(done(SCRIPT, "plan", **repository.parts))
    assert checks[0] == "the configuration is this environment's"
    repository.secrets["config"] = "vsync-cfg-v1:nonsense"
    assert failed(SCRIPT, "plan", **repository.parts) == "unsupported"


def test_a_passphrase_that_is_not_the_present_one_replaces_none(repository: Repository) -> None:
    repository.secrets["old"] = secrets.token_hex(16)
    assert failing_checks(done(SCRIPT, "plan", **repository.parts)) == [
        "the leaked passphrase is the present one"
    ]
    assert failed(SCRIPT, "create", **repository.parts) == "conflict"


def test_a_bucket_that_is_gone_refuses_nobody(repository: Repository) -> None:
    done(SCRIPT, "create", **repository.parts)
    (repository.folder / "bucket").rename(repository.folder / "away")
    said = done(SCRIPT, "probe", **repository.parts)["probe"]
    assert (said["new"], said["old"]) == ("unreachable", "unreachable")
    assert failed(SCRIPT, "verify_new", **repository.parts) == "network"


def test_a_program_is_named_by_its_absolute_path(repository: Repository) -> None:
    repository.more = {"program": "vsync"}
    assert failed(SCRIPT, "plan", **repository.parts) == "unsupported"
    repository.more = {"program": f"{repository.folder}/gone"}
    assert failed(SCRIPT, "plan", **repository.parts) == "missing"
