"""The examples of docs/rotation-scripts.md work as they stand there."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from pathlib import Path

import pytest
import yaml

from leakguard.rotate import contract, manifest
from leakguard.rotate.answer import parse
from leakguard.rotate.kit import ERRORS, PHASES, STATUSES
from leakguard.rotate.script import Call, Script
from leakguard.secret import Secret

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rotation-scripts.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    lacking = [one for one in ("jq", "sha256sum") if shutil.which(one) is None]
    if lacking:
        pytest.skip(f"the example in sh needs {', '.join(lacking)}, not installed here")
    folder = tmp_path / "json-file"
    folder.mkdir(mode=0o755)
    (folder / "manifest.yml").write_text(blocks("yaml")[1])
    (folder / "rotate.sh").write_text(blocks("sh")[0])
    for path in folder.iterdir():
        path.chmod(0o644)
    return Script(str(folder), manifest.read(str(folder)))


def test_the_manifest_that_is_shown_is_valid() -> None:
    found = manifest.parse("manifest.yml", blocks("yaml")[0].encode(), "acme-token")
    assert found.needs["probe"] == ("old", "new")


def test_the_messages_that_are_shown_keep_the_protocol() -> None:
    request, done, failed, probe = map(json.loads, blocks("json"))
    assert set(request) == set(json.loads(Call("create").wire(_any_manifest())))
    assert parse(json.dumps(done).encode(), "create").status == "done"
    assert parse(json.dumps(failed).encode(), "create").error == "permission"
    assert parse(json.dumps(probe).encode(), "probe").ok


def _any_manifest() -> manifest.Manifest:
    return manifest.parse("manifest.yml", blocks("yaml")[0].encode())


def test_every_phase_status_and_class_is_told() -> None:
    for word in (*STATUSES, *ERRORS):
        assert f"`{word}`" in PAGE, word
    for phase in PHASES:
        assert re.search(rf"^\| \*?{phase}\*? \|", PAGE, re.MULTILINE), phase


def test_the_script_in_sh_keeps_the_contract(script: Script) -> None:
    findings = contract.check(script.folder).findings
    assert [(one.what, one.detail) for one in findings if not one.ok] == []


def test_the_script_in_sh_hands_a_value_over(script: Script, tmp_path: Path) -> None:
    file, running = tmp_path / "app.json", tmp_path / "running"
    file.write_text('{"user": "app", "password": "before"}')
    target = {"file": str(file), "running": str(running)}
    value = Secret(secrets.token_hex(16).encode())
    parts = {"target": target, "consumer": target, "secrets": {"new": value}}
    assert all(one["ok"] for one in script.call(Call("plan", **parts)).more["checks"])
    assert script.call(Call("distribute", **parts)).status == "done"
    assert json.loads(file.read_text())["user"] == "app"
    assert Secret(json.loads(file.read_text())["password"].encode()) == value
    assert script.call(Call("confirm", **parts)).status == "pending"
    running.write_text(hashlib.sha256(value.reveal()).hexdigest())
    assert script.call(Call("confirm", **parts)).status == "done"


def test_the_pages_yaml_is_plain(script: Script) -> None:
    assert yaml.safe_load(blocks("yaml")[1])["name"] == script.manifest.name
