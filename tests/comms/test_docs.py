"""docs/communication.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from leakguard.load import channels, profile
from leakguard.load.channels import KINDS
from leakguard.load.templates import asked, read, shipped
from leakguard.profile import CONTACTS, flaws
from leakguard.respond.comms import Template
from leakguard.respond.comms_order import RULES
from leakguard.respond.comms_sandbox import _ENVIRONMENT
from tests.comms.builders import ABOUT_S1, ABOUT_TENANT, STATED

PAGE = (Path(__file__).parents[2] / "docs" / "communication.md").read_text()
FENCES = re.findall(r"```(?:yaml)?\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("kind", shipped(), ids=lambda one: one.id)
def test_each_message_has_its_row(kind: Template) -> None:
    (row,) = (
        line for line in PAGE.splitlines() if line.startswith(f"| `{kind.id}` ({kind.number})")
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == kind.audience
    said = {"legal": "legal", "approval": "somebody"}.get(kind.gate, "")
    assert said in cells[2]
    assert ("somebody" in cells[2]) == (kind.gate == "approval")
    assert tuple(re.findall("`([a-z-]+)`", cells[3])) == kind.order


def test_every_rule_of_order_is_explained() -> None:
    assert set(re.findall("^- `(after-[a-z-]+)`", PAGE, re.MULTILINE)) == set(RULES)


def test_the_examples_are_valid() -> None:
    about_us, about_channels, own = FENCES
    assert flaws(profile.read("profile.yml", about_us.encode())) == []
    found = channels.read("notify.yml", about_channels.encode())
    assert {one.kind for one in found} == set(KINDS)
    assert read("declaration.md.j2", own.encode()).title == "Declaration"


def test_every_kind_of_channel_has_its_row() -> None:
    rows = re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    assert set(re.findall("[a-z]+", " ".join(rows))) == set(KINDS)
    for form in KINDS.values():
        for name in form.takes:
            assert re.search(rf"[`{{, ]{name}[`:]", PAGE), name


def test_contacts_and_filters_are_named() -> None:
    for word in CONTACTS:
        assert f"`{word}`" in PAGE
    assert set(re.findall(r"`\| ([a-z]+)`", PAGE)) == set(_ENVIRONMENT.filters)


def test_what_only_people_can_say_is_listed_for_the_command_line() -> None:
    assert {*STATED, *ABOUT_S1, *ABOUT_TENANT, "valid-until", "services-healthy"} <= set(asked())
    assert asked()["business-impact"] == "the business impact"


def test_each_fact_says_in_words_what_it_is() -> None:
    folder = Path(__file__).parents[2] / "leakguard" / "data" / "templates"
    facts = yaml.safe_load((folder / "facts.yml").read_text())
    for name, entry in facts.items():
        assert re.fullmatch("[a-z_]+", name)
        assert entry["what"].strip()
        assert entry["command"].startswith(("leakguard ", "write "))
