"""Hooks for one repository, in the folder where git looks for them."""

from __future__ import annotations

import os

from leakguard.errors import UsageError
from leakguard.install import RefusedError, everywhere, files, managers
from leakguard.install.place import Place, find, refuse
from leakguard.install.script import make

HOOKS = ("pre-commit", "pre-push", "commit-msg", "pre-receive")
"""The hooks that leakguard has."""


def turn_on(
    hooks: tuple[str, ...], templates: dict[str, bytes], python: str, *, force: bool
) -> tuple[str, list[tuple[str, str]]]:
    """Write the scripts; (the folder, (hook, what was done) for each).

    Without names it is pre-commit and pre-push, and pre-receive where nobody
    commits. Raises RefusedError, before any change, where others write the hooks.
    """
    place = find()
    hooks = hooks or (("pre-receive",) if place.bare else ("pre-commit", "pre-push"))
    if place.bare and set(hooks) & set(managers.CLIENT):
        raise UsageError(
            "nobody commits in a bare repository, it only receives",
            "leakguard install --hook pre-receive",
        )
    if everywhere.is_ours(place.setting):
        return place.folder, _on_already(hooks)
    if not place.ours_to_write:
        raise refuse(place, hooks)
    if refusal := managers.refuse(place, hooks):
        raise refusal
    for hook in hooks:
        files.check(os.path.join(place.folder, hook), force=force)
    # An interpreter of this machine means nothing to those who share the folder.
    baked = "" if place.shared else python
    return place.folder, [
        (hook, files.put(os.path.join(place.folder, hook), make(templates[hook], baked)))
        for hook in hooks
    ]


def turn_off(hooks: tuple[str, ...], *, force: bool) -> tuple[str, list[tuple[str, str]]]:
    """Take the scripts away, also where git does not look for hooks any more."""
    place = find()
    hooks = hooks or HOOKS
    paths = {hook: _path(place, hook) for hook in hooks}
    for path in paths.values():
        files.check_take(path, force=force)
    return place.folder, [(hook, files.take(path)) for hook, path in paths.items()]


def _path(place: Place, hook: str) -> str:
    """Where our script is: hooksPath may have been set after it was written."""
    first = os.path.join(place.folder, hook)
    if place.ours_to_write and os.path.lexists(first):
        return first
    return os.path.join(place.common, "hooks", hook)


def _on_already(hooks: tuple[str, ...]) -> list[tuple[str, str]]:
    missing = [hook for hook in hooks if hook not in everywhere.turned_on()]
    if missing:
        raise RefusedError(
            f"all your repositories have leakguard, but without {' and '.join(missing)}",
            "leakguard install --global" + "".join(f" --hook {hook}" for hook in missing),
        )
    return [(hook, "runs already, as in all your repositories") for hook in hooks]
