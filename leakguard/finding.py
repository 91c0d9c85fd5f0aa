"""What was found: a match that still holds the secret, and a finding that cannot."""

from enum import StrEnum
from typing import NamedTuple

from leakguard.blob import Origin
from leakguard.rule import SEVERITIES, TIERS, Rule
from leakguard.secret import MASK, Secret


class Validity(StrEnum):
    """Whether the issuer still accepts it. Unknown is not inactive."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


class Exposure(StrEnum):
    """How far it got; decides the advice."""

    LOCAL = "local"
    COMMITTED = "committed"
    PUSHED = "pushed"
    LOGGED = "logged"


class Location(NamedTuple):
    """Where a value stands. Lines and columns from 1 (columns in characters), as SARIF regions.

    `end_column` is the column after the last character.
    """

    path: str
    start_line: int
    start_column: int
    end_line: int
    end_column: int
    commit: str = ""
    author_date: str = ""


class Evidence(NamedTuple):
    """One thing that speaks for or against a match, in words for `--explain`."""

    term: str
    detail: str


class Candidate(NamedTuple):
    """One match of one rule. The last holder of the raw value.

    `span` is the value's place in the bytes that were scanned, `outer` the
    whole match's; both are offsets into the original (undecoded) input.
    """

    rule: Rule
    secret: Secret
    origin: Origin
    blob_id: str
    span: tuple[int, int]
    outer: tuple[int, int]
    location: Location
    confidence: str
    severity: str
    evidence: tuple[Evidence, ...] = ()
    decoded: tuple[str, ...] = ()
    line_text: str = ""
    alternatives: tuple[str, ...] = ()
    inline_allow: "Suppression | None" = None


class SuppressionKind(StrEnum):
    """Where an allowance stands; SARIF's words."""

    IN_SOURCE = "inSource"
    EXTERNAL = "external"


class Suppression(NamedTuple):
    """How an allowance is reported."""

    kind: SuppressionKind
    justification: str
    status: str = "accepted"


class Finding(NamedTuple):
    """One secret, any number of places. It cannot hold the raw value."""

    fingerprint: str
    rule: Rule
    severity: str
    confidence: str
    preview: str
    locations: tuple[Location, ...]
    exposure: Exposure = Exposure.LOCAL
    validity: Validity = Validity.UNKNOWN
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[str, ...] = ()
    suppression: Suppression | None = None
    excerpt: str = ""
    more_places: int = 0

    @property
    def rule_id(self) -> str:
        """The rule's id, as people type it."""
        return self.rule.id

    @property
    def short_id(self) -> str:
        """Six hex digits: what people type."""
        return self.fingerprint[:6]

    def blocks(self, severity: str, confidence: str) -> bool:
        """Whether it reaches both thresholds and nobody allowed it."""
        return (
            self.suppression is None
            and SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)
            and TIERS.index(self.confidence) >= TIERS.index(confidence)
        )


def surroundings(found: Finding) -> list[str]:
    """What else stood there: the step, how a log shows it, the dump, the other half."""
    return [one.detail for one in found.evidence if one.term in ("log", "view", "dump", "pair")]


def preview(rule: Rule, secret: Secret) -> str:
    """The rule's public prefix plus a mask of fixed width; a command that a finder found, as it is.

    The prefix is shown only when the value really begins with it.
    """
    if rule.finder:
        return secret.reveal().decode("utf-8", "replace")
    prefix = rule.public_prefix
    if prefix and secret.reveal().startswith(prefix.encode()):
        return prefix + MASK
    return MASK


class Scanned(NamedTuple):
    """How much was looked at; `what` names it ("staged file", "file", "blob", ...)."""

    what: str = "file"
    items: int = 0
    commits: int = 0
    bytes: int = 0
    scope: str = ""


class Outcome(NamedTuple):
    """All that one run found out, ready to be reported.

    `findings` holds allowed ones too (their `suppression` is set), worst first.
    `unread` are (name, reason) pairs: inputs that could not be scanned.
    """

    mode: str
    findings: tuple[Finding, ...]
    scanned: Scanned
    unread: tuple[tuple[str, str], ...] = ()
    block_severity: str = "low"
    block_confidence: str = "likely"
    unused: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    seconds: float = 0.0
    ended: float = 0.0  # seconds since 1970, UTC

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that stop the commit, the push or the job."""
        return tuple(
            found
            for found in self.findings
            if found.blocks(self.block_severity, self.block_confidence)
        )

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that nobody allowed and that do not block."""
        stopping = set(map(id, self.blocking))
        return tuple(
            found
            for found in self.findings
            if found.suppression is None and id(found) not in stopping
        )

    @property
    def allowed(self) -> tuple[Finding, ...]:
        """Findings that somebody allowed, with a reason."""
        return tuple(found for found in self.findings if found.suppression is not None)
