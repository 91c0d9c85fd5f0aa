"""Signed files and the signatures beside them."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

Judge = Callable[[bytes, bytes], tuple[str, str]]
"""A signature and its data: what is said of it, and who signed."""

FORMS = {".asc": True, ".sig": False}
"""Endings of signatures; whether they are in armour."""


def checks(target: dict[str, Any], judge: Judge) -> list[dict[str, Any]]:
    """Whether what will be signed anew is what was signed before."""
    if not target.get("artefacts"):
        return []
    said = signers(target, judge)
    bad = sorted(path for path, (state, _) in said.items() if state == "bad")
    changed = [path for path, _, _ in _signed(target) if not _as_recorded(target, path)]
    rows = [("artefacts are what their signatures say", bad), ("artefacts match digests", changed)]
    found = [{"what": what, "ok": not wrong, "detail": _look(wrong)} for what, wrong in rows]
    if not target.get("digests"):
        note = "no digests: whoever had the key may have signed what lies there; compare first"
        found[1] = {"what": "artefacts match digests", "ok": True, "detail": note}
    return found


def signers(target: dict[str, Any], judge: Judge) -> dict[str, tuple[str, str]]:
    """Every signed artefact: what is said of its signature, and whose it is."""
    return {path: judge(_bytes(sig), _bytes(path)) for path, sig, _ in _signed(target)}


def sign_anew(
    target: dict[str, Any], judge: Judge, old: str, sign: Callable[[bytes, bool], bytes]
) -> list[str]:
    """Replace signatures of the old key beside artefacts that are as they were."""
    replaced = []
    for path, sig, armour in _signed(target):
        data = _bytes(path)
        state, signer = judge(_bytes(sig), data)
        if signer == old and state in ("good", "revoked") and _as_recorded(target, path):
            replace_file(sig, sign(data, armour))
            replaced.append(path)
    return replaced


def replace_file(path: str, content: bytes) -> None:
    """Put a file in the place of another at once, with its mode and owner."""
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path) or ".")
    with os.fdopen(handle, "wb") as file:
        if os.path.exists(path):
            was = os.stat(path)
            os.fchmod(handle, was.st_mode & 0o7777)
            os.fchown(handle, was.st_uid, was.st_gid)
        else:
            os.fchmod(handle, 0o644)
        file.write(content)
        file.flush()
        os.fsync(handle)
    os.replace(draft, path)


def _signed(target: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Artefacts that have a signature: path, path of the signature, whether it is in armour."""
    patterns = [one.strip() for one in target.get("artefacts", "").split(",") if one.strip()]
    for path in sorted({path for one in patterns for path in glob.glob(one)}):
        for ending, armour in FORMS.items():
            if os.path.isfile(path + ending):
                yield path, path + ending, armour


def _as_recorded(target: dict[str, Any], path: str) -> bool:
    """Whether an artefact has the digest that was written down; without a record, yes."""
    if not (record := target.get("digests")):
        return True
    wanted = {}
    for line in _bytes(record).decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition(" ")
        wanted[os.path.basename(name.strip().lstrip("*"))] = digest
    return wanted.get(os.path.basename(path)) == hashlib.sha256(_bytes(path)).hexdigest()


def _look(paths: list[str]) -> str:
    return f"look at {', '.join(paths)}" if paths else ""


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
