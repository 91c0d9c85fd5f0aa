"""Where git looks for the hooks of a repository, and who decided that."""

from __future__ import annotations

import os
from dataclasses import dataclass

from leakguard.errors import UnreadError, UsageError
from leakguard.install import RefusedError
from leakguard.read import git


@dataclass(frozen=True, slots=True)
class Setting:
    """A `core.hooksPath`: its `scope` (system, global, local, worktree), file and value."""

    scope: str
    origin: str
    value: str


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` is where git looks for hooks; `top` is empty in a bare repository."""

    folder: str
    top: str
    common: str
    setting: Setting | None

    @property
    def bare(self) -> bool:
        """Whether this repository only receives."""
        return not self.top

    @property
    def shared(self) -> bool:
        """Whether the folder is part of the working tree, so that others get its scripts too."""
        return (
            bool(self.top)
            and _inside(self.folder, self.top)
            and not _inside(self.folder, self.common)
        )

    @property
    def ours_to_write(self) -> bool:
        """Whether the folder belongs to this repository alone."""
        if self.setting is None:
            return True
        mine = self.setting.scope in ("local", "worktree")
        return mine and any(_inside(self.folder, part) for part in (self.top, self.common) if part)


def settings(folder: str = ".") -> list[Setting]:
    """Every `core.hooksPath` that git sees from here; the last one wins.

    Our own git calls switch hooks off on their command line, so that scope is
    left out; it also means that there is always at least one value.
    """
    fields = git.records(
        "config", "--show-scope", "--show-origin", "-z", "--type=path",
        "--get-all", "core.hooksPath",
        folder=folder, what="git could not read its configuration",
    )  # fmt: skip
    texts = [os.fsdecode(field) for field in fields]
    found = zip(texts[::3], texts[1::3], texts[2::3], strict=True)
    return [
        Setting(scope, origin.removeprefix("file:"), value)
        for scope, origin, value in found
        if scope != "command"
    ]


def find(folder: str = ".") -> Place:
    """The place for the repository around `folder`. Raises UsageError outside of one."""
    try:
        bare = git.text("rev-parse", "--is-bare-repository", folder=folder) == "true"
        common = _absolute(folder, git.text("rev-parse", "--git-common-dir", folder=folder))
        top = "" if bare else git.text("rev-parse", "--show-toplevel", folder=folder)
    except UnreadError as error:
        if "not a git repository" not in error.cause:
            raise
        raise UsageError(
            "this is not a git repository",
            "go into one, or make one with git init",
            "for all your repositories: leakguard install --global",
        ) from None
    found = settings(folder)
    if not found:
        return Place(os.path.join(common, "hooks"), top, common, None)
    # A relative folder counts from where hooks run: the top, or the bare repository.
    hooks = os.path.normpath(os.path.join(top or common, found[-1].value or os.sep))
    return Place(hooks, top, common, found[-1])


def refuse(place: Place, hooks: tuple[str, ...]) -> RefusedError:
    """Why we do not write into a folder that is not this repository's alone."""
    setting = place.setting
    assert setting is not None
    whose = {
        "system": "set for everybody on this machine",
        "global": "set for all your repositories",
    }.get(setting.scope, "set for this repository, but outside of it")
    undo = f"git config --{setting.scope} --unset core.hooksPath"
    return RefusedError(
        f"git takes hooks from {place.folder}, which is not this repository's",
        "add the lines above to the scripts in that folder; it may serve other repositories",
        f"or, if nobody needs the setting: {undo}",
        cause=f"core.hooksPath is {whose} in {setting.origin}",
        paste="".join(f"# {os.path.join(place.folder, hook)}\n{line(hook)}\n" for hook in hooks),
    )


def line(hook: str) -> str:
    """The line that runs us from somebody else's hook script."""
    return f'leakguard hook {hook} "$@" || exit'


def same(one: str, other: str) -> bool:
    """Whether two paths lead to the same folder, which need not exist."""
    return os.path.realpath(one) == os.path.realpath(other)


def _absolute(folder: str, path: str) -> str:
    return os.path.abspath(os.path.join(folder, path))


def _inside(path: str, folder: str) -> bool:
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
