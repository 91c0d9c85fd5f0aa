"""A rotation as the journal keeps it, and reading it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from leakguard.event import instant
from leakguard.keep.holding import Holder, holder
from leakguard.keep.tables import ROTATION, ROTATION_STEP, SEALED


@dataclass(frozen=True, slots=True)
class RotationStep:
    """One attempt at one step. `public` is what the script said, without any value."""

    key: str
    status: str  # intent | done | failed | unknown
    attempt: int
    idempotency_key: str
    public: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation as the journal keeps it. `steps` holds every attempt, oldest first."""

    id: str  # LG-2026-0001-S1-r1
    incident: str
    secret: str
    script: str
    state: str  # the engine's word; the journal does not judge it
    plan: Mapping[str, Any]
    policy: Mapping[str, Any]
    revoke_by: datetime | None
    created_at: datetime
    updated_at: datetime
    steps: tuple[RotationStep, ...] = ()
    slots: tuple[str, ...] = ()  # names of the values that are sealed now
    holder: Holder | None = None

    def step(self, key: str) -> RotationStep | None:
        """The last attempt at a step, or None when it was never begun."""
        return next((one for one in reversed(self.steps) if one.key == key), None)


def rotations(connection: Connection, wanted: ColumnElement[bool]) -> list[Rotation]:
    """The rotations that a condition on their table picks, oldest first."""
    picked = select(ROTATION.c.id).where(wanted)
    tried = steps(connection, ROTATION_STEP.c.rotation.in_(picked))
    slots: dict[str, list[str]] = {}
    sealed = select(SEALED.c.rotation, SEALED.c.slot).where(SEALED.c.rotation.in_(picked))
    for row in connection.execute(sealed.order_by(SEALED.c.slot)):
        slots.setdefault(row.rotation, []).append(row.slot)
    rows = connection.execute(
        select(ROTATION).where(wanted).order_by(ROTATION.c.created_at, ROTATION.c.id)
    )
    return [
        Rotation(
            row.id, row.incident, row.secret, row.script, row.state, json.loads(row.plan),
            json.loads(row.policy), instant(row.revoke_by) if row.revoke_by else None,
            instant(row.created_at), instant(row.updated_at), tuple(tried.get(row.id, ())),
            tuple(slots.get(row.id, ())), holder(row),
        )
        for row in rows
    ]  # fmt: skip


def steps(connection: Connection, wanted: ColumnElement[bool]) -> dict[str, list[RotationStep]]:
    """The steps that a condition on their table picks, by rotation, oldest first."""
    found: dict[str, list[RotationStep]] = {}
    rows = connection.execute(select(ROTATION_STEP).where(wanted).order_by(ROTATION_STEP.c.id))
    for row in rows:
        step = RotationStep(
            row.key, row.status, row.attempt, row.idempotency_key, json.loads(row.public),
            instant(row.at),
        )  # fmt: skip
        found.setdefault(row.rotation, []).append(step)
    return found
