"""Rotations, what was tried at each of their steps, and the values they hold sealed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of the journal."""
    _rotation()
    op.create_table(
        "rotation_step",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("rotation", sa.Text, sa.ForeignKey("rotation.id"), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("public", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.UniqueConstraint("rotation", "key", "attempt", name="uq_rotation_step_attempt"),
    )
    op.create_table(
        "sealed",
        sa.Column("rotation", sa.Text, sa.ForeignKey("rotation.id"), primary_key=True),
        sa.Column("slot", sa.Text, primary_key=True),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )


def _rotation() -> None:
    op.create_table(
        "rotation",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("incident", sa.Text, sa.ForeignKey("incident.id"), nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("script", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("revoke_by", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_since", sa.Text),
        sa.Column("lease_until", sa.Text),
        sa.Column("lease_host", sa.Text),
        sa.Column("lease_pid", sa.Integer),
        sa.Column("lease_token", sa.Text),
        sa.UniqueConstraint(
            "incident", "secret", "number", name="uq_rotation_incident_secret_number"
        ),
    )
    op.create_index("ix_rotation_state", "rotation", ["state"])
