"""`profile.yml` into a Profile: from the user's data folder, and nowhere else.

```yaml
organisation: Example
security_address: security@example.com
on_call: ["+00 000 0000", ops on duty]
channel: https://chat.example.com/incidents
status_page: https://status.example.com
contacts: {legal: legal@example.com, support: help@example.com}
```
"""

from __future__ import annotations

import os
from types import MappingProxyType

from leakguard.load import inside
from leakguard.load.document import Document, Node
from leakguard.profile import CONTACTS, Flaw, Profile, flaws

FILE = "profile.yml"
MAX_BYTES = 64 * 1024

_TEXTS = ("organisation", "security_address", "channel", "status_page", "public_issues")
_KEYS = (*_TEXTS, "on_call", "contacts")


def profile(data_folder: str) -> Profile:
    """The user's own profile, else an empty one.

    None is read from a repository: a strange one cannot put its address into
    somebody's letters. Raises ConfigError.
    """
    own = os.path.join(data_folder, FILE)
    if not os.path.lexists(own):
        return Profile()
    return read(own, inside.read_file(own, own, MAX_BYTES))


def read(path: str, raw: bytes) -> Profile:
    """A profile from its YAML. Raises ConfigError at the first mistake."""
    doc = Document(path, raw)
    if doc.root is None:
        return Profile(source=path)
    entries = doc.mapping(doc.root, _KEYS, "a profile")
    texts = {key: _line(doc, entries[key], key) for key in _TEXTS if key in entries}
    calls = doc.items(entries["on_call"], "on_call") if "on_call" in entries else []
    return Profile(
        **texts,
        on_call=tuple(filter(None, (_line(doc, one, "on_call") for one in calls))),
        contacts=MappingProxyType(_contacts(doc, entries.get("contacts"))),
        source=path,
    )


def checked(found: Profile) -> tuple[Flaw, ...]:
    """The flaws of a profile, for `leakguard doctor`; an empty on-call list is one (Y-13)."""
    return tuple(flaws(found))


def _contacts(doc: Document, node: Node | None) -> dict[str, str]:
    if node is None:
        return {}
    entries = doc.mapping(node, CONTACTS, "contacts")
    return {key: _line(doc, value, key) for key, value in entries.items()}


def _line(doc: Document, node: Node, what: str) -> str:
    text = doc.text_of(node, what).strip()
    if len(text) > 300 or not text.isprintable():
        doc.fail(node, f"{what} must be one line of at most 300 characters")
    return text
