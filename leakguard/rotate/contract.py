"""What every rotation script has to keep to, tried out on anybody's: `leakguard rotate check`.

Nothing here reaches a real target: phases are asked with an empty target, made-up
secrets and `dry_run`. With a `simulate.py` in the folder, which makes a target to
play with, the whole life of a credential is run against that.
"""

from __future__ import annotations

import json
import os
import secrets as random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from leakguard.errors import LeakguardError
from leakguard.rotate import answer, manifest, process
from leakguard.rotate.answer import Garbage, Reply
from leakguard.rotate.generate import common, make
from leakguard.rotate.kit import PROTOCOL
from leakguard.rotate.manifest import CAPABILITIES, Manifest
from leakguard.rotate.order import endings
from leakguard.rotate.redact import Redactor
from leakguard.rotate.script import READ_ONLY, Script, folder_hash
from leakguard.secret import Secret

SIMULATION = "simulate.py"
ROTATION = "LG-2000-0001-S1-r1"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was looked at, and the hash to pin when everything is well."""

    findings: tuple[Finding, ...]
    sha256: str = ""

    @property
    def ok(self) -> bool:
        """Whether the script keeps the contract, as far as this can tell."""
        return all(one.ok for one in self.findings)


def check(folder: str) -> Report:
    """Look at a script's folder. Runs its program."""
    folder = os.path.abspath(folder)
    try:
        script = Script(folder, manifest.read(folder))
    except LeakguardError as error:
        place = f" ({error.place.path}:{error.place.line})" if error.place else ""
        return Report((Finding("the manifest is valid", ok=False, detail=error.message + place),))
    found = [Finding("the manifest is valid", ok=True)]
    if script.manifest.guided:
        return Report((*found, Finding("a person is guided, no program runs", ok=True)))
    for one in _CHECKS:
        found += one(script)
    if os.path.isfile(os.path.join(folder, SIMULATION)) and all(one.ok for one in found):
        found += _life(script)
    pin, problem = _pin(folder)
    return Report((*found, Finding("it can be pinned", ok=not problem, detail=problem)), pin)


def _pin(folder: str) -> tuple[str, str]:
    try:
        return folder_hash(folder), ""
    except LeakguardError as error:
        return "", f"{error.message}: {error.place.path if error.place else ''}"


# Without a target


@dataclass(frozen=True, slots=True)
class Said:
    """What came out of one call, and the canaries that should not have."""

    reply: Reply | None
    problem: str
    echoes: int
    ended: process.Ended = field(repr=False)


def _ask(script: Script, raw: bytes, phase: str, canaries: Mapping[str, Secret]) -> Said:
    seconds = script.manifest.timeout(phase or "describe")
    ended = process.call(script.argv(), raw, seconds)
    try:
        reply = answer.parse(ended.out, phase) if not (ended.problem or ended.status) else None
        problem = ended.problem or (f"ended with status {ended.status}" if ended.status else "")
    except Garbage as garbage:
        reply, problem = None, str(garbage)
    return Said(reply, problem, _echoes(ended, reply, canaries), ended)


def _echoes(ended: process.Ended, reply: Reply | None, canaries: Mapping[str, Secret]) -> int:
    """How many texts beside `secrets` hold a canary, in any dress."""
    spoken = json.dumps(reply.public()) if reply else ended.out.decode("utf-8", "replace")
    redactor = Redactor(canaries.values())
    texts = (spoken, ended.err.decode("utf-8", "replace"))
    return sum(redactor.value_free(text) != text for text in texts)


def _request(phase: str, canaries: Mapping[str, Secret], **parts: Any) -> bytes:
    request = {
        "protocol": PROTOCOL,
        "phase": phase,
        "rotation": ROTATION,
        "idempotency_key": f"{ROTATION}:{phase}:check",
        "attempt": 1,
        "deadline": 5.0,
        "dry_run": True,
        "target": {}, "old": {}, "new": {}, "plan": {}, "consumer": {},
        "secrets": {name: one.reveal().decode() for name, one in canaries.items()},
    }  # fmt: skip
    return json.dumps(request | parts).encode()


def _canaries(script: Manifest, phase: str) -> dict[str, Secret]:
    return {name: Secret(random.token_hex(20).encode()) for name in script.needs.get(phase, ())}


def _describes(script: Script) -> Iterator[Finding]:
    said = _ask(script, _request("describe", {}), "describe", {})
    if said.reply is None or not said.reply.ok:
        why = said.problem or (said.reply.message if said.reply else "")
        yield Finding("it answers describe", ok=False, detail=why)
        return
    yield Finding("it answers describe", ok=True)
    told = said.reply.more["capabilities"]
    differ = [name for name in CAPABILITIES if told.get(name) != getattr(script.manifest, name)]
    if script.manifest.kind == "consumer":
        differ = [name for name in differ if name in told]
    detail = f"they differ in {', '.join(differ)}" if differ else ""
    yield Finding("describe says what the manifest says", ok=not differ, detail=detail)


def _refuses(script: Script) -> Iterator[Finding]:
    """Nonsense must never be answered with a yes."""
    nonsense = {
        "garbage": b"}{ no json",
        "nothing at all": b"",
        "another protocol": _request("describe", {}, protocol=PROTOCOL + 998),
        "an unknown phase": _request("explode", {}),
    }
    for what, raw in nonsense.items():
        said = _ask(script, raw, "", {})
        agreed = said.reply is not None and said.reply.ok
        late = "within" in said.problem
        detail = said.problem if late else "it says yes" if agreed else ""
        yield Finding(f"it refuses {what}", ok=not (agreed or late), detail=detail)


def _misses(script: Script) -> Iterator[Finding]:
    """A phase without the secrets that it needs must fail, and say so in the protocol."""
    needed = {name for name, slot in script.manifest.slots.items() if slot.required} | {"new"}
    for phase in _askable(script.manifest):
        if not needed & set(script.manifest.needs.get(phase, ())):
            continue
        said = _ask(script, _request(phase, {}), phase, {})
        agreed = _claims(said, phase)
        detail = said.problem or ("it says yes" if agreed else "")
        ok = said.reply is not None and not agreed
        yield Finding(f"{phase} fails properly without its secrets", ok=ok, detail=detail)


def _claims(said: Said, phase: str) -> bool:
    """Whether it says that it did something. `already` may be true of an empty target."""
    if said.reply is None or not said.reply.ok or phase in ("probe", "observe"):
        return False
    return said.reply.status != "already"


def _keeps_quiet(script: Script) -> Iterator[Finding]:
    """Whatever goes wrong with an empty target, no secret may be quoted."""
    for phase in _askable(script.manifest):
        canaries = _canaries(script.manifest, phase)
        if not canaries:
            continue
        said = _ask(script, _request(phase, canaries), phase, canaries)
        detail = "a secret stands in the answer or on standard error" if said.echoes else ""
        yield Finding(f"{phase} quotes no secret", ok=not said.echoes, detail=detail)


def _askable(script: Manifest) -> list[str]:
    """Phases that can do no harm now: those without effect, and with a target that lacks
    something it requires also the others.
    """
    harmless = any(one.required for one in script.target.values())
    listed = [phase for phase in script.phases if phase != "describe"]
    return [phase for phase in listed if harmless or phase in READ_ONLY]


_CHECKS: tuple[Callable[[Script], Iterator[Finding]], ...] = (
    _describes,
    _refuses,
    _misses,
    _keeps_quiet,
)


# With a target to play with


@dataclass(slots=True)
class _Play:
    """A life against what `simulate.py` made."""

    script: Script
    target: Mapping[str, Any]
    secrets: dict[str, Secret]
    old: Mapping[str, Any]
    new: dict[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)

    def ask(self, phase: str, *, dry_run: bool = False) -> Reply | None:
        needed = self.script.manifest.needs.get(phase, ())
        given = {name: self.secrets[name] for name in needed if name in self.secrets}
        raw = _request(
            phase, given, target=self.target, old=self.old, new=self.new, plan=self.plan,
            consumer=self.target, dry_run=dry_run,
        )  # fmt: skip
        said = _ask(self.script, raw, phase, self.secrets)
        good = said.reply is not None and said.reply.ok
        why = said.problem or (f"{said.reply.error}: {said.reply.message}" if said.reply else "")
        self.note(f"{phase} succeeds", ok=good, detail="" if good else why)
        if said.echoes:
            self.note(f"{phase} quotes no secret", ok=False)
        return said.reply if good else None

    def note(self, what: str, *, ok: bool, detail: str = "") -> None:
        self.found.append(Finding(f"simulation: {what}", ok, detail))

    def probes(self, old: str) -> None:
        reply = self.ask("probe")
        said = reply.more["probe"] if reply else {}
        ok = said.get("new") == "accepted" and said.get("old") == old
        told = f"new {said.get('new')}, old {said.get('old')}"
        self.note(f"the probe says: new accepted, old {old}", ok=ok, detail="" if ok else told)


def _life(script: Script) -> list[Finding]:
    with tempfile.TemporaryDirectory(prefix="leakguard-") as folder:
        program = os.path.join(script.folder, SIMULATION)
        ended = process.call([sys.executable, "-I", "-B", program], folder.encode(), 60)
        try:
            made = json.loads(ended.out)
            secrets = {name: Secret(one.encode()) for name, one in made["secrets"].items()}
            play = _Play(script, made["target"], secrets, made.get("old", {}))
        except (ValueError, KeyError, TypeError, AttributeError):
            why = ended.problem or "it has to print {target, secrets, old} as JSON"
            return [Finding("simulation: simulate.py makes a target", ok=False, detail=why)]
        (_issuer if script.manifest.kind == "issuer" else _consumer)(play)
        return play.found


def _issuer(play: _Play) -> None:
    manifest = play.script.manifest
    planned = play.ask("plan", dry_run=True)
    if planned is None:
        return
    play.plan = planned.more
    play.old = {**play.old, **planned.more.get("old", {})}
    bad = [one["what"] for one in planned.more.get("checks", ()) if not one["ok"]]
    play.note("its checks hold", ok=not bad, detail=", ".join(bad))
    _made(play)
    _twice(play, "create", issuer=manifest.secret_origin == "issuer")
    play.ask("verify_new")
    play.probes("refused" if manifest.overlap == "none" else "accepted")
    for phase in ("disable_old", "kill_derived"):
        if manifest.has(phase):
            _twice(play, phase)
    if not endings(manifest, manifest.overlap):
        play.note("a person has to end the old one: the script cannot", ok=True)
        play.ask("observe")
        return
    if manifest.has("disable_old") or manifest.overlap == "none":
        play.probes("refused")
    play.ask("observe")
    if manifest.has("destroy_old"):
        _twice(play, "destroy_old")
        play.probes("refused")


def _made(play: _Play) -> None:
    manifest = play.script.manifest
    if manifest.has("generate"):
        reply = play.ask("generate")
        play.new |= reply.new if reply else {}
        play.secrets |= reply.secrets if reply else {}
    elif manifest.secret_origin == "client":
        shape = common([(manifest.name, manifest.constraints)])
        play.secrets["new"] = make(shape, random.choice)


def _twice(play: _Play, phase: str, *, issuer: bool = False) -> None:
    """Every phase may come twice: after a crash nobody knows whether it came once."""
    for _ in range(2):
        reply = play.ask(phase)
        if reply is not None:
            play.new |= reply.new
            play.secrets |= reply.secrets
    if phase == "create" and issuer:
        play.note("create gives a value", ok="new" in play.secrets)


def _consumer(play: _Play) -> None:
    shape = common([(play.script.manifest.name, play.script.manifest.constraints)])
    play.secrets.setdefault("new", make(shape, random.choice))
    play.ask("plan", dry_run=True)
    _twice(play, "distribute")
    play.ask("confirm")
    play.ask("observe")
