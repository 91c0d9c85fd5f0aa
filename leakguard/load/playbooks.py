"""Playbooks: the ones that ship, and an organisation's own packs, in the same form.

A pack adds steps. It cannot replace one of ours, loosen an order, or bring a
command that a shell would interpret; every mistake is named at its place.
See docs/playbooks.md.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence

from leakguard.errors import ConfigError, Place
from leakguard.load import inside
from leakguard.load.playbook_checks import check
from leakguard.load.playbook_file import KINDS, read
from leakguard.playbook import Fragment, Step

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data/playbooks")
OWN_FOLDER = os.path.join(".leakguard", "playbooks")
MAX_BYTES = 256 * 1024
MAX_FILES = 100


def bundled() -> tuple[Fragment, ...]:
    """Every fragment that ships with leakguard, in the order in which they are composed."""
    found: list[Fragment] = []
    skeletons: dict[str, Fragment] = {}
    names = sorted(os.listdir(FOLDER), key=lambda name: (name != "skeleton.yml", name))
    for name in names:
        if name.endswith(".yml"):
            with open(os.path.join(FOLDER, name), "rb") as file:
                found += read(name, file.read(), ours=True, skeletons=skeletons)
            skeletons = {one.id: one for one in found if one.kind == "skeleton"}
    return _ordered(found)


def playbooks(
    top: str = "", folder: str = "", sha256: str = "", *, only_ours: bool = False
) -> tuple[Fragment, ...]:
    """Our fragments, and those of `top`/.leakguard/playbooks and of a pinned `folder`.

    Raises ConfigError for any mistake in them, and when the folder is not what was pinned.
    """
    ours = bundled()
    if only_ours:
        return ours
    files = [*(_inside(top) if top else ()), *(_pinned(folder, sha256) if folder else ())]
    theirs = [one for path, raw in files for one in read(path, raw)]
    if not theirs:
        return ours  # proven by the tests
    _adds_only(ours, theirs)
    whole = _ordered([*ours, *theirs])
    check(whole)
    return whole


def _ordered(fragments: Sequence[Fragment]) -> tuple[Fragment, ...]:
    return tuple(sorted(fragments, key=lambda one: KINDS.index(one.kind)))


def _inside(top: str) -> list[tuple[str, bytes]]:
    folder = os.path.join(top, OWN_FOLDER)
    if not os.path.isdir(folder):
        return []
    found = []
    for name in _yaml_names(folder):
        path = os.path.join(OWN_FOLDER, name)
        raw = inside.read(top, path, MAX_BYTES)
        if raw is not None:
            found.append((path, _short(raw, path)))
    return found


def _pinned(folder: str, sha256: str) -> list[tuple[str, bytes]]:
    files = [
        (os.path.join(folder, name), _short(inside.read(folder, name, MAX_BYTES) or b"", name))
        for name in _yaml_names(folder)
    ]
    digest = _digest([(os.path.basename(path), raw) for path, raw in files])
    if digest != sha256.lower():
        raise ConfigError(
            "the playbooks are not the ones that were pinned",
            f"if the change is meant, write sha256: {digest}",
            place=Place(folder),
        )
    return files


def _yaml_names(folder: str) -> list[str]:
    try:
        names = [name for name in os.listdir(folder) if name.endswith((".yml", ".yaml"))]
    except OSError as error:
        why = error.strerror or ""
        raise ConfigError("cannot be read", place=Place(folder), cause=why) from None
    if len(names) > MAX_FILES:
        raise ConfigError(f"holds more than {MAX_FILES} playbooks", place=Place(folder))
    return sorted(names)


def _short(raw: bytes, path: str) -> bytes:
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES} bytes", place=Place(path))
    return raw


def folder_hash(folder: str) -> str:
    """What to write as `sha256` to pin a folder of playbooks."""
    return _digest(
        [(name, inside.read(folder, name, MAX_BYTES) or b"") for name in _yaml_names(folder)]
    )


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for name, raw in sorted(files):
        whole.update(f"{name}\0{len(raw)}\0".encode() + raw)
    return whole.hexdigest()


def pack_hash(fragments: Sequence[Fragment]) -> str:
    """What an incident remembers of the playbooks that it was composed from."""
    return hashlib.sha256(repr([_said(one) for one in fragments]).encode()).hexdigest()


def _said(fragment: Fragment) -> tuple[object, ...]:
    steps = [
        tuple(_listed(getattr(step, name)) for name in Step.__slots__) for step in fragment.steps
    ]
    words = (fragment.risk_statement, fragment.residual, _listed(fragment.questions))
    return (fragment.id, fragment.kind, fragment.title, _listed(fragment.when), words, steps)


def _listed(value: object) -> object:
    return sorted(value.items()) if isinstance(value, Mapping) else value


def _adds_only(ours: Sequence[Fragment], theirs: Sequence[Fragment]) -> None:
    """A pack brings steps of its own ids; it replaces none of ours."""
    taken = {fragment.id for fragment in ours}
    steps = {step.id for fragment in ours for step in fragment.steps}
    for fragment in theirs:
        if fragment.id in taken:
            raise ConfigError(f"there is a fragment {fragment.id!r} already", "give it another id")
        taken.add(fragment.id)
        for step in fragment.steps:
            if step.id in steps:
                raise ConfigError(
                    f"{fragment.id}: {step.id!r} is a step of leakguard's own playbooks",
                    "a pack adds steps; give it another id",
                )
