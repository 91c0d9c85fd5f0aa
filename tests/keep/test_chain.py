"""Whoever changes the store behind leakguard's back is found out, with the place."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import psycopg
import pytest

from keep.builders import NOON, Somewhere, chained, declared, noted, opening
from leakguard import event as ev
from leakguard.keep import keys as keyring
from leakguard.keep.chain import Checkpoint, genesis
from leakguard.keep.errors import StoreError, Tampered
from leakguard.keep.store import Store
from leakguard.keep.verify import Problem

ONE, TWO = "LG-2026-0001", "LG-2026-0002"


@pytest.fixture
def kept(spot: Somewhere) -> Somewhere:
    """A store with eight events: 1-2 and 5-6 of the first incident, the others of the second."""
    with spot.open() as store:
        store.create(opening("a", store.keyed("leak")), actor="ada", at=NOON)
        declared(store, "b")
        for text in ("first", "second"):
            noted(store, ONE, text)
        for text in ("third", "fourth"):
            noted(store, TWO, text)
        assert store.verify() == []
    return spot


def found(spot: Somewhere) -> list[Problem]:
    with spot.open(create=False) as store:
        return store.verify()


def told(problems: Iterable[Problem]) -> set[tuple[str, int | None, str]]:
    return {(one.kind, one.position, one.incident) for one in problems}


def cut(spot: Somewhere, last: int) -> None:
    """Remove the newest events without a trace in the database itself."""
    (hash_,) = spot.sql(f"SELECT hash FROM event WHERE position = {last}")[0]
    with spot.unguarded():
        spot.sql(
            f"DELETE FROM event WHERE position > {last}",
            f"DELETE FROM checkpoint WHERE position > {last}",
            f"""UPDATE meta SET value = '{{"hash":"{hash_}","position":{last}}}'
                WHERE key = 'chain'""",
            "UPDATE incident SET seq = (SELECT max(seq) FROM event WHERE incident = incident.id)",
            "UPDATE incident SET changed_at = (SELECT max(at) FROM event"
            " WHERE incident = incident.id)",
        )


@pytest.mark.parametrize("table", ["event", "checkpoint"])
def test_the_database_itself_refuses_to_change_what_was_written(
    kept: Somewhere, table: str
) -> None:
    statements = [
        f"UPDATE {table} SET hash = 'x' WHERE position = 2",
        f"DELETE FROM {table} WHERE position = 2",
    ]
    if not kept.sqlite:
        statements.append(f"TRUNCATE {table}")
    elif table == "event":
        statements.append("INSERT OR REPLACE INTO event SELECT * FROM event WHERE position = 2")
    for statement in statements:
        with pytest.raises((sqlite3.Error, psycopg.Error), match="only ever added"):
            kept.sql(statement)
    assert found(kept) == []


def test_a_changed_event_is_named_and_its_incident_not_shown_as_if_nothing_were(
    kept: Somewhere,
) -> None:
    with kept.unguarded():
        kept.sql("UPDATE event SET body = replace(body, 'first', 'FIRST') WHERE position = 5")
    assert told(found(kept)) == {("changed", 5, ONE)}
    with kept.open() as store:
        with pytest.raises(Tampered, match=f"event 3 of {ONE} is not what was written"):
            store.load(ONE)
        assert store.load(TWO).seq == 4


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("incident", f"'{TWO}', seq = 77"), ("seq", "77"), ("at", "'2020-01-01T00:00:00.000000Z'"),
        ("clock", "'2020-01-01T00:00:00.000000Z'"), ("actor", "'eve'"), ("kind", "'Reopened'"),
        ("body", "'{}'"), ("prev_hash", "'00'"), ("hash", "'00'"), ("position", "99"),
    ],
)  # fmt: skip
def test_no_column_of_an_event_can_be_changed_unseen(
    kept: Somewhere, column: str, value: str
) -> None:
    with kept.unguarded():
        kept.sql(f"UPDATE event SET {column} = {value} WHERE position = 5")
    assert any(one.kind == "changed" and one.position in (5, 99) for one in found(kept))


@pytest.mark.parametrize("column", ["position", "hash", "note", "at", "key_id", "signature"])
def test_no_column_of_a_checkpoint_can_be_changed_unseen(kept: Somewhere, column: str) -> None:
    value = "3" if column == "position" else "'00'"
    with kept.unguarded():
        kept.sql(f"UPDATE checkpoint SET {column} = {value} WHERE position = 5")
    kinds = {one.kind for one in found(kept)}
    assert kinds & ({"foreign-key"} if column == "key_id" else {"forged"})


def test_a_deleted_event_is_missed(kept: Somewhere) -> None:
    with kept.unguarded():
        kept.sql("DELETE FROM event WHERE position = 5")
    assert {("missing", 5, ""), ("missing", 6, ONE)} <= told(found(kept))


def test_a_whole_incident_that_is_gone_is_missed(kept: Somewhere) -> None:
    with kept.unguarded():
        kept.sql(
            f"DELETE FROM event WHERE incident = '{ONE}'",
            f"DELETE FROM fingerprint WHERE incident = '{ONE}'",
            f"DELETE FROM incident WHERE id = '{ONE}'",
        )
    gone = {one.position for one in found(kept) if one.kind == "missing"}
    assert gone == {1, 2, 5, 6}


def test_exchanged_events_are_noticed(kept: Somewhere) -> None:
    with kept.unguarded():
        kept.sql(
            "UPDATE event SET position = 99 WHERE position = 6",
            "UPDATE event SET position = 6 WHERE position = 7",
            "UPDATE event SET position = 7 WHERE position = 99",
        )
    assert {("changed", 6, TWO), ("changed", 7, ONE)} <= told(found(kept))


def test_a_chain_that_was_put_together_anew_in_another_order_is_noticed(kept: Somewhere) -> None:
    links, start = kept.links(), kept.links()[0].prev_hash
    with kept.unguarded():
        kept.rewrite(chained([*links[2:4], *links[:2], *links[4:]], start))
    problems = told(found(kept))
    assert {("changed", 2, TWO), ("changed", 4, ONE), ("changed", 8, TWO)} <= problems


def test_a_rewritten_event_with_all_hashes_recomputed_is_noticed_by_the_signatures(
    kept: Somewhere,
) -> None:
    links = kept.links()
    links[4] = replace(links[4], actor="eve")
    with kept.unguarded():
        kept.rewrite(chained(links, links[0].prev_hash))
    assert told(found(kept)) == {("changed", at, ONE if at < 7 else TWO) for at in (5, 6, 7, 8)}


def test_a_rewritten_chain_without_its_signatures_is_noticed_by_the_head(kept: Somewhere) -> None:
    links = kept.links()
    links[4] = replace(links[4], actor="eve")
    with kept.unguarded():
        kept.rewrite(chained(links, links[0].prev_hash))
        kept.sql("DELETE FROM checkpoint WHERE position > 4")
    assert told(found(kept)) == {
        ("unsigned", 5, ONE), ("unsigned", 6, ONE), ("unsigned", 7, TWO), ("unsigned", 8, TWO),
        ("changed", 8, TWO),
    }  # fmt: skip


@pytest.mark.parametrize("last", [7, 4])
def test_cutting_off_the_newest_events_is_noticed_by_the_head(kept: Somewhere, last: int) -> None:
    cut(kept, last)
    assert told(found(kept)) == {("truncated", last + 1, "")}


def test_nothing_is_added_to_a_chain_that_was_cut(kept: Somewhere) -> None:
    cut(kept, 7)
    with kept.open() as store, pytest.raises(Tampered, match="newest events of the store are gone"):
        noted(store, ONE, "as if nothing were")
    assert len(kept.links()) == 7


def test_cutting_off_without_care_is_noticed_by_the_signatures_too(kept: Somewhere) -> None:
    with kept.unguarded():
        kept.sql("DELETE FROM event WHERE position > 6")
    problems = told(found(kept))
    assert {("truncated", 7, ""), ("truncated", 8, ""), ("index", None, TWO)} <= problems
    with kept.open() as store, pytest.raises(Tampered):
        noted(store, ONE, "as if nothing were")


def test_an_event_that_leakguard_did_not_add_is_noticed_and_not_signed_later(
    kept: Somewhere,
) -> None:
    links = kept.links()
    added = chained([*links, replace(links[-1], seq=5, actor="eve")], links[0].prev_hash)
    with kept.unguarded():
        kept.rewrite(added)
        kept.sql(f"UPDATE incident SET seq = 5 WHERE id = '{TWO}'")
    assert told(found(kept)) == {("unsigned", 9, TWO)}
    with kept.open() as store, pytest.raises(Tampered, match="not what was signed"):
        noted(store, ONE, "on top of it")


def test_a_forged_signature_is_noticed(kept: Somewhere) -> None:
    with kept.unguarded():
        kept.sql(f"UPDATE checkpoint SET signature = '{'00' * 64}' WHERE position = 8")
    assert told(found(kept)) == {("forged", 8, TWO)}
    with kept.open() as store, pytest.raises(Tampered, match="not signed by its key"):
        noted(store, ONE, "on top of it")


def _signed_by(folder: Path, store: Store, point: Checkpoint, name: str) -> Checkpoint:
    point = replace(point, key_id=name)
    return replace(
        point, signature=keyring.load(str(folder)).sign(point.message(store.ledger.store))
    )


@pytest.mark.parametrize("pretends", [True, False])
def test_a_signature_with_another_key_is_noticed(
    kept: Somewhere, tmp_path: Path, pretends: bool
) -> None:
    with kept.open() as store:
        theirs = keyring.make(str(tmp_path / "theirs"))
        name = (store.keys if pretends else theirs).ids["signing"]
        row = kept.sql("SELECT position, hash, at FROM checkpoint WHERE position = 8")[0]
        point = _signed_by(tmp_path / "theirs", store, Checkpoint(*row, key_id=""), name)
    with kept.unguarded():
        kept.sql(
            f"UPDATE checkpoint SET key_id = '{name}', signature = '{point.signature}'"
            " WHERE position = 8"
        )
    assert told(found(kept)) == {("forged" if pretends else "foreign-key", 8, TWO)}


def test_a_checkpoint_proves_nothing_about_another_store() -> None:
    point = Checkpoint(8, "00", "2026-03-14T12:00:00.000000Z", "key")
    assert point.message("one") != point.message("two")
    assert genesis("one") != genesis("two")


@pytest.mark.parametrize("field", ["position", "hash", "at", "note", "signature", "store"])
def test_a_changed_head_is_noticed(kept: Somewhere, field: str) -> None:
    content = json.loads(kept.head.read_text())
    content[field] = 7 if field == "position" else "00"
    kept.head.write_text(json.dumps(content))
    assert "forged" in {one.kind for one in found(kept)} or field == "store"
    if field == "store":  # the file's name is what says whose it is
        assert found(kept) == []


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b'{"store": 1}', b"\xff"])
def test_a_missing_or_damaged_head_is_noticed(kept: Somewhere, content: bytes | None) -> None:
    if content is None:
        kept.head.unlink()
    else:
        kept.head.write_bytes(content)
    assert told(found(kept)) == {("head", None, "")}
    with kept.open() as store, pytest.raises(Tampered):
        noted(store, ONE, "x")


def test_a_head_that_lags_behind_is_no_tampering(kept: Somewhere) -> None:
    before = kept.head.read_bytes()
    with kept.open() as store:
        noted(store, ONE, "third")
    kept.head.write_bytes(before)
    assert found(kept) == []


@pytest.mark.parametrize(
    ("column", "value"), [("status", "'closed'"), ("title", "'harmless'"), ("level", "3")]
)
def test_a_list_that_says_something_else_than_the_events_is_noticed(
    kept: Somewhere, column: str, value: str
) -> None:
    kept.sql(f"UPDATE incident SET {column} = {value} WHERE id = '{ONE}'")
    (problem,) = found(kept)
    assert (problem.kind, problem.incident) == ("index", ONE)
    assert problem.message.endswith(f": {column}")


def test_a_fingerprint_that_was_taken_out_of_the_index_is_noticed(kept: Somewhere) -> None:
    kept.sql("DELETE FROM fingerprint")
    assert told(found(kept)) == {("index", None, ONE)}


def test_missing_triggers_are_noticed(kept: Somewhere) -> None:
    with kept.unguarded():
        assert told(found(kept)) == {("unguarded", None, "")}


def test_another_installations_keys_are_refused_but_reading_still_works(
    kept: Somewhere, tmp_path: Path
) -> None:
    shutil.rmtree(kept.keys)
    keyring.make(str(kept.keys))
    with kept.open() as store:
        assert store.load(ONE).seq == 4
        assert len(store.listing()) == 2
        with pytest.raises(StoreError, match="not the store's pepper key"):
            store.keyed("x")
        with pytest.raises(StoreError):
            noted(store, ONE, "x")
        assert "foreign-key" in {one.kind for one in store.verify()}


def test_missing_keys_are_never_made_anew_for_a_store_that_has_some(kept: Somewhere) -> None:
    for name in ("signing", "pepper"):
        (kept.keys / f"{name}.key").unlink()
    with kept.open() as store:
        assert store.load(ONE).seq == 4
        with pytest.raises(StoreError, match="pepper key is missing"):
            store.keyed("x")
        with pytest.raises(StoreError, match="signing key is missing") as caught:
            noted(store, ONE, "x")
        assert "LEAKGUARD_KEY_DIR=FOLDER" in caught.value.hints[0]
        assert told(store.verify()) == {("foreign-key", None, "")}
    assert not (kept.keys / "signing.key").exists()


def test_after_a_restore_from_a_backup_the_loss_is_accepted_once_and_told_for_ever(
    kept: Somewhere,
) -> None:
    cut(kept, 4)
    with kept.open() as store:
        store.accept_loss("disk failed, backup of Monday", actor="ada", at=NOON)
        noted(store, ONE, "on it goes")
        problems = store.verify()
    assert [(one.kind, one.position, one.accepted) for one in problems] == [("loss", 4, True)]
    assert problems[0].message.startswith("ada: disk failed, backup of Monday (the head was: 8 ")


def test_an_accepted_loss_covers_nothing_that_comes_after_it(kept: Somewhere) -> None:
    with kept.unguarded():
        kept.sql("DELETE FROM event WHERE position > 6")
    with kept.open() as store:
        store.accept_loss("as found", actor="ada", at=NOON)
        for text in ("a", "b", "c"):
            store.change(TWO, lambda _, one=text: [ev.Noted(one)], actor="ada", at=NOON)
        assert {one.kind for one in store.verify()} == {"loss"}
    cut(kept, 8)
    assert ("truncated", 9, "") in told(found(kept))


def test_the_tip_can_be_written_down_elsewhere(kept: Somewhere) -> None:
    with kept.open() as store:
        tip = store.tip()
        assert (tip.position, tip.hash) == (8, kept.links()[-1].hash)
        noted(store, ONE, "x")
        assert store.tip().position == 9


def test_chance_bytes_in_the_file_are_noticed(sqlite: Somewhere, rng: Random) -> None:
    with sqlite.open() as store:
        for _ in range(20):
            declared(store)
    whole = Path(sqlite.where).read_bytes()
    said = set()
    for _ in range(25):
        at = 100 + rng.randrange(len(whole) - 100)
        Path(sqlite.where).write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            said |= {one.kind for one in found(sqlite)} or {f"unseen at {at}"}
        except StoreError:
            said.add("refused")
    assert said & {"changed", "damaged", "refused", "forged"}
