"""From what was asked for on the command line to plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leakguard.cli import rotate_inputs
from leakguard.cli.rotate_bench import Bench
from leakguard.errors import UsageError
from leakguard.incident import PROVEN, Incident
from leakguard.rotate.choose import best, check_target
from leakguard.rotate.plan import Plan, plan
from leakguard.rotate.policy import RUNNING
from leakguard.rotate.script import named
from leakguard.secret import Secret


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    script: str | None
    target: tuple[str, ...]
    slots: tuple[str, ...]
    consumers: tuple[str, ...]
    old: str | None
    old_id: str
    old_differs: bool
    revoke_first: bool
    resume: bool
    again: bool
    probe: bool
    rollback: bool
    break_glass: bool
    reason: str
    approver: str
    wait: float
    stop_after: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the secrets that it was made with."""

    plan: Plan
    secrets: Mapping[str, Secret]


def subjects_of(incident: Incident, wanted: str | None) -> list[str]:
    """The secrets that are meant: the named one, else all that are not proven dead."""
    from leakguard.cli.named import secret_of

    if wanted:
        return [secret_of(incident, wanted)]
    alive = [key for key, one in incident.secrets.items() if one.state not in PROVEN]
    if not alive:
        raise UsageError(
            f"no secret of {incident.id} is left to rotate", f"leakguard status {incident.id}"
        )
    return alive


def begun_of(bench: Bench, incident: Incident, wanted: str | None) -> list[str]:
    """The secrets whose rotation is under way; when none is, those that had one."""
    if wanted:
        return subjects_of(incident, wanted)
    rotations = bench.journal.list(incident=incident.id)
    under_way = {one.secret for one in rotations if one.state in RUNNING}
    return sorted(under_way or {one.secret for one in rotations}) or list(incident.secrets)


def old_of(incident: Incident, secret: str, wish: Wish) -> Secret | None:
    """The leaked value; of several secrets each has its own (`--slot S2.old=...`)."""
    named_slots = rotate_inputs.pairs(wish.slots, "--slot")
    source = wish.old or rotate_inputs.of_subject(named_slots, secret).get("old")
    return rotate_inputs.leaked(incident.secrets[secret], source, differs=wish.old_differs)


def planned(bench: Bench, incident: Incident, secret: str, wish: Wish) -> Planned:
    """The plan for one secret, by the best fitting script unless one is named."""
    leaked = incident.secrets[secret]
    manifests = [one.manifest for one in bench.scripts.values()]
    name = wish.script or best(leaked, manifests)
    manifest = named(bench.scripts, name).manifest
    if manifest.kind != "issuer":
        raise UsageError(f"{name} is a consumer, it cannot rotate", "leakguard rotate list")
    given = rotate_inputs.of_subject(rotate_inputs.pairs(wish.target, "--target"), secret)
    target = check_target(manifest, given)
    listed = {key: one.added.name for key, one in incident.consumers.items()
              if one.added.secret == secret and not one.exception}  # fmt: skip
    others = set(incident.consumers) - set(listed)
    deliveries = rotate_inputs.deliveries(wish.consumers, listed, bench.scripts, others)
    secrets = bench.slots(wish.slots, secret)
    old = old_of(incident, secret, wish)
    secrets |= {"old": old} if old is not None else {}
    secrets |= rotate_inputs.ask_for(manifest, secrets)
    for one in deliveries:
        if one.script:
            secrets |= rotate_inputs.ask_for(bench.scripts[one.script].manifest, secrets, one.id)
    called = wish.old_id or leaked.added.label
    found = plan(
        incident, secret, bench.runners[name], target, secrets=secrets, deliveries=deliveries,
        runners=bench.runners, strategy="contain" if wish.revoke_first else "",
        old={"id": called} if called else {},
    )  # fmt: skip
    return Planned(found, secrets)
