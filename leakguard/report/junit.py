"""JUnit XML, which every CI service shows as tests.

A blocking finding fails, what was not scanned is an error, what does not block
is skipped, and a run without any of them is one test that passed: readers take
an empty report for a broken one.
https://docs.gitlab.com/ci/testing/unit_test_reports/
"""

from __future__ import annotations

from collections.abc import Iterable

from leakguard.finding import Finding, Location, Outcome
from leakguard.report.advice import advise
from leakguard.report.escape import line, xml
from leakguard.report.style import clean
from leakguard.report.wording import clean_line, where

_MOST_PLACES = 20


def render(outcome: Outcome) -> str:
    """One suite, in which a test is a finding; its name is the same in every run."""
    errors = [_unread(name, reason) for name, reason in outcome.unread]
    failures = [_failure(found, outcome.mode) for found in outcome.blocking]
    skipped = [_warning(found, outcome.mode) for found in outcome.warnings]
    skipped += [_allowed(found) for found in outcome.allowed]
    cases = errors + failures + skipped
    if not (errors or failures):
        said = [] if outcome.warnings else [clean_line(outcome)]
        cases.insert(0, _case("leakguard", "nothing blocks", "", said))
    counts = (
        f'name="leakguard" tests="{len(cases)}" failures="{len(failures)}" '
        f'errors="{len(errors)}" skipped="{len(skipped)}" time="{outcome.seconds:.3f}"'
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {counts}>\n<testsuite {counts}>\n"
        + "".join(cases)
        + "</testsuite>\n</testsuites>\n"
    )


def _case(group: str, name: str, inner: str, said: Iterable[str] = (), path: str = "") -> str:
    """One test. Readers tell tests apart by group and name."""
    file = f' file="{xml(path)}"' if path else ""
    out = "\n".join(map(xml, said))
    return (
        f'<testcase classname="{xml(group)}" name="{xml(name)}"{file} time="0">'
        + inner
        + (f"<system-out>{out}</system-out>" if out else "")
        + "</testcase>\n"
    )


def _failure(found: Finding, mode: str) -> str:
    text = "\n".join(map(xml, _report(found, mode)))
    kind = f"severity {found.severity}, confidence {found.confidence}"
    return _test(
        found, f'<failure message="{xml(_headline(found, mode))}" type="{kind}">{text}</failure>'
    )


def _warning(found: Finding, mode: str) -> str:
    said = f"does not block (confidence {found.confidence}): {_headline(found, mode)}"
    return _test(found, f'<skipped message="{xml(said)}"/>', _report(found, mode))


def _allowed(found: Finding) -> str:
    reason = found.suppression.justification if found.suppression else ""
    return _test(found, f'<skipped message="{xml(f"allowed: {line(reason)}")}"/>')


def _test(found: Finding, inner: str, said: Iterable[str] = ()) -> str:
    name = f"{line(found.rule.name, 200)} {found.short_id}"
    return _case(f"leakguard.{found.rule_id}", name, inner, said, found.locations[0].path)


def _unread(name: str, reason: str) -> str:
    said = f"not scanned: {clean(name)}: {line(reason)}"
    inner = f'<error message="{xml(said)}" type="not scanned">{xml(said)}</error>'
    return _case("leakguard.not-scanned", clean(name), inner)


def _headline(found: Finding, mode: str) -> str:
    return f"{line(found.rule.name)} {where(found, mode)}"


def _report(found: Finding, mode: str) -> list[str]:
    """What, where, why, fix; no line of the source."""
    advice = advise(found, mode)
    rest = len(found.locations[_MOST_PLACES:]) + found.more_places
    said = [
        f"{clean(found.preview)}, severity {found.severity}, confidence {found.confidence}",
        *(f"at: {_spot(place)}" for place in found.locations[:_MOST_PLACES]),
        f"and in {rest} more places" if rest else "",
        f"why: {line(found.rule.why)}",
        f"fix: {line(advice.text)}",
        *(f"     {clean(text)}" for text in advice.lines),
        f"finding: {found.short_id}",
    ]
    return list(filter(None, said))


def _spot(place: Location) -> str:
    commit = f" (commit {clean(place.commit[:7])})" if place.commit else ""
    return f"{clean(place.path)}:{place.start_line}:{place.start_column}{commit}"
