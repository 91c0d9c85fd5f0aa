"""Rows that can only be added: triggers for both databases."""

from __future__ import annotations

from alembic import op

APPEND_ONLY = ("event", "checkpoint")

_SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON "{table}"
BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END
"""

# INSERT OR REPLACE removes a row without asking the trigger on DELETE
_SQLITE_LAST = """
CREATE TRIGGER event_only_at_the_end BEFORE INSERT ON event
WHEN NEW.position <= (SELECT max(position) FROM event)
BEGIN SELECT RAISE(ABORT, 'event rows are only ever added at the end'); END
"""

_POSTGRESQL = """
CREATE FUNCTION leakguard_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% rows are only ever added', TG_TABLE_NAME; END $$
"""

_POSTGRESQL_ROWS = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON "{table}"
FOR EACH ROW EXECUTE FUNCTION leakguard_append_only()
"""

_POSTGRESQL_ALL = """
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON "{table}"
FOR EACH STATEMENT EXECUTE FUNCTION leakguard_append_only()
"""


def append_only() -> None:
    """Keep UPDATE, DELETE, TRUNCATE and REPLACE from the tables of the chain."""
    sqlite = op.get_context().dialect.name == "sqlite"
    statements = [_SQLITE_LAST] if sqlite else [_POSTGRESQL]
    for table in APPEND_ONLY:
        if sqlite:
            statements += [_SQLITE.format(table=table, verb=verb) for verb in ("update", "delete")]
        else:
            statements += [_POSTGRESQL_ROWS.format(table=table)]
            statements += [_POSTGRESQL_ALL.format(table=table)]
    for statement in statements:
        op.execute(statement)
