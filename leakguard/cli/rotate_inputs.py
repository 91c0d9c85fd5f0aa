"""What a rotation is given on the command line: parameters, consumers, and secrets out of sight."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import click

from leakguard.errors import RefusedError, UnreadError, UsageError
from leakguard.finding import Candidate
from leakguard.incident import LeakedSecret
from leakguard.load import inside, recent
from leakguard.load.pack import Pack, open_pack
from leakguard.read import git, repository
from leakguard.rotate.choose import check_target
from leakguard.rotate.manifest import Manifest
from leakguard.rotate.plan import Delivery
from leakguard.rotate.script import Script, named
from leakguard.secret import Secret

MAX_VALUE = 1024 * 1024
_SOURCES = "fd:3, file:PATH or env:NAME"
_SUBJECT = re.compile(r"S\d+")


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """`key=value` words. Raises UsageError."""
    found = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} takes key=value", f"{option} host=db.example.com")
        found[key] = value
    return found


def of_subject(given: Mapping[str, str], secret: str) -> dict[str, str]:
    """The entries that are about one secret: `S2.host` goes before `host`."""
    own = {
        key.partition(".")[2]: value
        for key, value in given.items()
        if key.partition(".")[0] == secret
    }
    return {key: value for key, value in given.items() if not _SUBJECT.match(key)} | own


def read(source: str) -> Secret:
    """A value from where it may be handed over: never from argv. Raises UsageError, UnreadError."""
    kind, colon, where = source.partition(":")
    if not colon or kind not in ("fd", "file", "env") or not where:
        raise UsageError(
            "a secret is named by its source, never written out", f"one of: {_SOURCES}"
        )
    if kind == "env":
        if where not in os.environ:
            raise UsageError(f"there is no variable {where!r}")
        return Secret(os.fsencode(os.environ[where]))
    raw = _descriptor(where) if kind == "fd" else inside.read_file(where, where, MAX_VALUE)
    if len(raw) > MAX_VALUE:
        raise UsageError("that is too long for a secret")
    return Secret(_without_line_end(raw))


def _descriptor(where: str) -> bytes:
    if not where.isdigit():
        raise UsageError("fd: takes a number", "--slot admin=fd:3 3<file")
    try:
        with open(int(where), "rb", closefd=False) as file:
            return file.read(MAX_VALUE + 1)
    except OSError as error:
        raise UnreadError(
            f"descriptor {where} cannot be read", cause=error.strerror or ""
        ) from None


def _without_line_end(raw: bytes) -> bytes:
    """Editors end a file with a line end; a value of several lines keeps its own."""
    return raw.removesuffix(b"\n").removesuffix(b"\r") if raw.count(b"\n") == 1 else raw


def ask_for(manifest: Manifest, have: Mapping[str, Secret], who: str = "") -> dict[str, Secret]:
    """The required secrets that nobody gave yet, typed at a terminal and not shown."""
    import sys

    if not sys.stdin.isatty():
        return {}
    asked = {}
    wanted = {name for names in manifest.needs.values() for name in names}
    for name, slot in manifest.slots.items():
        key = f"{who}.{name}" if who else name
        if slot.required and name in wanted and name not in have and key not in have:
            asked[key] = _typed(f"{manifest.title}: {slot.help}")
    if "old" in wanted and "old" not in have and not who:
        asked["old"] = _typed("the leaked value itself, to prove it dead (empty: not at hand)")
    return {key: value for key, value in asked.items() if value.reveal()}


def _typed(text: str) -> Secret:
    said: str = click.prompt(text, default="", hide_input=True, show_default=False, err=True)
    return Secret(said.encode())


# Consumers


def deliveries(
    given: Sequence[str],
    listed: Mapping[str, str],
    scripts: Mapping[str, Script],
    others: Collection[str] = (),
) -> list[Delivery]:
    """The consumers of a rotation: those with a script (`--consumer`), then those by hand.

    `listed` are the incident's own, by id with their names. `C1=kind:params` is about
    one of them; without an id it is one more. `others` use another secret.
    """
    found: list[Delivery] = []
    taken = {*listed, *others}
    free = (f"C{number}" for number in range(1, 10_000) if f"C{number}" not in taken)
    for word in given:
        if word.partition("=")[0] in others:
            continue
        consumer, rest = _named(word, listed)
        kind, _, params = rest.partition(":")
        script = named(scripts, kind)
        if script.manifest.kind != "consumer":
            raise UsageError(f"{kind} is an issuer, not a consumer", "leakguard rotate list")
        told = _params(params)
        target = check_target(script.manifest, told)
        number = consumer or next(free)
        label = listed.get(number) or f"{kind} {_label(told)}".strip()
        found.append(Delivery(number, label, kind, target, new=not consumer))
    handled = {one.id for one in found}
    return found + [Delivery(key, name) for key, name in listed.items() if key not in handled]


def _named(word: str, listed: Mapping[str, str]) -> tuple[str, str]:
    key, equals, rest = word.partition("=")
    if not equals or not re.fullmatch(r"C\d+", key):
        return "", word
    if key not in listed:
        raise UsageError(f"there is no consumer {key}", f"there are: {', '.join(listed) or 'none'}")
    return key, rest


def _params(text: str) -> dict[str, str]:
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            raise UsageError("what follows the kind is not JSON") from None
        return {str(key): str(value) for key, value in found.items()}
    return pairs([word for word in text.split(",") if word], "--consumer kind:")


def _label(told: Mapping[str, str]) -> str:
    return " ".join(list(told.values())[:2])


# The leaked value


def leaked(secret: LeakedSecret, source: str | None, *, differs: bool) -> Secret | None:
    """The leaked value, from where it is handed over or was found; None when it is not at hand.

    Raises RefusedError for a value that is not the one that leaked: its refusal
    would prove nothing.
    """
    top = repository.find_top()
    if source not in (None, "finding"):
        value = read(str(source))
        if not differs and _is_another(secret, value, top):
            raise RefusedError(
                "that is not the value that leaked: that it is refused would prove nothing",
                "run this in the repository where it was found, whose salt names it",
                "if the script needs it in another form: --old-differs",
            )
        return value
    found = _found_again(secret, top)
    if found is None and source == "finding":
        raise UnreadError("the leaked value is not where it was found", "hand it over: --old fd:3")
    return found


def _is_another(secret: LeakedSecret, value: Secret, top: str | None) -> bool:
    """Whether a value is known not to be the one of the finding."""
    if not secret.added.finding or not secret.added.rule_id:
        return False
    pack = open_pack(top)
    rule = next((one for one in pack.book.rules if one.id == secret.added.rule_id), None)
    if rule is None:
        return False
    salt = pack.policy.salt.encode()
    known = value.fingerprint(rule.family, salt, guessable=rule.guessable)
    return not known.startswith(secret.added.finding)


def _found_again(secret: LeakedSecret, top: str | None) -> Secret | None:
    """The value in the work tree or the history, by the places of the last run here."""
    if top is None or not secret.added.finding:
        return None
    try:
        entries = recent.find(repository.git_folder(top), secret.added.finding)
    except UsageError:
        return None
    pack = open_pack(top)
    for entry in entries:
        for place in entry.get("locations", ()):
            for one in _candidates(pack, top, str(place["path"]), str(place.get("commit") or "")):
                rule, salt = one.rule, pack.policy.salt.encode()
                known = one.secret.fingerprint(rule.family, salt, guessable=rule.guessable)
                if known == entry["fingerprint"]:
                    return one.secret
    return None


def _candidates(pack: Pack, top: str, path: str, commit: str) -> Iterator[Candidate]:
    from leakguard.blob import Blob, Origin
    from leakguard.detect.scanner import Scanner

    try:
        if commit:
            data = git.output("cat-file", "blob", f"{commit}:{path}", folder=top)
        else:
            data = inside.read(top, path, 64 * MAX_VALUE) or b""
    except (UnreadError, UsageError):
        return
    yield from Scanner(pack.book, pack.prefilter.scan).look(Blob(Origin("tree", path), data))
