"""The leaked value itself, typed where words belong; and strangers' names that hold a secret."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from hostile.forked import Forked
from hostile.scratch import Repo, environment
from leakguard.recipe import expand


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Forked]:
    """The program, ready, with a record of its own."""
    env = environment(tmp_path / "home", tmp_path / "cache")
    env |= {"LEAKGUARD_DATA": str(tmp_path / "data"), "LEAKGUARD_ACTOR": "mara"}
    with Forked(tmp_path / "said", tmp_path, env) as running:
        yield running


def kept(folder: Path) -> bytes:
    """Everything in the data folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


TYPED = (
    ("note", "1", "the old one was {} until today"),
    ("note", "1", "PASSWORD={}, says the ticket"),
    ("note", "1", 'it is "{}".'),
    ("skip", "1", "way-back", "--reason", "{} is gone", "--approver", "li"),
    ("done", "1", "way-back", "--note", "changed {}"),
    ("hold", "1", "--reason", "{}"),
    ("exposure", "add", "1", "--channel", "chat", "--where", "#ops: {}"),
    ("exposure", "close", "1", "X1", "--state", "persists", "--detail", "{}"),
    ("consumers", "add", "1", "--name", "{}"),
    ("consumers", "complete", "1", "--unknown", "{}"),
    ("secret", "add", "1", "--class", "generic", "--label", "{}"),
    ("assign", "1", "--role", "scribe", "--to", "{}"),
    ("evidence", "add", "1", "FILE", "--how", "by {}"),
    ("review", "add", "1", "--source", "{}", "--verdict", "cannot-determine"),
    ("review", "anomaly", "1", "{} was tried"),
    ("mitigate", "1", "--vector", "chat", "--with", "{}", "--tracked", "T-1"),
    ("post-mortem", "1", "--drafted", "https://wiki.example/{}?x={}"),
    ("dismiss", "1", "--reason", "{} is a sample", "--approver", "li"),
    ("respond", "LG-2026-0001", "--fact", "channel-link={}"),
)


def test_a_password_that_no_rule_knows_is_recognised_in_every_text(
    program: Forked, tmp_path: Path
) -> None:
    word = secrets.token_hex(2) + "Horse" + secrets.token_hex(2)
    got = program.run("respond", "-", "--class", "personal-password", stdin=word.encode())
    assert got.status == 0, got
    number = json.loads(program.run("list", "--json").out)[0]["id"]
    (tmp_path / "FILE").write_text("x")
    for words in TYPED:
        said = program.run(*(number if one in ("1", "LG-2026-0001") else one.replace("{}", word)
                             for one in words))  # fmt: skip
        assert said.status == 6, (words, said.status)
        assert word not in said.text
        assert "[G-20]" in said.text
    note = program.run("note", number, f"it was {word}")
    assert "the one that leaked" in note.text
    assert word.encode() not in kept(tmp_path / "data")
    assert program.run("note", number, "the horse is gone").status == 0


def test_a_secret_in_a_strangers_names_is_masked_and_the_incident_opens(
    program: Forked, repo: Repo, tmp_path: Path
) -> None:
    fake = expand("dop_v1_{{hex:64}}", Random(secrets.token_hex(8)))
    other = expand("dop_v1_{{hex:64}}", Random(secrets.token_hex(8)))
    found = {"RuleID": f"rule-{fake}", "File": f"logs/{fake}.txt", "StartLine": 1,
             "Secret": other, "Commit": "", "Description": f"found {fake}"}  # fmt: skip
    report = tmp_path / "report.json"
    report.write_text(json.dumps([found]))
    for _ in ("opened", "seen again"):
        said = program.run("respond", "--report", str(report), cwd=repo.path)
        assert said.status == 0, said.status
        assert "*****" in said.text
        assert fake not in said.text
    assert fake.encode() not in kept(tmp_path / "data")
