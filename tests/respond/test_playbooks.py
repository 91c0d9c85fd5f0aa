"""Playbooks as data: complete, cited, checked; and what a stranger's pack cannot do."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from leakguard.cli.app import app
from leakguard.errors import ConfigError
from leakguard.load import playbooks
from leakguard.load.playbook_checks import check, command_problem
from leakguard.load.playbook_file import KINDS, read
from leakguard.playbook import Fragment, Risk, Step
from leakguard.rule import CLASSES

OURS = playbooks.bundled()
STEPS = [(fragment, step) for fragment in OURS for step in fragment.steps]
FILES = sorted(Path(playbooks.FOLDER).glob("*.yml"))

ROWS = [
    f"{letter}-{number:02}"
    for letter, last in {"V": 47, "P": 51, "E": 18, "R": 29, "Y": 13}.items()
    for number in range(1, last + 1)
]
"""Every requirement of the five sources."""

ELSEWHERE = {
    "E-02": "the record renders who did what when; a drawing of lanes is no step",
    "E-13": "every line about an incident carries its number: the record does that, not a person",
    "R-02": "a row of the severity table",
}
"""Rows that no playbook can hold, with the reason."""


def citations() -> dict[str, set[str]]:
    """Each requirement with the places that name it as their source."""
    found: dict[str, set[str]] = defaultdict(set)

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            here = f"{place}/{value.get('id', '')}"
            for row in value.get("source", ()):
                found[row].add(here)
            for one in value.values():
                walk(one, here)
        elif isinstance(value, list):
            for one in value:
                walk(one, place)

    for path in FILES:
        walk(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
    return found


CITED = citations()


@pytest.mark.parametrize("row", ROWS)
def test_every_requirement_is_a_step_a_question_or_a_statement_or_has_its_reason(row: str) -> None:
    assert CITED[row] or ELSEWHERE[row]


def test_no_source_is_named_that_does_not_exist() -> None:
    guards = [f"G-{number:02}" for number in range(1, 41)]
    defects = [f"D-{number}" for number in range(1, 14)]
    assert set(CITED) <= {*ROWS, *guards, *defects}


@pytest.mark.parametrize("secret_class", CLASSES)
def test_every_class_has_exactly_one_playbook(secret_class: str) -> None:
    found = [one for one in OURS if one.kind == "class" and secret_class in one.when["class"]]
    assert [one.id for one in found] == [f"class-{secret_class}"]
    assert {"replace", "revoke"} <= {step.id for step in found[0].steps}


def test_every_step_says_what_why_and_whence() -> None:
    for fragment, step in STEPS:
        told = f"{fragment.id} {step.id}"
        assert step.source, told
        assert step.why.endswith("."), told
        assert step.why.count(". ") == 0, told
        assert len(step.title) <= 70, told
        assert (step.title + step.why).isascii(), told
        assert not step.title.endswith("."), told


def test_what_cannot_be_undone_says_so_and_what_can_says_how() -> None:
    for fragment, step in STEPS:
        if step.undo_step:
            assert step.undo, f"{fragment.id} {step.id}"
        if step.destructive:
            assert step.risk is Risk.IRREVERSIBLE, f"{fragment.id} {step.id}"


def test_our_playbooks_are_sound_together() -> None:
    check(OURS)


OUR_COMMANDS = sorted(
    {
        argv
        for _, step in STEPS
        for argv in (step.command, tuple(step.automated_by.split()))
        if argv[:1] == ("leakguard",)
    }
)


@pytest.mark.parametrize("argv", OUR_COMMANDS, ids=lambda argv: " ".join(argv[1:4]))
def test_every_command_of_ours_exists_with_its_options(argv: tuple[str, ...]) -> None:
    assert known_command(argv) == ""


def known_command(argv: tuple[str, ...]) -> str:
    """What the command line would not understand, or nothing."""
    context = click.Context(app)
    command: click.Command | None = app
    rest = list(argv[1:])
    while isinstance(command, click.Group):
        name = rest.pop(0)
        if name == "{incident}":
            name = "run"  # what `rotate` does with an incident
        try:
            command = command.get_command(context, name)
        except ModuleNotFoundError as error:
            pytest.skip(f"{error.name} is not there")
        if command is None:
            return f"no command {name}"
    options = {one for parameter in command.params for one in parameter.opts}
    unknown = [one for one in rest if one.startswith("--") and one not in options]
    return f"no options {unknown}" if unknown else ""


def test_the_hash_changes_with_any_word() -> None:
    whole = playbooks.pack_hash(OURS)
    assert whole == playbooks.pack_hash(playbooks.bundled())
    for changed in (_reworded(OURS, "title"), _reworded(OURS, "why"), OURS[1:]):
        assert playbooks.pack_hash(changed) != whole


def _reworded(fragments: tuple[Fragment, ...], field: str) -> tuple[Fragment, ...]:
    from dataclasses import replace

    first = fragments[0]
    step = replace(first.steps[0], **{field: "Something else"})
    return (replace(first, steps=(step, *first.steps[1:])), *fragments[1:])


# What an organisation adds, and what it cannot do.

GOOD = """
kind: pack
fragments:
  - id: acme-extra
    title: ACME
    when: {channel: [chat]}
    steps:
      - id: acme-call
        title: Call the help desk
        why: They switch the badge off.
        source: [ACME-1]
        phase: contain
        due: contain
        depends_on: [declare]
        command: [acme-desk, report, "{incident}"]
"""


def own(tmp_path: Path, text: str) -> tuple[Fragment, ...]:
    folder = tmp_path / ".leakguard" / "playbooks"
    folder.mkdir(parents=True)
    (folder / "acme.yml").write_text(text, encoding="utf-8")
    return playbooks.playbooks(str(tmp_path))


def test_a_pack_of_the_repository_adds_its_steps(tmp_path: Path) -> None:
    found = own(tmp_path, GOOD)
    assert len(found) == len(OURS) + 1
    assert "acme-call" in {step.id for one in found for step in one.steps}
    assert len(playbooks.playbooks(str(tmp_path), only_ours=True)) == len(OURS)


def test_a_folder_of_packs_is_pinned_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "acme.yml").write_text(GOOD, encoding="utf-8")
    digest = playbooks.folder_hash(str(tmp_path))
    assert len(playbooks.playbooks("", str(tmp_path), digest)) == len(OURS) + 1
    (tmp_path / "acme.yml").write_text(GOOD.replace("Call", "Ring"), encoding="utf-8")
    with pytest.raises(ConfigError, match="not the ones that were pinned") as caught:
        playbooks.playbooks("", str(tmp_path), digest)
    assert playbooks.folder_hash(str(tmp_path)) in caught.value.hints[0]


def test_a_pack_that_links_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yml"
    outside.write_text(GOOD, encoding="utf-8")
    folder = tmp_path / "repository" / ".leakguard" / "playbooks"
    folder.mkdir(parents=True)
    (folder / "acme.yml").symlink_to(outside)
    with pytest.raises(ConfigError, match="leads out"):
        playbooks.playbooks(str(tmp_path / "repository"))


STEP = "      - id: acme-call\n"
WRONG = {
    "an unknown field": (STEP, STEP + "        tilte: x\n", "unknown key 'tilte'"),
    "no source": ("        source: [ACME-1]\n", "", "lacks 'source'"),
    "an empty source": ("[ACME-1]", "[]", "says where it comes from"),
    "an unknown fact": ("channel: [chat]", "chanel: [chat]", "unknown key 'chanel'"),
    "an unknown value": ("[chat]", "[chatt]", "unknown channel 'chatt'"),
    "an unknown phase": ("phase: contain", "phase: soon", "unknown phase 'soon'"),
    "an unknown timer": ("due: contain", "due: tomorrow", "unknown timer"),
    "an unknown dependency": ("[declare]", "[declared]", "does not exist: 'declared'"),
    "waiting for a later phase": ("[declare]", "[published]", "of a later phase"),
    "waiting for itself": ("[declare]", "[acme-call]", "wait for each other"),
    "one of our steps": ("id: acme-call", "id: revoke", "leakguard's own"),
    "one of our fragments": ("id: acme-extra", "id: learning", "already"),
    "a step twice": (STEP, STEP.replace("acme-call", "acme-call\n        title: A\n        why: B.\n"
                     "        source: [A]\n        phase: contain") + STEP, "stands twice"),
    "a long title": ("Call the help desk", "Call " * 30, "at most 70"),
    "a terminal's escape": ("They switch", '"\\x1b[2J', "YAML|printed"),
    "a secret on the command line": ('"{incident}"]', "--password, hunter2]", "secret on the"),
    "an assignment": ('"{incident}"]', "API_TOKEN=abc]", "secret on the"),
    "a password in an address": ('"{incident}"]', '"https://a:b@example.com"]', "password"),
    "a password in SQL": ('"{incident}"]', "\"ALTER USER a PASSWORD 'b'\"]", "SQL"),
    "a shell": ('[acme-desk, report, "{incident}"]', "[bash, -c, id]", "handed to a shell"),
    "signs for a shell": ('"{incident}"]', '"a; rm b"]', "signs for a shell"),
    "an unknown placeholder": ('"{incident}"]', '"{value}"]', "unknown placeholder 'value'"),
    "a reference to other YAML": ("title: ACME", "title: &x ACME\n    reviewed: *x", "aliases"),
    "code in YAML": ("title: ACME", "title: !!python/object/apply:os.system [id]", "must be text"),
    "an undo with another name": (
        STEP, STEP + "        undo_step: declare\n", "begins with undo-"),
    "an unknown kind": ("kind: pack", "kind: packet", "unknown kind"),
    "refining one of ours": ("title: ACME", "title: ACME\n    refines: rotation", "to refine"),
    "a proof without a way to see it": (STEP, STEP + "        proves: dead\n", "how it is verified"),
    "an unknown proof": (STEP, STEP + "        proves: maybe\n", "unknown proof"),
    "an unknown state": (STEP, STEP + "        sets: gone\n", "unknown state"),
    "an undo of what has none": (
        STEP, STEP + "        risk: irreversible\n        undo: x\n", "cannot be undone"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_pack_with_a_mistake_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    old, new, told = WRONG[name]
    assert old in GOOD
    with pytest.raises(ConfigError, match=told):
        own(tmp_path, GOOD.replace(old, new, 1))


def test_the_place_of_a_mistake_can_be_jumped_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        own(tmp_path, GOOD.replace("phase: contain", "phase: contian"))
    place = caught.value.place
    assert place is not None
    assert (place.path, place.line, place.column) == (".leakguard/playbooks/acme.yml", 12, 16)
    assert caught.value.hints[0] == "did you mean 'contain'?"


@pytest.mark.parametrize("raw", [b"", b"[", b"\xff\xfe", b"kind: pack", b"a: " + b"[" * 40])
def test_what_is_no_playbook_is_refused(raw: bytes) -> None:
    with pytest.raises(ConfigError):
        read("x.yml", raw)


def test_a_pack_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than"):
        own(tmp_path, GOOD + "# " + "x" * playbooks.MAX_BYTES)


def test_two_packs_cannot_wait_for_each_other(tmp_path: Path) -> None:
    second = GOOD.replace("acme-extra", "acme-more").replace("acme-call", "acme-write")
    folder = tmp_path / ".leakguard" / "playbooks"
    folder.mkdir(parents=True)
    (folder / "a.yml").write_text(GOOD.replace("[declare]", "[acme-write]"), encoding="utf-8")
    (folder / "b.yml").write_text(second.replace("[declare]", "[acme-call]"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"wait for each other: .*acme-"):
        playbooks.playbooks(str(tmp_path))


@pytest.mark.parametrize(
    "argv",
    [
        ["leakguard", "rotate", "{incident}", "--secret", "{secret}"],
        ["vault", "operator", "rekey", "-init", "-verify", "-key-shares=5", "-key-threshold=3"],
        ["vault", "operator", "unseal"],
        ["curl", "--fail", "https://example.com/health"],
        ["aws", "iam", "list-access-keys", "--user-name", "{label}"],
        ["tool", "--token", "fd:3"],
        ["tool", "--password", "-"],
    ],
)
def test_a_command_that_keeps_its_secrets_is_accepted(argv: list[str]) -> None:
    assert command_problem(argv) == ()


@pytest.mark.parametrize(
    "argv",
    [
        ["vault", "operator", "unseal", "SHARE"],
        ["vault", "operator", "rekey", "-target=recovery", "SHARE"],
        ["mysql", "--password=hunter2"],
        ["tool", "--db-password", "hunter2"],
        ["sh", "-c", "echo"],
        ["/bin/bash", "-c", "echo"],
        ["powershell", "-Command", "x"],
        ["echo", "$(id)"],
        ["echo", "a|b"],
        ["echo", "a\nb"],
        ["tool", "Zm9v" + "QmFyMTIz" * 4],
        [],
    ],
)
def test_a_command_that_would_show_or_interpret_is_refused(argv: list[str]) -> None:
    assert command_problem(argv)


def test_the_kinds_of_fragments_are_all_used() -> None:
    assert {one.kind for one in OURS} == set(KINDS)


def test_a_variant_takes_what_it_does_not_say_from_its_step() -> None:
    text = GOOD + "        variants:\n          - {when: {level: ['0']}, title: Call now}\n"
    variant, base = read("x.yml", text.encode())[0].steps
    assert isinstance(base, Step)
    assert (variant.title, base.title) == ("Call now", "Call the help desk")
    assert (variant.why, variant.command) == (base.why, base.command)
    assert variant.when == {"level": ("0",)}
