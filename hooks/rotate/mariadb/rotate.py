#!/usr/bin/env python3
"""Replaces the password of a MariaDB user, or lets a second user take over from it.

A MariaDB user is one account for each pattern of hosts it may come from; they change
together, since nobody knows which of them the leaked password opens. Mode `alternating`
gives a partner user a fresh password and then locks the leaked one. Mode `single` has
no second user: setting the new password kills the old at once.

Passwords reach the server as hashes only: a plain one would stand in its general log.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, script, unless
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

WRONG, LOCKED = 1045, 4151
"""What the server says of a wrong password, and of the right one of a locked account."""

FORBIDDEN = {1044, 1095, 1142, 1143, 1227}

NOTHING = "invalid"
"""The hash that no password has."""


@rotate.phase
def plan(ask: Request) -> Answer:
    """What would happen, whether it may, and who is logged in now. Changes nothing."""
    more: dict[str, Any] = {
        "capabilities": narrowed(ask, reversible_disable=False),
        "actions": _actions(ask),
        "old": {"id": ask.target["user"], "user": ask.target["user"]},
    }
    apart_from_it = acts_apart(ask)
    if not apart_from_it["ok"]:
        return Answer(more=more | {"known": [], "checks": [apart_from_it]})
    with _admin(ask) as admin:
        try:
            found = {user: _accounts(admin, user) for user in users(ask)}
        except Fail as fail:
            checks = [
                unless("the acting user may look", f"{fail.message}: GRANT SELECT ON mysql.*")
            ]
            return Answer(more=more | {"known": [], "checks": checks})
        more["known"] = [user for user, accounts in found.items() if accounts]
        more["checks"] = [apart_from_it, *_checks(ask, admin, found)]
        more["snapshot"] = {"unlocked": [u for u in found if _active(found[u])]}
    return Answer(more=more)


@rotate.phase
def create(ask: Request) -> Answer:
    """Give the new user the new password. It stays as it is when it has that one already."""
    user, digest = new_user(ask), _hash(ask.secret("new"))
    with _admin(ask) as admin:
        accounts = _accounts(admin, user)
        if not accounts:
            raise Fail("not_found", f"there is no user {user}")
        done = all(one["hash"] == digest and not one["locked"] for one in accounts.values())
        if not done and not ask.dry_run:
            _set_hash(admin, user, accounts, digest)
    with _admin(ask) as later:  # the sessions that are older than this one are the old password's
        since = ask.new.get("since") or later.thread_id()
    return Answer(
        status="already" if done else "done",
        new={"id": user, "user": user, "since": since},
        observed=[f"user {user} may log in with the new password"],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new password."""
    user = new_user(ask)
    return verified(_login(ask, user, ask.secret("new")), user, "the server")


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Lock the accounts of the leaked user; its password can still be given back."""
    user = ask.target["user"]
    if single(ask):
        return replaced(ask)
    with _admin(ask) as admin:
        accounts = _accounts(admin, user)
        if not _active(accounts):
            return Answer("already", observed=[f"user {user} cannot log in"])
        if not ask.dry_run:
            _alter(admin, user, accounts, "ACCOUNT LOCK")
    return Answer(observed=[f"user {user} locked"])


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End the sessions that the leaked password opened: a change alone leaves them alive."""
    user, before = ask.target["user"], _cut(ask)
    ended: set[int] = set()
    with _admin(ask) as admin:
        end = time.monotonic() + min(ask.deadline / 2, 15)
        while (open_now := _open_sessions(admin, user, before)) and time.monotonic() < end:
            ended.update(open_now)
            _end(admin, open_now if not ask.dry_run else [])
    evidence = [{"sessions_ended": len(ended), "left": len(open_now)}]
    status = "pending" if open_now else "done" if ended else "already"
    return Answer(status, evidence=evidence)


@rotate.phase
def probe(ask: Request) -> Answer:
    """Ask the server, in one round, what it says of the new and of the old password."""
    new = login_with(_login, ask, "new", new_user(ask))
    old = login_with(_login, ask, "old", ask.target["user"])
    found = {
        "new": _public(new),
        "old": _public(old),
        "old_error": "auth" if _public(old) == "refused" else "",
        "derived": "unknown",
    }
    if new != "unreachable":
        found |= _seen_by_admin(ask)
    return Answer(more={"probe": found})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Delete the password of the leaked user: unlocking would not bring it back."""
    user = ask.target["user"]
    if single(ask):
        return replaced(ask)
    with _admin(ask) as admin:
        accounts = _accounts(admin, user)
        if all(one["hash"] == NOTHING and one["locked"] for one in accounts.values()):
            return Answer("already", observed=[f"user {user} has no password"])
        if not ask.dry_run:
            _set_hash(admin, user, accounts, NOTHING, "ACCOUNT LOCK")
    return Answer(observed=[f"the password of user {user} was deleted"])


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Make the leaked password work again, and the new one not."""
    with _admin(ask) as admin:
        observed = (_restore_single if single(ask) else _restore_pair)(ask, admin)
    return Answer(observed=observed)


@rotate.phase
def observe(ask: Request) -> Answer:
    """What is true now, by logging in where a value is at hand, else by the catalogue."""
    old, new = ask.target["user"], new_user(ask)
    with _admin(ask) as admin:
        found = {user: _accounts(admin, user) for user in users(ask)}
        state = {
            "old": _state(ask, "old", old, found[old]),
            "new": _state(ask, "new", new, found[new]),
            "credentials": [
                {"id": user, "state": "active" if _active(accounts) else "disabled", "label": ""}
                for user, accounts in found.items()
                if accounts
            ],
        }
    return Answer(more={"state": state})


# What the target says


def _cut(ask: Request) -> int | None:
    """The first session that is not the old one's; with one user, the newer ones are good."""
    return ask.new.get("since") if single(ask) else None


# Logging in


@contextmanager
def _session(ask: Request, user: str, password: str) -> Iterator[Any]:
    import pymysql

    ca = ask.target.get("ssl_ca")
    with pymysql.connect(
        host=ask.target["host"], port=ask.target.get("port") or 3306,
        user=user, password=password, autocommit=True, charset="utf8mb4",
        connect_timeout=max(2, min(10, int(ask.deadline / 3))), read_timeout=30,
        ssl={"ca": ca} if ca else None, auth_plugin_map=None if ca else IN_CLEAR,
    ) as session:  # fmt: skip
        yield session


class Never:
    """A server that nobody vouches for gets no password in clear."""

    def __init__(self, connection: Any) -> None:
        pass

    def authenticate(self, packet: Any) -> Any:
        """Refuse to."""
        raise Fail("unsupported", "the server wants the password in clear: set ssl_ca")


IN_CLEAR = {b"mysql_clear_password": Never, b"dialog": Never}


@contextmanager
def _admin(ask: Request) -> Iterator[Any]:
    import pymysql

    apart(ask)
    try:
        with _session(ask, ask.target["admin_user"], ask.secret("admin")) as session:
            yield session
    except pymysql.err.MySQLError as error:
        raise _failed(error.args[0]) from None


def _failed(code: int) -> Fail:
    if code in (WRONG, LOCKED):
        return Fail("auth", "the server refuses the password of admin_user")
    if code in FORBIDDEN:
        return Fail("permission", f"admin_user may not do that (error {code})")
    if 2000 <= code < 3000:
        return Fail("network", "the server did not answer", retryable=True)
    return Fail("conflict", f"the server answered with error {code}")


def _login(ask: Request, user: str, password: str) -> str:
    """accepted, refused, locked, unreachable or unknown."""
    import pymysql

    try:
        with _session(ask, user, password):
            return "accepted"
    except pymysql.err.OperationalError as error:
        code = error.args[0]
    except Fail:
        return "unknown"
    known = {WRONG: "refused", LOCKED: "locked"}
    return known.get(code, "unreachable" if 2000 <= code < 3000 else "unknown")


def _public(said: str) -> str:
    return "refused" if said == "locked" else said


def _seen_by_admin(ask: Request) -> dict[str, str]:
    """Open sessions; and, where the old value is not at hand, whether its accounts are locked."""
    user = ask.target["user"]
    try:
        with _admin(ask) as admin:
            alive = _sessions(admin, user, _cut(ask))
            accounts = _accounts(admin, user)
    except Fail:
        return {}
    found = {"derived": "alive" if alive else "none"}
    if "old" not in ask.secrets and (said := _by_catalogue(ask, accounts)):
        found |= {"old": said, "method": "metadata"}
    return found


def _by_catalogue(ask: Request, accounts: dict[str, dict[str, Any]]) -> str:
    """A user has one password: with another in its place, the old one is gone."""
    if not single(ask):
        return "accepted" if _active(accounts) else "refused"
    digest = _hash(ask.secrets.get("new", ""))
    return "refused" if accounts and all(a["hash"] == digest for a in accounts.values()) else ""


def _state(ask: Request, slot: str, user: str, accounts: dict[str, Any]) -> str:
    if not accounts:
        return "absent"
    said = login_with(_login, ask, slot, user)
    if said in ("accepted", "locked", "refused"):
        return {"accepted": "active", "locked": "disabled", "refused": "absent"}[said]
    if not _active(accounts):
        return "disabled"
    return "active" if slot == "old" and not single(ask) else "unknown"


# Reading and changing accounts


def _query(session: Any, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with session.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _accounts(admin: Any, user: str) -> dict[str, dict[str, Any]]:
    """For each pattern of hosts: whether it is locked, and the hash of its password."""
    import pymysql

    try:
        rows = _query(admin, "SELECT Host, Priv FROM mysql.global_priv WHERE User = %s", user)
    except pymysql.err.MySQLError as error:
        raise _failed(error.args[0]) from None
    return {host: _account(json.loads(priv)) for host, priv in rows}


def _account(priv: dict[str, Any]) -> dict[str, Any]:
    locked = bool(priv.get("account_locked"))
    digest = None if priv.get("auth_or") else priv.get("authentication_string")
    return {"locked": locked, "hash": digest}


def _active(accounts: dict[str, dict[str, Any]]) -> bool:
    return any(not one["locked"] for one in accounts.values())


def _hash(password: str) -> str:
    inner = sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + sha1(inner, usedforsecurity=False).hexdigest().upper()


def _alter(admin: Any, user: str, hosts: Any, change: str, *values: str) -> None:
    for host in hosts:
        _query(admin, f"ALTER USER %s@%s {change}", user, host, *values)


def _set_hash(
    admin: Any, user: str, hosts: Any, digest: str, state: str = "ACCOUNT UNLOCK"
) -> None:
    change = f"IDENTIFIED VIA mysql_native_password USING %s {state}"
    _alter(admin, user, hosts, change, digest)


def _sessions(admin: Any, user: str, before: int | None = None) -> list[int]:
    rows = _query(
        admin,
        "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s AND ID <> CONNECTION_ID()",
        user,
    )
    return [number for (number,) in rows if before is None or number < before]


def _open_sessions(admin: Any, user: str, before: int | None) -> list[int]:
    """As `_sessions`; looks again, for a login that was under way at the first look."""
    found = _sessions(admin, user, before)
    if not found:
        time.sleep(0.1)
        found = _sessions(admin, user, before)
    return found


def _end(admin: Any, numbers: list[int]) -> None:
    """By number: KILL USER with a host misses sessions that are listed under its name."""
    import pymysql

    for number in numbers:
        try:
            _query(admin, "KILL CONNECTION %s", number)
        except pymysql.err.MySQLError as error:
            if error.args[0] != 1094:  # it has ended meanwhile
                raise
    time.sleep(0.05)


# Undoing


def _restore_single(ask: Request, admin: Any) -> list[str]:
    user = ask.target["user"]
    if "old" not in ask.secrets:
        raise Fail("missing", "only the old value could undo this, and it was not supplied")
    if not ask.dry_run:
        _set_hash(admin, user, _accounts(admin, user), _hash(ask.secret("old")))
    return [f"user {user} has its old, leaked password again; the new one is void"]


def _restore_pair(ask: Request, admin: Any) -> list[str]:
    user, partner = ask.target["user"], new_user(ask)
    accounts, others = _accounts(admin, user), _accounts(admin, partner)
    if any(one["hash"] == NOTHING for one in accounts.values()):
        raise Fail("conflict", f"the password of user {user} was deleted: it cannot come back")
    revive = user in ask.plan.get("snapshot", {}).get("unlocked", [user])
    retire = _is_ours(ask, others)
    if not ask.dry_run:
        _alter(admin, user, accounts if revive else (), "ACCOUNT UNLOCK")
        _set_hash(admin, partner, others if retire else (), NOTHING, "ACCOUNT LOCK")
        _end(admin, _sessions(admin, partner) if retire else [])
    said = [f"user {user} may log in again, with its leaked password"] * revive
    return said + [f"user {partner} locked, its new password deleted"] * retire


def _is_ours(ask: Request, accounts: dict[str, dict[str, Any]]) -> bool:
    """Whether the partner's password is the one of this rotation: no other is touched."""
    if "new" in ask.secrets:
        digest = _hash(ask.secret("new"))
        return any(one["hash"] == digest for one in accounts.values())
    return bool(ask.new)


# Planning


def _actions(ask: Request) -> list[dict[str, Any]]:
    user, new = ask.target["user"], new_user(ask)
    if single(ask):
        return [
            action("create", "replace password", user, "the old one ends at once",
                    "rollback sets the old one again, while it is known"),
            action("kill_derived", "end sessions", user, "those opened before the change"),
        ]  # fmt: skip
    return [
        action("create", "set password, ACCOUNT UNLOCK", new, "a second user works",
                f"{new} locked, without a password"),
        action("disable_old", "ACCOUNT LOCK", user, "no new session", f"{user} unlocked"),
        action("kill_derived", "end sessions", user, "all that are open"),
        action("destroy_old", "delete password", user, "the leaked password is gone"),
    ]  # fmt: skip


def _checks(ask: Request, admin: Any, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    gone = [user for user, accounts in found.items() if not accounts]
    yield unless("the users exist", ", ".join(gone))
    (version, read_only) = _query(admin, "SELECT VERSION(), @@global.read_only")[0]
    yield unless("the server is MariaDB", "" if "mariadb" in version.lower() else version)
    yield unless("the server takes changes", "it is read-only: a replica?" if read_only else "")
    yield unless("the acting user may do all this", _missing_grants(ask, admin))
    yield unless("the server takes hashes", _refuses_hashes(admin))
    if not single(ask) and not gone:
        yield from _partner_checks(ask, admin, found)
    for user in found:
        yield unless(f"the server refuses a wrong password of {user}", _lets_in(ask, user))


def _missing_grants(ask: Request, admin: Any) -> str:
    """Changes cannot be tried and rolled back here, so the grants are read."""
    rows = _query(
        admin,
        "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES"
        " WHERE REPLACE(GRANTEE, '''', '') IN (CURRENT_USER(), CURRENT_ROLE())",
    )
    held = {name for (name,) in rows}
    lacks = {"CREATE USER", "PROCESS", "CONNECTION ADMIN"} - held
    grant = f"GRANT {', '.join(sorted(lacks))} ON *.* TO {ask.target['admin_user']}"
    return grant if lacks else ""


def _refuses_hashes(admin: Any) -> str:
    strict = _query(
        admin,
        "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION'"
        " AND PLUGIN_STATUS = 'ACTIVE' AND @@strict_password_validation",
    )
    return "SET GLOBAL strict_password_validation = OFF" if strict[0][0] else ""


def _lets_in(ask: Request, user: str) -> str:
    said = _login(ask, user, secrets.token_hex(16))
    return "" if said == "refused" else f"a made-up one is {said}: no proof would be possible"


def _partner_checks(ask: Request, admin: Any, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    user, partner = ask.target["user"], new_user(ask)
    used = len(_sessions(admin, partner))
    yield unless("nobody is logged in as the partner", f"{used} sessions" if used else "")
    hosts = sorted(set(found[user]) - set(found[partner]))
    yield unless("the partner may come from the same hosts", ", ".join(hosts))
    lacks = sorted(_grants(admin, user) - _grants(admin, partner))
    yield unless("the partner may do what the user may", "; ".join(lacks))


def _grants(admin: Any, user: str) -> set[str]:
    rows = _query(admin, GRANTS, *[user] * 4)
    return {" ".join(part for part in row if part) for row in rows}


GRANTS = """
SELECT g.privilege, g.place, g.host FROM (
  SELECT GRANTEE, PRIVILEGE_TYPE privilege, '' place,
         SUBSTRING_INDEX(GRANTEE, '@', -1) host FROM information_schema.USER_PRIVILEGES
  UNION SELECT GRANTEE, PRIVILEGE_TYPE, CONCAT('on ', TABLE_SCHEMA, '.*'),
         SUBSTRING_INDEX(GRANTEE, '@', -1) FROM information_schema.SCHEMA_PRIVILEGES
  UNION SELECT GRANTEE, PRIVILEGE_TYPE, CONCAT('on ', TABLE_SCHEMA, '.', TABLE_NAME),
         SUBSTRING_INDEX(GRANTEE, '@', -1) FROM information_schema.TABLE_PRIVILEGES
  UNION SELECT GRANTEE, PRIVILEGE_TYPE,
         CONCAT('on ', TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME),
         SUBSTRING_INDEX(GRANTEE, '@', -1) FROM information_schema.COLUMN_PRIVILEGES
) g
WHERE g.privilege <> 'USAGE' AND LEFT(g.GRANTEE, CHAR_LENGTH(%s) + 4) = CONCAT('''', %s, '''@''')
UNION SELECT Proc_priv, CONCAT('on ', Db, '.', Routine_name), Host
  FROM mysql.procs_priv WHERE User = %s AND Proc_priv <> ''
UNION SELECT 'role', Role, Host FROM mysql.roles_mapping WHERE User = %s
"""
"""What the accounts of a user may do; a consumer that becomes the partner needs it all."""


if __name__ == "__main__":
    rotate.main()
