"""Annotations: each line is read here as the service's runner reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from leakguard.finding import Exposure, Outcome
from leakguard.report.annotations import LIMIT, SERVICES, azure, github, teamcity
from leakguard.report.style import clean

from .builders import (
    CASES,
    NPM,
    SLACK,
    allowed,
    finding,
    hostile_outcomes,
    in_commit,
    place,
    possible,
    pushed,
    staged,
    tree,
)

Command = dict[str, str]
"""The properties of a command; its kind under `kind`, its text under `text`."""


def read_github(line: str) -> Command | None:
    """As the runner of GitHub does: at the start of a line, after spaces."""
    if not line.lstrip().startswith("::"):
        return None
    found = re.fullmatch(r"::(error|warning) ([^:]+)::(.*)", line)
    assert found, line
    pairs = (pair.partition("=") for pair in found[2].split(","))
    command = {key: decoded(value, github_codes) for key, _, value in pairs}
    return {**command, "kind": found[1], "text": decoded(found[3], github_codes)}


github_codes = {"%3A": ":", "%2C": ",", "%0D": "\r", "%0A": "\n", "%25": "%"}
azure_codes = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%AZP25": "%"}


def decoded(text: str, codes: dict[str, str]) -> str:
    """The runners replace one code after the other, the percent sign last."""
    for code, char in codes.items():
        text = text.replace(code, char)
    return text


def read_azure(line: str) -> Command | None:
    """As the agent of Azure does: anywhere in a line, up to the first bracket."""
    begin = line.find("##vso[")
    if begin < 0:
        assert not re.search(r"##\w*\[", line)
        return None
    assert begin == 0
    inside, _, text = line[len("##vso[") :].partition("]")
    assert "##" not in text
    name, _, said = inside.partition(" ")
    assert name == "task.logissue"
    pairs = (pair.partition("=") for pair in said.split(";") if pair)
    command = {key: decoded(value, azure_codes) for key, _, value in pairs}
    return {**command, "kind": command["type"], "text": decoded(text, azure_codes)}


TEAMCITY = re.compile(
    r"##teamcity\[(\w+)((?: \w+='(?:\|0x[0-9a-f]{4}|\|[|'\[\]nr]|[^|'\[\]])*')+)\]"
)


def read_teamcity(line: str) -> Command | None:
    """A message is a whole line, and every value is escaped with bars."""
    if "##teamcity[" not in line:
        return None
    found = TEAMCITY.fullmatch(line)
    assert found, line
    pairs = re.findall(r" (\w+)='((?:\|.|[^|'])*)'", found[2])
    command = {key: re.sub(r"\|([|'\[\]])", r"\1", value) for key, value in pairs}
    return {**command, "kind": found[1], "text": command.get("message", "")}


READERS: dict[str, Callable[[str], Command | None]] = {
    "github": read_github,
    "azure": read_azure,
    "teamcity": read_teamcity,
}


def commands(service: str, outcome: Outcome) -> list[Command]:
    """What the runner makes of it. The last line is for people and no command."""
    text = SERVICES[service](outcome)
    assert text.endswith("\n")
    *lines, last = text.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in (*lines, last))
    assert READERS[service](last) is None
    read = [READERS[service](line) for line in lines]
    assert None not in read
    return [command for command in read if command]


def only(service: str, outcome: Outcome) -> Command:
    """The last command: of TeamCity's two the one that has a place."""
    return commands(service, outcome)[-1]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", CASES)
def test_every_case_is_understood(service: str, name: str) -> None:
    commands(service, CASES[name])


@pytest.mark.parametrize("service", SERVICES)
@given(outcome=hostile_outcomes())
def test_nothing_foreign_becomes_a_command(service: str, outcome: Outcome) -> None:
    for command in commands(service, outcome):
        assert set(command) <= KNOWN[service]


KNOWN = {
    "github": {"kind", "text", "file", "line", "endLine", "col", "endColumn", "title"},
    "azure": {"kind", "text", "type", "sourcepath", "linenumber", "columnnumber", "code"},
    "teamcity": {"kind", "text", "typeId", "message", "file", "line", "SEVERITY", "id", "name",
                 "category", "description"},
}  # fmt: skip


def test_github_shows_it_beside_the_value() -> None:
    assert only("github", staged(finding())) == {
        "kind": "error",
        "file": "app/notify.py",
        "line": "14",
        "endLine": "14",
        "col": "16",
        "endColumn": "67",
        "title": "leakguard slack-bot-token",
        "text": "Slack bot token in a staged file, confidence likely; "
        "load it when the program runs, then stage the file again (7f3a9c)",
    }


def test_azure_shows_it_beside_the_value() -> None:
    command = only("azure", staged(finding()))
    assert command["sourcepath"] == "app/notify.py"
    assert (command["linenumber"], command["columnnumber"]) == ("14", "16")
    assert (command["type"], command["code"]) == ("error", "slack-bot-token")


def test_teamcity_hears_of_a_kind_before_its_findings() -> None:
    kind, first, second = commands("teamcity", staged(finding(), finding(fingerprint="1" * 16)))
    assert (kind["kind"], kind["id"], kind["category"]) == (
        "inspectionType", "leakguard-slack-bot-token", "Secrets",
    )  # fmt: skip
    assert first["typeId"] == second["typeId"] == kind["id"]
    assert (first["file"], first["line"], first["SEVERITY"]) == ("app/notify.py", "14", "ERROR")


def test_what_does_not_block_is_a_warning_and_what_is_allowed_nothing() -> None:
    outcome = tree(possible(), allowed(finding()))
    assert only("github", outcome)["kind"] == "warning"
    assert only("azure", outcome)["type"] == "warning"
    assert only("teamcity", outcome)["SEVERITY"] == "WARNING"
    assert len(commands("github", outcome)) == 1


@pytest.mark.parametrize("service", ["github", "azure"])
def test_at_most_what_the_service_shows_and_the_rest_is_counted(service: str) -> None:
    many = [finding(fingerprint=f"{n:016x}") for n in range(30)]
    soft = [possible() for _ in range(LIMIT)]
    told = commands(service, tree(*many, *soft, unread=(("a.zip", "broken"),)))
    errors = [command for command in told if command["kind"] == "error"]
    assert len(errors) == LIMIT
    assert errors[0]["text"] == "not scanned, which is not clean: a.zip: broken"
    assert errors[-1]["text"] == "and 22 more; the log and the reports name them all"
    assert len(told) - len(errors) == LIMIT
    assert not told[-1]["text"].startswith("and ")


def test_teamcity_shows_them_all() -> None:
    many = [finding(fingerprint=f"{n:016x}") for n in range(30)]
    assert len(commands("teamcity", tree(*many))) == 31


def test_many_unread_inputs_are_one_note() -> None:
    unread = tuple((f"{n}.zip", "broken") for n in range(5))
    assert only("github", tree(unread=unread))["text"] == (
        "not scanned, which is not clean: 0.zip: broken; 1.zip: broken; 2.zip: broken; and 2 more"
    )


@pytest.mark.parametrize(
    ("found", "at"),
    [
        (finding(NPM, place("publish.log", 214), exposure=Exposure.LOGGED), "publish.log:214"),
        (finding(SLACK, place("(standard input)", 1)), "(standard input):1"),
        (finding(SLACK, place("/srv/a.py", 3)), "/srv/a.py:3"),
    ],
)
def test_what_is_no_file_of_the_repository_is_named_in_the_text(found: Any, at: str) -> None:
    command = only("github", tree(found))
    assert "file" not in command
    assert f", at {at}, " in command["text"]


def test_the_line_of_a_file_in_an_archive_is_no_line_of_the_archive() -> None:
    command = only("github", CASES["archive"])
    assert command["file"] == "outer.zip"
    assert "line" not in command


def test_a_value_of_several_lines_has_no_columns() -> None:
    long = place(line=3)
    command = only("github", tree(finding(SLACK, type(long)("k.pem", 3, 1, 30, 5))))
    assert command["line"] == "3"
    assert not {"col", "endColumn", "endLine"} & set(command)


def test_other_places_are_counted() -> None:
    assert "also in 12 more places" in only("github", CASES["many places"])["text"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "name",
    [
        "a\n::error::x",
        "a\r::add-mask::x",
        "##vso[task.setvariable variable=a]b",
        "##[group]x",
        "##teamcity[buildStop comment='x']",
        "a,line=1,title=x::y",
        "a;type=warning;]x",
        "a' file='b",
        "a|'b",
        "100%0A::error::x%AZP25%3B",
        "stra\u00dfe/\U0001f511",
    ],
)
def test_a_name_is_shown_and_not_obeyed(service: str, name: str) -> None:
    outcome = tree(finding(SLACK, place(name)), unread=((name, name),))
    plain = tree(finding(), unread=(("a", "b"),))
    read = commands(service, outcome)
    assert len(read) == len(commands(service, plain))
    key = {"github": "file", "azure": "sourcepath", "teamcity": "file"}[service]
    shown = read[-1][key]
    if service == "teamcity":
        shown = re.sub(r"(?:\|0x[0-9a-f]{4})+", from_numbers, shown)
    assert shown == clean(name)


def from_numbers(found: re.Match[str]) -> str:
    """TeamCity's `|0xNNNN` are units of UTF-16."""
    return bytes.fromhex(found[0].replace("|0x", "")).decode("utf-16-be")


def test_a_percent_sign_comes_back_as_one() -> None:
    name = "100%0A%3A%2C%25.py"
    assert only("github", tree(finding(SLACK, place(name))))["file"] == name
    name = "100%0A%3B%5D%25.py"
    assert only("azure", tree(finding(SLACK, place(name))))["sourcepath"] == name


def test_letters_reach_teamcity_as_numbers() -> None:
    text = teamcity(tree(finding(SLACK, place("\u00df\U0001f511.py"))))
    assert text.isascii()
    assert "file='|0x00df|0xd83d|0xdd11.py'" in text


@pytest.mark.parametrize("render", [github, azure, teamcity])
def test_the_last_line_is_for_people(render: Callable[[Outcome], str]) -> None:
    assert render(tree()) == "Clean: 412 files, 0 secrets, 0 allowed (0.8 s)\n"
    assert render(pushed(in_commit())).splitlines()[-1].startswith("Push stopped: 1 secret in")
