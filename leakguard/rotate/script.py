"""Rotation scripts: where they come from, and one call of one phase.

They come from two places only: those that ship with leakguard, and folders that the user
named in their own configuration together with a hash of the content. Never from a
repository that is being scanned.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from leakguard.errors import ConfigError, Place, UsageError
from leakguard.load import bundled, inside
from leakguard.load.document import Document, suggest
from leakguard.rotate import answer, manifest, process
from leakguard.rotate.answer import Garbage, Reply
from leakguard.rotate.kit import PROTOCOL
from leakguard.rotate.manifest import Manifest
from leakguard.rotate.redact import Redactor, told
from leakguard.secret import Secret

CONFIG = "rotate.yml"
MAX_CONFIG = 256 * 1024
MAX_FILES = 2000

READ_ONLY = frozenset({"describe", "plan", "generate", "verify_new", "confirm", "probe", "observe"})
"""Phases without an effect on the credential or its consumers: only these are ever retried."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one script. `secrets` may hold more than the script will be given."""

    phase: str
    rotation: str = ""
    idempotency_key: str = ""
    attempt: int = 1
    dry_run: bool = False
    target: Mapping[str, Any] = field(default_factory=dict)
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    consumer: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)

    def given(self, script: Manifest) -> dict[str, Secret]:
        """The slots that this phase of this script may see, and no other."""
        allowed = script.needs.get(self.phase, ())
        return {name: self.secrets[name] for name in allowed if name in self.secrets}

    def wire(self, script: Manifest) -> bytes:
        """The request, values included: for a pipe, never for a file."""
        request = {
            "protocol": PROTOCOL,
            "phase": self.phase,
            "rotation": self.rotation,
            "idempotency_key": self.idempotency_key,
            "attempt": self.attempt,
            "deadline": script.timeout(self.phase),
            "dry_run": self.dry_run,
            "target": dict(self.target),
            "old": dict(self.old),
            "new": dict(self.new),
            "plan": dict(self.plan),
            "consumer": dict(self.consumer),
            "secrets": {
                name: secret.reveal().decode("utf-8", "surrogateescape")
                for name, secret in self.given(script).items()
            },
        }
        return json.dumps(request).encode()


class Runner(Protocol):
    """Whoever carries out phases: a program, or a person who is guided."""

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""

    def call(self, call: Call) -> Reply:
        """Carry out one phase."""


@dataclass(frozen=True, slots=True)
class Script:
    """A folder with a manifest and a program."""

    folder: str
    manifest: Manifest

    def argv(self) -> list[str]:
        """What is run; the same for every phase, every target and every secret."""
        words: list[str] = []
        for word in self.manifest.run:
            if word == "{python}":
                words += [sys.executable, "-I", "-B"]  # a compiled file would change its hash
            else:
                within = os.path.join(self.folder, word)
                words.append(within if os.path.isfile(within) else word)
        return words

    def call(self, call: Call) -> Reply:
        """Run one phase. What it says is checked and freed of values before it is returned."""
        given = call.given(self.manifest)
        redactor = Redactor([*call.secrets.values()])
        missing = self._missing(call.phase, given)
        if missing:
            return Reply(False, error="missing", message=missing)
        ended = process.call(
            self.argv(), call.wire(self.manifest), self.manifest.timeout(call.phase)
        )
        reply = _reply(ended, call.phase)
        redactor.learn(reply.secrets.values())
        if any(redactor.clean(name) != name for name in reply.secrets):
            return answer.nothing("bug", "a slot is named after a secret")
        clean = redactor.cleaner(names(reply, call))
        return answer.cleaned(reply, clean, redactor.value_free)

    def _missing(self, phase: str, given: Mapping[str, Secret]) -> str:
        for name in self.manifest.needs.get(phase, ()):
            slot = self.manifest.slots.get(name)
            if slot is not None and slot.required and name not in given:
                return f"no secret {name!r}, give --slot {name}=fd:3 ({slot.help})"
        return ""


def _reply(ended: process.Ended, phase: str) -> Reply:
    stderr = told(ended.err)
    if ended.problem:
        late = "within" in ended.problem
        return answer.nothing("timeout" if late else "bug", f"the script {ended.problem}", stderr)
    if ended.status:
        return answer.nothing("bug", f"the script ended with status {ended.status}", stderr)
    try:
        reply = answer.parse(ended.out, phase)
    except Garbage as garbage:
        return answer.nothing("bug", str(garbage), stderr)
    from dataclasses import replace

    return replace(reply, stderr=stderr)


def names(reply: Reply, call: Call) -> list[str]:
    """What the target and the plan name, such as key ids: an operator needs to read it.

    Some of it looks like a secret to a rule. What is a value of a slot is starred out
    all the same.
    """
    ids = [one.get("id") for one in (call.old, call.new, reply.new)]
    said = [*ids, *call.plan.get("known", ()), *call.target.values(), *call.consumer.values()]
    if call.phase == "plan" and reply.ok:
        said += [reply.more.get("old", {}).get("id"), *reply.more.get("known", ())]
    return list(dict.fromkeys(str(one) for one in said if one and not isinstance(one, bool)))


# Where scripts come from


@dataclass(frozen=True, slots=True)
class Pinned:
    """A folder that the user named, and what it has to contain."""

    folder: str
    sha256: str
    place: Place


def config_file(environ: Mapping[str, str]) -> str:
    """Where a user names their own scripts."""
    base = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    folder = environ.get("LEAKGUARD_CONFIG") or os.path.join(base, "leakguard")
    return os.path.join(folder, CONFIG)


def pinned(path: str) -> list[Pinned]:
    """The folders in a user's configuration; none when there is no file. Raises ConfigError.

    ```yaml
    scripts:
      - {folder: ~/rotations/acme, sha256: <64 hex digits>}
    ```
    """
    if not os.path.lexists(path):
        return []
    _only_ours(path, path)
    doc = Document(path, inside.read_file(path, path, MAX_CONFIG))
    if doc.root is None:
        return []
    found = doc.mapping(doc.root, ("scripts",), CONFIG)
    return [_pin(doc, node) for node in doc.items(found["scripts"], "scripts")] if found else []


def _pin(doc: Document, node: Any) -> Pinned:
    found = doc.mapping(node, ("folder", "sha256"), "a script")
    for key in ("folder", "sha256"):
        if key not in found:
            doc.fail(node, f"a script needs {key!r}", "leakguard rotate check FOLDER prints both")
    folder = os.path.expanduser(doc.text_of(found["folder"], "folder"))
    if not os.path.isabs(folder):
        doc.fail(found["folder"], "the folder must be an absolute path")
    mark = node.start_mark
    return Pinned(
        os.path.normpath(folder),
        doc.text_of(found["sha256"], "sha256"),
        Place(doc.path, mark.line + 1, mark.column + 1),
    )


def catalogue(environ: Mapping[str, str] | None = None) -> dict[str, Script]:
    """Every script by name: ours, and the user's own. Raises ConfigError for any that is wrong."""
    found: dict[str, Script] = {}
    ours = os.path.join(bundled.folder("hooks"), "rotate")
    for name in sorted(os.listdir(ours)) if os.path.isdir(ours) else ():
        folder = os.path.join(ours, name)
        if os.path.isfile(os.path.join(folder, manifest.FILE)):
            found[name] = Script(folder, manifest.read(folder))
    for pin in pinned(config_file(os.environ if environ is None else environ)):
        script = trusted(pin)
        if script.manifest.name in found:
            raise ConfigError(f"two scripts are called {script.manifest.name!r}", place=pin.place)
        found[script.manifest.name] = script
    return found


def trusted(pin: Pinned) -> Script:
    """The script in a folder, if it is still what the user pinned. Raises ConfigError."""
    if not os.path.isdir(pin.folder):
        raise ConfigError(f"there is no folder {pin.folder!r}", place=pin.place)
    if folder_hash(pin.folder) != pin.sha256:
        raise ConfigError(
            f"{pin.folder!r} is not what was pinned",
            "look at what changed, then: leakguard rotate check FOLDER prints its new hash",
            place=pin.place,
        )
    return Script(pin.folder, manifest.read(pin.folder))


def named(scripts: Mapping[str, Script], name: str) -> Script:
    """A script by its name. Raises UsageError with what is close to it."""
    if name not in scripts:
        raise UsageError(f"no rotation script {name!r}", *suggest(name, sorted(scripts)))
    return scripts[name]


def folder_hash(folder: str) -> str:
    """SHA-256 over the names, modes and contents of everything in a folder.

    Raises ConfigError for links and for what somebody else may write: a hash of
    that would say nothing a moment later.
    """
    _only_ours(folder, folder)
    digest = hashlib.sha256()
    for count, path in enumerate(_files(folder)):
        if count >= MAX_FILES:
            raise ConfigError(f"more than {MAX_FILES} files", place=Place(folder))
        _only_ours(path, path)
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        run = "x" if os.stat(path).st_mode & stat.S_IXUSR else "-"
        name = os.path.relpath(path, folder).replace(os.sep, "/")
        digest.update(f"{content} {run} {name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _files(folder: str) -> Iterable[str]:
    for at, folders, names in os.walk(folder):
        folders.sort()
        if "__pycache__" in folders:
            # Python would run what lies there instead of the source beside it.
            place = Place(f"{at}/__pycache__")
            raise ConfigError("compiled files cannot be pinned", "delete it", place=place)
        for one in folders:
            _only_ours(os.path.join(at, one), os.path.join(at, one))
        yield from (os.path.join(at, name) for name in sorted(names))


def _only_ours(path: str, shown: str) -> None:
    """Raises ConfigError unless only we (or root) may write there, and it is no link."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        raise ConfigError("is a link", "name the folder itself", place=Place(shown))
    if found.st_uid not in (os.getuid(), 0):
        raise ConfigError("belongs to somebody else", place=Place(shown))
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError("others may write here", "chmod -R go-w FOLDER", place=Place(shown))
