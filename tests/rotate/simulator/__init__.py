"""An issuer and a consumer that remember their state in a file, and fail when they are told to.

    sim = Simulator(tmp_path, origin="issuer")
    sim.fail("create", "lost")        # it happens, and nobody hears of it
    sim.script, sim.consumer_script   # folders for the engine

The state never holds a value, only hashes: so a search of all files for the values
of a test says something. `works()` is what the consumer's users see.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leakguard.rotate import manifest
from leakguard.rotate.script import Script
from leakguard.secret import Secret
from rotate.simulator.program import hashed

HERE = Path(__file__).parent

ISSUER = """\
protocol: 1
name: {name}
kind: issuer
title: simulated credential
classes: [provider-api-key]
providers: [simulator]
tier: service
run: ["{{python}}", rotate.py]
phases: [describe, plan, create, verify_new, {ending}kill_derived, probe, {last}rollback, observe]
secret_origin: {origin}
overlap: {overlap}
max_active: {quota}
reversible_disable: true
kills_sessions: true
label_support: true
dry_run: real
propagation_seconds: 0
proof: {{rounds: 2, interval_seconds: 0}}
target:
  state: {{type: string, required: true, help: file of the simulator}}
slots:
  admin: {{help: what the issuer lets an administrator in with, required: true}}
needs:
  plan: [admin, old]
  create: [admin, new]
  verify_new: [new]
  {need_ending}
  kill_derived: [admin]
  probe: [old, new]
  rollback: [admin]
  observe: [admin]
constraints: {{alphabet: alnum, min_length: 24, max_length: 64, forbidden: ""}}
timeouts: {{{timeouts}}}
irreversible: [{irreversible}]
"""

CONSUMER = """\
protocol: 1
name: {name}
kind: consumer
title: simulated consumer
classes: [provider-api-key]
tier: service
run: ["{{python}}", rotate.py]
phases: [describe, plan, distribute, confirm, rollback, observe]
dry_run: real
target:
  state: {{type: string, required: true, help: file of the simulator}}
  who: {{type: string, required: true, help: which consumer}}
needs:
  distribute: [new]
  confirm: [new]
  rollback: [old]
constraints: {{alphabet: base64url, min_length: 8, max_length: 60, forbidden: "-_"}}
timeouts: {{{timeouts}}}
"""


class Simulator:
    """One issuer with one leaked credential, and the consumers of it."""

    def __init__(
        self,
        folder: Path,
        *,
        origin: str = "client",
        overlap: str = "native",
        quota: int = 2,
        disables: bool = True,
        destroys: bool = True,
        consumers: tuple[str, ...] = ("app",),
        timeout: float = 10.0,
    ) -> None:
        self.folder = folder
        self.state_file = folder / "issuer.json"
        self.origin, self.overlap = origin, overlap
        self.ends = [
            *(["disable_old"] if disables and overlap != "none" else []),
            *(["destroy_old"] if destroys else []),
        ]
        self.old, self.admin = _value(), _value()
        self.script = self._written(
            "simulated",
            ISSUER,
            timeout,
            origin=origin,
            overlap=overlap,
            quota=quota,
            **_ends(self.ends),
        )
        self.consumer_script = self._written("simulated-consumer", CONSUMER, timeout)
        self.state_file.write_text(json.dumps({
            "mode": {"origin": origin, "overlap": overlap, "quota": quota, "ends": self.ends},
            "admin": hashed(_text(self.admin)),
            "credentials": {"k1": {"hash": hashed(_text(self.old)), "state": "active", "label": ""}},
            "sessions": {"attacker": "k1"},
            "consumers": {one: {"running": hashed(_text(self.old)), "stuck": False} for one in consumers},
            "faults": [], "calls": [], "made": 1, "used_by": [],
        }))  # fmt: skip

    def _written(self, name: str, text: str, timeout: float, **mode: Any) -> Script:
        folder = self.folder / "scripts" / name
        folder.mkdir(parents=True)
        late = ", ".join(f"{phase}: {timeout}" for phase in ("create", "distribute", "verify_new",
                         "probe", "observe", "kill_derived", "disable_old", "destroy_old"))  # fmt: skip
        (folder / "manifest.yml").write_text(text.format(name=name, timeouts=late, **mode))
        shutil.copy(HERE / "program.py", folder / "rotate.py")
        return Script(str(folder), manifest.read(str(folder)))

    @property
    def runners(self) -> dict[str, Script]:
        """As the engine wants them."""
        return {"simulated": self.script, "simulated-consumer": self.consumer_script}

    @property
    def slots(self) -> dict[str, Secret]:
        """What an operator supplies."""
        return {"admin": self.admin, "old": self.old}

    # What is true

    @property
    def state(self) -> dict[str, Any]:
        """All that the issuer and the consumers know."""
        found: dict[str, Any] = json.loads(self.state_file.read_text())
        return found

    @property
    def active(self) -> list[str]:
        """The ids of the credentials that open something."""
        return [name for name, one in self.state["credentials"].items() if one["state"] == "active"]

    def alive(self, value: Secret) -> bool:
        """Whether the issuer lets a value in."""
        wanted = hashed(_text(value))
        return any(one["hash"] == wanted and one["state"] == "active"
                   for one in self.state["credentials"].values())  # fmt: skip

    def works(self, consumer: str = "app") -> bool:
        """Whether a consumer's users are served: what it runs with is let in."""
        running = self.state["consumers"][consumer]["running"]
        return any(one["hash"] == running and one["state"] == "active"
                   for one in self.state["credentials"].values())  # fmt: skip

    @property
    def sessions(self) -> dict[str, str]:
        """Open sessions, and the credential that opened each."""
        found: dict[str, str] = self.state["sessions"]
        return found

    def calls(self, phase: str) -> int:
        """How often a phase had an effect or was at least asked for."""
        return sum(one == phase for one in self.state["calls"])

    # What goes wrong

    def fail(self, phase: str, kind: str, times: int = 1) -> None:
        """The next `times` calls of a phase go wrong in this way; see program.py."""
        with self.changing() as state:
            state["faults"].append({"phase": phase, "kind": kind, "left": times})

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        with self.changing() as state:
            state["faults"] = []

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """The state, to be changed by hand."""
        with self.state_file.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            state = json.load(file)
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)


def _ends(phases: list[str]) -> dict[str, str]:
    return {
        "ending": "disable_old, " if "disable_old" in phases else "",
        "last": "destroy_old, " if "destroy_old" in phases else "",
        "need_ending": "\n  ".join(f"{one}: [admin]" for one in phases) or "describe: []",
        "irreversible": "destroy_old" if "destroy_old" in phases else "",
    }


def _value() -> Secret:
    return Secret(secrets.token_hex(24).encode())


def _text(value: Secret) -> str:
    return value.reveal().decode()
