"""A checklist as people and programs see it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from leakguard import event as ev
from leakguard.load.playbooks import bundled
from leakguard.load.presets import preset
from leakguard.playbook import Phase, Risk, Step, step_fields
from leakguard.respond.checklist import html, json_text, markdown, opened_text, status_text
from leakguard.respond.checklist_rows import filled, next_row, sections
from leakguard.respond.compose import Checklist, compose
from tests.respond.story import START, Story, judged, secret

P = preset("strictest")
SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "leakguard-checklist-1.json"
NASTY = (
    "<script>alert(1)</script> | `x` [a](http://evil.invalid) **b** @team #1 ![i](//evil.invalid)"
    "\x1b[2J\r\n## heading\u202e"
)


def step(name: str, title: str, phase: Phase = Phase.CONTAIN, **more: object) -> Step:
    return Step(name, title, f"Because of {name}.", ("P-08", "R-05"), phase, **more)


STEPS = (
    step("tell", "Tell your own people", due="first-response"),
    step("revoke", "Revoke the token at the registry", due="rotate", per="secret", subject="S1",
         automated_by="leakguard rotate {incident} --secret {secret}", sets="revoked",
         risk=Risk.IRREVERSIBLE),
    step("hide", "Delete the log of this run", due="contain", per="exposure", subject="X1",
         depends_on=("revoke:S1",), command=("tool", "{exposure}", "{label}", "{provider}")),
    step("maybe", "Look elsewhere too", mandatory=False),
    step("scope", "Find out what it could open, and who could have read it in the window",
         Phase.INVESTIGATE, due="scope", inputs=("policies",), verification="A verdict stands."),
    step("undo-block", "Take the block back", Phase.RECOVER, due="undo"),
    step("learn", "Write down how it got into the log", Phase.LEARN, due="publish"),
)  # fmt: skip


def story(*steps: Step, title: str = "npm-token in a CI log") -> Story:
    log = ev.ExposureAdded("X1", "S1", "ci-log", "job publish, run 8123", "internal")
    made = ev.ChecklistComposed(tuple(step_fields(one) for one in steps or STEPS), "hash")
    told = Story(secret(), log, judged(0), made)
    told.now = replace(told.incident, opened=replace(told.incident.opened, title=title))
    return told


def test_a_new_incident_shows_what_it_is_and_what_has_to_be_done() -> None:
    told = story().incident
    assert opened_text(told, P, START + timedelta(minutes=2)) == (
        "Opened LG-2026-0001: npm-token in a CI log\n\n  Severity   SEV-1      \n".rstrip() + "\n"
        "  Secret     S1         provider-api-key, TOKEN_S1, production\n"
        "  Exposure   X1         ci-log: job publish, run 8123 (read by: internal)\n"
        "\n"
        "Contain, within 15 min\n"
        "  [ ] tell       Tell your own people\n"
        "  [ ] revoke:S1  Revoke the token at the registry  (automated)\n"
        "  [ ] hide:X1    Delete the log of this run\n"
        "\n"
        "Investigate, within 1 h: 1 step\n"
        "Learn, within 5 business days: 1 step\n"
        "\n"
        "All of them: leakguard checklist LG-2026-0001\n"
        "\n"
        "Next: leakguard rotate LG-2026-0001 --secret S1 --dry-run\n"
    )


def test_the_status_tells_done_left_out_late_and_next() -> None:
    told = story()
    told.tell(
        ev.StepDone("revoke:S1", "new token in place"),
        ev.StepAssigned("tell", "mara"),
        ev.StepSkipped("maybe", "nothing else there"),
    )
    assert status_text(told.incident, P, told.incident.opened_at + timedelta(minutes=27)) == (
        "LG-2026-0001  SEV-1  declared  2 of 7 settled\n"
        "npm-token in a CI log\n"
        "opened 2026-11-21 14:10 UTC by ada\n"
        "\n"
        "Contain, within 15 min: 2 of 4 settled\n"
        "  [!] tell       overdue by 12 min, mara: Tell your own people\n"
        "  [x] revoke:S1  21 Nov 14:15 UTC ada  new token in place\n"
        "  [!] hide:X1    overdue by 12 min: Delete the log of this run\n"
        '  [-] maybe      21 Nov 14:17 UTC ada  skipped: "nothing else there"\n'
        "\n"
        "Investigate, within 1 h: 0 of 1 settled\n"
        "\n"
        "Recover, within 24 h: 0 of 1 settled\n"
        "\n"
        "Learn, within 5 business days: 0 of 1 settled\n"
        "\n"
        "Next: leakguard done LG-2026-0001 tell\n"
    )


def test_what_failed_or_has_no_known_outcome_stands_out() -> None:
    told = story().tell(ev.StepDone("tell", "line dead", "failed"),
                        ev.StepDone("revoke:S1", "no answer", "unknown"))  # fmt: skip
    shown = status_text(told.incident, P, START + timedelta(minutes=3))
    assert "[!] tell       21 Nov 14:15 UTC ada  failed: line dead\n" in shown
    assert "[!] revoke:S1  21 Nov 14:16 UTC ada  outcome unknown, verify it first: no" in shown


def test_an_unknown_outcome_is_looked_into_and_not_repeated() -> None:
    told = story().tell(ev.StepDone("revoke:S1", "no answer", "unknown"))
    shown = status_text(told.incident, P, START + timedelta(minutes=3))
    assert shown.endswith("Next: leakguard done LG-2026-0001 revoke:S1 --outcome failed\n")


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_gets_narrow_lines(width: int) -> None:
    told = story().incident
    shown = status_text(told, P, START, width) + opened_text(told, P, START, None, width)
    lines = [one for one in shown.splitlines() if "leakguard " not in one]  # a command is not cut
    assert max(map(len, lines)) <= width


def test_the_next_command_is_the_last_line() -> None:
    for shown in (status_text(story().incident, P, START), opened_text(story().incident, P, START)):
        assert shown.splitlines()[-1].startswith("Next: leakguard ")


def test_a_status_says_how_long_it_took() -> None:
    told = story().tell(ev.Advanced("contained"), at=START + timedelta(minutes=12))
    head = status_text(told.incident, P, START + timedelta(minutes=20)).splitlines()[0]
    assert "contained after 11 min" in head


def test_a_drill_says_so_everywhere() -> None:
    told = story().incident
    drill = replace(told, opened=replace(told.opened, drill=True))
    assert opened_text(drill, P, START).startswith("DRILL: Opened")
    assert status_text(drill, P, START).startswith("DRILL")
    assert markdown(drill, P, START).startswith("# DRILL")
    assert "<h1>DRILL" in html(drill, P, START)
    assert json.loads(json_text(drill, P, START))["drill"] is True


def test_an_incident_that_is_over_has_nothing_next() -> None:
    told = story().tell(ev.FalsePositive("a sample", "lin")).incident
    assert "Next:" not in status_text(told, P, START)
    assert json.loads(json_text(told, P, START))["next"] is None


def test_the_first_thing_to_do_waits_for_nothing_and_is_due_first() -> None:
    told = story()
    first = next_row(sections(told.incident, P, START))
    assert first is not None
    assert first.key == "revoke:S1"
    told.tell(ev.StepDone("revoke:S1"), ev.StepDone("tell"))
    second = next_row(sections(told.incident, P, START))
    assert second is not None
    assert second.key == "hide:X1"


# Commands


def test_a_command_is_filled_with_names_and_never_with_a_value() -> None:
    told = story().incident
    row = next(r for s in sections(told, P, START) for r in s.rows if r.key == "hide:X1")
    assert row.command == ("tool", "X1", "TOKEN_S1", "PROVIDER")
    assert filled("{secret} {incident}", row.step, told) == "S1 LG-2026-0001"
    assert filled("{consumer}", row.step, told) == "CONSUMER"


@pytest.mark.parametrize(
    "label", ["a; rm -rf b", "$(id)", "`id`", "a\nb", "-rf", "it's", "{secret}"]
)
def test_a_foreign_label_cannot_become_a_second_command(label: str) -> None:
    named = ev.SecretAdded("S1", "generic", label=label)
    made = ev.ChecklistComposed(
        (step_fields(step("use", "Use it", per="secret", subject="S1", command=("tool", "{label}"))),),
        "hash",
    )  # fmt: skip
    told = Story(named, judged(0), made).incident
    shown = json.loads(json_text(told, P, START))["phases"][0]["steps"][0]["command"]
    assert len(shown) == 2
    typed = next(line for line in html(told, P, START).splitlines() if "<code>tool" in line)
    plain = Text.of(typed)
    assert len(shlex.split(plain)) == 2


# Foreign text


class Text(HTMLParser):
    """What a browser would show, and every element and attribute it would see."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = ""
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.shown += data

    @classmethod
    def of(cls, text: str) -> str:
        page = cls()
        page.feed(text)
        return page.shown


def nasty() -> Story:
    bad = Step("bad", NASTY, NASTY, (NASTY,), Phase.CONTAIN, per="exposure", subject="X1",
               inputs=(NASTY,), undo=NASTY, risk=Risk.OUTAGE, verification=NASTY)  # fmt: skip
    told = story(bad, title=NASTY)
    log = ev.ExposureAdded("X1", "S1", "ci-log", NASTY, "internal")
    told.tell(log, ev.StepDone("bad:X1", NASTY, "failed"), actor=NASTY)
    return told


def test_foreign_text_stays_text_in_markdown() -> None:
    shown = markdown(nasty().incident, P, START)
    assert shown.isascii()
    for sign in ("<script", "](http", "**b**", "\x1b", "@team", "\n## heading", "![i]"):
        assert sign not in shown
    headings = [line for line in shown.splitlines() if line.startswith("#")]
    assert len(headings) == 2


def test_foreign_text_stays_text_on_the_page() -> None:
    page = Text()
    page.feed(html(nasty().incident, P, START))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.links == []
    assert "<script>alert(1)</script>" in page.shown


def test_foreign_text_does_not_drive_the_terminal() -> None:
    told = nasty().incident
    for shown in (opened_text(told, P, START), status_text(told, P, START)):
        assert all(line.isprintable() for line in shown.split("\n"))


# The page


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = html(story().incident, P, START)
    page = Text()
    page.feed(text)
    assert page.links == []
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    assert "@media print" in text


def test_every_rendering_tells_every_step() -> None:
    told = story().incident
    shown = json.loads(json_text(told, P, START))
    steps = [one for phase in shown["phases"] for one in phase["steps"]]
    assert [one["key"] for one in steps] == list(told.tasks)
    for text in (markdown(told, P, START), Text.of(html(told, P, START))):
        for one in steps:
            assert one["key"] in text
            assert one["title"] in text
            assert one["why"] in text


# For programs


def full() -> tuple[Story, Checklist]:
    fragments = bundled()
    own = {"class": frozenset(["cloud-access-key"]), "strategy": frozenset(["overlap"])}
    place = {"channel": frozenset(["public-repository"])}
    owners = {"X1": "S1", "C1": "S1"}
    made = compose(fragments, {}, [("S1", own)], [("X1", place)], ["C1"], owners=owners)
    told = story(*made.steps)
    told.tell(ev.ConsumerAdded("C1", "S1", "billing"), ev.StepDone("declare", "room 4"))
    return told, made


def test_the_json_is_what_the_schema_says() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    told, made = full()
    for incident, checklist in ((told.incident, made), (story().incident, None)):
        shown = json_text(incident, P, START, checklist)
        assert shown.isascii()
        jsonschema.validate(json.loads(shown), schema)
    listed = schema["$defs"]["step"]
    step = json.loads(json_text(told.incident, P, START))["phases"][0]["steps"][0]
    assert set(listed["required"]) == set(listed["properties"]) == set(step)
    assert set(schema["required"]) == set(schema["properties"])


def test_what_the_playbooks_know_stands_beside_the_steps() -> None:
    told, made = full()
    for text in (
        opened_text(told.incident, P, START, made),
        markdown(told.incident, P, START, made),
        Text.of(html(told.incident, P, START, made)),
    ):
        assert "stood in public" in " ".join(text.split())
    shown = json.loads(json_text(told.incident, P, START, made))
    assert "What remains" in markdown(told.incident, P, START, made)
    assert any("future use only" in text for text in shown["residual"])
    assert {one["fact"] for one in shown["questions"]} >= {"audience", "customer-data"}


def test_whole_checklists_keep_within_the_terminal() -> None:
    told, made = full()
    for text in (
        opened_text(told.incident, P, START, made),
        status_text(told.incident, P, START + timedelta(days=3)),
    ):
        assert text.isascii()
        assert max(map(len, text.splitlines())) <= 79
