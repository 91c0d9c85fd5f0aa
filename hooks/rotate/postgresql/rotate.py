#!/usr/bin/env python3
"""Replaces the password of a PostgreSQL role, or lets a second role take over from it.

PostgreSQL keeps one password per role. Mode `alternating` therefore gives a partner
role a fresh password and then ends the leaked one, so that nobody loses the database.
Mode `single` has no second role: setting the new password kills the old at once.

Passwords reach the server as SCRAM verifiers only: a plain one would stand in its log.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, check, script
from leakguard.rotate.parts.turns import (
    acts_apart,
    apart,
    login_with,
    narrowed,
    new_user,
    replaced,
    single,
    users,
    verified,
)

rotate = script()

ROLE = "role"  # what PostgreSQL calls its users

REFUSED = re.compile(
    r"FATAL:\s+(?:password authentication failed for user|role .* is not permitted to log in)"
)
"""What PostgreSQL says of a password that is wrong, or of a role that may not log in."""

NOT_ENCRYPTED = re.compile(
    r"FATAL:\s+(?:no pg_hba.conf entry|pg_hba.conf rejects connection) .*(?:no encryption|SSL off)"
)
"""What it says of the second way in, which `prefer` tries after a refusal of the first."""

DISABLED = re.compile(r"FATAL:\s+role .* is not permitted to log in")


@rotate.phase
def plan(ask: Request) -> Answer:
    """What would happen, whether it may, and who is logged in now. Changes nothing."""
    more: dict[str, Any] = {
        "capabilities": narrowed(ask, reversible_disable=False),
        "actions": _actions(ask),
        "old": {"id": ask.target["role"], "user": ask.target["role"]},
    }
    apart_from_it = acts_apart(ask, ROLE)
    if not apart_from_it["ok"]:
        return Answer(more=more | {"known": [], "checks": [apart_from_it]})
    with _admin(ask) as admin:
        found = {name: role for name in users(ask, ROLE) if (role := _role(admin, name))}
        more["known"] = list(found)
        more["checks"] = [apart_from_it, *_checks(ask, admin, found)]
        more["snapshot"] = {"could_log_in": {name: role["login"] for name, role in found.items()}}
    return Answer(more=more)


@rotate.phase
def create(ask: Request) -> Answer:
    """Give the new role the new password. It stays as it is when that password already opens."""
    name = new_user(ask, ROLE)
    said = _login(ask, name, ask.secret("new"))
    with _admin(ask) as admin:
        if said != "accepted":
            with admin.transaction(force_rollback=ask.dry_run):
                _set_password(admin, name, ask.secret("new"))
        now = _value(admin, "SELECT now()::text")
    return Answer(
        status="already" if said == "accepted" else "done",
        new={"id": name, "user": name, "since": ask.new.get("since") or now},
        observed=[f"role {name} may log in with the new password"],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new password, and make sure that the server asked for it."""
    name = new_user(ask, ROLE)
    said = _login(ask, name, ask.secret("new"))
    if said == "unasked":
        raise Fail("unsupported", f"the server lets {name} in without a password: see pg_hba.conf")
    return verified(said, name, "the server", ROLE)


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Take LOGIN from the leaked role; its password can still be given back."""
    name = ask.target["role"]
    if single(ask):
        return replaced(ask, ROLE)
    with _admin(ask) as admin:
        role = _role(admin, name)
        if role is None or not role["login"]:
            return Answer("already", observed=[f"role {name} cannot log in"])
        with admin.transaction(force_rollback=ask.dry_run):
            _alter(admin, name, "NOLOGIN")
    return Answer(observed=[f"role {name} set to NOLOGIN"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End the sessions that the leaked password opened: a change alone leaves them alive."""
    name, before = ask.target["role"], _cut(ask)
    ended: set[int] = set()
    with _admin(ask) as admin:
        end = time.monotonic() + min(ask.deadline / 2, 15)
        while (open_now := _open_sessions(admin, name, before)) and time.monotonic() < end:
            ended.update(open_now)
            _end(admin, open_now if not ask.dry_run else [])
        prepared = _prepared(admin, name)
    evidence = [{"sessions_ended": len(ended), "left": len(open_now), "prepared": prepared}]
    observed = [f"{prepared} prepared transactions of {name} wait: look at them"] * bool(prepared)
    status = "pending" if open_now else "done" if ended else "already"
    return Answer(status, evidence=evidence, observed=observed)


@rotate.phase
def probe(ask: Request) -> Answer:
    """Ask the server, in one round, what it says of the new and of the old password."""
    new = login_with(_login, ask, "new", new_user(ask, ROLE))
    old = login_with(_login, ask, "old", ask.target["role"])
    found = {
        "new": _public(new),
        "old": _public(old),
        "old_error": "auth" if _public(old) == "refused" else "",
        "derived": _derived(ask) if new == "accepted" else "unknown",
    }
    if "old" not in ask.secrets and new == "accepted" and not single(ask):
        found |= {"old": _old_by_metadata(ask), "method": "metadata"}
    return Answer(more={"probe": found})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Delete the password of the leaked role: even LOGIN would not bring it back."""
    name = ask.target["role"]
    if single(ask):
        return replaced(ask, ROLE)
    with _admin(ask) as admin:
        if _role(admin, name) is None:
            return Answer("already", observed=[f"there is no role {name}"])
        if _has_password(admin, name) is False:
            return Answer("already", observed=[f"role {name} has no password"])
        with admin.transaction(force_rollback=ask.dry_run):
            _alter(admin, name, "NOLOGIN PASSWORD NULL")
    return Answer(observed=[f"the password of role {name} was deleted"])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Make the leaked password work again, and the new one not."""
    with _admin(ask) as admin:
        observed = (_restore_single if single(ask) else _restore_pair)(ask, admin)
    return Answer(observed=observed)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What is true now, by logging in where a value is at hand, else by the catalogue."""
    old, new = ask.target["role"], new_user(ask, ROLE)
    with _admin(ask) as admin:
        found = {name: _role(admin, name) for name in users(ask, ROLE)}
        state = {
            "old": _state(ask, "old", old, found[old]),
            "new": _state(ask, "new", new, found[new]),
            "credentials": [
                {"id": name, "state": "active" if role["login"] else "disabled", "label": ""}
                for name, role in found.items()
                if role
            ],
        }
    return Answer(more={"state": state})


# What the target says


def _cut(ask: Request) -> str:
    """Before when a session counts as the old one's; with one role, its newer ones are good."""
    return str(ask.new.get("since") or "infinity") if single(ask) else "infinity"


# Logging in


@contextmanager
def _session(ask: Request, user: str, password: str) -> Iterator[Any]:
    import psycopg

    where = _where(ask)
    if psycopg.pq.version() >= 160000 and not where["sslmode"].startswith("verify"):
        where["require_auth"] = "!password"  # a server nobody vouches for never sees it in clear
    with psycopg.connect(user=user, password=password, autocommit=True, **where) as session:
        yield session


def _where(ask: Request) -> dict[str, Any]:
    if "," in ask.target["host"]:
        raise Fail("unsupported", "host names one server")
    where = {
        "host": ask.target["host"],
        "port": ask.target.get("port") or 5432,
        "dbname": ask.target.get("dbname") or "postgres",
        "sslmode": ask.target.get("sslmode") or "prefer",
        "sslrootcert": ask.target.get("sslrootcert"),
        "gssencmode": "disable",
        "connect_timeout": max(2, min(10, int(ask.deadline / 3))),
        "application_name": "leakguard",
    }
    return {name: value for name, value in where.items() if value}


@contextmanager
def _admin(ask: Request) -> Iterator[Any]:
    import psycopg

    apart(ask, ROLE)
    try:
        with _session(ask, ask.target["admin_user"], ask.secret("admin")) as session:
            session.execute("SET lock_timeout = '5s'")
            yield session
    except psycopg.errors.InsufficientPrivilege:
        raise Fail("permission", f"{ask.target['admin_user']} may not do that") from None
    except psycopg.errors.LockNotAvailable:
        raise Fail("conflict", "the role is being changed elsewhere", retryable=True) from None
    except psycopg.OperationalError as error:
        raise _kept_out(_class_of(str(error))) from None


def _kept_out(said: str) -> Fail:
    if said == "unreachable":
        return Fail("network", "the server did not answer", retryable=True)
    if said == "unknown":
        return Fail(
            "permission", "not the password, but pg_hba.conf, dbname or a limit keeps us out"
        )
    return Fail("auth", "the server refuses the password of admin_user")


def _login(ask: Request, user: str, password: str) -> str:
    """accepted, refused, disabled, unasked (a password was not needed), unreachable or unknown."""
    import psycopg

    try:
        with _session(ask, user, password) as session:
            return "accepted" if session.pgconn.used_password else "unasked"
    except psycopg.OperationalError as error:
        return _class_of(str(error))


def _class_of(message: str) -> str:
    fatal = re.findall(r"FATAL:.*", message)  # one for each way in that was tried
    if not fatal:
        return "unknown" if "authentication" in message else "unreachable"
    if re.search(r"FATAL:\s+the database system is", message):
        return "unreachable"  # starting up, shutting down or recovering
    refused = [line for line in fatal if REFUSED.match(line)]
    if not refused or not all(line in refused or NOT_ENCRYPTED.match(line) for line in fatal):
        return "unknown"  # pg_hba.conf, connection limit, a language we do not read
    return "disabled" if any(DISABLED.match(line) for line in fatal) else "refused"


def _public(said: str) -> str:
    """In the words of a probe. A login that needed no password says nothing about one."""
    return {"disabled": "refused", "unasked": "unknown"}.get(said, said)


def _derived(ask: Request) -> str:
    import psycopg

    try:
        with _session(ask, new_user(ask, ROLE), ask.secret("new")) as session:
            alive = _sessions(session, ask.target["role"], _cut(ask))
    except psycopg.OperationalError:
        return "unknown"
    return "alive" if alive else "none"


def _old_by_metadata(ask: Request) -> str:
    import psycopg

    try:
        with _session(ask, new_user(ask, ROLE), ask.secret("new")) as session:
            role = _role(session, ask.target["role"])
    except psycopg.OperationalError:
        return "unknown"
    return "accepted" if role and role["login"] else "refused"


def _state(ask: Request, slot: str, name: str, role: dict[str, Any] | None) -> str:
    if role is None:
        return "absent"
    said = login_with(_login, ask, slot, name)
    if said in ("accepted", "disabled", "refused"):
        return {"accepted": "active", "disabled": "disabled", "refused": "absent"}[said]
    if not role["login"]:
        return "disabled"
    return "active" if slot == "old" and not single(ask) else "unknown"


# Reading and changing roles


def _role(session: Any, name: str) -> dict[str, Any] | None:
    row = session.execute(
        "SELECT rolcanlogin, rolvaliduntil < now() FROM pg_roles WHERE rolname = %s", [name]
    ).fetchone()
    return {"login": row[0], "expired": bool(row[1])} if row else None


def _has_password(admin: Any, name: str) -> bool | None:
    """None when only a superuser may know."""
    if not _value(admin, "SELECT has_table_privilege('pg_authid', 'SELECT')"):
        return None
    has = "SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = %s"
    return bool(_value(admin, has, name))


def _alter(admin: Any, name: str, change: str) -> None:
    from psycopg import sql

    role = sql.Identifier(name)
    admin.execute(sql.SQL("ALTER ROLE {} ").format(role) + sql.SQL(change))


def _set_password(admin: Any, name: str, password: str) -> None:
    from psycopg import sql

    verifier = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    change = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
    admin.execute(change.format(sql.Identifier(name), sql.Literal(verifier.decode())))


def _sessions(session: Any, name: str, before: str = "infinity") -> list[int]:
    rows = session.execute(
        "SELECT pid FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()"
        " AND (backend_start IS NULL OR backend_start < %s::timestamptz)",
        [name, before],
    )
    return [pid for (pid,) in rows]


def _open_sessions(admin: Any, name: str, before: str) -> list[int]:
    """As `_sessions`; looks again, for a login that was under way at the first look."""
    found = _sessions(admin, name, before)
    if not found:
        time.sleep(0.1)
        found = _sessions(admin, name, before)
    return found


def _end(admin: Any, pids: list[int]) -> None:
    admin.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", [pids])
    time.sleep(0.05)


def _prepared(admin: Any, name: str) -> int:
    return int(_value(admin, "SELECT count(*) FROM pg_prepared_xacts WHERE owner = %s", name))


def _value(session: Any, query: str, *values: Any) -> Any:
    return session.execute(query, values or None).fetchone()[0]


# Undoing


def _restore_single(ask: Request, admin: Any) -> list[str]:
    name = ask.target["role"]
    if "old" not in ask.secrets:
        raise Fail("missing", "only the old value could undo this, and it was not supplied")
    with admin.transaction(force_rollback=ask.dry_run):
        _set_password(admin, name, ask.secret("old"))
    return [f"role {name} has its old, leaked password again; the new one is void"]


def _restore_pair(ask: Request, admin: Any) -> list[str]:
    role, partner = ask.target["role"], new_user(ask, ROLE)
    if _has_password(admin, role) is False:
        raise Fail("conflict", f"the password of role {role} was deleted: it cannot come back")
    revive = ask.plan.get("snapshot", {}).get("could_log_in", {}).get(role, True)
    retire = _is_ours(ask, partner)
    with admin.transaction(force_rollback=ask.dry_run):
        if revive:
            _alter(admin, role, "LOGIN")
        if retire:
            _alter(admin, partner, "NOLOGIN PASSWORD NULL")
    if retire and not ask.dry_run:
        _end(admin, _sessions(admin, partner))
    said = [f"role {role} may log in again, with its leaked password"] * revive
    return said + [f"role {partner} set to NOLOGIN, its new password deleted"] * retire


def _is_ours(ask: Request, partner: str) -> bool:
    """Whether the partner's password is the one of this rotation: no other is touched."""
    if "new" in ask.secrets:
        return _login(ask, partner, ask.secret("new")) in ("accepted", "disabled")
    return bool(ask.new)


# Planning


def _actions(ask: Request) -> list[dict[str, Any]]:
    role, new = ask.target["role"], new_user(ask, ROLE)
    if single(ask):
        return [
            action("create", "replace password", role, "the old one ends at once",
                    "rollback sets the old one again, while it is known"),
            action("kill_derived", "end sessions", role, "those opened before the change"),
        ]  # fmt: skip
    return [
        action("create", "set password, LOGIN", new, "a second role works",
                f"{new} set to NOLOGIN without a password"),
        action("disable_old", "NOLOGIN", role, "no new session", f"{role} set to LOGIN"),
        action("kill_derived", "end sessions", role, "all that are open"),
        action("destroy_old", "PASSWORD NULL", role, "the leaked password is gone"),
    ]  # fmt: skip


def _checks(ask: Request, admin: Any, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = users(ask, ROLE)
    gone = [name for name in names if name not in found]
    yield check("the roles exist", not gone, ", ".join(gone))
    standby = _value(admin, "SELECT pg_is_in_recovery()")
    yield check("the server takes changes", not standby, "a standby" if standby else "")
    if gone or standby:
        return
    yield _may_alter(ask, admin)
    yield _may_end_sessions(ask, admin)
    if not single(ask):
        yield from _partner_checks(ask, admin, found)
    yield from (_asks_for_password(ask, name) for name in names)


def _may_alter(ask: Request, admin: Any) -> dict[str, Any]:
    """Tried for real, in a transaction that is rolled back."""
    import psycopg

    acting = ask.target["admin_user"]
    try:
        with admin.transaction(force_rollback=True):
            _set_password(admin, new_user(ask, ROLE), secrets.token_hex(16))
            if not single(ask):
                _alter(admin, ask.target["role"], "NOLOGIN PASSWORD NULL")
    except psycopg.errors.InsufficientPrivilege:
        way = f"grant {acting} CREATEROLE (and, from version 16 on, ADMIN on the roles)"
        return check("the acting role may alter them", False, way)
    return check("the acting role may alter them", True)


def _may_end_sessions(ask: Request, admin: Any) -> dict[str, Any]:
    acting, role = ask.target["admin_user"], ask.target["role"]
    may = _value(
        admin,
        "SELECT me.rolsuper OR NOT it.rolsuper AND (pg_has_role('pg_signal_backend', 'USAGE')"
        " OR pg_has_role(it.oid, 'USAGE'))"
        " FROM pg_roles me, pg_roles it WHERE me.rolname = current_user AND it.rolname = %s",
        role,
    )
    way = "" if may else f"GRANT pg_signal_backend TO {acting} (a superuser's sessions need one)"
    return check("the acting role may end its sessions", may, way)


def _asks_for_password(ask: Request, name: str) -> dict[str, Any]:
    """A made-up password has to be refused, in words we can read; else no proof is possible."""
    said = _login(ask, name, secrets.token_hex(16))
    way = {
        "refused": "",
        "disabled": "",
        "unasked": "pg_hba.conf lets it in without one",
    }.get(said, "the refusal is not readable: lc_messages of the server has to be C or English,"
          " and pg_hba.conf has to let this host in")  # fmt: skip
    return check(f"the server asks {name} for a password", not way, way)


def _partner_checks(ask: Request, admin: Any, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    partner = new_user(ask, ROLE)
    used = len(_sessions(admin, partner))
    yield check("nobody is logged in as the partner", not used, f"{used} sessions")
    yield check("the partner has not expired", not found[partner]["expired"])
    lacks = _shortfall(admin, ask.target["role"], partner)
    yield check("the partner may do what the role may", not lacks, "; ".join(lacks))


def _shortfall(admin: Any, role: str, partner: str) -> list[str]:
    """What the role has and the partner has not: consumers would miss it."""
    names = {"role": role, "partner": partner}
    return [lack for (lack,) in admin.execute(SHORTFALL, names)]


SHORTFALL = """
WITH a AS (SELECT * FROM pg_roles WHERE rolname = %(role)s),
     b AS (SELECT * FROM pg_roles WHERE rolname = %(partner)s)
SELECT 'membership in ' || r.rolname FROM pg_roles r, a, b
 WHERE r.oid <> a.oid AND pg_has_role(a.oid, r.oid, 'MEMBER')
   AND NOT pg_has_role(b.oid, r.oid, 'MEMBER')
UNION ALL
SELECT f.flag FROM a, b, LATERAL (VALUES
    ('SUPERUSER', a.rolsuper, b.rolsuper), ('CREATEDB', a.rolcreatedb, b.rolcreatedb),
    ('CREATEROLE', a.rolcreaterole, b.rolcreaterole), ('INHERIT', a.rolinherit, b.rolinherit),
    ('REPLICATION', a.rolreplication, b.rolreplication),
    ('BYPASSRLS', a.rolbypassrls, b.rolbypassrls)) AS f (flag, had, has)
 WHERE f.had AND NOT f.has
UNION ALL
SELECT count(*) || CASE d.deptype WHEN 'o' THEN ' owned objects' ELSE ' granted objects' END
  FROM a, b, pg_shdepend d
 WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = a.oid AND d.deptype IN ('o', 'a')
   AND NOT EXISTS (
     SELECT FROM pg_shdepend e
      WHERE (e.dbid, e.classid, e.objid, e.objsubid) = (d.dbid, d.classid, d.objid, d.objsubid)
        AND e.refclassid = d.refclassid AND (e.deptype = 'o' OR e.deptype = d.deptype)
        AND pg_has_role(b.oid, e.refobjid, 'USAGE'))
 GROUP BY d.deptype
UNION ALL
SELECT 'the setting ' || split_part(s, '=', 1)
  FROM a, b, pg_db_role_setting c, unnest(c.setconfig) s
 WHERE c.setrole = a.oid AND NOT EXISTS (
     SELECT FROM pg_db_role_setting d
      WHERE d.setrole = b.oid AND d.setdatabase = c.setdatabase AND s = ANY (d.setconfig))
"""
"""Every way in which a consumer would be worse off as the partner."""


if __name__ == "__main__":
    rotate.main()
