"""The other half, live: the password gets out all the same, and is rotated until it is dead.

A real database, a real role, a session of somebody who has the password. The secret is
made up as this runs.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from database import Database


class Stage(Protocol):
    """What the demo plays on (demo/run.py)."""

    repo: Path
    env: dict[str, str]

    def run(self, *command: str, expect: int | None = 0) -> object:
        """Run quietly."""

    def show(self, *command: str, expect: int) -> str:
        """Run, and print what a person sees."""


def play(stage: Stage, database: Database, say: Callable[[str], None]) -> None:
    """From the blocked commit to the proof."""
    began = time.perf_counter()
    settings = stage.repo / "settings.py"
    line = f'DATABASE_URL = "{database.address}"\n'
    settings.write_text(line, encoding="utf-8")
    stage.run("git", "add", "settings.py")

    say("Now a database password; the gate stops it")
    seen = stage.show("git", "commit", "-m", "billing settings", expect=1)
    say("Somebody without the gate commits and pushes it all the same, and somebody else uses it")
    stage.run("git", "init", "--quiet", "--bare", "../origin.git")
    stage.run("git", "remote", "add", "origin", "../origin.git")
    unseen = ("git", "-c", "core.hooksPath=/dev/null")
    stage.run(*unseen, "commit", "--quiet", "-m", "billing settings")
    stage.run(*unseen, "push", "--quiet", "origin", "main")
    stage.run("git", "fetch", "--quiet")
    thief = database.session()

    found = stage.show("leakguard", "scan", "settings.py", expect=1)
    match = re.search(r"leakguard respond ([0-9a-f]{6})", found)
    if match is None:
        sys.exit("the scan named no finding")
    seen += found

    say("The response: how bad, where it got to, what to do first")
    seen += stage.show("leakguard", "respond", match[1], "--audience", "internal",
                       "--environment", "production", "--fact", "channel-link=#incident-1",
                       expect=0)  # fmt: skip
    for role, name in (("commander", "mara"), ("fixer", "li")):
        stage.run("leakguard", "assign", "1", "--role", role, "--to", name)
    say("What to tell people, filled from the facts")
    seen += stage.show("leakguard", "notice", "1", expect=0)
    say("Closing it now? Refused, with everything that is missing")
    seen += stage.show("leakguard", "advance", "1", expect=6)

    say("The rotation: first the plan, which changes nothing")
    stage.env["ADMIN"] = database.admin_password
    where = [f"host=127.0.0.1,port={database.port}".split(","), ["admin_user=admin"],
             ["role=billing", "partner=billing_b", "sslmode=disable"]]  # fmt: skip
    target = [word for pairs in where for pair in pairs for word in ("--target", pair)]
    words = ("leakguard", "rotate", "1", *target, "--slot", "admin=env:ADMIN")
    seen += stage.show(*words, expect=0)
    say("Then for real: two passwords side by side, then the leaked one ends, with its sessions")
    number = re.search(r"LG-\d{4}-\d{4}", seen)
    if number is None:
        sys.exit("no incident was opened")
    stage.run("leakguard", "consumers", "complete", "1", "S1")
    seen += stage.show(*words, "--apply", "--yes", number[0], "--approver", "li", expect=0)

    if database.lets_in("billing", database.password):
        sys.exit("the leaked password still works; this must never happen")
    if alive(thief):
        sys.exit("a session made with the leaked password is still alive")
    say("Proof: the old password is refused, and the session that had used it is gone")
    seen += stage.show("leakguard", "status", "1", expect=0)
    seen += stage.show("leakguard", "audit", "verify", expect=0)
    print(f"\nFrom the blocked commit to the proof: {time.perf_counter() - began:.0f} seconds.")
    for secret in (database.password, database.admin_password):
        if secret in seen:
            sys.exit("a secret was printed; this must never happen")


def alive(session: object) -> bool:
    """Whether a session still answers."""
    import psycopg

    try:
        session.execute("SELECT 1")  # type: ignore[attr-defined]
    except psycopg.Error:
        return False
    return True
