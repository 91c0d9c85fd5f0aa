"""What a rotation would do, found out without doing any of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from leakguard.rotate.answer import Reply
from leakguard.rotate.checks import Check, agrees, fit, installed, told_by
from leakguard.rotate.generate import Shape
from leakguard.rotate.manifest import Manifest
from leakguard.rotate.order import endings, way
from leakguard.rotate.script import READ_ONLY, Call, Runner
from leakguard.secret import Secret

if TYPE_CHECKING:
    from leakguard.incident import Incident

STRATEGIES = ("overlap", "contain")
"""`overlap`: the old one ends when the new one works everywhere. `contain`: it ends first."""

YOU = "you"
"""In place of a phase: what a person has to do beside the script."""


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One thing that would be done. `undo` None: it cannot be undone."""

    phase: str
    verb: str
    target: str
    effect: str
    undo: str | None = None
    by: str = ""  # the consumer it is about

    @property
    def harmless(self) -> bool:
        """Whether it changes nothing."""
        return self.phase in READ_ONLY


@dataclass(frozen=True, slots=True)
class Delivery:
    """A consumer of this rotation; without a script a person sees to it."""

    id: str
    name: str
    script: str = ""
    target: Mapping[str, Any] = field(default_factory=dict)
    new: bool = False  # not yet in the incident's list


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is known before the first effect. It is kept in the journal as it stands."""

    incident: str
    secret: str
    name: str
    preview: str
    script: str
    title: str
    strategy: str
    target: Mapping[str, Any]
    old: Mapping[str, Any]
    actions: tuple[PlannedAction, ...]
    checks: tuple[Check, ...]
    unknown: tuple[str, ...]
    deliveries: tuple[Delivery, ...]
    capabilities: Mapping[str, Any]
    shape: tuple[str, int, int] | None
    answer: Mapping[str, Any]
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def possible(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def irreversible(self) -> tuple[PlannedAction, ...]:
        """What cannot be undone."""
        return tuple(one for one in self.actions if one.undo is None and not one.harmless)

    def as_json(self) -> dict[str, Any]:
        """For the journal, and for `--json`. Holds no value."""
        return asdict(self)


def from_json(kept: Mapping[str, Any]) -> Plan:
    """The plan as it was kept."""
    parts = dict(kept)
    parts["actions"] = tuple(PlannedAction(**one) for one in kept["actions"])
    parts["checks"] = tuple(Check(**one) for one in kept["checks"])
    parts["deliveries"] = tuple(Delivery(**one) for one in kept["deliveries"])
    parts["unknown"] = tuple(kept["unknown"])
    parts["shape"] = tuple(kept["shape"]) if kept["shape"] else None
    return Plan(**parts)


def plan(
    incident: Incident,
    secret: str,
    runner: Runner,
    target: Mapping[str, Any],
    *,
    secrets: Mapping[str, Secret],
    deliveries: Sequence[Delivery] = (),
    runners: Mapping[str, Runner] | None = None,
    strategy: str = "",
    old: Mapping[str, Any] | None = None,
    rotation: str = "",
) -> Plan:
    """Ask the scripts what they would do. Nothing is changed; what is in the way becomes a check.

    `secrets` are slots by name (`C1.token` for a consumer's own), `target` is
    checked already. Without a `strategy`, evidence of use and a target that cannot
    have two credentials decide.
    """
    leaked = incident.secrets[secret]
    call = Call("describe", rotation, target=target, old=old or {}, secrets=secrets)
    described = runner.call(call)
    from dataclasses import replace

    asked = runner.call(replace(call, phase="plan", dry_run=True))
    checks = [*installed(runner.manifest), *agrees(runner.manifest, described, asked)]
    checks += told_by(asked, runner.manifest.name)
    capabilities = runner.manifest.capabilities() | dict(asked.more.get("capabilities", {}))
    answers = {}
    actions = [_action(one) for one in asked.more.get("actions", ())]
    if asked.ok and not endings(runner.manifest, capabilities["overlap"]):
        actions.append(_by_hand(runner.manifest, incident, secret))
    for delivery in deliveries:
        if delivery.script:
            said = _consumer(delivery, (runners or {})[delivery.script], rotation, secrets)
            answers[delivery.id] = _kept(said)
            checks += told_by(said, delivery.name)
            actions += [_action(one, delivery.id) for one in said.more.get("actions", ())]
    shape, fits = fit(
        (runner.manifest.name, runner.manifest, asked.more.get("constraints")),
        [(one.name, (runners or {})[one.script].manifest, answers[one.id].get("constraints"))
         for one in deliveries if one.script],
    )  # fmt: skip
    chosen = strategy or _strategy(incident, secret, capabilities)
    chosen = "contain" if capabilities["overlap"] == "none" else chosen
    return Plan(
        incident=incident.id,
        secret=secret,
        name=leaked.name,
        preview=leaked.added.preview,
        script=runner.manifest.name,
        title=runner.manifest.title,
        strategy=chosen,
        target=dict(target),
        old={**(old or {}), **dict(asked.more.get("old", {}))},
        actions=_ordered(actions, runner.manifest, chosen, capabilities["overlap"]),
        checks=(*checks, *fits),
        unknown=tuple(_unknown(incident, secret, deliveries, asked)),
        deliveries=tuple(deliveries),
        capabilities=capabilities,
        shape=(shape.characters, shape.min_length, shape.max_length) if shape else None,
        answer=_kept(asked),
        answers=answers,
    )


def _consumer(
    delivery: Delivery, runner: Runner, rotation: str, secrets: Mapping[str, Secret]
) -> Reply:
    return runner.call(
        Call(
            "plan",
            rotation,
            dry_run=True,
            target=delivery.target,
            consumer=delivery.target,
            secrets=slots_of(delivery.id, secrets),
        )
    )


def slots_of(consumer: str, secrets: Mapping[str, Secret]) -> dict[str, Secret]:
    """The slots as a consumer's script knows them: its own go before those of the same name.

    The others stay under names that no manifest can ask for: what is never handed over has to
    be known to who reads the answers.
    """
    own = {
        name.partition(".")[2]: secret
        for name, secret in secrets.items()
        if name.startswith(f"{consumer}.")
    }
    return dict(secrets) | own


def _kept(reply: Reply) -> dict[str, Any]:
    names = ("actions", "known", "checks", "constraints", "old", "snapshot", "capabilities")
    return {name: reply.more[name] for name in names if name in reply.more}


def _action(said: Mapping[str, Any], by: str = "") -> PlannedAction:
    return PlannedAction(
        said["phase"], said["verb"], said["target"], said["effect"], said.get("undo"), by
    )


def _by_hand(manifest: Manifest, incident: Incident, secret: str) -> PlannedAction:
    """What only a person can do, since the script knows no way to end the old one."""
    again = f"leakguard rotate {incident.id} --secret {secret} --resume"
    return PlannedAction(
        YOU, "end", "the leaked one yourself",
        f"{manifest.name} cannot; then prove it dead: {again}",
        "as the issuer allows",
    )  # fmt: skip


def _ordered(
    actions: Iterable[PlannedAction], manifest: Manifest, strategy: str, overlap: str
) -> tuple[PlannedAction, ...]:
    """In the order in which the engine will come to them."""
    steps = way(manifest, strategy, overlap, ["C1"])
    rank: dict[str, float] = {step.phase: at for at, step in enumerate(steps)}
    rank[YOU] = rank["probe"] - 0.5 if strategy == "overlap" else -1
    return tuple(sorted(actions, key=lambda one: rank.get(one.phase, len(steps))))


def shape_of(plan: Plan) -> Shape | None:
    """What new values of this plan look like; None when the issuer alone decides."""
    return Shape(*plan.shape) if plan.shape else None


def _strategy(incident: Incident, secret: str, capabilities: Mapping[str, Any]) -> str:
    used = incident.fact("evidence-of-use", secret) or incident.fact("evidence-of-use")
    return "contain" if used == "yes" or capabilities["overlap"] == "none" else "overlap"


def _unknown(
    incident: Incident, secret: str, deliveries: Sequence[Delivery], asked: Reply
) -> Iterable[str]:
    """What nobody knows, and what may therefore break."""
    if not incident.evidence:
        yield (
            "what its logs say of it: ending it may destroy that; "
            f"leakguard evidence add {incident.id} FILE keeps it [G-28]"
        )
    if incident.secrets[secret].counted != "yes":
        yield "whether all users of the old one are listed"
    if not deliveries:
        yield "who uses it: no consumer is listed"
    for one in deliveries:
        if not one.script:
            yield f"{one.id} ({one.name}) is switched by a person"
    known = {one.name for one in deliveries}
    for use in asked.more.get("used_by", ()):
        if isinstance(use, Mapping) and use.get("name") not in known:
            yield f"the old one is used by {use.get('name')} {use.get('where', '')}".rstrip()
