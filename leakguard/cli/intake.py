"""Where a leak comes from: the last run here, a report, a pasted value, or a person's words."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from leakguard.blob import Blob, Origin
from leakguard.errors import UsageError
from leakguard.finding import Candidate, preview
from leakguard.leak import Leak, Sighting
from leakguard.load import leaks, recent
from leakguard.load.pack import Pack, open_pack
from leakguard.read import repository
from leakguard.secret import Secret

MAX_PASTED = 256 * 1024
FEWEST_DIGITS = 4


def of_last_run(top: str | None) -> list[Leak]:
    """The leaks of the last scan or hook in this repository; none where nothing ran."""
    if top is None:
        return []
    path = os.path.join(repository.git_folder(top), recent.FILE)
    return leaks.read(path) if os.path.exists(path) else []


def of_report(path: str, top: str | None) -> list[Leak]:
    """The leaks of a report file, those of other tools named as our own rules name them."""
    found = leaks.read(path)
    if all(one.value is None for one in found):
        return found
    pack = open_pack(top)
    return [matched(one, pack) for one in found]


def pasted(top: str | None) -> Leak:
    """A value (or the lines around it) from standard input, as our rules know it."""
    whole = paste("leakguard respond -")
    value = Secret(whole.reveal().strip())
    first = Leak("pasted", "pasted", "generic", (), tool="pasted", name="a pasted value",
                 value=value, context=whole)  # fmt: skip
    return matched(first, open_pack(top))


def paste(command: str) -> Secret:
    """What is piped into `command`; on a terminal it is asked for and not shown.

    Raises UsageError for nothing, or too much.
    """
    if sys.stdin.isatty():
        import getpass

        raw = getpass.getpass("Paste the value (it is not shown): ").encode()
    else:
        raw = sys.stdin.buffer.read(MAX_PASTED + 1)
    if len(raw) > MAX_PASTED:
        raise UsageError("too much was pasted", "paste the value, or scan a file: leakguard scan")
    if not raw.strip():
        raise UsageError("nothing was pasted", f"pipe the value in: pbpaste | {command}")
    return Secret(raw)


def choose(found: list[Leak], wanted: str | None, where: str) -> Leak:
    """The leak that `wanted` (the beginning of an id) names; without one, the only one.

    Raises UsageError with the candidates where that is not exactly one.
    """
    fitting = found
    if wanted:
        if len(wanted) < FEWEST_DIGITS:
            raise UsageError("too few digits of an id", "type the six digits that a report shows")
        fitting = [one for one in found if one.id.startswith(wanted.lower())]
    if not fitting:
        raise UsageError(
            f"no finding {wanted!r} in {where}" if wanted else f"no finding in {where}",
            "run the scan or the commit again, then copy the id from its report",
            "from a report: leakguard respond ID --report FILE",
            "a value in hand: leakguard respond -    by hand: leakguard respond --manual",
        )
    if len({one.id for one in fitting}) > 1:
        raise UsageError(
            f"{len(fitting)} findings in {where}; which one?",
            *(f"leakguard respond {_short(one)}    {_told(one)}" for one in fitting[:10]),
        )
    places = tuple(dict.fromkeys(place for one in fitting for place in one.places))
    return replace(fitting[0], places=places)  # a report may name each place by itself


def beside(chosen: Leak, found: list[Leak]) -> list[Leak]:
    """The other leaks that stand in the same file of the same commit, or in the same log."""
    spots = {(place.path, place.commit) for place in chosen.places}
    return [
        one
        for one in found
        if one.id != chosen.id and any((at.path, at.commit) in spots for at in one.places)
    ]


def matched(leak: Leak, pack: Pack) -> Leak:
    """The leak as our own rules know it; its raw value ends here."""
    if leak.value is None:
        return leak
    best = _candidate(leak, pack)
    salt = pack.policy.salt.encode()
    if best is None:
        known = leak.value.fingerprint(f"foreign:{leak.rule_id}", salt, guessable=True)
        return replace(leak, id=known, fingerprint=known, value=None, context=None)
    rule = best.rule
    known = best.secret.fingerprint(rule.family, salt, guessable=rule.guessable)
    return replace(
        leak,
        id=known,
        fingerprint=known,
        rule_id=rule.id,
        secret_class=rule.secret_class,
        name=rule.name,
        provider=rule.provider,
        severity=best.severity,
        confidence=best.confidence,
        preview=preview(rule, best.secret),
        value=None,
        context=None,
    )


def _candidate(leak: Leak, pack: Pack) -> Candidate | None:
    """The best match of our rules in what a report quotes or a person pasted."""
    from leakguard.detect.scanner import Scanner

    assert leak.value is not None
    scanner = Scanner(pack.book, pack.prefilter.scan)
    path = leak.places[0].path if leak.places else "(pasted)"
    for text in filter(None, (leak.context, leak.value)):
        found = scanner.look(Blob(Origin("stdin", path), text.reveal()))
        for one in found:
            if one.secret == leak.value or one.secret.reveal() in leak.value.reveal():
                return one
    return None


def _short(leak: Leak) -> str:
    return leak.id[:6]


def _told(leak: Leak) -> str:
    from leakguard.report.style import clean

    place = leak.places[0] if leak.places else Sighting("")
    return f"{leak.rule_id} {clean(place.path)}:{place.line}"
