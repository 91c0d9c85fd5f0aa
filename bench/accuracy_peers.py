"""How often other scanners cry wolf on the negative corpus."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import negatives
import peers
from accuracy_report import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Count = dict[str, int]
"""Findings by kind of file."""


def write(folder: Path, seed: int, scale: float) -> Mapping[str, int]:
    """Write the corpus, a folder for each kind; gives the lines of each."""
    lines: dict[str, int] = {}
    for number, kind in enumerate(negatives.KINDS.values()):
        for index, made in enumerate(negatives.files(kind, seed, scale)):
            path = folder / str(number) / str(index) / made.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made.text, encoding="utf-8")
            lines[kind.name] = lines.get(kind.name, 0) + made.lines
    return lines


def count(folder: Path, cache: Path) -> dict[str, Count]:
    """What each scanner that is here reports."""
    found: dict[str, Count] = {}
    for name, (words, read) in READERS.items():
        spec = next(spec for spec in peers.SPECS if spec.name == name)
        tool = peers.find(spec, cache)
        if tool is not None:
            environment = {**os.environ, **tool.environment}
            done = subprocess.run(
                (*tool.command, *words), check=False, capture_output=True, cwd=folder,
                env=environment,
            )  # fmt: skip
            found[f"{name} {tool.version}"] = read(done.stdout)
    return found


def _kind(path: str) -> str:
    """The kind of a file of the corpus, by the number of its folder."""
    number = next(part for part in path.replace("\\", "/").split("/") if part.isdigit())
    return list(negatives.KINDS)[int(number)]


def _kingfisher(out: bytes) -> Count:
    """Its findings; it prints some JSON for each."""
    found: Count = {}
    text = out.decode("utf-8", "replace")
    report = json.loads(text[text.index("{") : text.rindex("}") + 1])
    for one in report["findings"]:
        kind = _kind(os.path.relpath(one["finding"]["path"]))
        found[kind] = found.get(kind, 0) + 1
    return found


def _detect_secrets(out: bytes) -> Count:
    """Its findings; several plugins that name the same value count once."""
    found: Count = {}
    for path, entries in json.loads(out)["results"].items():
        kind = _kind(path)
        found[kind] = found.get(kind, 0) + len({entry["hashed_secret"] for entry in entries})
    return found


READERS: dict[str, tuple[tuple[str, ...], Callable[[bytes], Count]]] = {
    "kingfisher": (
        ("scan", ".", "--git-history", "none", *peers.KINGFISHER.split(), "--format", "json"),
        _kingfisher,
    ),
    "detect-secrets": (("scan", "--all-files", "--no-verify", "."), _detect_secrets),
}


def render(counts: Mapping[str, Count], lines: Mapping[str, int], own: Mapping[str, int]) -> str:
    """Findings per 100,000 lines, and the kinds of file with the most of them."""
    every = {"leakguard (blocking)": own, **counts}
    whole = sum(lines.values())
    body = [
        (
            name, f"{sum(found.values()) * 100_000 / whole:.1f}",
            str(sum(not found.get(kind) for kind in lines)),
            ", ".join(f"{kind} {found[kind]}" for kind in sorted(found, key=lambda k: -found[k])[:6]
                      if found[kind]),
        )
        for name, found in every.items()
    ]  # fmt: skip
    head = ("scanner", "findings per 100,000 lines", f"silent on (of {len(lines)})", "most on")
    return "\n".join(["## Beside other scanners, on the negative corpus", "", *table(head, body)])
