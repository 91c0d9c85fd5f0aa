"""detect-secrets beside our own rules: asked for by name, judged like any other, and silent."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leakguard import plugins
from leakguard.blob import Blob, Origin
from leakguard.cli.gate import Gate
from leakguard.detect.match import Book
from leakguard.detect.scanner import Scanner
from leakguard.errors import ConfigError
from leakguard.finding import Candidate
from leakguard.load.config import FILE, resolve, sources
from leakguard.load.pack import open_pack
from leakguard.plugins import yelp
from leakguard.rule import Rule

Fake = Callable[..., str]


@pytest.fixture
def theirs() -> list[Rule]:
    return plugins.rules_of("detect-secrets")


def scan(text: str, rules: list[Rule], path: str = "app/settings.py") -> list[Candidate]:
    """What its plugins say when no rule of ours is on."""
    extra = plugins.detector(["detect-secrets"], rules)
    found = Scanner(Book(rules, []), lambda _: [], extra=extra)
    return found.look(Blob(Origin("tree", path), text.encode()))


def test_each_plugin_is_a_rule_that_warns(theirs: list[Rule]) -> None:
    ids = {rule.id for rule in theirs}
    assert {"detect-secrets-keyword", "detect-secrets-aws-key"} <= ids
    assert {(rule.secret_class, rule.confidence) for rule in theirs} == {("generic", "possible")}
    assert all("plugin " in rule.name and rule.why for rule in theirs)


def test_a_finding_names_its_plugin_and_stands_where_the_value_is(
    theirs: list[Rule], fake: Fake
) -> None:
    value = fake("{{hex:40}}")
    found = scan(f'# caf\u00e9\nsums = 1  # \u00e9\nblob = "{value}"\n', theirs)
    (one,) = [one for one in found if one.rule.id == "detect-secrets-hex-high-entropy-string"]
    assert one.secret.reveal() == value.encode()
    assert (one.location.start_line, one.location.start_column) == (3, 9)
    assert one.confidence == "possible"
    assert any("HexHighEntropyString" in term.detail for term in one.evidence)


def test_a_plugin_whose_rule_is_off_does_not_run(theirs: list[Rule], fake: Fake) -> None:
    text = f'blob = "{fake("{{hex:40}}")}"\n'
    kept = [rule for rule in theirs if rule.id != "detect-secrets-hex-high-entropy-string"]
    assert scan(text, theirs)
    assert not scan(text, kept)


def test_its_heuristics_apply(theirs: list[Rule], fake: Fake) -> None:
    value = fake("{{hex:40}}")
    assert not scan(f'"integrity": "{value}"\n', theirs, "package-lock.json")
    assert not scan('password = "${SECRET}"\n', theirs)


@pytest.mark.parametrize("noise", [b"\0" * 40, b"x" * 20_000, b"\xff\xfe\xfd" * 30])
def test_what_is_no_text_is_left_alone(theirs: list[Rule], noise: bytes) -> None:
    extra = plugins.detector(["detect-secrets"], theirs)
    assert extra is not None
    assert not list(extra(noise, "a.bin"))


def descendants(kind: type) -> list[type]:
    found = kind.__subclasses__()
    return found + [one for child in found for one in descendants(child)]


def test_nobody_is_asked_whether_a_value_is_live(
    theirs: list[Rule], fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a plugin went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    from detect_secrets.plugins.base import BasePlugin

    asked: list[str] = []
    for plugin in descendants(BasePlugin):
        if "verify" in vars(plugin):
            monkeypatch.setattr(plugin, "verify", lambda *_, **__: asked.append("verify"))
    text = f'aws = "AKIA{fake("{{uppernum:16}}")}"\nslack = "xox{fake("b-{{digits:12}}-{{digits:12}}-{{alnum:24}}")}"\n'
    assert scan(text, theirs)
    assert not asked


def test_an_own_rule_explains_the_same_value_better(rules: list[Rule], fake: Fake) -> None:
    from leakguard.cli.rules_check import scanner as scanner_for

    own = next(rule for rule in rules if rule.id == "github-pat")
    theirs = plugins.rules_of("detect-secrets")
    book = [own, *theirs]
    found = scanner_for(book)
    found._extra = plugins.detector(["detect-secrets"], book)
    text = fake(own.examples[0], own)
    (one,) = found.look(Blob(Origin("tree", "ci/deploy.env"), text.encode()))
    assert one.rule.id == "github-pat"
    assert any(name.startswith("detect-secrets-") for name in one.alternatives)


# ------------------------------------------------------------------------------ being asked for


def decided(folder: Path, text: str) -> Any:
    (folder / FILE).write_text(text)
    return resolve(str(folder), sources(str(folder)))


def test_a_repository_asks_for_it_and_turns_its_rules_like_ours(tmp_path: Path) -> None:
    found = decided(
        tmp_path,
        "detectors: [detect-secrets]\n"
        "rules:\n  disable: [detect-secrets-ip-public]\n"
        "  override:\n    detect-secrets-aws-key: {severity: critical}\n",
    )
    by_id = {rule.id: rule for rule in found.rules}
    assert found.policy.detectors == ("detect-secrets",)
    assert "detect-secrets-ip-public" not in by_id
    assert by_id["detect-secrets-aws-key"].severity == "critical"


def test_an_unknown_detector_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        decided(tmp_path, "detectors: [detect-secret]\n")
    assert "detect-secret" in caught.value.message
    assert any("detect-secrets" in hint for hint in caught.value.hints)


def test_a_missing_package_is_one_error_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "detect_secrets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "detect_secrets", None)
    with pytest.raises(ConfigError) as caught:
        decided(tmp_path, "detectors: [detect-secrets]\n")
    assert any("leakguard[detect-secrets]" in hint for hint in caught.value.hints)


def test_scans_run_it_and_hooks_do_not(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKGUARD_CACHE", str(tmp_path / "cache"))
    (tmp_path / FILE).write_text(
        "detectors: [detect-secrets]\nrules: {enable: [detect-secrets-hex-high-entropy-string]}\n"
    )
    blob = Blob(Origin("tree", "a.py"), f'sums = ["{fake("{{hex:40}}")}"]\n'.encode())
    pack = open_pack(str(tmp_path))
    told = {}
    for mode in ("tree", "range", "history", "staged", "push", "message"):
        gate = Gate(pack, None, mode)
        gate.look(blob)
        told[mode] = len(gate.outcome().findings)
    assert told == {"tree": 1, "range": 1, "history": 1, "staged": 0, "push": 0, "message": 0}


def test_the_ids_of_its_rules_are_readable() -> None:
    assert yelp.rule_id("AWSKeyDetector") == "detect-secrets-aws-key"
    assert yelp.rule_id("Base64HighEntropyString") == "detect-secrets-base-64-high-entropy-string"
