"""Outcomes as a scan would give them, built from few words.

Nothing here is token-shaped: a report never sees a value, only its mask.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from leakguard.finding import (
    Evidence,
    Exposure,
    Finding,
    Location,
    Outcome,
    Scanned,
    Suppression,
    SuppressionKind,
)
from leakguard.rule import SEVERITIES, TIERS, Revoke, Rule
from leakguard.secret import MASK

SLACK = Rule(
    id="slack-bot-token",
    name="Slack bot token",
    why="whoever reads this can read and post as your bot",
    provider="slack",
    secret_class="provider-api-key",
    severity="high",
    confidence="likely",
    public_prefix="xoxb-",
    revoke=Revoke("https://slack.example/apps", "reinstall the app, then revoke the old token"),
    references=("https://docs.slack.example/tokens",),
)
NPM = Rule(
    id="npm-token",
    name="npm access token",
    why="it can publish your packages",
    provider="npm",
    secret_class="registry-token",
    severity="critical",
    confidence="likely",
    public_prefix="npm_",
    revoke=Revoke("https://npm.example/settings/tokens", "replace the token, then delete it"),
)
SSH_KEY = Rule(
    id="private-key",
    name="private key",
    why="whoever holds it can log in as you",
    provider="generic",
    secret_class="ssh-user-key",
    severity="critical",
    confidence="likely",
    checksum="private-key",
)
GENERIC = Rule(
    id="generic-password",
    name="password",
    why="whoever reads this can log in",
    provider="generic",
    secret_class="generic",
    severity="medium",
    confidence="possible",
)
RULES = (SLACK, NPM, SSH_KEY, GENERIC)

COMMIT = "ab12cd34" * 5
"""The name of a commit that never was."""


def place(path: str = "app/notify.py", line: int = 14, column: int = 16, **more: Any) -> Location:
    """One spot; a value of 51 characters stands there."""
    return Location(path, line, column, line, column + 51, **more)


def finding(
    rule: Rule = SLACK,
    *places: Location,
    excerpt: str | None = None,
    fingerprint: str = "7f3a9c0e51d24b6f",
    **more: Any,
) -> Finding:
    """A finding of `rule`, by default in the file of the manual."""
    preview = rule.public_prefix + MASK
    name = rule.id.upper().replace("-BOT", "").replace("-", "_")
    return Finding(
        fingerprint=fingerprint,
        rule=rule,
        severity=more.pop("severity", rule.severity),
        confidence=more.pop("confidence", rule.confidence),
        preview=preview,
        locations=places or (place(),),
        excerpt=f'{name} = "{preview}"' if excerpt is None else excerpt,
        **more,
    )


def allowed(found: Finding, reason: str = "sample of the public docs") -> Finding:
    """The same finding, with somebody's reason."""
    return found._replace(suppression=Suppression(SuppressionKind.EXTERNAL, reason))


def possible(*places: Location) -> Finding:
    """A finding that warns and does not block."""
    return finding(GENERIC, *places, fingerprint="0badc0de00000001")


def staged(*findings: Finding, files: int = 3, **more: Any) -> Outcome:
    """What the pre-commit hook found."""
    return Outcome("staged", findings, Scanned("staged file", files), **more)


def pushed(*findings: Finding, commits: int = 12, mode: str = "push", **more: Any) -> Outcome:
    """What the pre-push hook found."""
    return Outcome(mode, findings, Scanned("changed file", 40, commits), **more)


def tree(*findings: Finding, files: int = 412, **more: Any) -> Outcome:
    """What a scan of the working tree found."""
    return Outcome("tree", findings, Scanned("file", files), seconds=0.8, **more)


def in_commit(rule: Rule = SLACK, exposure: Exposure = Exposure.COMMITTED, **more: Any) -> Finding:
    """A finding in a commit of a known day."""
    spot = place(commit=COMMIT, author_date="2026-11-21T14:02:00+01:00")
    return finding(rule, spot, exposure=exposure, **more)


MESSAGE_FINDING = finding(SLACK, place("commit message", 3, 5))

CASES: dict[str, Outcome] = {
    "clean": tree(),
    "clean with allowed": tree(allowed(finding())),
    "staged": staged(finding()),
    "staged, possible only": staged(possible()),
    "staged, unread only": staged(unread=(("big.zip", "larger than the limit"),)),
    "staged, everything": staged(
        finding(NPM, place(".npmrc", 1, 20), fingerprint="19c04e0000000000"),
        finding(evidence=(Evidence("pattern", "matches"), Evidence("checksum", "github fits"))),
        possible(place("tests/conftest.py", 3)),
        allowed(finding(fingerprint="aaaaaaaaaaaaaaaa")),
        unread=(("big.zip", "larger than the limit"), ("history", "cut off; git fetch")),
        expired=("7f3a9c0e51d24b6f slack-bot-token 2026-11-20 app/notify.py a sample",),
        unused=("19c04e0000000000 npm-token never * it was a sample",),
    ),
    "message": Outcome("message", (MESSAGE_FINDING,), Scanned("message", 1)),
    "push": pushed(in_commit()),
    "pre-receive": pushed(in_commit(), mode="pre-receive"),
    "history": Outcome("history", (in_commit(),), Scanned("blob", 3400), seconds=12.34),
    "pushed": Outcome(
        "history", (in_commit(exposure=Exposure.PUSHED),), Scanned("blob", 3400), seconds=12.34
    ),
    "logged": Outcome(
        "logs", (finding(NPM, place("publish.log", 214), exposure=Exposure.LOGGED),),
        Scanned("log", 1), seconds=0.1,
    ),
    "stdin": Outcome(
        "tree", (finding(SLACK, place("(standard input)", 1, 1)),), Scanned("file", 1)
    ),
    "key": staged(finding(SSH_KEY, place("deploy/id", 1, 1), excerpt="*****")),
    "many places": tree(finding(SLACK, *(place(f"{n}.py") for n in "abcdef"), more_places=7)),
    "many findings": tree(
        *(finding(fingerprint=f"{n:016x}") for n in range(8)), unread=(("a", "b"),) * 8
    ),
    "not UTF-8": staged(finding(SLACK, place("caf\udce9/a b.py"))),
    "archive": tree(finding(SLACK, place("outer.zip!in/side.py"))),
    "absolute": tree(finding(SLACK, place("/srv/data/a.py"))),
}  # fmt: skip
"""One outcome of every kind; every format renders every one of them."""

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60) | st.text(
    st.sampled_from("\x1b\n\r\t\0\x7f\x9b\u202e\u2066\u200b\u2028\ud800\udce9#[]:%!*/ ab"),
    max_size=40,
)
"""Anything that a stranger can put into a name or a reason, controls and half characters too."""

HEX = st.text("0123456789abcdef", min_size=40, max_size=40)


@st.composite
def hostile_places(draw: st.DrawFn) -> Location:
    """A spot in a file with any name."""
    line, column = draw(st.integers(1, 10**6)), draw(st.integers(1, 10**4))
    commit = draw(st.just("") | HEX)
    return Location(draw(ANY_TEXT), line, column, line, column + 5, commit, draw(ANY_TEXT))


@st.composite
def hostile_findings(draw: st.DrawFn) -> Finding:
    """A finding of a rule with any words, at any place, with any reason to allow it."""
    rule = draw(st.sampled_from(RULES))._replace(
        name=draw(ANY_TEXT),
        why=draw(ANY_TEXT),
        fix=draw(ANY_TEXT),
        revoke=Revoke(draw(ANY_TEXT), draw(ANY_TEXT)),
        public_prefix=draw(ANY_TEXT),
        references=tuple(draw(st.lists(ANY_TEXT, max_size=2))),
    )
    preview = rule.public_prefix + MASK
    found = Finding(
        fingerprint=draw(HEX)[:16],
        rule=rule,
        severity=draw(st.sampled_from(SEVERITIES)),
        confidence=draw(st.sampled_from(TIERS)),
        preview=preview,
        locations=tuple(draw(st.lists(hostile_places(), min_size=1, max_size=5))),
        exposure=draw(st.sampled_from(Exposure)),
        evidence=(Evidence("allow", draw(ANY_TEXT)), Evidence("value", draw(ANY_TEXT))),
        excerpt=draw(ANY_TEXT) + draw(st.sampled_from(["", preview])),
        more_places=draw(st.integers(0, 9)),
    )
    return allowed(found, draw(ANY_TEXT)) if draw(st.booleans()) else found


@st.composite
def hostile_outcomes(draw: st.DrawFn) -> Outcome:
    """Any outcome of a repository that a stranger wrote."""
    modes = ["staged", "index", "message", "push", "pre-receive", "range", "tree", "history", "?"]
    pairs = st.tuples(ANY_TEXT, ANY_TEXT)
    return Outcome(
        draw(st.sampled_from(modes)),
        tuple(draw(st.lists(hostile_findings(), max_size=3))),
        Scanned("file", draw(st.integers(0, 5)), draw(st.integers(0, 5)), scope=draw(ANY_TEXT)),
        unread=tuple(draw(st.lists(pairs, max_size=3))),
        unused=tuple(draw(st.lists(ANY_TEXT, max_size=2))),
        expired=tuple(draw(st.lists(ANY_TEXT, max_size=2))),
        seconds=draw(st.floats(0, 1e6)),
    )
