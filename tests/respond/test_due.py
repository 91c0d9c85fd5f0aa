"""When things are due: ladders of severity as data, and clocks that start, wait and stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard import event as ev
from leakguard.errors import ConfigError, UsageError
from leakguard.load import presets
from leakguard.playbook import Phase, Step, step_fields
from leakguard.preset import LEVELS, TIMERS, Preset, Span
from leakguard.respond.due import after, due, next_due, overdue
from tests.respond.story import START, Story, judged, pushed, secret

STRICTEST = presets.preset("strictest")
MINUTE = timedelta(minutes=1)


def step(name: str, timer: str = "", **more: object) -> Step:
    return Step(name, name.capitalize(), "Because.", ("P-01",), Phase.CONTAIN, due=timer, **more)


def story(*steps: Step, level: int = 0, copy: ev.ExposureAdded | None = None) -> Story:
    made = ev.ChecklistComposed(tuple(step_fields(one) for one in steps), "hash")
    return Story(secret(), copy or pushed(), judged(level), made)


# Ladders


def test_three_ladders_ship() -> None:
    assert presets.names() == ("p", "sev", "strictest")


FIGURES = [
    # row of the sources, preset, level, timer, what they say
    ("P-06", "sev", 0, "first-response", "15 min"),
    ("P-06", "sev", 1, "first-response", "1 h"),
    ("P-06", "sev", 2, "first-response", "24 h"),
    ("R-01", "p", 0, "first-response", "15 min"),
    ("R-02", "p", 1, "first-response", "1 h"),
    ("R-03", "p", 2, "first-response", "4 h"),
    ("R-04", "p", 3, "first-response", "24 h"),
    ("P-08", "sev", 0, "rotate", "5 min"),
    ("P-09", "sev", 0, "contain", "20 min"),
    ("P-10", "sev", 0, "scope", "1 h"),
    ("P-11", "sev", 0, "recover", "24 h"),
    ("P-12", "sev", 0, "publish", "7 days"),
    ("R-05", "p", 0, "contain", "15 min"),
    ("R-09", "p", 0, "scope", "1 h"),
    ("R-11", "p", 0, "recover", "24 h"),
    ("R-13", "p", 0, "review", "3 days"),
    ("Y-12", "p", 0, "publish", "5 business days"),
    ("Y-01", "p", 0, "acknowledge", "2 days"),
    ("Y-01", "p", 1, "remediate", "7 days"),
    ("Y-01", "p", 2, "remediate", "30 days"),
    ("E-01", "p", 0, "vault", "4 h"),
    ("E-01", "strictest", 0, "vault", "2 h"),
    ("E-16", "strictest", 0, "draft", "24 h"),
    ("Y-12", "strictest", 3, "publish", "5 business days"),
]


@pytest.mark.parametrize(("row", "name", "level", "timer", "said"), FIGURES)
def test_the_ladders_hold_the_figures_of_their_sources(
    row: str, name: str, level: int, timer: str, said: str
) -> None:
    assert str(presets.preset(name).span(timer, level)) == said, row


@pytest.mark.parametrize("timer", TIMERS)
def test_the_strictest_ladder_is_nowhere_slower(timer: str) -> None:
    for other in ("sev", "p"):
        for level in range(LEVELS):
            theirs = presets.preset(other).span(timer, level)
            ours = STRICTEST.span(timer, level)
            assert ours is not None
            assert theirs is None or longest(ours) <= longest(theirs)


def longest(span: Span) -> float:
    """Business days as the sources mean them: working days, a weekend not counted."""
    return span.seconds + span.business_days * 86400


@pytest.mark.parametrize("name", ["sev", "p", "strictest"])
@pytest.mark.parametrize("timer", TIMERS)
def test_a_worse_level_never_waits_longer(name: str, timer: str) -> None:
    if (name, timer) == ("sev", "first-response"):
        return  # its last level is a suspicion, with a box of its own
    spans = [presets.preset(name).span(timer, level) for level in range(LEVELS)]
    told = [longest(span) for span in spans if span]
    assert told == sorted(told)


def test_an_unknown_ladder_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no preset 'p0'") as caught:
        presets.preset("p0")
    assert any("strictest" in hint for hint in caught.value.hints)


OWN = """
name: acme
labels: [red, orange, yellow, green]
timers:
""" + "".join(f"  {timer}: 4 h\n" for timer in TIMERS)

WRONG = {
    "a timer that does not exist": ("  scope: 4 h", "  scoop: 4 h", "unknown key 'scoop'"),
    "a timer that is missing": ("  scope: 4 h\n", "", "lack 'scope'"),
    "no duration": ("scope: 4 h", "scope: soon", "no duration"),
    "nothing at all": ("scope: 4 h", "scope: 0 h", "no duration"),
    "three levels": ("scope: 4 h", "scope: [4 h, 5 h, 6 h]", "from level 0 to 3"),
    "three labels": ("yellow, green", "yellow", "4 different words"),
    "a label twice": ("yellow, green", "yellow, red", "4 different words"),
    "a level that is none": ("name: acme", "name: acme\npage_levels: [4]", "unknown level"),
    "a key twice": ("name: acme", "name: acme\nname: b", "stands twice"),
}


def test_an_organisation_writes_its_own_ladder() -> None:
    own = presets.read("acme.yml", OWN.encode())
    assert (own.name, own.label(0), own.page_levels) == ("acme", "red", (0, 1))
    assert own.span("scope", 3) == Span(4 * 3600)


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_a_ladder_is_named(name: str) -> None:
    old, new, told = WRONG[name]
    assert old in OWN
    with pytest.raises(ConfigError, match=told):
        presets.read("acme.yml", OWN.replace(old, new, 1).encode())


def test_an_empty_ladder_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty"):
        presets.read("acme.yml", b"")


@pytest.mark.parametrize(
    ("span", "said"),
    [(Span(300), "5 min"), (Span(3600), "1 h"), (Span(86400), "24 h"), (Span(172800), "2 days"),
     (Span(5400), "90 min"), (Span(90), "90 s"), (Span(0, 1), "1 business day")],
)  # fmt: skip
def test_a_span_is_said_as_people_say_it(span: Span, said: str) -> None:
    assert str(span) == said


# Clocks


def test_a_step_is_due_from_the_declaration() -> None:
    told = story(step("tell", "first-response"))
    assert told.incident.opened_at == START + MINUTE
    expected = told.incident.opened_at + timedelta(minutes=15)
    assert due(told.incident.tasks["tell"].step, told.incident, STRICTEST) == expected


def test_the_level_decides_how_long() -> None:
    for level, hours in enumerate((1, 4, 24, 48)):
        told = story(step("look", "scope"), level=level).incident
        found = due(told.tasks["look"].step, told, STRICTEST)
        assert found == told.opened_at + timedelta(hours=hours)


def test_a_step_without_a_timer_is_never_due() -> None:
    told = story(step("think")).incident
    assert due(told.tasks["think"].step, told, STRICTEST) is None


def test_a_suspicion_has_its_box_and_no_other_clock_yet() -> None:
    told = Story(secret(), confirmed=False).incident
    box, other = step("confirm", "suspicion"), step("tell", "first-response")
    assert due(box, told, STRICTEST) == told.opened_at + timedelta(hours=4)
    assert due(other, told, STRICTEST) is None


def test_the_box_ends_with_the_declaration() -> None:
    grown = Story(secret(), confirmed=False).tell(ev.Advanced("declared"))
    assert due(step("confirm", "suspicion"), grown.incident, STRICTEST) is None
    at = due(step("tell", "first-response"), grown.incident, STRICTEST)
    assert at == grown.entries[-1].at + timedelta(minutes=15)


def test_a_drill_has_no_clocks() -> None:
    told = story(step("tell", "first-response")).incident
    from dataclasses import replace

    drill = replace(told, opened=replace(told.opened, drill=True))
    assert due(told.tasks["tell"].step, drill, STRICTEST) is None
    assert overdue(drill, STRICTEST, START + timedelta(days=99)) == []


def test_what_never_left_the_machine_has_no_clocks() -> None:
    local = ev.ExposureAdded("X1", "S1", "local-commit", "HEAD", "none")
    told = story(step("tell", "first-response"), copy=local)
    assert overdue(told.incident, STRICTEST, START + timedelta(days=99)) == []
    told.tell(ev.ExposureAdded("X2", "S1", "chat", "#general", "internal"))
    assert overdue(told.incident, STRICTEST, START + timedelta(days=99))


def test_the_overlap_counts_from_the_new_value() -> None:
    told = story(step("revoke", "overlap", per="secret", subject="S1"))
    early = due(told.incident.tasks["revoke:S1"].step, told.incident, STRICTEST)
    told.tell(ev.SecretMoved("S1", "issued"))
    late = due(told.incident.tasks["revoke:S1"].step, told.incident, STRICTEST)
    assert early == told.incident.opened_at + timedelta(hours=1)
    assert late == told.entries[-1].at + timedelta(hours=1)


def test_the_deletion_counts_from_the_deactivation() -> None:
    told = story(step("delete-key", "destroy", per="secret", subject="S1"))
    assert due(told.incident.tasks["delete-key:S1"].step, told.incident, STRICTEST) is None
    told.tell(ev.SecretMoved("S1", "revoked"))
    found = due(told.incident.tasks["delete-key:S1"].step, told.incident, STRICTEST)
    assert found == told.entries[-1].at + timedelta(hours=24)


def test_a_block_that_nobody_set_is_never_late_and_one_that_was_set_is() -> None:
    told = story(step("limit", "contain", undo_step="undo-limit", mandatory=False),
                 step("undo-limit", "undo"))  # fmt: skip
    much_later = START + timedelta(days=9)
    assert overdue(told.incident, STRICTEST, much_later) == []
    told.tell(ev.StepDone("limit"))
    assert overdue(told.incident, STRICTEST, much_later) == [
        ("undo-limit", told.entries[-1].at + timedelta(hours=4))
    ]


def test_nothing_is_due_before_what_it_waits_for() -> None:
    told = story(step("revoke", "overlap"), step("prove", "rotate", depends_on=("revoke",)))
    prove = told.incident.tasks["prove"].step
    assert due(prove, told.incident, STRICTEST) == told.incident.opened_at + timedelta(hours=1)
    told.tell(ev.StepDone("revoke"))
    assert due(prove, told.incident, STRICTEST) == told.incident.opened_at + 5 * MINUTE


def test_late_steps_come_the_longest_waiting_first_and_optional_ones_not_at_all() -> None:
    told = story(step("scope", "scope"), step("tell", "first-response"), step("done", "rotate"),
                 step("maybe", "rotate", mandatory=False))  # fmt: skip
    told.tell(ev.StepDone("done"))
    names = [key for key, _ in overdue(told.incident, STRICTEST, START + timedelta(days=1))]
    assert names == ["tell", "scope"]
    assert [key for key, _ in overdue(told.incident, STRICTEST, START + 30 * MINUTE)] == ["tell"]
    assert overdue(told.incident, STRICTEST, START) == []


def test_a_failed_step_and_one_of_unknown_outcome_are_still_late() -> None:
    told = story(step("tell", "first-response"), step("rotate", "rotate"))
    told.tell(ev.StepDone("tell", outcome="failed"), ev.StepDone("rotate", outcome="unknown"))
    assert len(overdue(told.incident, STRICTEST, START + timedelta(days=1))) == 2


def test_the_next_hour_is_known_before_it_comes() -> None:
    told = story(step("scope", "scope"), step("tell", "first-response"))
    assert next_due(told.incident, STRICTEST) == (
        "tell",
        told.incident.opened_at + timedelta(minutes=15),
    )


def test_an_incident_that_is_over_has_nothing_late() -> None:
    told = story(step("tell", "first-response")).tell(ev.FalsePositive("a sample", "lin"))
    assert overdue(told.incident, STRICTEST, START + timedelta(days=1)) == []
    assert next_due(told.incident, STRICTEST) is None


def test_reopening_starts_the_clocks_again() -> None:
    told = story(step("tell", "first-response"))
    told.tell(ev.Advanced("contained"), ev.Reopened("used again"))
    found = due(told.incident.tasks["tell"].step, told.incident, STRICTEST)
    assert found == told.entries[-1].at + timedelta(minutes=15)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("begin", "days", "end"),
    [
        ("2026-11-20 09:00", 1, "2026-11-23 23:59:59"),  # Friday to Monday
        ("2026-11-21 14:09", 5, "2026-11-27 23:59:59"),  # a Saturday counts nothing
        ("2026-11-23 00:00", 5, "2026-11-30 23:59:59"),
        ("2026-12-31 23:59", 1, "2027-01-01 23:59:59"),
        ("2028-02-28 12:00", 1, "2028-02-29 23:59:59"),  # a leap day
    ],
)
def test_business_days_leave_out_the_weekend(begin: str, days: int, end: str) -> None:
    assert after(at(begin), Span(business_days=days)) == at(end)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 40),
)
def test_a_business_day_ends_on_a_working_day_that_is_later(begin: datetime, days: int) -> None:
    end = after(begin, Span(business_days=days))
    assert end > begin
    assert end.weekday() < 5
    assert end - begin < timedelta(days=7 * (days // 5 + 2))


def test_a_preset_is_a_plain_value() -> None:
    assert isinstance(STRICTEST, Preset)
    assert presets.preset() == STRICTEST
