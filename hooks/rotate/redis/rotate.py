#!/usr/bin/env python3
"""Adds a password to a Redis ACL user, takes the leaked one away, and makes that last.

A Redis user may have several passwords, so both work while consumers move over. Three
things are easy to miss: sessions outlive their password, nodes do not tell each other
of users, and a restart forgets what was not saved. So taking the password away and
ending the sessions is one transaction, on every node, and is saved before it counts.

Passwords reach the server as SHA-256 hashes, except in a login.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, action, script, unless

rotate = script()


Node = tuple[str, int]


@rotate.phase
def plan(ask: Request) -> Answer:
    """What would happen, and whether it may. Changes nothing."""
    user = _user(ask)
    more: dict[str, Any] = {"actions": _actions(user), "old": {"id": user, "user": user}}
    if _is_self(ask):
        checks = [unless(SELF, SELF_WAY)]
        return Answer(more=more | {"known": [], "checks": checks})
    checks, known, oldest = [unless(SELF)], [], {}
    for node in _nodes(ask):
        with _admin(ask, node) as admin:
            checks += _checks(ask, node, admin)
            known += [f"{_name(node)} {user}#{n + 1}" for n in range(len(_hashes(admin, user)))]
            oldest[_name(node)] = [_run_id(admin), admin.client_id()]
    return Answer(more=more | {"known": known, "checks": checks, "snapshot": {"before": oldest}})


@rotate.phase
def create(ask: Request) -> Answer:
    """Let the new password in beside the old one."""
    user, new = _user(ask), _hash(ask.secret("new"))
    changed = _everywhere(ask, lambda admin: _change(ask, admin, add=new))
    return Answer(
        status="done" if any(changed) else "already",
        new={"id": user, "user": user},
        observed=[f"user {user} may log in with the new password"],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Log in with the new password on every node."""
    for node in _nodes(ask):
        said = _login(ask, node, ask.secret("new"))
        if said == "unreachable":
            raise Fail("network", f"{_name(node)} did not answer", retryable=True)
        if said != "accepted":
            raise Fail("auth", f"{_name(node)} does not let {_user(ask)} in with the new password")
    return Answer(evidence=[{"login": "accepted", "nodes": len(_nodes(ask))}])


@rotate.phase
def disable_old(ask: Request) -> Answer:
    """Take the leaked password away and end all sessions of the user, in one transaction."""
    return _take_away(ask)


@rotate.phase
def kill_derived(ask: Request) -> Answer:
    """End what is left of the sessions from before the rotation."""
    ended = sum(_everywhere(ask, lambda admin: _end_older(ask, admin)))
    left = sum(_everywhere(ask, lambda admin: len(_older(ask, admin))))
    status = "pending" if left else "done" if ended else "already"
    return Answer(status, evidence=[{"sessions_ended": ended, "left": left}])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Ask every node, in one round, what it says of the new and of the old password."""
    new = [_login_with(ask, node, "new") for node in _nodes(ask)]
    old = [_login_with(ask, node, "old") for node in _nodes(ask)]
    said = _all_or(old, "refused", but="accepted")
    found = {
        "new": _all_or(new, "accepted"),
        "old": said,
        "old_error": "auth" if said == "refused" else "",
        "derived": _derived(ask) if "unreachable" not in new else "unknown",
    }
    return Answer(more={"probe": found})


@rotate.phase
def destroy_old(ask: Request) -> Answer:
    """Make sure that the password is gone: Redis keeps nothing of what was taken away."""
    return _take_away(ask)


@rotate.phase
def rollback(ask: Request) -> Answer:
    """Let the leaked password in again, and the new one no more."""
    old, user = _hash(ask.secret("old")), _user(ask)
    new = _hash(ask.secret("new")) if "new" in ask.secrets else ""
    _everywhere(ask, lambda admin: _change(ask, admin, add=old, drop=[new] if new else []))
    said = [f"user {user} may log in again with the leaked password"]
    return Answer(observed=said + [f"the new password of {user} was taken away"] * bool(new))


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which of the two passwords the user has, on every node."""
    nodes = [*_everywhere(ask, lambda admin: _hashes(admin, _user(ask)))]
    state = {slot: _state(ask, slot, nodes) for slot in ("old", "new")}
    credentials = [
        {"id": f"{_user(ask)}#{n + 1}", "state": "active", "label": ""}
        for n in range(len(nodes[0]))
    ]
    return Answer(more={"state": state | {"credentials": credentials}})


# What the target says


def _user(ask: Request) -> str:
    return ask.target.get("user") or "default"


def _is_self(ask: Request) -> bool:
    return bool(ask.target["admin_user"] == _user(ask))


def _nodes(ask: Request) -> list[Node]:
    nodes = [(ask.target["host"], ask.target.get("port") or 6379)]
    for name in filter(None, (ask.target.get("others") or "").replace(" ", "").split(",")):
        host, _, port = name.rpartition(":")
        if not host or not port.isdigit():
            raise Fail("unsupported", "others is a list like host:6379,host:6379")
        nodes.append((host, int(port)))
    return nodes


def _name(node: Node) -> str:
    return f"{node[0]}:{node[1]}"


# Logging in


@contextmanager
def _session(ask: Request, node: Node, user: str, password: str) -> Iterator[Any]:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    more: dict[str, Any] = {"retry": Retry(NoBackoff(), 0)}  # the engine asks again, and counts
    if ask.target.get("tls"):
        more |= {"ssl": True, "ssl_ca_certs": ask.target.get("ca") or None}
    session = redis.Redis(
        host=node[0], port=node[1], username=user, password=password, decode_responses=True,
        socket_connect_timeout=5, socket_timeout=10, single_connection_client=True, **more,
    )  # fmt: skip
    try:
        yield session
    finally:
        session.close()


@contextmanager
def _admin(ask: Request, node: Node) -> Iterator[Any]:
    import redis

    if _is_self(ask):
        raise Fail("permission", SELF_WAY)
    try:
        with _session(ask, node, ask.target["admin_user"], ask.secret("admin")) as session:
            yield session
    except redis.exceptions.AuthenticationError:
        raise Fail("auth", f"{_name(node)} refuses the password of admin_user") from None
    except redis.exceptions.NoPermissionError:
        raise Fail("permission", f"admin_user may not do that on {_name(node)}") from None
    except redis.exceptions.ResponseError:
        raise Fail("conflict", f"{_name(node)} answered with an error") from None
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
        raise Fail("network", f"{_name(node)} did not answer", retryable=True) from None


def _everywhere(ask: Request, act: Callable[[Any], Any]) -> list[Any]:
    answers = []
    for node in _nodes(ask):
        with _admin(ask, node) as admin:
            answers.append(act(admin))
    return answers


def _login(ask: Request, node: Node, password: str) -> str:
    import redis

    try:
        with _session(ask, node, _user(ask), password) as session:
            session.client_id()
            return "accepted"
    except redis.exceptions.AuthenticationError as error:
        return "refused" if "WRONGPASS" in str(error) or "invalid" in str(error) else "unknown"
    except redis.exceptions.NoPermissionError:
        return "accepted"  # it may not ask for its number, but it is in
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
        return "unreachable"
    except redis.exceptions.ResponseError:
        return "unknown"


def _login_with(ask: Request, node: Node, slot: str) -> str:
    return _login(ask, node, ask.secrets[slot]) if slot in ask.secrets else "unknown"


def _all_or(said: list[str], wanted: str, *, but: str = "") -> str:
    """`wanted` when every node says so; else `but` when any does; else the first that differs."""
    if but in said:
        return but
    return next((one for one in said if one != wanted), wanted)


def _derived(ask: Request) -> str:
    """Whether sessions are left that the leaked password may have opened."""
    try:
        older = _everywhere(ask, lambda admin: len(_older(ask, admin)))
    except Fail:
        return "unknown"
    return "alive" if any(older) else "none"


# Reading and changing the user


def _hash(password: str) -> str:
    return sha256(password.encode("utf-8", "surrogateescape")).hexdigest()


def _hashes(admin: Any, user: str) -> list[str]:
    found = admin.acl_getuser(user)
    return list(found["passwords"]) if found else []


def _change(ask: Request, admin: Any, *, add: str = "", drop: list[str] | None = None) -> bool:
    """Add and drop passwords; with a drop all sessions of the user end. Saved before it counts."""
    user, has = _user(ask), _hashes(admin, _user(ask))
    rules = [f"#{add}"] * bool(add and add not in has)
    rules += [f"!{one}" for one in drop or [] if one in has]
    if ask.dry_run:
        return bool(rules)
    with admin.pipeline(transaction=True) as both:
        if rules:
            both.execute_command("ACL SETUSER", user, *rules)
        if drop and (rules or ask.phase == "disable_old"):  # others may have dropped it by hand
            both.execute_command("CLIENT KILL", "USER", user)
        both.execute()
    _save(admin)
    return bool(rules)


def _save(admin: Any) -> None:
    if admin.config_get("aclfile").get("aclfile"):
        admin.acl_save()
    else:
        admin.config_rewrite()


def _take_away(ask: Request) -> Answer:
    def drop(admin: Any) -> bool:
        return _change(ask, admin, drop=_leaked(ask, _hashes(admin, _user(ask))))

    if not any(_everywhere(ask, drop)):
        return Answer("already", observed=[f"user {_user(ask)} does not have the leaked password"])
    return Answer(
        observed=[f"the leaked password of user {_user(ask)} was taken away, its sessions ended"]
    )


def _leaked(ask: Request, has: list[str]) -> list[str]:
    """The leaked password; when its value is not at hand, the only one beside the new."""
    if "old" in ask.secrets:
        return [_hash(ask.secret("old"))]
    new = ask.secrets.get("new")
    others = [one for one in has if new is None or one != _hash(new)]
    if len(others) > 1:
        raise Fail("missing", f"user {_user(ask)} has {len(others)} other passwords: supply `old`")
    return others


def _run_id(admin: Any) -> str:
    return str(admin.info("server")["run_id"])


def _older(ask: Request, admin: Any) -> list[str]:
    """Sessions of the user from before the plan, or of any age while the old password works."""
    port = admin.connection_pool.connection_kwargs["port"]
    host = admin.connection_pool.connection_kwargs["host"]
    run, cut = ask.plan.get("snapshot", {}).get("before", {}).get(_name((host, port)), ["", 0])
    if run != _run_id(admin):
        cut = 0  # restarted meanwhile: no session is that old, and they are counted anew
    alive = "old" in ask.secrets and _hash(ask.secret("old")) in _hashes(admin, _user(ask))
    sessions = [one["id"] for one in admin.client_list() if one.get("user") == _user(ask)]
    return [one for one in sessions if alive or int(one) < cut]


def _end_older(ask: Request, admin: Any) -> int:
    older = _older(ask, admin)
    for number in older if not ask.dry_run else []:
        admin.client_kill_filter(_id=number)
    return len(older)


def _state(ask: Request, slot: str, nodes: list[list[str]]) -> str:
    if slot not in ask.secrets:
        return "unknown"
    has = [_hash(ask.secret(slot)) in hashes for hashes in nodes]
    needed = any(has) if slot == "old" else all(has)  # the worse of the two, either way
    return "active" if needed else "absent"


# Planning

SELF = "the acting user is not the leaked one"
SELF_WAY = "admin_user is the leaked user: act as another one"


def _actions(user: str) -> list[dict[str, Any]]:
    return [
        action("create", "ACL SETUSER, ACL SAVE", user, "both passwords work",
                "the new password is taken away"),
        action("disable_old", "ACL SETUSER, CLIENT KILL, ACL SAVE", user,
                "the old password and all sessions end", "the old password is added again"),
    ]  # fmt: skip


def _checks(ask: Request, node: Node, admin: Any) -> Iterator[dict[str, Any]]:
    user, where = _user(ask), _name(node)
    found = admin.acl_getuser(user)
    yield unless(f"{where} has the user", "" if found else f"no user {user}")
    yield unless(f"the acting user may do all this on {where}", _forbidden(ask, admin))
    yield unless(f"{where} keeps what it learns", _forgets(admin))
    yield unless(f"every node is named in others, says {where}", _unnamed(ask, admin))
    said = _login(ask, node, secrets.token_hex(16))
    wrong = "" if said == "refused" else f"a made-up one is {said}: no proof would be possible"
    yield unless(f"{where} refuses a wrong password", wrong)


def _forbidden(ask: Request, admin: Any) -> str:
    """Asked of the server itself, which tries a command without running it."""
    acting = ask.target["admin_user"]
    wanted = [
        ("ACL", "SETUSER", "x"), ("ACL", "SAVE"), ("CLIENT", "KILL", "USER", "x"),
        ("CLIENT", "LIST"), ("CONFIG", "GET", "aclfile"), ("CONFIG", "REWRITE"), ("INFO",),
        ("MULTI",), ("EXEC",),
    ]  # fmt: skip
    said = [admin.execute_command("ACL DRYRUN", acting, *command) for command in wanted]
    lacks = [" ".join(c[:2]) for c, word in zip(wanted, said, strict=True) if word != "OK"]
    return f"{acting} may not: {', '.join(lacks)}" if lacks else ""


def _forgets(admin: Any) -> str:
    if admin.config_get("aclfile").get("aclfile") or admin.info("server").get("config_file"):
        return ""
    return "no aclfile and no configuration file: a restart would bring the leaked password back"


def _unnamed(ask: Request, admin: Any) -> str:
    replicas = int(admin.info("replication").get("connected_slaves", 0))
    if admin.info("cluster").get("cluster_enabled"):
        replicas = int(admin.cluster("info")["cluster_known_nodes"]) - 1
    named = len(_nodes(ask)) - 1
    return f"{replicas} other nodes, {named} named" if replicas > named else ""


if __name__ == "__main__":
    rotate.main()
