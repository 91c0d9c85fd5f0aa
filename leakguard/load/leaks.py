"""Reports of leaks, ours and those of other scanners, as leaks.

Foreign reports often hold raw secrets: they go into `Secret` at once. Formats
are told apart by what stands in them, since file names say little.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from leakguard.errors import ConfigError, Place, UnreadError
from leakguard.finding import Exposure, Validity
from leakguard.leak import Leak, Sighting
from leakguard.rule import CLASSES, SEVERITIES, TIERS
from leakguard.secret import Secret

MAX_BYTES = 64 * 1024 * 1024
NAME_MAX = 200
PATH_MAX = 4096
KNOWN = "leakguard JSON, SARIF, GitLab, gitleaks, kingfisher, trufflehog, detect-secrets"

_BROKEN = (LookupError, TypeError, AttributeError, ValueError, OverflowError)
"""What a stranger's report brings about where its format is not kept."""

_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_WORDS = (
    ("database-password", ("postgres", "mysql", "mongodb", "database", "jdbc", "redis")),
    ("cloud-access-key", ("aws", "alibaba", "azure-storage", "azurestorage")),
    ("cloud-service-account-key", ("service-account", "gcp", "serviceaccount")),
    ("ssh-user-key", ("private-key", "privatekey", "openssh")),
    ("registry-token", ("npm", "pypi", "rubygems", "docker")),
    ("session-signing-key", ("jwt", "session")),
    ("webhook-secret", ("webhook",)),
    ("oauth-client-secret", ("client-secret", "oauth")),
    ("personal-password", ("password", "basic-auth", "basicauth")),
    ("generic", ("generic", "entropy", "keyword")),
)


def read(path: str) -> list[Leak]:
    """The leaks of a report file. Raises UnreadError and ConfigError (with the way out)."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadError(f"cannot read {path!r}", cause=error.strerror or "") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES // 1024**2} MiB", place=Place(path))
    return parse(raw, path)


def parse(raw: bytes, path: str) -> list[Leak]:
    """The leaks in the bytes of a report. Raises ConfigError for what is none, or not whole."""
    found = _json(raw, path)
    for fits, convert in _FORMATS:
        if fits(found):
            try:
                return list(convert(found, path))
            except (
                LookupError,
                TypeError,
                AttributeError,
                ValueError,
                OverflowError,
                StopIteration,
            ):
                raise ConfigError(
                    "this report lacks what its format promises",
                    "write it again with the tool that made it",
                    place=Place(path),
                ) from None
    raise ConfigError("no report that we know", f"known are: {KNOWN}", place=Place(path))


def _json(raw: bytes, path: str) -> Any:
    """One JSON value, or the values of JSON lines."""
    try:
        return json.loads(raw)
    except RecursionError:
        raise ConfigError("nested too deeply", place=Place(path)) from None
    except ValueError:
        pass
    lines = [line for line in raw.splitlines() if line.strip()]
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError):
            hint = "a report that is cut short would hide findings; write it again"
            raise ConfigError("not whole JSON", hint, place=Place(path, number)) from None
    return values


def _keys(found: Any, *names: str) -> bool:
    return isinstance(found, dict) and all(name in found for name in names)


def _each(found: Any, *names: str) -> bool:
    return isinstance(found, list) and bool(found) and all(_keys(one, *names) for one in found)


# Ours


def _ours(found: Any, path: str) -> Iterator[Leak]:
    if found["schema"] != "leakguard/1":
        raise ConfigError(
            "a report of another version of leakguard",
            "install the leakguard that wrote it, or scan again with this one",
            place=Place(path),
        )
    for one in found["findings"]:
        yield Leak(
            id=_hex(one["fingerprint"]),
            fingerprint=_hex(one["fingerprint"]),
            rule_id=_text(one["rule_id"]),
            secret_class=_one_of(CLASSES, one["class"]),
            name=_text(one["rule_name"]),
            provider=_text(one["provider"]),
            severity=_one_of(SEVERITIES, one["severity"]),
            confidence=_one_of(TIERS, one["confidence"]),
            validity=_one_of(Validity, one["validity"]),
            exposure=_one_of(Exposure, one["exposure"]),
            preview=_text(one["preview"]),
            places=tuple(_our_place(place) for place in one["locations"]),
        )


def _our_place(place: Any) -> Sighting:
    commit = _commit(place["commit"])
    if place["commit"] and not commit:
        raise ValueError("no commit")
    return Sighting(
        _text(place["path"], PATH_MAX), int(place["start_line"]), commit,
        _text(place["author_date"] or ""), int(place["start_column"]),
    )  # fmt: skip


def _hex(told: Any) -> str:
    """A fingerprint. Raises ValueError for anything else: it is typed, and goes into a record."""
    if not (isinstance(told, str) and _FINGERPRINT.fullmatch(told)):
        raise ValueError("no fingerprint")
    return told


def _one_of(known: Iterable[str], told: Any) -> str:
    """One of the words that our own format has. Raises ValueError for another."""
    if told not in [str(one) for one in known]:
        raise ValueError("no word of this format")
    return str(told)


def _text(told: Any, most: int = NAME_MAX) -> str:
    """A stranger's words, cut where nobody would read on. Raises ValueError, TypeError.

    NUL and half characters cannot be part of any name, nor be kept or printed.
    """
    if not isinstance(told, str):
        raise TypeError("no text")
    if "\0" in told:
        raise ValueError("a NUL")
    told.encode()
    return told if len(told) <= most else told[: most - 3] + "..."


def _sarif(found: Any, _: str) -> Iterator[Leak]:
    for run in found["runs"]:
        tool = _text(run["tool"]["driver"]["name"])
        for result in run.get("results") or ():
            places = tuple(_sarif_place(place) for place in result.get("locations") or ())
            prints = result.get("partialFingerprints") or {}
            own = prints.get("leakguard/v1") if tool == "leakguard" else None
            yield _leak(tool, result["ruleId"], places, fingerprint=_hex(own) if own else "")


def _sarif_place(place: Any) -> Sighting:
    physical = place["physicalLocation"]
    region = physical.get("region") or {}
    return Sighting(
        _text(physical["artifactLocation"]["uri"], PATH_MAX), int(region.get("startLine") or 0),
        column=int(region.get("startColumn") or 0),
    )  # fmt: skip


def _gitlab(found: Any, _: str) -> Iterator[Leak]:
    for one in found["vulnerabilities"]:
        where = one["location"]
        commit = (where.get("commit") or {}).get("sha") or ""
        path = _text(where["file"], PATH_MAX)
        place = Sighting(path, int(where.get("start_line") or 0), _commit(commit))
        tool = _text((one.get("scanner") or {}).get("id") or "gitlab")
        rule = str(one["identifiers"][0]["value"])
        value = one.get("raw_source_code_extract")
        yield _leak(tool, rule, (place,), value=value if isinstance(value, str) else None)


# Other scanners


def _gitleaks(found: Any, _: str) -> Iterator[Leak]:
    for one in found:
        place = Sighting(
            _text(one["File"], PATH_MAX), int(one["StartLine"]), _commit(one.get("Commit")),
            _text(one.get("Date") or ""), int(one.get("StartColumn") or 0),
        )  # fmt: skip
        yield _leak("gitleaks", one["RuleID"], (place,), one.get("Secret"), one.get("Match"))


def _trufflehog(found: Any, _: str) -> Iterator[Leak]:
    for one in found if isinstance(found, list) else [found]:
        data, *_ = one["SourceMetadata"]["Data"].values()
        place = Sighting(
            _text(data.get("file") or "", PATH_MAX), int(data.get("line") or 0),
            _commit(data.get("commit")), _text(data.get("timestamp") or ""),
        )  # fmt: skip
        validity = "active" if one.get("Verified") is True else "unknown"
        yield _leak("trufflehog", one["DetectorName"], (place,), one.get("Raw"), validity=validity)


def _kingfisher(found: Any, _: str) -> Iterator[Leak]:
    for one in found["findings"] if isinstance(found, dict) else found:
        seen = one["finding"]
        git = seen.get("git_metadata") or {}
        commit = git.get("commit") or {}
        place = Sighting(
            _text(seen["path"], PATH_MAX), int(seen.get("line") or 0), _commit(commit.get("id")),
            _text(commit.get("date") or ""),
        )  # fmt: skip
        told = str((seen.get("validation") or {}).get("status", "")).casefold()
        validity = {"active credential": "active", "inactive credential": "inactive"}.get(told)
        value = seen.get("snippet")
        yield _leak(
            "kingfisher", one["rule"]["id"], (place,), value, validity=validity or "unknown",
            name=one["rule"].get("name") or "",
        )  # fmt: skip


def _baseline(found: Any, _: str) -> Iterator[Leak]:
    for path, several in found["results"].items():
        for one in several:
            place = Sighting(_text(path, PATH_MAX), int(one["line_number"]))
            yield _leak("detect-secrets", one["type"], (place,))


def _leak(
    tool: str, rule: Any, places: tuple[Sighting, ...], value: Any = None, context: Any = None,
    *, fingerprint: str = "", validity: str = "unknown", name: str = "",
) -> Leak:  # fmt: skip
    """A leak of a foreign report, with an id that the same report always gives."""
    rule = _text(str(rule))
    first = places[0] if places else Sighting("")
    told = f"{tool}\0{rule}\0{first.path}\0{first.line}\0{first.commit}"
    raw = Secret(value.encode()) if isinstance(value, str) and value else None
    seen = Secret(context.encode()) if isinstance(context, str) and context else raw
    return Leak(
        id=fingerprint or hashlib.sha256(told.encode()).hexdigest()[:16],
        fingerprint=fingerprint,
        rule_id=rule,
        secret_class=_class(rule),
        name=_text(name) if name else rule,
        validity=validity,
        exposure="committed" if first.commit else "local",
        places=places,
        tool=tool,
        value=raw,
        context=seen,
    )


def _class(rule: str) -> str:
    """Which class another tool's rule speaks of, by its words; most are keys of some provider."""
    told = rule.casefold().replace("_", "-").replace(" ", "-")
    for name, words in _WORDS:
        if any(word in told for word in words):
            return name
    return "provider-api-key"


def _commit(told: Any) -> str:
    """A commit's name; zeros and dashes mean none. Never an option that git would obey."""
    text = str(told or "")
    return text if _COMMIT.fullmatch(text) and text.strip("0") else ""


_FORMATS: tuple[tuple[Callable[[Any], bool], Callable[[Any, str], Iterator[Leak]]], ...] = (
    (lambda found: _keys(found, "schema", "findings"), _ours),
    (lambda found: _keys(found, "runs"), _sarif),
    (lambda found: _keys(found, "vulnerabilities"), _gitlab),
    (lambda found: _keys(found, "results", "plugins_used"), _baseline),
    (lambda found: _keys(found, "findings") or _each(found, "rule", "finding"), _kingfisher),
    (lambda found: _each(found, "RuleID", "File", "StartLine"), _gitleaks),
    (
        lambda found: (
            _keys(found, "SourceMetadata", "DetectorName")
            or _each(found, "SourceMetadata", "DetectorName")
        ),
        _trufflehog,
    ),
    (lambda found: found == [], lambda *_: iter(())),
)
