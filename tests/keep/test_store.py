"""Incidents are kept as events, found again by short names, and listed from columns."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import insert

from keep.builders import NOON, Somewhere, declared, noted, notes, opening
from leakguard import event as ev
from leakguard.errors import UsageError
from leakguard.event import Event
from leakguard.history import Impossible
from leakguard.incident import Incident, Status
from leakguard.keep import named
from leakguard.keep.store import Store, SummaryFields
from leakguard.keep.summary import told
from leakguard.keep.tables import INCIDENT


def test_a_new_incident_has_the_first_number_of_its_year(store: Store) -> None:
    assert declared(store).id == "LG-2026-0001"
    assert declared(store).id == "LG-2026-0002"
    assert declared(store, at=datetime(2027, 1, 1, tzinfo=UTC)).id == "LG-2027-0001"


def test_the_year_is_that_of_utc(store: Store) -> None:
    new_year_in_the_east = datetime.fromisoformat("2027-01-01T01:00:00+02:00")
    assert declared(store, at=new_year_in_the_east).id == "LG-2026-0001"


def test_what_was_created_is_loaded_the_same_by_another_process(spot: Somewhere) -> None:
    with spot.open() as store:
        made = declared(store, "a key in a log \0 \ud800 \N{SNOWMAN}")
        made = noted(store, made.id, "line\nline")
    with spot.open(create=False) as again:
        assert again.load(made.id) == made
        assert again.listing()[0].id == made.id


def test_entries_tell_who_did_what_and_when(store: Store) -> None:
    made = declared(store)
    store.change(made.id, lambda _: [ev.Noted("seen")], actor="bob", at=NOON + timedelta(minutes=5))
    last = store.entries(made.id)[-1]
    assert (last.seq, last.incident, last.actor) == (3, made.id, "bob")
    assert (last.at, last.event) == (NOON + timedelta(minutes=5), ev.Noted("seen"))


def test_a_decision_is_made_on_what_is_kept_now(store: Store) -> None:
    made = declared(store)
    seen: list[int] = []

    def decide(now: Incident) -> list[Event]:
        seen.append(now.seq)
        return [ev.Noted(f"after {now.seq}")]

    store.change(made.id, decide, actor="ada", at=lambda: NOON)
    store.change(made.id, decide, actor="ada", at=lambda: NOON)
    assert seen == [2, 3]


def test_no_event_means_no_write(store: Store) -> None:
    made = declared(store)
    before = store.tip()
    assert store.change(made.id, lambda _: [], actor="ada", at=NOON) == made
    assert store.tip() == before


def test_a_lost_race_is_decided_again_on_the_new_state(spot: Somewhere) -> None:
    with spot.open() as store, spot.open() as other:
        made = declared(store)
        seen: list[int] = []

        def decide(now: Incident) -> list[Event]:
            seen.append(now.seq)
            if len(seen) < 3:
                noted(other, made.id, f"faster {len(seen)}")
            return [ev.Noted("slower")]

        store.change(made.id, decide, actor="ada", at=NOON)
        assert seen == [2, 3, 4]
        assert notes(store, made.id) == ["faster 1", "faster 2", "slower"]


def test_who_loses_every_race_decides_in_the_end_while_nobody_else_can_write(
    spot: Somewhere,
) -> None:
    with spot.open() as store, spot.open() as other:
        made = declared(store)
        tries: list[int] = []

        def decide(now: Incident) -> list[Event]:
            tries.append(now.seq)
            if len(tries) <= 3:
                noted(other, made.id, "faster")
            return [ev.Noted("at last")]

        store.change(made.id, decide, actor="ada", at=NOON)
        assert notes(store, made.id) == ["faster"] * 3 + ["at last"]


def test_a_write_inside_a_decision_that_nobody_else_may_disturb_is_a_bug(store: Store) -> None:
    made = declared(store)
    with pytest.raises(RuntimeError, match="wait for itself"), store.database.write():
        noted(store, made.id, "nested")


def test_events_that_make_no_sense_leave_nothing(store: Store) -> None:
    made = declared(store)
    before = store.tip()
    wrong = [ev.Noted("first"), ev.SecretMoved(secret="S9", state="dead")]
    with pytest.raises(Impossible):
        store.change(made.id, lambda _: wrong, actor="ada", at=NOON)
    with pytest.raises(Impossible):
        store.create([ev.Noted("not opened")], actor="ada", at=NOON)
    assert (store.tip(), notes(store, made.id)) == (before, [])
    assert [one.id for one in store.listing()] == [made.id]


def test_it_has_to_be_known_who_did_it_and_in_which_zone(store: Store) -> None:
    with pytest.raises(UsageError, match="who does this"):
        store.create(opening(), actor=" ", at=NOON)
    with pytest.raises(ValueError, match="zone"):
        store.create(opening(), actor="ada", at=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    "text", ["LG-2026-0001", "lg-2026-1", "2026-1", "2026-0001", "1", " 0001 "]
)
def test_an_incident_is_found_by_any_name_that_is_enough(spot: Somewhere, text: str) -> None:
    with spot.open() as store:
        declared(store)
        assert store.resolve(text) == "LG-2026-0001"


def test_a_name_that_can_be_several_says_which(store: Store) -> None:
    declared(store)
    declared(store, at=datetime(2027, 6, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="several") as caught:
        store.resolve("1")
    assert caught.value.hints == ("one of: LG-2026-0001, LG-2027-0001",)
    assert store.resolve("2027-1") == "LG-2027-0001"


def test_an_unknown_name_says_what_there_is(store: Store) -> None:
    with pytest.raises(UsageError, match="no incident 7") as caught:
        store.resolve("7")
    assert caught.value.hints == ("there is no incident yet",)
    declared(store)
    for look in (store.load, store.entries, store.resolve):
        with pytest.raises(UsageError) as caught:
            look("LG-2026-0077")
        assert "LG-2026-0001" in caught.value.hints[0]
    with pytest.raises(UsageError):
        store.change("LG-2026-0077", lambda _: [ev.Noted("x")], actor="ada", at=NOON)


@pytest.mark.parametrize("text", ["", "LG", "LG-26-1", "1; DROP TABLE event", "9" * 40, "\u0661"])
def test_what_is_no_name_is_refused(sqlite: Somewhere, text: str) -> None:
    with sqlite.open() as store, pytest.raises(UsageError, match="no incident id"):
        store.resolve(text)


def test_the_list_shows_the_newest_first_and_can_leave_out_what_is_over(store: Store) -> None:
    first, second, third = (declared(store, title) for title in ("a", "b", "c"))
    store.change(second.id, lambda _: [ev.FalsePositive("no key")], actor="ada", at=NOON)
    assert [one.title for one in store.listing()] == ["c", "b", "a"]
    assert [one.id for one in store.listing(open_only=True)] == [third.id, first.id]
    assert [one.id for one in store.listing(limit=1)] == [third.id]


def test_a_line_of_the_list_says_what_the_events_say(store: Store) -> None:
    made = declared(store, "a key in a wiki")
    judged = ev.SeverityJudged(2, "SEV-2", "now", "later", ())
    moved = [ev.SecretMoved("S1", "revoked"), ev.SecretMoved("S1", "dead")]
    store.change(made.id, lambda _: [judged, *moved], actor="ada", at=NOON)
    (line,) = store.listing()
    assert (line.title, line.level, line.label) == ("a key in a wiki", 2, "SEV-2")
    assert (line.status, line.over, line.secrets, line.proven) == (Status.DECLARED, False, 1, 1)
    assert (line.opened_at, line.seq) == (NOON, 5)


def test_the_next_deadline_is_the_callers_to_compute(spot: Somewhere) -> None:
    def in_an_hour(incident: Incident) -> SummaryFields:
        assert incident.changed_at
        return SummaryFields(next_due=incident.changed_at + timedelta(hours=1))

    with spot.open(summarise=in_an_hour) as store:
        made = declared(store)
        due = store.listing()[0].next_due
        assert due == NOON + timedelta(hours=1, microseconds=1)
    with spot.open() as without:
        noted(without, made.id, "x")
        assert without.listing()[0].next_due == due


def test_a_leak_that_was_seen_before_is_found_by_its_keyed_fingerprint(store: Store) -> None:
    name = store.keyed("0123456789abcdef")
    first = store.create(opening("a", name), actor="ada", at=NOON)
    second = store.create(opening("b", name), actor="ada", at=NOON)
    assert store.known(name) == [(first.id, "S1"), (second.id, "S1")]
    assert store.known(store.keyed("another finding")) == []


def test_a_fingerprint_means_nothing_without_the_pepper(spot: Somewhere) -> None:
    with spot.open() as store:
        name = store.keyed("0123456789abcdef")
        assert name == store.keyed("0123456789abcdef")
        assert "0123456789abcdef" not in name
    with spot.open() as again:
        assert again.keyed("0123456789abcdef") == name
    pepper = (spot.keys / "pepper.key").read_bytes()
    assert pepper not in b"".join(str(row).encode() for row in spot.sql("SELECT * FROM meta"))


def test_a_secret_that_gets_another_fingerprint_is_known_under_both(store: Store) -> None:
    made = declared(store)
    for name in ("one", "two", "one"):
        added = ev.SecretAdded(secret="S1", secret_class="generic", fingerprint=name)
        store.change(made.id, lambda _, one=added: [one], actor="ada", at=NOON)
    assert store.known("one") == store.known("two") == [(made.id, "S1")]
    assert store.verify() == []


def test_a_list_of_ten_thousand_is_one_query_that_reads_no_event(spot: Somewhere) -> None:
    with spot.open() as store:
        like = store.load(declared(store).id)
        with store.database.write() as writing:
            rows = [
                {"id": named.full(2025, number), "year": 2025, "number": number, **told(like)}
                for number in range(1, 10_001)
            ]
            writing.connection.execute(insert(INCIDENT), rows)
        asked: list[str] = []
        sqlalchemy_event.listen(
            store.database.engine,
            "before_cursor_execute",
            lambda _c, _cursor, statement, *_: asked.append(statement),
        )
        assert len(store.listing(open_only=True)) == 10_001
        assert store.listing(open_only=True, limit=2)[1].id == "LG-2025-10000"
    selects = [one for one in asked if one.startswith("SELECT")]
    assert len(selects) == 2
    assert not any("event" in one for one in selects)


def test_the_open_incidents_are_found_through_an_index(sqlite: Somewhere) -> None:
    with sqlite.open() as store:
        declared(store)
    asked = "SELECT * FROM incident WHERE over IS 0 ORDER BY year DESC, number DESC"
    plan = sqlite.sql(f"EXPLAIN QUERY PLAN {asked}")
    assert "USING INDEX ix_incident_over" in plan[0][-1]
    assert len(plan) == 1  # nothing is sorted


def test_the_store_is_not_loaded_by_the_gate() -> None:
    code = "import sys, leakguard.cli.app; print([n for n in sys.modules if 'sqlalchemy' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_end_that_was_written_down_is_found_again(store: Store) -> None:
    made = declared(store)
    tip = store.tip()
    noted(store, made.id, "later")
    assert store.holds(tip.position, tip.hash)
    assert not store.holds(tip.position, "0" * 64)
    assert not store.holds(tip.position + 9, tip.hash)
