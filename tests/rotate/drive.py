"""Runs one phase of a rotation script as the engine would, and distrusts it all the way.

    answer = call(FOLDER, "create", target=target, secrets={"admin": a, "new": n}, plan=plan)

`secrets` may hold every slot a test knows: the script gets only those its manifest
names for the phase. No value of a slot may show in the script's argv, environment or
standard error, in those of the programs it starts, or in its answer outside `secrets`.

The first call of each phase starts the interpreter as the engine does; later ones of the
same phase are forked from a process that has the script loaded (see `warm`).
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from leakguard.rotate.answer import cleaned, parse
from leakguard.rotate.kit import ERRORS, PHASES, PROTOCOL, STATUSES
from leakguard.rotate.redact import Redactor
from leakguard.secret import Secret
from rotate.warm import Ended, Warm, end_group

SCRIPTS = Path(__file__).resolve().parents[2] / "hooks" / "rotate"
ROTATION = "LG-2026-0001-S1-r1"

Answer = dict[str, Any]

PATIENCE = 300.0
"""Seconds for one phase: a machine may stand still meanwhile."""

SLOW = 2.0
"""Seconds after which one server may have given up on another: Pebble waits no longer for a name."""

STANDSTILL = 60.0
"""Seconds after which what still does not answer is broken."""


def call(
    script_dir: Path,
    phase: str,
    *,
    target: dict[str, Any],
    secrets: dict[str, str] | None = None,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    consumer: dict[str, Any] | None = None,
    rotation: str = ROTATION,
    attempt: int = 1,
    dry_run: bool = False,
    deadline: float = 60.0,
    timeout: float = PATIENCE,
) -> Answer:
    """The answer to one request, after checking that it is well-formed and tells no secret."""
    manifest = manifest_of(script_dir)
    more = {"rotation": rotation, "attempt": attempt, "deadline": deadline, "dry_run": dry_run}
    known = {"old": old, "new": new, "plan": plan, "consumer": consumer}
    request = _request(manifest, phase, secrets or {}, target=target, **known, **more)
    answer = _run(script_dir, manifest, request, timeout)
    _well_formed(answer, manifest, phase)
    return answer


def done(script_dir: Path, phase: str, **parts: Any) -> Answer:
    """`call`, for a phase that has to succeed."""
    answer = steady(lambda: call(script_dir, phase, **parts), lambda answer: answer["ok"])
    assert answer["ok"], answer
    return answer


def failed(script_dir: Path, phase: str, **parts: Any) -> str:
    """`call`, for a phase that has to fail: the class of its error."""
    answer = call(script_dir, phase, **parts)
    assert not answer["ok"], answer
    kind: str = answer["error"]["class"]
    return kind


def steady(ask: Callable[[], Answer], is_clear: Callable[[Answer], bool]) -> Answer:
    """An answer. One that is not clear is asked for again when it took long, as the engine does:
    somebody stood still, and others gave up on them. One that came quickly counts.
    """
    end = time.monotonic() + STANDSTILL
    while True:
        begun = time.monotonic()
        answer = ask()
        if is_clear(answer) or time.monotonic() - begun < SLOW or begun > end:
            return answer


hurried = done  # as some tests call it on the way to what they are about


@functools.cache
def manifest_of(script_dir: Path) -> dict[str, Any]:
    """What the script says of itself."""
    manifest: dict[str, Any] = yaml.safe_load((script_dir / "manifest.yml").read_text("utf-8"))
    return manifest


def failing_checks(plan: Answer) -> list[str]:
    """What a plan says stands in the way."""
    return [check["what"] for check in plan["checks"] if not check["ok"]]


def _request(
    manifest: dict[str, Any], phase: str, secrets: dict[str, str], **more: Any
) -> dict[str, Any]:
    allowed = manifest.get("needs", {}).get(phase, [])
    rotation = more.get("rotation", ROTATION)
    return {
        "protocol": PROTOCOL,
        "phase": phase,
        "rotation": rotation,
        "idempotency_key": f"{rotation}:{phase}:{manifest['name']}",
        "attempt": 1,
        "deadline": 60.0,
        "dry_run": False,
        **{name: more.pop(name, None) or {} for name in ("old", "new", "plan", "consumer")},
        **more,
        "secrets": {slot: value for slot, value in secrets.items() if slot in allowed},
    }


def _run(
    script_dir: Path, manifest: dict[str, Any], request: dict[str, Any], timeout: float
) -> Answer:
    with tempfile.TemporaryDirectory(prefix="lg-") as home:
        start = _forked if _is_known(script_dir, request["phase"]) else _started
        ended = start(script_dir, manifest, json.dumps(request), home, timeout)
    values = _values(request["secrets"])
    _tells_none(values, ended.err, "standard error")
    _tells_none(values, "\n".join(ended.seen), "the argv or environment of a process")
    assert ended.status == 0, ended.err
    answer: Answer = json.loads(ended.out)
    values |= _values(answer.get("secrets", {}))
    rest = {key: value for key, value in answer.items() if key != "secrets"}
    _tells_none(values, json.dumps(rest, ensure_ascii=False), "the answer")
    _reaches_the_engine(script_dir, request["phase"], values, rest)
    return answer


def _is_known(script_dir: Path, phase: str) -> bool:
    """Whether this phase of a script that ships has had a process of its own."""
    known = (script_dir, phase) in _SEEN
    _SEEN.add((script_dir, phase))
    return known and script_dir.parent == SCRIPTS


_SEEN: set[tuple[Path, str]] = set()
_WARM: dict[Path, Warm] = {}
KEPT = 3
"""As many processes wait at once: there are tests that ask two scripts by turns."""


def _started(
    script_dir: Path, manifest: dict[str, Any], request: str, home: str, timeout: float
) -> Ended:
    child = subprocess.Popen(
        _argv(script_dir, manifest), cwd=home, env=_environment(home),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    with Watch(child.pid) as watch:
        try:
            out, err = child.communicate(request, timeout)
        finally:
            end_group(child.pid)
            child.wait()
    return Ended(child.returncode, out, err, watch.seen)


def _forked(script_dir: Path, _: dict[str, Any], request: str, home: str, timeout: float) -> Ended:
    where = {"home": home, "environment": _environment(home)}
    return _warm(script_dir).run(request, where, timeout, Watch)


def _warm(script_dir: Path) -> Warm:
    if script_dir not in _WARM:
        if len(_WARM) == KEPT:
            _WARM.pop(next(iter(_WARM))).stop()  # the first: tests go script by script
        _WARM[script_dir] = Warm(script_dir, _environment(str(script_dir)))
    return _WARM[script_dir]


@atexit.register
def _cool() -> None:
    for warm in _WARM.values():
        warm.stop()


def _argv(script_dir: Path, manifest: dict[str, Any]) -> list[str]:
    argv: list[str] = []
    for word in manifest["run"]:
        if word == "{python}":
            argv += [sys.executable, "-I"]
        else:
            inside = script_dir / word
            argv.append(str(inside) if inside.is_file() else word)
    return argv


def _environment(home: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": home}


@dataclass
class Watch:
    """Notes the argv and the environment of a process and of all that it starts."""

    pid: int
    seen: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            for pid in _family(self.pid):
                self.seen |= {_proc(pid, "cmdline"), _proc(pid, "environ")}


def _family(pid: int) -> list[int]:
    children = _proc(pid, f"task/{pid}/children").split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", errors="replace")
    except OSError:
        return ""  # it has ended, or there is no /proc here


def _values(secrets: dict[str, str]) -> set[str]:
    return {value for value in secrets.values() if value}


def _tells_none(values: set[str], text: str, where: str) -> None:
    # Not `value not in text`: pytest would print both.
    told = sum(value in text for value in values)
    assert told == 0, f"{told} secrets are in {where}"


_READ: set[tuple[Path, str]] = set()


def _reaches_the_engine(script_dir: Path, phase: str, values: set[str], rest: Answer) -> None:
    """What later phases need is not starred out on its way: no id is part of a value.

    Looked at in the first good answer to each phase: it takes a moment.
    """
    if (script_dir, phase) in _READ or not rest["ok"]:
        return
    _READ.add((script_dir, phase))
    redactor = Redactor(Secret(value.encode()) for value in values)
    reply = parse(json.dumps(rest).encode(), "")
    kept = cleaned(reply, str, redactor.value_free)
    told = [name for name, part in reply.more.items() if kept.more.get(name) != part]
    assert (kept.new, told) == (reply.new, []), "this would be starred out in part"


def _well_formed(answer: Answer, manifest: dict[str, Any], phase: str) -> None:
    assert phase in PHASES
    if answer["ok"]:
        assert phase in manifest["phases"], f"{phase} is served, but the manifest does not say so"
        assert answer["status"] in STATUSES
    else:
        assert answer["error"]["class"] in ERRORS
        assert answer["error"]["message"]
