"""Which script rotates a secret, and whether it was told everything about its target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from leakguard.errors import UsageError
from leakguard.load.document import suggest
from leakguard.rotate.manifest import Manifest, typed

if TYPE_CHECKING:
    from leakguard.incident import LeakedSecret

SHORTEST = 5
"""Letters that a name of a product has at least; shorter words mean too much."""

GENERIC = "generic"
"""The guided script for whatever no other one knows."""


def fitting(secret: LeakedSecret, scripts: Iterable[Manifest]) -> list[Manifest]:
    """The issuer scripts for a secret, the best first; `generic` fits everything, last.

    The provider decides before the class: a token of one service is no business of
    another one's script, while a script without providers takes any of its class.
    """
    return sorted(
        (one for one in scripts if one.kind == "issuer" and _fit(secret, one)),
        key=lambda one: (-_fit(secret, one), not named(secret, one), one.name),
    )


def best(secret: LeakedSecret, scripts: Iterable[Manifest]) -> str:
    """The script that fits best. Raises UsageError where only a person can tell."""
    found = fitting(secret, scripts)
    fitting_as_well = [one for one in found if _fit(secret, one) == _fit(secret, found[0])]
    if len(fitting_as_well) > 1 and not named(secret, found[0]):
        guide = [one for one in found if one.name == GENERIC]
        raise UsageError(
            f"several scripts could rotate {secret.id} ({secret.name}); which one?",
            *(f"--script {one.name}   {one.title}" for one in [*fitting_as_well[:8], *guide]),
        )
    return found[0].name


def named(secret: LeakedSecret, manifest: Manifest) -> bool:
    """Whether the rule or the label speaks of the script's own product: `postgres`, `redis`."""
    told = f"{secret.added.rule_id} {secret.added.label}".casefold()
    words = [word for word in re.split(r"[^a-z0-9]+", told) if len(word) >= SHORTEST]
    return any(
        part.startswith(word) or word.startswith(part)
        for part in manifest.name.split("-")
        for word in words
        if len(part) >= SHORTEST
    )


def _fit(secret: LeakedSecret, manifest: Manifest) -> int:
    if manifest.name == GENERIC:
        return 1
    if secret.secret_class not in manifest.classes:
        return 0
    if secret.added.provider in manifest.providers:  # the first of them is the script's own
        return 5 if secret.added.provider == manifest.providers[0] else 4
    known = secret.added.provider not in ("", "generic")
    return 3 if not manifest.providers else 0 if known else 2


def check_target(manifest: Manifest, given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a target, typed, with defaults. Raises UsageError for any that is wrong."""
    known = manifest.target
    for name in given:
        if name not in known:
            raise UsageError(
                f"{manifest.name} has no parameter {name!r}", *suggest(name, sorted(known))
            )
    missing = [one for one in known.values() if one.required and one.name not in given]
    if missing:
        names = ", ".join(one.name for one in missing)
        hints = (f"--target {one.name}=...   {one.help}" for one in missing)
        raise UsageError(f"{manifest.name} needs to know: {names}", *hints)
    defaults = {
        name: parameter.default
        for name, parameter in known.items()
        if parameter.default is not None
    }
    return defaults | {name: _typed(manifest, name, text) for name, text in given.items()}


def _typed(manifest: Manifest, name: str, text: str) -> str | int | bool:
    parameter = manifest.target[name]
    if parameter.choices and text not in parameter.choices:
        raise UsageError(f"{name!r} cannot be {text!r}", f"one of: {', '.join(parameter.choices)}")
    try:
        return typed(parameter.type, text)
    except ValueError as error:
        raise UsageError(f"the parameter {name!r} {error}", parameter.help) from None
