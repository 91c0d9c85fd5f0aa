"""Reports of leaks, ours and those of other scanners, as leaks.

Foreign reports often hold raw secrets: they go into `Secret` at once. Formats
are told apart by what stands in them, since file names say little.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from leakguard.errors import ConfigError, Place, UnreadError
from leakguard.leak import Leak, Sighting
from leakguard.secret import Secret

MAX_BYTES = 64 * 1024 * 1024
KNOWN = "leakguard JSON, SARIF, GitLab, gitleaks, kingfisher, trufflehog, detect-secrets"

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
            except (KeyError, TypeError, AttributeError, ValueError, IndexError):
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
            id=one["fingerprint"],
            fingerprint=one["fingerprint"],
            rule_id=one["rule_id"],
            secret_class=one["class"],
            name=one["rule_name"],
            provider=one["provider"],
            severity=one["severity"],
            confidence=one["confidence"],
            validity=one["validity"],
            exposure=one["exposure"],
            preview=one["preview"],
            places=tuple(
                Sighting(
                    place["path"], place["start_line"], place["commit"] or "",
                    place["author_date"] or "", place["start_column"],
                )
                for place in one["locations"]
            ),
        )  # fmt: skip


def _sarif(found: Any, _: str) -> Iterator[Leak]:
    for run in found["runs"]:
        tool = str(run["tool"]["driver"]["name"])
        for result in run.get("results") or ():
            places = tuple(_sarif_place(place) for place in result.get("locations") or ())
            prints = result.get("partialFingerprints") or {}
            own = str(prints.get("leakguard/v1", "")) if tool == "leakguard" else ""
            rule = str(result["ruleId"])
            yield _leak(tool, rule, places, fingerprint=own)


def _sarif_place(place: Any) -> Sighting:
    physical = place["physicalLocation"]
    region = physical.get("region") or {}
    return Sighting(
        str(physical["artifactLocation"]["uri"]), int(region.get("startLine") or 0),
        column=int(region.get("startColumn") or 0),
    )  # fmt: skip


def _gitlab(found: Any, _: str) -> Iterator[Leak]:
    for one in found["vulnerabilities"]:
        where = one["location"]
        commit = (where.get("commit") or {}).get("sha") or ""
        place = Sighting(str(where["file"]), int(where.get("start_line") or 0), _commit(commit))
        tool = str(((one.get("scanner") or {}).get("id")) or "gitlab")
        rule = str(one["identifiers"][0]["value"])
        value = one.get("raw_source_code_extract")
        yield _leak(tool, rule, (place,), value=value if isinstance(value, str) else None)


# Other scanners


def _gitleaks(found: Any, _: str) -> Iterator[Leak]:
    for one in found:
        place = Sighting(
            str(one["File"]), int(one["StartLine"]), _commit(one.get("Commit")),
            str(one.get("Date") or ""), int(one.get("StartColumn") or 0),
        )  # fmt: skip
        yield _leak("gitleaks", one["RuleID"], (place,), one.get("Secret"), one.get("Match"))


def _trufflehog(found: Any, _: str) -> Iterator[Leak]:
    for one in found if isinstance(found, list) else [found]:
        data = next(iter(one["SourceMetadata"]["Data"].values()))
        place = Sighting(
            str(data.get("file", "")), int(data.get("line") or 0), _commit(data.get("commit")),
            str(data.get("timestamp") or ""),
        )  # fmt: skip
        validity = "active" if one.get("Verified") is True else "unknown"
        yield _leak("trufflehog", one["DetectorName"], (place,), one.get("Raw"), validity=validity)


def _kingfisher(found: Any, _: str) -> Iterator[Leak]:
    for one in found["findings"] if isinstance(found, dict) else found:
        seen = one["finding"]
        git = seen.get("git_metadata") or {}
        commit = git.get("commit") or {}
        place = Sighting(
            str(seen["path"]), int(seen.get("line") or 0), _commit(commit.get("id")),
            str(commit.get("date") or ""),
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
            place = Sighting(str(path), int(one["line_number"]))
            yield _leak("detect-secrets", one["type"], (place,))


def _leak(
    tool: str, rule: Any, places: tuple[Sighting, ...], value: Any = None, context: Any = None,
    *, fingerprint: str = "", validity: str = "unknown", name: str = "",
) -> Leak:  # fmt: skip
    """A leak of a foreign report, with an id that the same report always gives."""
    rule = str(rule)
    first = places[0] if places else Sighting("")
    told = f"{tool}\0{rule}\0{first.path}\0{first.line}\0{first.commit}"
    raw = Secret(value.encode()) if isinstance(value, str) and value else None
    seen = Secret(context.encode()) if isinstance(context, str) and context else raw
    return Leak(
        id=fingerprint or hashlib.sha256(told.encode()).hexdigest()[:16],
        fingerprint=fingerprint,
        rule_id=rule,
        secret_class=_class(rule),
        name=name or rule,
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
    """A commit's name; zeros and dashes mean none."""
    text = str(told or "")
    return text if set(text) <= set("0123456789abcdef") and text.strip("0") else ""


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
