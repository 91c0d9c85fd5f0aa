"""What a script says of itself is read strictly, and a mistake is shown where it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leakguard.errors import ConfigError
from leakguard.load import bundled
from leakguard.rotate import manifest

OURS = Path(bundled.folder("hooks")) / "rotate"

GOOD = """\
protocol: 1
name: acme
kind: issuer
title: ACME token
classes: [provider-api-key]
tier: service
run: ["{python}", rotate.py]
phases: [describe, plan, create, verify_new, probe, observe]
target:
  host: {type: string, required: true, help: host name}
  port: {type: integer, default: 443, help: port}
slots:
  admin: {help: password of the administrator, required: true}
needs:
  create: [admin, new]
  probe: [old, new, new_access]
"""


def parsed(text: str) -> manifest.Manifest:
    return manifest.parse("acme/manifest.yml", text.encode(), "acme")


@pytest.mark.parametrize("name", sorted(one for one in os.listdir(OURS) if (OURS / one).is_dir()))
def test_every_script_that_ships_has_a_valid_manifest(name: str) -> None:
    assert manifest.read(str(OURS / name)).name == name


def test_a_manifest_becomes_a_noun() -> None:
    found = parsed(GOOD)
    assert found.target["port"].default == 443
    assert found.target["host"].required
    assert found.needs["probe"] == ("old", "new", "new_access")
    assert found.timeout("create") == 30.0
    assert not found.guided


WRONG = {
    "protocol: 1": ("protocol: 2", "protocol 1", 1),
    "name: acme": ("name: Acme", "lower-case", 2),
    "kind: issuer": ("kind: thing", "unknown kind 'thing'", 3),
    "classes: [provider-api-key]": ("classes: [api-key]", "unknown classes 'api-key'", 5),
    "tier: service": ("tier: tomorrow", "unknown tier", 6),
    'run: ["{python}", rotate.py]': ('run: ["{python}", "{host}"]', "filled in by nobody", 7),
    ", probe, observe]": (", probe]", "needs 'observe'", 8),
    "type: integer, default: 443": ("type: integer, default: many", "whole number", 11),
    "help: port}": ("help: port, colour: red}", "unknown key 'colour'", 11),
    "create: [admin, new]": ("create: [root, new]", "unknown slot 'root'", 15),
    "probe: [old,": ("rollback: [old,", "not in `phases`", 16),
}


@pytest.mark.parametrize("good", WRONG)
def test_a_mistake_is_shown_where_it_stands(good: str) -> None:
    bad, words, line = WRONG[good]
    with pytest.raises(ConfigError) as caught:
        parsed(GOOD.replace(good, bad))
    assert words in caught.value.message
    assert caught.value.place is not None
    assert (caught.value.place.path, caught.value.place.line) == ("acme/manifest.yml", line)


def test_a_program_outside_of_the_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="leads out"):
        parsed(GOOD.replace("rotate.py", "../rotate.py"))


def test_a_name_that_is_not_the_folders_is_refused() -> None:
    with pytest.raises(ConfigError, match="that of the folder"):
        manifest.parse("other/manifest.yml", GOOD.encode(), "other")


def test_a_consumer_has_no_phases_of_an_issuer() -> None:
    text = GOOD.replace("kind: issuer", "kind: consumer").replace(
        "[describe, plan, create, verify_new, probe, observe]",
        "[describe, plan, distribute, confirm, observe, destroy_old]",
    )
    with pytest.raises(ConfigError, match="no phase 'destroy_old'"):
        parsed(text)


def test_a_guide_runs_nothing() -> None:
    with pytest.raises(ConfigError, match="runs nothing"):
        parsed(GOOD + "guide: {create: make one}\n")


def test_an_empty_manifest_is_no_manifest() -> None:
    with pytest.raises(ConfigError, match="empty"):
        parsed("")
