"""All that a response stands on beside the case, ours with the user's own on top.

The user's own: `severity.yml`, `companions.yml` and `playbooks/` in the data
folder. Nothing of a scanned repository: it could talk an incident down.
"""

from __future__ import annotations

import os
from contextlib import suppress

from leakguard.errors import ConfigError
from leakguard.load import bundled, companions, inside, playbooks, presets, severity
from leakguard.load.document import Document
from leakguard.respond.consequences import Knowledge

MAX_BYTES = 1024 * 1024


def knowledge(preset: str, folder: str) -> Knowledge:
    """Raises ConfigError with the place of the first mistake in the user's own files."""
    own = os.path.join(folder, "playbooks")
    theirs = (own, playbooks.folder_hash(own)) if os.path.isdir(own) else ("", "")
    fragments = playbooks.playbooks("", *theirs)
    return Knowledge(
        preset=presets.preset(preset),
        policy=severity.policy(_own(folder, "severity.yml")),
        sets=companions.companions(_own(folder, "companions.yml")),
        fragments=fragments,
        playbooks=playbooks.pack_hash(fragments),
        rotatable=rotatable(),
    )


def rotatable() -> frozenset[str]:
    """The classes of secret for which a rotation script ships.

    A manifest that cannot be read only costs the hint: nobody waits for it at 3 a.m.
    """
    room = os.path.join(bundled.folder("hooks"), "rotate")
    names = sorted(os.listdir(room)) if os.path.isdir(room) else []
    found: set[str] = set()
    for name in names:
        if name != "generic":
            with suppress(OSError, ConfigError):
                found |= set(_classes(os.path.join(room, name, "manifest.yml")))
    return frozenset(found)


def _classes(path: str) -> tuple[str, ...]:
    with open(path, "rb") as file:
        doc = Document(path, file.read(), ours=True)
    if doc.root is None:
        return ()
    classes = doc.mapping(doc.root, None, "a manifest").get("classes")
    return doc.texts(classes, "classes") if classes is not None else ()


def _own(folder: str, name: str) -> list[tuple[str, bytes]]:
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        return []
    return [(path, inside.read_file(path, path, MAX_BYTES))]
