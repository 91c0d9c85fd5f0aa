"""`leakguard rotate`: what it is made of; carrying one out is in rotate_run."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

import click

from leakguard import event as ev
from leakguard import exits
from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk
from leakguard.cli.rotate_bench import Bench
from leakguard.cli.rotate_run import run
from leakguard.errors import UsageError
from leakguard.report.style import clean


class RotateGroup(click.Group):
    """A first word that is no subcommand is an incident."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """With `run` put in where nobody types it."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=RotateGroup)
def command() -> None:
    """Replace a leaked credential, and prove the old one dead.

    `leakguard rotate INCIDENT` shows the plan and changes nothing;
    `leakguard rotate run --help` lists all options.

    \b
    Examples:
      leakguard rotate 12 --target host=db.example.com ...
      leakguard rotate 12 --target ... --slot admin=fd:3 --apply 3<pw
      leakguard rotate 12 --resume
      leakguard rotate list

    Exit codes: 0 done (or a plan that can be run), 5 failed, waiting or unknown,
    6 refused, 2 usage, 3 a script or manifest is wrong.
    """


command.add_command(run)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_desk
def rotate_list(desk: Desk, as_json: bool) -> None:
    """The scripts there are, and the rotations that were begun.

    \b
    Examples:
      leakguard rotate list
    """
    bench = Bench(desk)
    scripts = [one.manifest for one in bench.scripts.values()]
    rotations = bench.journal.list()
    if as_json:
        found = {
            "schema": "leakguard-rotations/1",
            "scripts": [{"name": one.name, "kind": one.kind, "title": one.title,
                         "classes": list(one.classes)} for one in scripts],
            "rotations": [{"id": one.id, "script": one.script, "state": one.state,
                           "updated_at": ev.stamp(one.updated_at)} for one in rotations],
        }  # fmt: skip
        console.show(json.dumps(found) + "\n")
        return
    for one in scripts:
        console.show(f"{one.name:<26} {one.kind:<9} {clean(one.title)}\n")
    for kept in rotations:
        console.show(f"{kept.id:<24} {kept.script:<24} {kept.state:<11} "
                     f"{kept.updated_at:%Y-%m-%d %H:%M} UTC\n")  # fmt: skip


@command.command("new")
@click.argument("name")
@click.option("--in", "where", default=".", metavar="FOLDER", help="Where to make it.")
def rotate_new(name: str, where: str) -> None:
    """Make a folder with a working script to start from.

    \b
    Examples:
      leakguard rotate new acme-token
    """
    from leakguard.rotate import scaffold

    folder = scaffold.make(name, where)
    shown = os.path.relpath(folder)
    console.show(f"Made {clean(shown)}: manifest.yml, rotate.py, simulate.py, README.md\n\n"
                 f"Next: leakguard rotate check {clean(shown)}\n")  # fmt: skip


@command.command("check")
@click.argument("folder")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def rotate_check(folder: str, as_json: bool) -> int:
    """Try whether a script in FOLDER keeps the contract. This runs its program.

    No real target is touched: it is asked with an empty one, with made-up secrets,
    and, where a simulate.py lies beside it, against what that makes.

    \b
    Examples:
      leakguard rotate check ./acme-token

    Exit codes: 0 it does, 5 it does not, 3 its manifest is wrong.
    """
    from leakguard.rotate import contract, script

    report = contract.check(folder)
    if as_json:
        rows = [{"what": one.what, "ok": one.ok, "detail": one.detail} for one in report.findings]
        console.show(json.dumps({"ok": report.ok, "sha256": report.sha256, "checks": rows}) + "\n")
        return exits.CLEAN if report.ok else exits.OUTCOME
    for one in report.findings:
        detail = f": {clean(one.detail)}" if one.detail else ""
        console.show(f"  {'ok    ' if one.ok else 'FAILED'}  {clean(one.what)}{detail}\n")
    if report.ok:
        where = script.config_file(os.environ)
        console.show(f"\nIt keeps the contract. To use it, put this into {clean(where)}:\n\n"
                     f"scripts:\n  - {{folder: {json.dumps(os.path.abspath(folder))},\n"
                     f"     sha256: {report.sha256}}}\n")  # fmt: skip
        return exits.CLEAN
    bad = sum(not one.ok for one in report.findings)
    console.show(
        f"\nIt does not keep the contract: {bad} of {len(report.findings)} checks failed.\n"
    )
    return exits.OUTCOME


@command.command("observe")
@click.argument("rotation", metavar="ROTATION")
@click.option("--slot", "slots", multiple=True, metavar="NAME=SOURCE",
              help="A secret: fd:3, file:PATH or env:NAME.")  # fmt: skip
@pass_desk
def rotate_observe(desk: Desk, rotation: str, slots: tuple[str, ...]) -> int:
    """Ask the issuer what is true now: which credentials there are. Changes nothing.

    \b
    Examples:
      leakguard rotate observe LG-2026-0001-S1-r1 --slot admin=fd:3 3<pw
    """
    bench = Bench(desk)
    kept = bench.journal.load(rotation)
    reply = bench.engine().observe(rotation, bench.slots_again(kept, slots))
    if not reply.ok:
        console.show(
            f"error: nobody knows: {clean(reply.error)}: {clean(reply.message)}\n", sys.stderr
        )
        return exits.OUTCOME
    state = reply.more["state"]
    console.show(f"{rotation}  {kept.state}\n")
    console.show(f"  old: {state.get('old', 'unknown')}, new: {state.get('new', 'unknown')}\n")
    for one in state.get("credentials", ()):
        console.show(f"  {clean(str(one.get('id', '')))}  {clean(str(one.get('state', '')))}\n")
    return exits.CLEAN


@command.command("defer")
@click.argument("rotation", metavar="ROTATION")
@click.option("--until", required=True, metavar="TIME", help="2026-11-21T18:00Z")
@click.option("--reason", required=True, help="Why its users need longer.")
@pass_desk
def rotate_defer(desk: Desk, rotation: str, until: str, reason: str) -> None:
    """Let the leaked one live longer than its deadline. Recorded with who and why.

    \b
    Examples:
      leakguard rotate defer LG-2026-0001-S1-r1 --until 2026-11-21T18:00Z \\
        --reason "the till cannot be restarted before closing time"
    """
    bench = Bench(desk)
    kept = bench.engine().defer(rotation, reason=reason, until=_instant(until))
    console.show(f"Deferred {rotation} until {kept.revoke_by:%Y-%m-%d %H:%M} UTC.\n")


def _instant(text: str) -> datetime:
    try:
        return ev.instant(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time with its zone", "2026-11-21T18:00Z") from None
