"""The lists `users = [...]` of a NATS configuration file, changed without touching the rest.

An entry that a rotation set aside is a comment, which NATS skips. It holds the entry's
text in base64, so that one of several lines comes back as it was.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from leakguard.rotate.kit import Fail

GAP = re.compile(r"(?:[\s,;]|#[^\n]*|//[^\n]*)*")
KEY = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'|[^\s:={}\[\],;]+')
IS = re.compile(r"\s*[:=]?\s*")
SCALAR = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[^\s{}\[\],;]+')


@dataclass(frozen=True, slots=True)
class Node:
    """A value, and where it stands in the file: a word, a map or a list."""

    start: int
    end: int
    value: str | dict[str, Node] | list[Node]


@dataclass(frozen=True, slots=True)
class User:
    """One entry: its name, and where it and its password stand."""

    name: str
    whole: Node
    named: Node
    password: Node

    def value(self, text: str) -> str:
        """The password as the file has it, without quotes."""
        return _bare(text[self.password.start : self.password.end])


def users(text: str) -> list[User]:
    """Every user with a password. Raises Fail(unsupported) for a file that is not understood."""
    _, tree = _map(text, 0)
    return list(_in(tree))


def find(text: str, name: str) -> User | None:
    """The entry of one user."""
    return next((one for one in users(text) if one.name == name), None)


def is_plain(text: str, one: User) -> bool:
    """Whether the password stands here: not a `$VARIABLE` that stands elsewhere."""
    word = text[one.password.start : one.password.end]
    return not word.startswith("$") or word.startswith("$2")


def kept(text: str, model: User, value: str) -> str:
    """The new password as the file has the old one: plain, or as bcrypt makes it."""
    if not model.value(text).startswith("$2"):
        return value
    import bcrypt

    return str(bcrypt.hashpw(value.encode(), bcrypt.gensalt(11, prefix=b"2a")).decode())


def holds(text: str, one: User, value: str) -> bool:
    """Whether this is the entry's password."""
    held = one.value(text)
    if not held.startswith("$2"):
        return secrets.compare_digest(held.encode(), value.encode())
    import bcrypt

    return bool(bcrypt.checkpw(value.encode(), held.encode()))


def keepable(text: str, old: User) -> tuple[bool, str]:
    """Whether `kept` can do that here, and how it would."""
    try:
        kept(text, old, "x")
    except ImportError:
        return False, "the file has bcrypt: pip install bcrypt"
    return True, "plain" if not old.value(text).startswith("$2") else "bcrypt"


def add_like(text: str, model: User, name: str, password: str) -> str:
    """The file with one more user before another, alike in all but name and password."""
    parts = sorted(
        [(model.named, name), (model.password, password)], key=lambda part: part[0].start
    )
    entry, at = "", model.whole.start
    for node, word in parts:
        entry += text[at : node.start] + json.dumps(word)
        at = node.end
    entry += text[at : model.whole.end]
    line = text.rfind("\n", 0, model.whole.start) + 1
    indent = re.match(r"[ \t]*", text[line:])
    gap = indent.group() if indent else ""
    return f"{text[: model.whole.start]}{entry},\n{gap}{text[model.whole.start :]}"


def without(text: str, one: User) -> str:
    """The file without an entry, and without the comma behind it."""
    rest = re.sub(r"^[ \t]*,\s*", "", text[one.whole.end :])
    return text[: one.whole.start] + rest


def set_aside(text: str, one: User, rotation: str) -> str:
    """The file with an entry turned into a comment."""
    comma = re.match(r"[ \t]*,?", text[one.whole.end :])
    end = one.whole.end + (comma.end() if comma else 0)
    kept = base64.b64encode(text[one.whole.start : end].encode()).decode()
    comment = f"\n#leakguard {rotation} {json.dumps(one.name)} {kept}\n"
    return text[: one.whole.start] + comment + text[end:]


def is_aside(text: str, name: str, rotation: str) -> bool:
    """Whether this rotation set the user's entry aside."""
    return _comment(name, rotation).search(text) is not None


def strike(text: str, name: str, rotation: str) -> str:
    """The file without the comment."""
    return _comment(name, rotation).sub("\n", text)


def bring_back(text: str, name: str, rotation: str) -> str:
    """The file with the entry as it was."""
    return _comment(name, rotation).sub(lambda hit: base64.b64decode(hit[1]).decode(), text)


def _comment(name: str, rotation: str) -> re.Pattern[str]:
    words = f"#leakguard {rotation} {json.dumps(name)} "
    return re.compile(rf"\n{re.escape(words)}(\S+)\n")


def _in(node: Node) -> Iterator[User]:
    if isinstance(node.value, list):
        for one in node.value:
            yield from _in(one)
    elif isinstance(node.value, dict):
        for key, one in node.value.items():
            if key == "users" and isinstance(one.value, list):
                yield from (user for user in map(_user, one.value) if user)
            else:
                yield from _in(one)


def _user(node: Node) -> User | None:
    held = node.value if isinstance(node.value, dict) else {}
    named = held.get("user") or held.get("username")
    password = held.get("password") or held.get("pass")
    if not (named and password and isinstance(named.value, str)):
        return None
    return User(named.value, node, named, password)


def _map(text: str, at: int, close: str = "") -> tuple[int, Node]:
    start, held = at, dict[str, Node]()
    while (at := _skip(text, at)) < len(text) and text[at] != close:
        key = _match(KEY, text, at)
        at, node = _value(text, _match(IS, text, key.end()).end())
        held[_bare(key.group()).lower()] = node
    return _closed(text, start, at, close, held)


def _list(text: str, at: int) -> tuple[int, Node]:
    start, held = at, list[Node]()
    while (at := _skip(text, at)) < len(text) and text[at] != "]":
        at, node = _value(text, at)
        held.append(node)
    return _closed(text, start, at, "]", held)


def _value(text: str, at: int) -> tuple[int, Node]:
    if text[at : at + 1] == "{":
        end, node = _map(text, at + 1, "}")
        return end, Node(at, end, node.value)
    if text[at : at + 1] == "[":
        end, node = _list(text, at + 1)
        return end, Node(at, end, node.value)
    word = _match(SCALAR, text, at)
    return word.end(), Node(at, word.end(), _bare(word.group()))


def _closed(
    text: str, start: int, at: int, close: str, held: dict[str, Node] | list[Node]
) -> tuple[int, Node]:
    if close and at >= len(text):
        raise Fail("unsupported", "the file ends inside a block")
    end = at + len(close)
    return end, Node(start, end, held)


def _skip(text: str, at: int) -> int:
    return _match(GAP, text, at).end()


def _match(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    hit = pattern.match(text, at)
    if hit is None:
        raise Fail("unsupported", "the file is not understood")
    return hit


def _bare(word: str) -> str:
    return word[1:-1] if word[0] in "\"'" else word
