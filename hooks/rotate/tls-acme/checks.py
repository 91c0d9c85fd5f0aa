"""What has to hold before a TLS key is rotated; looking changes nothing."""

from __future__ import annotations

from typing import Any

from authority import Authority
from pair import id_of_certificate, id_of_key, names, served

from leakguard.rotate.host import Host
from leakguard.rotate.kit import Fail, Request, check


def listeners(target: dict[str, Any]) -> list[str]:
    """Every place that serves the certificate."""
    return [one.strip() for one in target["listeners"].split(",") if one.strip()]


def run_test(host: Host, target: dict[str, Any]) -> None:
    """Have the web server check its configuration with the pair that lies there."""
    host.command(target.get("test") or "nginx -t", what="checking the server's configuration")


def file_checks(host: Host, ask: Request, pem: bytes) -> list[dict[str, Any]]:
    """On the host: the pair, the webroot, the web server."""
    target, leaked = ask.target, ask.secrets.get("old")
    same = leaked is None or id_of_key(leaked) == id_of_certificate(pem)
    writable = all(host.writable(target[name]) for name in ("certificate", "key"))
    return [
        check("the installed certificate is for the leaked key", same, target["certificate"]),
        check("the pair can be replaced", writable, target["certificate"]),
        check(
            "a challenge can be laid", host.writable(target["webroot"] + "/x"), target["webroot"]
        ),
        check("the server's configuration is sound", *_is_sound(host, ask)),
    ]


def outside_checks(ask: Request, pem: bytes) -> list[dict[str, Any]]:
    """Beyond it: the CA and every listener."""
    wild = [name for name in names(pem) if name.startswith("*.")]
    return [
        check("every name can be proved over http", not wild, ", ".join(wild or names(pem))),
        check("the CA knows the account", *_is_known(ask)),
        check("the account's key is not the leaked one", *_is_other_key(ask, pem)),
        *(_serves(one, pem) for one in listeners(ask.target)),
    ]


def _is_sound(host: Host, ask: Request) -> tuple[bool, str]:
    try:
        run_test(host, ask.target)
    except Fail as fail:
        return False, fail.message
    return True, ask.target.get("test", "nginx -t")


def _is_known(ask: Request) -> tuple[bool, str]:
    try:
        Authority(ask.target, ask.secret("account"))
    except Fail as fail:
        return False, fail.message
    return True, ask.target["directory"]


def _is_other_key(ask: Request, pem: bytes) -> tuple[bool, str]:
    account = ask.secret("account")
    if account.lstrip().startswith("{"):
        return True, "a JWK is no TLS key"
    return id_of_key(account) != id_of_certificate(pem), ""


def _serves(listener: str, pem: bytes) -> dict[str, Any]:
    what = f"{listener} serves the installed certificate"
    try:
        return check(what, served(listener, names(pem)[0]) == id_of_certificate(pem))
    except Fail as fail:
        return check(what, False, fail.message)
