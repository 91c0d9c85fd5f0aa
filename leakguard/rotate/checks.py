"""What has to hold before anything is done, and what a new value has to be like."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from leakguard.errors import ConfigError, UsageError
from leakguard.rotate.answer import Reply
from leakguard.rotate.generate import Constraints, Shape, common
from leakguard.rotate.manifest import CAPABILITIES, Manifest


@dataclass(frozen=True, slots=True)
class Check:
    """Something that has to hold before anything is done."""

    what: str
    ok: bool
    detail: str = ""


def installed(manifest: Manifest) -> list[Check]:
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


def agrees(manifest: Manifest, described: Reply, asked: Reply) -> list[Check]:
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


def told_by(asked: Reply, name: str) -> list[Check]:
    """The checks of a script; one that did not answer fails one of ours."""
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


Place = tuple[str, Manifest, Mapping[str, Any] | None]
"""Who takes the value: a name, what its manifest demands, and what it demands beyond that."""


def fit(issuer: Place, consumers: Iterable[Place]) -> tuple[Shape | None, list[Check]]:
    """What a new value has to be like, for the issuer and for every consumer."""
    makes = issuer[1].secret_origin == "issuer" or issuer[1].has("generate")
    try:
        asked = [one for place in ([] if makes else [issuer]) for one in _demands(place)]
        asked += [one for place in consumers for one in _demands(place)]
        return (common(asked) if asked else None), []
    except UsageError as error:
        return None, [Check("one value suits all", ok=False, detail=error.message)]
    except (KeyError, TypeError, ConfigError):
        odd = "a script's own are odd"
        return None, [Check("the constraints make sense", ok=False, detail=odd)]


def _demands(place: Place) -> list[tuple[str, Constraints]]:
    name, manifest, tighter = place
    own = [(name, manifest.constraints)]
    return own + ([(name, Constraints(**tighter))] if tighter else [])
