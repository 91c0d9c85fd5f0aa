"""`notify.yml` of the user's data folder: where messages go. Tokens stand in the environment.

```yaml
channels:
  ops:       {kind: slack, url: env:OPS_WEBHOOK, audience: [internal, owner]}
  tickets:   {kind: github, repository: acme/incidents, token: env:GH_TOKEN, audience: [internal]}
  customers: {kind: mail, host: mail.example.com, sender: security@example.com,
              to: [list@example.com], user: leakguard, password: env:MAIL_PASSWORD,
              audience: [customers]}
```

A scanned repository cannot name a channel: only this file can, and only its
owner may write it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from leakguard.errors import ConfigError, Place, UsageError
from leakguard.load import inside
from leakguard.load.document import Document, Node, suggest
from leakguard.respond.comms import AUDIENCES
from leakguard.secret import Secret

FILE = "notify.yml"
MAX_BYTES = 64 * 1024


class Form(NamedTuple):
    """What a kind of channel needs and takes; secrets come from the environment only."""

    secrets: tuple[str, ...]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


KINDS: Mapping[str, Form] = {
    "apprise": Form(("url",)),
    "webhook": Form(("url", "key")),
    "slack": Form(("url",)),
    "pagerduty": Form(("key",), takes=("server",)),
    "mail": Form(
        ("password",), needs=("host", "sender", "to"), takes=("port", "security", "user", "ca")
    ),
    "github": Form(("token",), needs=("repository",), takes=("server",)),
    "gitlab": Form(("token",), needs=("repository",), takes=("server",)),
}
"""A mail channel needs a password only if it has a user."""

SECURITY = ("starttls", "tls", "none")
_REFERENCE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,100})")
_MAIL = re.compile(r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9.-]{1,200}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Channel:
    """One way out. `secrets` is empty until `channel` has read the environment."""

    name: str
    kind: str
    audience: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    to: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


def channels(data_folder: str) -> tuple[Channel, ...]:
    """All channels, without their secrets; none when there is no file. Raises ConfigError."""
    path = os.path.join(data_folder, FILE)
    if not os.path.lexists(path):
        return ()
    _only_ours(path)
    return read(path, inside.read_file(path, path, MAX_BYTES))


def channel(name: str, data_folder: str, env: Mapping[str, str]) -> Channel:
    """A channel that is ready to send. Raises UsageError for an unknown one, ConfigError when a
    variable is not set.
    """
    known = {one.name: one for one in channels(data_folder)}
    if name not in known:
        hints = suggest(name, list(known)) if known else (f"describe it in {data_folder}/{FILE}",)
        raise UsageError(f"there is no channel {name!r}", *hints)
    return armed(known[name], env)


def armed(found: Channel, env: Mapping[str, str]) -> Channel:
    """The channel with its secrets from `env`. Raises ConfigError that names what is not set."""
    lacks = [name for name in found.references.values() if not env.get(name)]
    if lacks:
        raise ConfigError(
            f"channel {found.name}: {', '.join(lacks)} is not set",
            "set it for this command only, for example from your password manager",
        )
    secrets = {key: _secret(found.name, key, env[name]) for key, name in found.references.items()}
    return replace(found, secrets=secrets)


def _secret(name: str, key: str, text: str) -> Secret:
    """A value that a header or an address can hold; a password may be anything."""
    text = text.strip()
    if key not in ("password", "key") and not (text.isascii() and text.isprintable()):
        raise ConfigError(f"channel {name}: {key} has characters that none has",
                          "was it copied whole, and alone?")  # fmt: skip
    return Secret(os.fsencode(text))


def read(path: str, raw: bytes) -> tuple[Channel, ...]:
    """The channels of a file. Raises ConfigError at the first mistake."""
    doc = Document(path, raw)
    if doc.root is None:
        return ()
    entries = doc.mapping(doc.root, ("channels",), "this file")
    if "channels" not in entries:
        return ()
    named = doc.mapping(entries["channels"], None, "channels")
    return tuple(_channel(doc, name, node) for name, node in named.items())


def _channel(doc: Document, name: str, node: Node) -> Channel:
    if not _NAME.fullmatch(name):
        doc.fail(node, f"{name!r} is no name for a channel", "small letters, digits and hyphens")
    entries = doc.mapping(node, None, f"channel {name}")
    if "kind" not in entries:
        doc.fail(node, f"channel {name} needs 'kind'", f"one of: {', '.join(KINDS)}")
    kind = doc.choice(entries["kind"], KINDS, "kind")
    form = KINDS[kind]
    known = ("kind", "audience", *form.secrets, *form.needs, *form.takes)
    entries = doc.mapping(node, known, f"channel {name}")
    secrets = form.secrets if kind != "mail" or "user" in entries else ()
    for needed in ("audience", *secrets, *form.needs):
        if needed not in entries:
            doc.fail(node, f"channel {name} needs {needed!r}")
    plain = [key for key in entries if key in (*form.needs, *form.takes) and key != "to"]
    return Channel(
        name=name,
        kind=kind,
        audience=tuple(
            doc.choice(one, AUDIENCES, "audience") for one in doc.items(entries["audience"], "it")
        ),
        settings={key: _plain(doc, entries[key], key) for key in plain},
        to=_addresses(doc, entries["to"]) if "to" in entries else (),
        references={key: _reference(doc, entries[key], key) for key in secrets},
    )


def _reference(doc: Document, node: Node, key: str) -> str:
    """The variable's name; the text itself is never shown, it may be the secret."""
    match = _REFERENCE.fullmatch(doc.text_of(node, key))
    if match is None:
        place = Place(doc.path, node.start_mark.line + 1, node.start_mark.column + 1)
        raise ConfigError(
            f"{key} does not stand in this file: name the variable that holds it",
            f"{key}: env:NAME",
            place=place,
        )
    return match[1]


def _addresses(doc: Document, node: Node) -> tuple[str, ...]:
    found = tuple(_address(doc, one) for one in doc.items(node, "to"))
    if not found:
        doc.fail(node, "a mail goes to somebody")
    return found


def _address(doc: Document, node: Node) -> str:
    text = doc.text_of(node, "an address")
    if not _MAIL.fullmatch(text):
        doc.fail(node, f"{text!r} is no mail address", "write NAME@HOST, without a name before it")
    return text


def _plain(doc: Document, node: Node, key: str) -> str:
    text = doc.text_of(node, key)
    if not text or not text.isprintable() or len(text) > 300:
        doc.fail(node, f"{key} must be one line of at most 300 characters")
    if key == "security":
        return doc.choice(node, SECURITY, "security")
    if key == "sender":
        return _address(doc, node)
    if key == "port":
        doc.number(node, int, "port")
    if "@" in text and "://" in text:
        place = Place(doc.path, node.start_mark.line + 1)
        raise ConfigError(f"{key} must not say who logs in", "user and password have their own "
                          "keys", place=place)  # fmt: skip
    return text


def _only_ours(path: str) -> None:
    """Whoever may write this file decides where messages about leaks go."""
    mode = os.stat(path).st_mode
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError("others may write this file", f"chmod go-w {path}", place=Place(path))
