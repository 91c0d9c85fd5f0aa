"""The configuration, rules and allowances of one commit, laid out in a folder of their own.

A proposed change must not allow its own leak, so what decides is read from the
branch it would be merged into. Links are refused: what they lead to is not in
the commit's own files.
"""

from __future__ import annotations

import os

import yaml

from leakguard.errors import ConfigError, Place
from leakguard.load import config, inside, suppressions
from leakguard.load.document import Document
from leakguard.read import git, objects

DEEP = 8
"""So many folders above a repository an extended file may lie."""

Files = dict[str, bytes]


def of_commit(commit: str, top: str, chosen: str = "") -> Files:
    """What decides at `commit`; `chosen` is a configuration file used instead of the usual one.

    Raises ConfigError.
    """
    found = _read(_listed(commit, top, config.FILE, ".leakguard"), top)
    if chosen:
        found[config.FILE] = _chosen(commit, top, chosen)
    todo = _extended(found.get(config.FILE))
    for _ in range(2):  # as deep as a configuration may extend
        if todo is None or todo in found or os.path.isabs(todo) or todo.startswith("~"):
            break
        found[todo] = _of_either(commit, top, todo)
        todo = _extended(found[todo])
    return found


def of_checkout(top: str, chosen: str) -> Files:
    """What decides in the checkout, with the configuration file `chosen`. Raises ConfigError."""
    found = {path: raw for path, raw in config.sources(top) if path != config.FILE}
    allow = inside.read(top, suppressions.FILE, suppressions.MAX_BYTES)
    if allow is not None:
        found[suppressions.FILE] = allow
    found[config.FILE] = inside.read_file(chosen, chosen, config.MAX_BYTES)
    todo = _extended(found[config.FILE])
    if todo is not None and not os.path.isabs(todo) and not todo.startswith("~"):
        found[todo] = inside.read_file(os.path.join(top, todo), todo, config.MAX_BYTES)
    return found


def lay_out(files: Files, folder: str) -> str:
    """Write the files below `folder`; the path that stands for the repository's top."""
    root = os.path.join(folder, *(str(level) for level in range(DEEP)))
    os.makedirs(root)
    for path, raw in files.items():
        full = os.path.normpath(os.path.join(root, path))
        if os.path.commonpath([full, folder]) != folder:
            raise ConfigError(f"lies more than {DEEP} folders up", place=Place(path))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(raw)
    return root


def _listed(commit: str, top: str, *paths: str) -> dict[str, str]:
    """Path to object of the files of `commit` that decide. Raises ConfigError for links."""
    found = {}
    for record in git.records(
        "ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths,
        folder=top, what="the base's configuration could not be read",
    ):  # fmt: skip
        head, _, raw = record.partition(b"\t")
        mode, _, name = head.decode("ascii", "replace").split(" ")
        path = os.fsdecode(raw)
        if paths[0] == config.FILE and not _decides(path):
            continue
        if mode not in ("100644", "100755"):
            raise ConfigError(
                f"is no plain file at {commit[:7]}",
                "in a pipeline what decides is read from plain files of the base",
                place=Place(path),
            )
        found[path] = name
    return found


def _decides(path: str) -> bool:
    folder, name = os.path.split(path)
    return (
        path in (config.FILE, suppressions.FILE, ".leakguard", config.RULES_FOLDER)
        or (folder == config.RULES_FOLDER and name.endswith((".yml", ".yaml")))
    )  # fmt: skip


def _read(listed: dict[str, str], top: str) -> Files:
    if not listed:
        return {}
    ids = "".join(f"{name}\n" for name in dict.fromkeys(listed.values())).encode()
    contents = dict(objects.whole_objects(ids, top))
    return {path: contents[name] for path, name in listed.items()}


def _chosen(commit: str, top: str, path: str) -> bytes:
    """A configuration file that was named: the base's, if it lies in the repository."""
    within = os.path.relpath(os.path.realpath(path), os.path.realpath(top))
    return _of_either(commit, top, within)


def _of_either(commit: str, top: str, path: str) -> bytes:
    """A file as `commit` has it, or of the machine where it lies outside of the repository."""
    path = os.path.normpath(path)
    if path.startswith(os.pardir):
        return inside.read_file(os.path.join(top, path), path, config.MAX_BYTES)
    listed = _listed(commit, top, path)
    if path not in listed:
        raise ConfigError(
            f"is not there at {commit[:7]}, which decides for this change",
            "merge the file first; it counts from then on",
            place=Place(path),
        )
    return _read({path: listed[path]}, top)[path]


def _extended(raw: bytes | None) -> str | None:
    """The file that a configuration extends. What is wrong in it is told when it is loaded."""
    if raw is None:
        return None
    root = Document(config.FILE, raw).root
    if not isinstance(root, yaml.MappingNode):
        return None
    for key, value in root.value:
        if key.value == "extends" and isinstance(value, yaml.MappingNode):
            return next((str(node.value) for name, node in value.value
                         if name.value == "file"), None)  # fmt: skip
    return None
