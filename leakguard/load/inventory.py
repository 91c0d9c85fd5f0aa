"""What lies in containers of secrets: vaults, backups, scopes of a pipeline. Names, never values.

```yaml
vault/prod:
  - {name: DATABASE_URL, class: database-password, provider: postgresql}
  - {name: BACKUP_KEY, class: dek-passphrase, opens: backup/nightly}
backup/nightly:
  - {name: root password of the old host, class: personal-password}
```
"""

from __future__ import annotations

from collections.abc import Mapping

from leakguard.errors import ConfigError, Place
from leakguard.facts import ENVIRONMENTS
from leakguard.load import inside
from leakguard.load.document import Document, Node
from leakguard.respond.containers import Content
from leakguard.rule import CLASSES

MAX_BYTES = 1024 * 1024
_KEYS = ("name", "class", "provider", "environment", "opens")


def inventory(path: str) -> Mapping[str, tuple[Content, ...]]:
    """The containers of a file. Raises ConfigError at the first mistake."""
    doc = Document(path, inside.read_file(path, path, MAX_BYTES))
    if doc.root is None:
        raise ConfigError("the inventory is empty", place=Place(path))
    return {
        name: tuple(
            _content(doc, one, f"{name}#{number}")
            for number, one in enumerate(doc.items(node, "the contents"), 1)
        )
        for name, node in doc.mapping(doc.root, None, "an inventory").items()
    }


def _content(doc: Document, node: Node, number: str) -> Content:
    entries = doc.mapping(node, _KEYS, "a content")
    if "name" not in entries:
        doc.fail(node, "a content needs 'name'", "the public name: a variable, a role, a key id")

    def said(key: str, otherwise: str = "") -> str:
        return doc.text_of(entries[key], key) if key in entries else otherwise

    kind = doc.choice(entries["class"], CLASSES, "class") if "class" in entries else "generic"
    where = "unknown"
    if "environment" in entries:
        where = doc.choice(entries["environment"], ENVIRONMENTS, "environment")
    return Content(number, said("name"), kind, said("provider"), where, said("opens"))
