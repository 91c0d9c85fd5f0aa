"""`leakguard rotate INCIDENT`: show the plan, or carry it out."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import click

from leakguard import exits
from leakguard.cli import console, rotate_inputs
from leakguard.cli.desk import Desk, pass_desk
from leakguard.cli.rotate_bench import Bench
from leakguard.cli.rotate_wish import Planned, Wish, begun_of, old_of, planned, subjects_of
from leakguard.errors import RefusedError, UsageError
from leakguard.incident import Incident
from leakguard.keep.journal import Rotation
from leakguard.report.style import clean
from leakguard.rotate import words
from leakguard.rotate.engine import WORST, Engine
from leakguard.rotate.fleet import Fleet, Job, Pause, Result
from leakguard.rotate.plan import Plan
from leakguard.rotate.policy import PATIENCE, Outcome, Policy
from leakguard.secret import Secret

_CONSUMER = re.compile(r"C\d+=")


@click.command("run")
@click.argument("number", metavar="INCIDENT")
@click.option("--secret", "subject", metavar="S1", help="Which one; else all that are not dead.")
@click.option("--script", metavar="NAME", help="Which script; else the best fitting one.")
@click.option("--target", multiple=True, metavar="KEY=VALUE",
              help="A parameter; S2.KEY=... for one secret of several.")  # fmt: skip
@click.option("--slot", "slots", multiple=True, metavar="NAME=SOURCE",
              help="A secret the script needs: fd:3, file:PATH, env:NAME.")  # fmt: skip
@click.option("--old", metavar="SOURCE", help="The leaked value: fd:3, file:PATH, env:NAME; "
              "default: where it was found.")  # fmt: skip
@click.option("--old-id", default="", metavar="ID", help="What the issuer calls the leaked one.")
@click.option("--old-differs", is_flag=True, help="It is given in another form than it was found.")
@click.option("--consumer", "consumers", multiple=True, metavar="[C1=]KIND:K=V,..",
              help="Who gets the new value, and by which script.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only the plan; that is the default.")
@click.option("--apply", "carry_out", is_flag=True, help="Do it, after you typed the incident.")
@click.option("--yes", metavar="INCIDENT", help="The incident, for scripts that cannot type.")
@click.option("--revoke-first", is_flag=True, help="End the leaked one before anything else.")
@click.option("--resume", is_flag=True, help="Go on with what was begun.")
@click.option(
    "--again", is_flag=True, help="With --resume: answer for repeating what nobody knows."
)
@click.option("--probe", is_flag=True, help="Knock once more with both, and record the proof.")
@click.option("--rollback", is_flag=True, help="Go back, while the leaked one still works.")
@click.option("--break-glass-restore-leaked", "break_glass", is_flag=True,
              help="Make the leaked one work again. Needs --reason.")  # fmt: skip
@click.option("--reason", default="", help="Why, for the record.")
@click.option(
    "--approver", default="", metavar="NAME", help="The second person, where one is needed."
)
@click.option("--attest", multiple=True, metavar="PHASE=TEXT",
              help="For a script that guides: what you did, and what shows it.")  # fmt: skip
@click.option("--wait", default=PATIENCE, show_default=True, metavar="SECONDS",
              help="How long something may stay pending.")  # fmt: skip
@click.option("--jobs", default=4, type=click.IntRange(1, 64), help="Rotations beside each other.")
@click.option(
    "--stop-after", default=3, metavar="N", help="Of many: begin no more after N failures."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@pass_desk
def run(
    desk: Desk, number: str, subject: str | None, carry_out: bool, dry_run: bool,
    yes: str | None, attest: tuple[str, ...], jobs: int, as_json: bool, **said: Any,
) -> int:  # fmt: skip
    """Plan a rotation, or carry it out with --apply.

    The plan asks the scripts what they would do and whether they may, and changes
    nothing. With --apply every step is written down before and after, so that a
    run which is killed can go on with --resume. The leaked one counts as dead only
    when it was refused, and the new one let in, several times in a row.

    \b
    Examples:
      leakguard rotate 12 --target host=db.example.com --slot admin=fd:3 3<pw
      leakguard rotate run 12 --secret S1 --script postgresql --apply ...
      leakguard rotate 12 --resume

    Exit codes: 0 done, or a plan that can be run; 5 failed, waiting or unknown;
    6 refused; 2 usage; 3 a script or manifest is wrong; 130 interrupted.
    """
    if dry_run and (carry_out or said["resume"]):
        raise UsageError("--dry-run goes with neither --apply nor --resume", "choose one")
    try:
        return _asked(desk, number, subject, carry_out, yes, attest, jobs, as_json, Wish(**said))
    except KeyboardInterrupt:
        hint = f"  hint: leakguard rotate {clean(number)} --resume\n"
        told = "\nerror: interrupted; the journal knows how far it came\n" + hint
        console.show(told, sys.stderr)
        return exits.INTERRUPTED


def _asked(
    desk: Desk, number: str, subject: str | None, carry_out: bool, yes: str | None,
    attest: tuple[str, ...], jobs: int, as_json: bool, wish: Wish,
) -> int:  # fmt: skip
    bench = Bench(desk, rotate_inputs.pairs(attest, "--attest"))
    incident = desk.incident(number)
    going_on = wish.resume or wish.probe or wish.rollback or wish.break_glass
    subjects = begun_of(bench, incident, subject) if going_on else subjects_of(incident, subject)
    if going_on:
        if wish.break_glass:
            _confirm(incident, yes, "make the leaked one work again")
        return _told([_go_on(bench, incident, one, wish) for one in subjects], as_json)
    if len(subjects) > 1 and any(not _CONSUMER.match(one) for one in wish.consumers):
        raise UsageError("which of the secrets does that consumer use?", "--consumer C1=KIND:...")
    if wish.old and len(subjects) > 1:
        raise UsageError("--old is one value, and there are several", "--slot S2.old=fd:3")
    plans = {one: planned(bench, incident, one, wish) for one in subjects}
    if not carry_out:
        return _shown(plans, as_json)
    if not as_json:
        _shown(plans, as_json, applied=True)
    _possible(plans)
    _confirm(incident, yes, "rotate")
    return _carry_out(bench, incident, plans, wish, jobs, as_json)


def _shown(plans: Mapping[str, Planned], as_json: bool, *, applied: bool = False) -> int:
    if as_json:
        listed = [one.plan.as_json() | {"possible": one.plan.possible} for one in plans.values()]
        console.show(json.dumps({"schema": "leakguard-plan/1", "plans": listed}) + "\n")
    else:
        style = console.style(sys.stdout)
        shown = [words.plan(one.plan, style, applied=applied) for one in plans.values()]
        console.show("\n".join(shown))
    return exits.CLEAN if all(one.plan.possible for one in plans.values()) else exits.REFUSED


def _possible(plans: Mapping[str, Planned]) -> None:
    """Nothing of many is begun while something is missing for one of them."""
    lacking = {key: one.plan for key, one in plans.items() if not one.plan.possible}
    if lacking:
        raise RefusedError(
            f"not begun: something is missing for {', '.join(lacking)}",
            *(f"{check.what}: {check.detail}" for one in lacking.values()
              for check in one.checks if not check.ok),
        )  # fmt: skip


def _confirm(incident: Incident, yes: str | None, what: str) -> None:
    """The incident's id, typed by a person or given by a script."""
    said = yes
    if said is None and sys.stdin.isatty():
        said = click.prompt(
            f"Type {incident.id} to {what}", default="", show_default=False, err=True
        )
    if said is None:
        raise RefusedError(
            "nobody is there to confirm", f"--yes {incident.id} does it for a script"
        )
    if said.strip() != incident.id:
        raise RefusedError("not confirmed: that is not the incident", f"it is {incident.id}")


def _approver(incident: Incident, plans: Iterable[Plan], wish: Wish) -> str:
    """The second person: named beforehand, or asked for where somebody sits at a terminal."""
    needed = incident.level <= WORST and any(one.irreversible for one in plans)
    if wish.approver or not needed or not sys.stdin.isatty():
        return wish.approver
    said: str = click.prompt(
        "This cannot be undone, and the incident is too serious for one person.\n"
        "Who else approves? Their name goes on record",
        default="", show_default=False, err=True,
    )  # fmt: skip
    return said.strip()


def _revoke_by(bench: Bench, incident: Incident) -> datetime | None:
    """How long both may work at the incident's level."""
    span = bench.desk.preset(incident).span("overlap", incident.level)
    return bench.desk.now() + timedelta(seconds=span.seconds) if span and span.seconds else None


def _carry_out(
    bench: Bench, incident: Incident, plans: Mapping[str, Planned], wish: Wish, jobs: int,
    as_json: bool,
) -> int:  # fmt: skip
    begun: dict[str, Rotation] = {}
    engine = bench.engine()
    approver = _approver(incident, [one.plan for one in plans.values()], wish)
    for key, one in plans.items():
        policy = Policy(one.plan.strategy, wish.wait, approver=approver, level=incident.level)
        by = _revoke_by(bench, incident)
        begun[key] = engine.start(one.plan, policy, revoke_by=by)
    if len(begun) == 1:
        [(key, rotation)] = begun.items()
        return _told([_single(engine, rotation, plans[key].secrets)], as_json)
    work = [_job(bench, begun[key], one) for key, one in plans.items()]
    fleet = Fleet(jobs, time.monotonic, time.sleep, stop_after=wish.stop_after)
    return _told(fleet.run(work), as_json)


def _job(bench: Bench, rotation: Rotation, one: Planned) -> Job:
    manifest = bench.scripts[one.plan.script].manifest
    issuer = manifest.issuer(one.plan.target)
    run = partial(_apart, bench, rotation, one.secrets)
    return Job(rotation.secret, issuer, manifest.tier, run, manifest.rate.per_minute)


def _single(engine: Engine, rotation: Rotation, secrets: Mapping[str, Secret]) -> Result:
    return Result(rotation.secret, engine.run(rotation.id, secrets))


def _apart(
    bench: Bench, rotation: Rotation, secrets: Mapping[str, Secret], pause: Pause
) -> Outcome:
    with bench.own_store() as store:
        return bench.engine(store, pause).run(rotation.id, secrets)


def _go_on(bench: Bench, incident: Incident, secret: str, wish: Wish) -> Result:
    engine = bench.engine()
    kept = engine.open(incident.id, secret) or _last(bench, incident, secret)
    secrets = bench.slots_again(kept, wish.slots, old_of(incident, secret, wish))
    if wish.break_glass and incident.level <= WORST and wish.approver in ("", bench.desk.actor):
        raise RefusedError(
            "nobody arms a leaked credential alone", "--approver NAME: somebody else"
        )
    if wish.rollback or wish.break_glass:
        outcome = engine.roll_back(
            kept.id, secrets, reason=wish.reason, break_glass=wish.break_glass
        )
    elif wish.probe:
        outcome = engine.probe(kept.id, secrets)
    else:
        outcome = engine.run(kept.id, secrets, again=wish.again)
    return Result(secret, outcome)


def _last(bench: Bench, incident: Incident, secret: str) -> Rotation:
    found = [one for one in bench.journal.list(incident=incident.id) if one.secret == secret]
    if not found:
        raise UsageError(
            f"no rotation of {incident.id} {secret} was begun",
            f"leakguard rotate {incident.id} --secret {secret}",
        )
    return found[-1]


def _told(results: Sequence[Result], as_json: bool) -> int:
    """Every result, none hidden behind another one's success."""
    good = all(one.good for one in results)
    if as_json:
        rows = [asdict(one) | {"good": one.good} for one in results]
        console.show(json.dumps({"schema": "leakguard-rotation/1", "results": rows}) + "\n")
        return exits.CLEAN if good else exits.OUTCOME
    for one in results:
        _line(one)
    if len(results) > 1:
        count = sum(one.good for one in results)
        console.show(f"{count} of {len(results)} are done.\n")
    return exits.CLEAN if good else exits.OUTCOME


def _line(result: Result) -> None:
    outcome = result.outcome
    if outcome is None:
        what = result.problem or result.skipped
        console.show(f"error: {result.key}: {clean(what)}\n", sys.stderr)
        return
    if result.good:
        console.show(f"{outcome.rotation}: {clean(outcome.message)}\n")
    else:
        at = f" at {outcome.step}" if outcome.step else ""
        console.show(f"error: {outcome.rotation} {outcome.end.value}{at}: "
                     f"{clean(outcome.message)}\n", sys.stderr)  # fmt: skip
    for hint in outcome.hints:
        console.show(f"  hint: {clean(hint)}\n", sys.stderr)
