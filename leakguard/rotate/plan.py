"""What a rotation would do, found out without doing any of it."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from leakguard.errors import ConfigError, UsageError
from leakguard.rotate.answer import Reply
from leakguard.rotate.generate import Constraints, Shape, common
from leakguard.rotate.manifest import CAPABILITIES, Manifest
from leakguard.rotate.script import READ_ONLY, Call, Runner
from leakguard.secret import Secret

if TYPE_CHECKING:
    from leakguard.incident import Incident

STRATEGIES = ("overlap", "contain")
"""`overlap`: the old one ends when the new one works everywhere. `contain`: it ends first."""


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
class Check:
    """Something that has to hold before anything is done."""

    what: str
    ok: bool
    detail: str = ""


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
    checks = [*_installed(runner.manifest), *_agrees(runner.manifest, described, asked)]
    checks += _checks(asked, runner.manifest.name)
    capabilities = runner.manifest.capabilities() | dict(asked.more.get("capabilities", {}))
    answers = {}
    actions = [_action(one) for one in asked.more.get("actions", ())]
    for delivery in deliveries:
        if delivery.script:
            said = _consumer(delivery, (runners or {})[delivery.script], rotation, secrets)
            answers[delivery.id] = _kept(said)
            checks += _checks(said, delivery.name)
            actions += [_action(one, delivery.id) for one in said.more.get("actions", ())]
    shape, fits = _shape(runner.manifest, asked, deliveries, runners or {}, answers)
    way = strategy or _strategy(incident, secret, capabilities)
    return Plan(
        incident=incident.id,
        secret=secret,
        name=leaked.name,
        preview=leaked.added.preview,
        script=runner.manifest.name,
        title=runner.manifest.title,
        strategy="contain" if capabilities["overlap"] == "none" else way,
        target=dict(target),
        old={**(old or {}), **dict(asked.more.get("old", {}))},
        actions=tuple(sorted(actions, key=lambda one: _rank(one.phase, way))),
        checks=(*checks, *fits),
        unknown=tuple(_unknown(incident, secret, deliveries, asked)),
        deliveries=tuple(deliveries),
        capabilities=capabilities,
        shape=shape,
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
    """The slots as a consumer's script knows them: its own go before those of the same name."""
    own = {
        name.partition(".")[2]: secret
        for name, secret in secrets.items()
        if name.startswith(f"{consumer}.")
    }
    return {name: secret for name, secret in secrets.items() if "." not in name} | own


def _kept(reply: Reply) -> dict[str, Any]:
    names = ("actions", "known", "checks", "constraints", "old", "snapshot", "capabilities")
    return {name: reply.more[name] for name in names if name in reply.more}


def _action(said: Mapping[str, Any], by: str = "") -> PlannedAction:
    return PlannedAction(
        said["phase"], said["verb"], said["target"], said["effect"], said.get("undo"), by
    )


def _installed(manifest: Manifest) -> list[Check]:
    """What the script stands on, before it stumbles over its absence half-way."""
    needs = manifest.requires
    found = []
    for name in needs.python:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            extra = f"pip install 'leakguard[{needs.extra}]'" if needs.extra else "pip install it"
            found.append(Check(f"the Python package {name} is installed", ok=False, detail=extra))
    found += [
        Check(f"the program {name} is installed", ok=False, detail="not on PATH")
        for name in needs.programs
        if shutil.which(name) is None
    ]
    return found


def _agrees(manifest: Manifest, described: Reply, asked: Reply) -> list[Check]:
    """A script that says something else than its manifest is not run."""
    if not described.ok:
        return [_failed(described, manifest.name)] if asked.ok else []
    said = described.more["capabilities"]
    differ = [
        name
        for name in CAPABILITIES
        if name not in said
        or said[name] not in (getattr(manifest, name), _narrowed(asked).get(name, object()))
    ]
    if not differ:
        return []
    detail = f"they differ in {', '.join(differ)}"
    return [Check("the script and its manifest say the same", ok=False, detail=detail)]


def _narrowed(asked: Reply) -> Mapping[str, Any]:
    found: Mapping[str, Any] = asked.more.get("capabilities", {})
    return found


def _checks(asked: Reply, name: str) -> list[Check]:
    if not asked.ok:
        return [_failed(asked, name)]
    return [
        Check(one["what"], one["ok"], str(one.get("detail", "")))
        for one in asked.more.get("checks", ())
    ]


def _failed(reply: Reply, name: str) -> Check:
    return Check(
        f"{name} can look at its target", ok=False, detail=f"{reply.error}: {reply.message}"
    )


def _shape(
    manifest: Manifest,
    asked: Reply,
    deliveries: Sequence[Delivery],
    runners: Mapping[str, Runner],
    answers: Mapping[str, Mapping[str, Any]],
) -> tuple[tuple[str, int, int] | None, list[Check]]:
    """What a new value has to be like, for the issuer and for every consumer."""
    places = [(manifest.name, manifest.constraints)]
    places += _tighter(manifest.name, asked.more.get("constraints"))
    for one in deliveries:
        if one.script:
            places.append((one.name, runners[one.script].manifest.constraints))
            places += _tighter(one.name, answers[one.id].get("constraints"))
    if manifest.secret_origin == "issuer" or manifest.has("generate"):
        places = [place for place in places if place[0] != manifest.name]
    if not places:
        return None, []
    try:
        shape = common(places)
    except UsageError as error:
        return None, [Check("one value suits all", ok=False, detail=error.message)]
    except (KeyError, TypeError, ConfigError):
        return None, [
            Check("the constraints make sense", ok=False, detail="a script's own are odd")
        ]
    return (shape.characters, shape.min_length, shape.max_length), []


def _tighter(name: str, said: Mapping[str, Any] | None) -> list[tuple[str, Constraints]]:
    return [(name, Constraints(**said))] if said else []


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
        yield "what the leak left behind: no evidence was kept yet, and ending it may destroy some"
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


_OVERLAP = ("generate", "create", "verify_new", "distribute", "confirm",
            "disable_old", "kill_derived", "probe", "destroy_old")  # fmt: skip
_CONTAIN = ("disable_old", "kill_derived", "generate", "create", "verify_new", "distribute",
            "confirm", "probe", "destroy_old")  # fmt: skip


def _rank(phase: str, strategy: str) -> int:
    order = _CONTAIN if strategy == "contain" else _OVERLAP
    return order.index(phase) if phase in order else len(order)
