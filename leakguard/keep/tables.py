"""The tables, as the program sees them. The migrations make them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

META = Table(
    "meta",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

INCIDENT = Table(
    "incident",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("year", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("over", Boolean, nullable=False),
    Column("level", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("hold", Text, nullable=False),
    Column("secrets", Integer, nullable=False),
    Column("proven", Integer, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("next_due", Text),
    UniqueConstraint("year", "number", name="uq_incident_year_number"),
    Index("ix_incident_over", "over", "year", "number"),
)

EVENT = Table(
    "event",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("incident", Text, ForeignKey("incident.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("clock", Text, nullable=False),  # what the clock said, when it had jumped back
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("incident", "seq", name="uq_event_incident_seq"),
)

FINGERPRINT = Table(
    "fingerprint",
    METADATA,
    Column("fingerprint", Text, primary_key=True),
    Column("incident", Text, ForeignKey("incident.id"), primary_key=True),
    Column("secret", Text, primary_key=True),
)

CHECKPOINT = Table(
    "checkpoint",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", Text, nullable=False),
)

ROTATION = Table(
    "rotation",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("incident", Text, ForeignKey("incident.id"), nullable=False),
    Column("secret", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("script", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("revoke_by", Text),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("lease_owner", Text),
    Column("lease_since", Text),
    Column("lease_until", Text),
    Column("lease_host", Text),
    Column("lease_pid", Integer),
    Column("lease_token", Text),
    UniqueConstraint("incident", "secret", "number", name="uq_rotation_incident_secret_number"),
    Index("ix_rotation_state", "state"),
)

ROTATION_STEP = Table(
    "rotation_step",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("rotation", Text, ForeignKey("rotation.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("public", Text, nullable=False),
    Column("at", Text, nullable=False),
    UniqueConstraint("rotation", "key", "attempt", name="uq_rotation_step_attempt"),
)

SEALED = Table(
    "sealed",
    METADATA,
    Column("rotation", Text, ForeignKey("rotation.id"), primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("at", Text, nullable=False),
)
