"""What a rotation intends, did and holds sealed, kept so that it survives a kill at any moment.

The rule of a caller: `intent` (committed) -> call the script -> `finish` (the result, the sealed
values, the evidence and the incident's events in one transaction). A step whose last status is
`intent` after a restart has an unknown outcome: observe before doing it again.

    journal = Journal(store)
    rotation = journal.begin("LG-2026-0001", "S1", "postgresql", plan=..., policy=..., actor="ada")
    with journal.lease(rotation.id, "ada", seconds=300) as lease:
        journal.intent(rotation.id, "create", 1, f"{rotation.id}:create", lease=lease)
        ...
        journal.finish(rotation.id, "create", "done", public={...}, secrets={"new": Secret(...)},
                       events=[...], actor="ada", lease=lease)
    journal.shred(rotation.id)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, true, update

from leakguard import event as ev
from leakguard.errors import UsageError
from leakguard.event import Event, stamp
from leakguard.incident import Incident
from leakguard.keep import holding, ledger, named, sealing
from leakguard.keep.chain import canonical
from leakguard.keep.database import Writing
from leakguard.keep.errors import Conflict, Held, StoreError
from leakguard.keep.holding import Holder, Lease
from leakguard.keep.rotation import Rotation, RotationStep, rotations, steps
from leakguard.keep.store import Store
from leakguard.keep.tables import ROTATION, ROTATION_STEP, SEALED
from leakguard.secret import Secret

__all__ = ["STATUSES", "Holder", "Journal", "Lease", "Rotation", "RotationStep"]

STATUSES = ("intent", "done", "failed", "unknown")
"""What may be known of a step. `intent`: it was begun, and nothing else is known."""

NOTHING: Mapping[str, Any] = MappingProxyType({})
Decide = Callable[[Incident], Sequence[Event]]
Events = Sequence[Event] | Decide


class Journal:
    """The rotations of a store. `clock` is for tests; without it the database's own clock rules,
    so that hosts which share a PostgreSQL need not agree on the time.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime] | None = None) -> None:
        self._store = store
        self._database = store.database
        self._keys = store.keys
        self._clock = clock

    def begin(
        self,
        incident: str,
        secret: str,
        script: str,
        *,
        plan: Mapping[str, Any],
        policy: Mapping[str, Any],
        actor: str,
        revoke_by: datetime | None = None,
        state: str = "planned",
        secrets: Mapping[str, Secret] = NOTHING,
        events: Events = (),
        alone: Sequence[str] = (),
    ) -> Rotation:
        """A new rotation, numbered per incident and secret (..-S1-r1, r2), with its first values.

        Raises UsageError when the incident has no such secret, and Held when another
        rotation of it is in one of the states of `alone`; nobody can begin one in between.
        """
        with self._database.write() as writing:
            connection = writing.connection
            self._store.ledger.lock(writing)  # first everywhere: so nobody waits crosswise
            self._leaked(connection, incident, secret)
            _alone(connection, incident, secret, alone)
            number = _number(connection, incident, secret)
            name, now = f"{incident}-{secret}-r{number}", self._now(connection)
            row = {
                "id": name, "incident": incident, "secret": secret, "number": number,
                "script": script, "state": state, "plan": canonical(plan),
                "policy": canonical(policy), "created_at": stamp(now), "updated_at": stamp(now),
                "revoke_by": stamp(revoke_by) if revoke_by else None,
            }  # fmt: skip
            sealing.refuse_values((row["plan"], row["policy"]), secrets.values())  # type: ignore[arg-type]
            connection.execute(insert(ROTATION), row)
            self._told(writing, incident, name, secrets, events, actor, now)
        return self.load(name)

    def load(self, rotation: str) -> Rotation:
        """Everything kept of one rotation. Raises UsageError for an unknown id."""
        with self._database.read() as connection:
            found = rotations(connection, ROTATION.c.id == rotation)
        if not found:
            raise _unknown(rotation)
        return found[0]

    def list(
        self, states: Sequence[str] | None = None, *, incident: str | None = None
    ) -> tuple[Rotation, ...]:
        """The rotations in one of these states (None: all), oldest first."""
        in_state = true() if states is None else ROTATION.c.state.in_(states)
        of_incident = true() if incident is None else ROTATION.c.incident == incident
        with self._database.read() as connection:
            return tuple(rotations(connection, and_(in_state, of_incident)))

    @contextmanager
    def lease(self, rotation: str, owner: str, seconds: float) -> Iterator[Lease]:
        """Hold a rotation. Raises Held, saying who holds it since when, until when.

        It ends with the block, after `seconds` without `renew`, or as soon as the holder's
        process is gone when it ran on this machine. A holder that comes back late gets Conflict
        from whatever it writes next, so take it long enough for the slowest call.
        """
        with self._database.write() as writing:
            connection = writing.connection
            row = _locked(connection, rotation)
            held = holding.take(connection, row, owner, seconds, self._now(connection))
        try:
            yield held
        finally:
            try:
                with self._database.write() as writing:
                    holding.release(writing.connection, held)
            except StoreError:
                pass  # it ends with its time; what the block raised tells more

    def renew(self, lease: Lease, seconds: float) -> None:
        """Hold it longer. Raises Conflict when somebody took it over meanwhile."""
        with self._database.write() as writing:
            connection = writing.connection
            holding.extend(connection, lease, seconds, self._now(connection))

    def change(
        self,
        rotation: str,
        *,
        actor: str,
        state: str | None = None,
        plan: Mapping[str, Any] | None = None,
        policy: Mapping[str, Any] | None = None,
        revoke_by: datetime | None = None,
        secrets: Mapping[str, Secret] = NOTHING,
        events: Events = (),
        lease: Lease | None = None,
    ) -> Rotation:
        """Change the rotation itself, with what the incident shall know of it. One transaction."""
        given = {
            "state": state,
            "plan": None if plan is None else canonical(plan),
            "policy": None if policy is None else canonical(policy),
            "revoke_by": stamp(revoke_by) if revoke_by else None,
        }
        values = {key: value for key, value in given.items() if value is not None}
        sealing.refuse_values(values.values(), secrets.values())
        with self._database.write() as writing:
            row, now = self._mine(writing, rotation, lease)
            _set(writing.connection, rotation, now, **values)
            self._told(writing, row.incident, rotation, secrets, events, actor, now)
        return self.load(rotation)

    def intent(
        self,
        rotation: str,
        key: str,
        attempt: int,
        idempotency_key: str,
        *,
        lease: Lease | None = None,
    ) -> RotationStep:
        """Commit that a step is about to be carried out. The same intent twice is one.

        Raises Conflict when this attempt already has an outcome.
        """
        with self._database.write() as writing:
            connection = writing.connection
            _row, now = self._mine(writing, rotation, lease)
            this = (ROTATION_STEP.c.key == key) & (ROTATION_STEP.c.attempt == attempt)
            had = steps(connection, (ROTATION_STEP.c.rotation == rotation) & this).get(rotation)
            if had:
                if (had[0].status, had[0].idempotency_key) != ("intent", idempotency_key):
                    raise Conflict(f"attempt {attempt} of {key} of {rotation} was made already")
                return had[0]
            made = RotationStep(key, "intent", attempt, idempotency_key, NOTHING, now)
            connection.execute(
                insert(ROTATION_STEP),
                {
                    "rotation": rotation, "key": key, "attempt": attempt, "status": "intent",
                    "idempotency_key": idempotency_key, "public": "{}", "at": stamp(now),
                },
            )  # fmt: skip
            _set(connection, rotation, now)
        return made

    def finish(
        self,
        rotation: str,
        key: str,
        status: str,
        public: Mapping[str, Any] = NOTHING,
        secrets: Mapping[str, Secret] = NOTHING,
        events: Events = (),
        *,
        actor: str,
        state: str | None = None,
        lease: Lease | None = None,
    ) -> Rotation:
        """The outcome of the last attempt at a step: done, failed or unknown.

        What the script said, the values it gave (sealed), the incident's events and, when
        given, the rotation's new state are committed together or not at all. An outcome that
        was `unknown` may be replaced by what was observed since; another may not (Conflict).
        """
        if status not in STATUSES[1:]:
            raise ValueError(f"{status!r} is no outcome")
        told = canonical(public)
        sealing.refuse_values((told,), secrets.values())
        with self._database.write() as writing:
            row, now = self._mine(writing, rotation, lease)
            _finish(writing.connection, rotation, key, status, told, now)
            _set(writing.connection, rotation, now, **({"state": state} if state else {}))
            self._told(writing, row.incident, rotation, secrets, events, actor, now)
        return self.load(rotation)

    def unseal(self, rotation: str, slot: str) -> Secret:
        """A sealed value. Raises StoreError when there is none, or it was exchanged or damaged."""
        wanted = (SEALED.c.rotation == rotation) & (SEALED.c.slot == slot)
        with self._database.read() as connection:
            row = connection.execute(select(SEALED).where(wanted)).first()
        if row is None:
            raise StoreError(
                f"no value {slot!r} is sealed for {rotation}",
                "it was never given, or was shredded when the rotation ended",
            )
        return sealing.unseal(self._keys, rotation, slot, row.nonce, row.ciphertext)

    def shred(self, rotation: str) -> bool:
        """Delete the sealed values, also from free pages and the write-ahead log.

        False when the rows are gone, but a reader or a full disk kept the rest from being
        cleaned; call it again later.
        """
        with self._database.write() as writing:
            connection = writing.connection
            connection.execute(delete(SEALED).where(SEALED.c.rotation == rotation))
        try:
            with self._database.alone() as connection:
                if not self._database.sqlite:
                    connection.exec_driver_sql("VACUUM sealed")
                    return True
                connection.exec_driver_sql("VACUUM")
                emptied = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()
                return emptied is not None and emptied[0] == 0
        except StoreError:
            return False

    def _mine(
        self, writing: Writing, rotation: str, lease: Lease | None
    ) -> tuple[Row[Any], datetime]:
        """The row, locked, once it is sure that this process may write it; and the time."""
        self._store.ledger.lock(writing)
        row, now = _locked(writing.connection, rotation), self._now(writing.connection)
        holding.check(row, lease, now)
        return row, now

    def _told(
        self,
        writing: Writing,
        incident: str,
        rotation: str,
        secrets: Mapping[str, Secret],
        events: Events,
        actor: str,
        now: datetime,
    ) -> None:
        """Seal the values and tell the incident, as part of this transaction."""
        connection = writing.connection
        for slot, value in secrets.items():
            nonce, ciphertext = sealing.seal(self._keys, rotation, slot, value)
            connection.execute(
                delete(SEALED).where(SEALED.c.rotation == rotation, SEALED.c.slot == slot)
            )
            connection.execute(
                insert(SEALED),
                {
                    "rotation": rotation, "slot": slot, "nonce": nonce, "ciphertext": ciphertext,
                    "at": stamp(now),
                },
            )  # fmt: skip
        if events:
            clean = _clean(events, secrets)
            self._store.append(writing, incident, clean, actor=actor, at=now)

    def _leaked(self, connection: Connection, incident: str, secret: str) -> None:
        found = ledger.load(connection, incident)
        if found is None:
            raise named.unknown(connection, incident)
        if secret not in found.secrets:
            raise UsageError(
                f"{incident} has no secret {secret}", "it has: " + ", ".join(found.secrets)
            )

    def _now(self, connection: Connection) -> datetime:
        if self._clock is not None:
            return self._clock().astimezone(UTC)
        if self._database.sqlite:
            return datetime.now(UTC)
        found: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return found.astimezone(UTC)


def _clean(events: Events, secrets: Mapping[str, Secret]) -> Decide:
    """The events, once it is sure that no value stands in them."""

    def decide(incident: Incident) -> Sequence[Event]:
        given = events(incident) if callable(events) else events
        sealing.refuse_values((canonical(ev.write(one)[1]) for one in given), secrets.values())
        return given

    return decide


def _finish(
    connection: Connection, rotation: str, key: str, status: str, told: str, now: datetime
) -> None:
    this = (ROTATION_STEP.c.rotation == rotation) & (ROTATION_STEP.c.key == key)
    newest = select(ROTATION_STEP).where(this).order_by(ROTATION_STEP.c.id.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None or row.status not in ("intent", "unknown"):
        what = "was never begun" if row is None else f"has an outcome already: {row.status}"
        raise Conflict(f"step {key} of {rotation} {what}")
    values = {"status": status, "public": told, "at": stamp(now)}
    connection.execute(update(ROTATION_STEP).where(ROTATION_STEP.c.id == row.id).values(values))


def _set(connection: Connection, rotation: str, now: datetime, **values: str | None) -> None:
    values["updated_at"] = stamp(now)
    connection.execute(update(ROTATION).where(ROTATION.c.id == rotation).values(values))


def _alone(connection: Connection, incident: str, secret: str, states: Sequence[str]) -> None:
    same = (ROTATION.c.incident == incident) & (ROTATION.c.secret == secret)
    found = select(ROTATION.c.id, ROTATION.c.state).where(same & ROTATION.c.state.in_(states))
    row = connection.execute(found).first()
    if row is not None:
        raise Held(
            f"{row.id} is under way ({row.state})",
            f"leakguard rotate {incident} --secret {secret} --resume",
        )


def _number(connection: Connection, incident: str, secret: str) -> int:
    same = (ROTATION.c.incident == incident) & (ROTATION.c.secret == secret)
    highest = connection.execute(select(func.max(ROTATION.c.number)).where(same)).scalar()
    return (highest or 0) + 1


def _locked(connection: Connection, rotation: str) -> Row[Any]:
    row = holding.locked(connection, rotation)
    if row is None:
        raise _unknown(rotation)
    return row


def _unknown(rotation: str) -> UsageError:
    return UsageError(f"there is no rotation {rotation}", "see them: leakguard rotate list")
