"""Hooks for all repositories of a user, through `core.hooksPath` in the global configuration.

git then looks for every hook in our folder only, so the folder has a script for
each name there is: it runs the repository's own hook, which would be silenced.
"""

from __future__ import annotations

import os
import sys

from leakguard.install import RefusedError, files
from leakguard.install.place import Setting, same, settings
from leakguard.install.script import MARKER, Kind, is_gate, kind, make
from leakguard.read import git

NAMES = (
    "applypatch-msg", "commit-msg", "p4-changelist", "p4-post-changelist", "p4-pre-submit",
    "p4-prepare-changelist", "post-applypatch", "post-checkout", "post-commit",
    "post-index-change", "post-merge", "post-receive", "post-rewrite", "post-update",
    "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit", "pre-push", "pre-rebase",
    "pre-receive", "prepare-commit-msg", "proc-receive", "push-to-checkout",
    "reference-transaction", "sendemail-validate", "update",
)  # fmt: skip
"""Every hook that git looks for by name; fsmonitor-watchman is configured by its path."""


def folder() -> str:
    """Our hooks folder in the user's configuration."""
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or os.path.expanduser("~")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(base, "leakguard", "hooks")


def is_ours(setting: Setting | None) -> bool:
    """Whether a `core.hooksPath` leads to our folder."""
    return setting is not None and same(setting.value, folder())


def turn_on(
    hooks: tuple[str, ...], templates: dict[str, bytes], python: str, *, force: bool
) -> tuple[str, list[tuple[str, str]]]:
    """Write the folder and point git at it; (the folder, (hook, what was done) for each).

    Without names it is pre-commit and pre-push; what was on before stays on.
    Raises RefusedError, before any change, where the setting is someone else's.
    """
    _check_setting()
    hooks = hooks or ("pre-commit", "pre-push")
    gates = {*hooks, *(hook for hook in turned_on() if hook in templates)}
    scripts = {
        name: make(_template(name, gates, templates), python, everywhere=True) for name in NAMES
    }
    for name in NAMES:
        _check_ours(name, force=force)
    done = {name: files.put(_path(name), script) for name, script in scripts.items()}
    _configure("core.hooksPath", folder())
    return folder(), [(hook, done[hook]) for hook in hooks]


def turn_off(
    hooks: tuple[str, ...], templates: dict[str, bytes], *, force: bool
) -> tuple[str, list[tuple[str, str]]]:
    """Take `hooks` out; with the last one, the setting and the folder go too."""
    for name in NAMES:
        files.check_take(_path(name), force=force)
    before = turned_on()
    done = [(hook, "removed" if hook in before else "not there") for hook in hooks]
    left = before - set(hooks)
    if left:
        for hook in before - left:
            files.put(_path(hook), make(_template(hook, left, templates), "", everywhere=True))
        return folder(), done
    if any(is_ours(setting) for setting in _global()):
        _configure("--unset-all", "core.hooksPath")
    for name in NAMES:
        files.take(_path(name))
    for empty in (folder(), os.path.dirname(folder())):
        if os.path.isdir(empty) and not os.listdir(empty):
            os.rmdir(empty)
    return folder(), done


def turned_on() -> set[str]:
    """The hooks that run leakguard everywhere now."""
    return {name for name in NAMES if is_gate(files.read(_path(name)) or b"")}


def _template(name: str, gates: set[str], templates: dict[str, bytes]) -> bytes:
    if name in gates or name == "push-to-checkout":
        return templates[name]
    return templates["other"]


def _path(name: str) -> str:
    return os.path.join(folder(), name)


def _global() -> list[Setting]:
    return [setting for setting in settings() if setting.scope in ("system", "global")]


def _check_setting() -> None:
    found = _global()
    if not found or is_ours(found[-1]):
        return
    setting = found[-1]
    raise RefusedError(
        f"all repositories already take hooks from {setting.value}",
        "add leakguard to the scripts in that folder instead: "
        'leakguard hook pre-commit "$@" || exit',
        f"or, if nobody needs it: git config --{setting.scope} --unset core.hooksPath",
        cause=f"core.hooksPath is set in {setting.origin}",
    )


def _check_ours(name: str, *, force: bool) -> None:
    if kind(files.read(_path(name)) or MARKER) is Kind.FOREIGN:
        raise RefusedError(
            f"a {name} hook that is not ours is in the folder that is",
            "move it away, then try again",
            cause=_path(name),
        )
    files.check(_path(name), force=force)


def _configure(*words: str) -> None:
    git.output("config", "--global", *words, what="git could not write its global configuration")
