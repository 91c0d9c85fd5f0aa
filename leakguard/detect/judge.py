"""From a match to a candidate: what drops it, what confirms it, what explains it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from leakguard import late
from leakguard.blob import Blob
from leakguard.detect import generic
from leakguard.detect.checksum import CHECKSUMS, PROVES
from leakguard.detect.excerpt import excerpt
from leakguard.detect.match import Match
from leakguard.detect.placeholder import stand_in
from leakguard.detect.places import Places
from leakguard.detect.terms import Place
from leakguard.finding import Candidate, Evidence, Location, Suppression, SuppressionKind
from leakguard.rule import SEVERITIES, TIERS, Rule
from leakguard.secret import Secret


class Weighed(NamedTuple):
    """A match that may be real, and why we think so."""

    match: Match
    confidence: str
    severity: str
    evidence: tuple[Evidence, ...]
    alternatives: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """Which of two matches on the same bytes explains them better."""
        start, end = self.match.span
        return (
            breadth(self.match.rule),
            TIERS.index(self.confidence),
            bool(self.match.rule.public_prefix) + 2 * bool(self.match.rule.checksum),
            end - start,
        )


_BREADTH = {"generic": 0, "detect-secrets": 0, "http-auth": 1, "jwt": 1}
"""Rules that know a form, not whose key it is: any provider's own rule explains more."""


def breadth(rule: Rule) -> int:
    """How much a rule knows of whose key it finds: the more, the better its explanation."""
    return _BREADTH.get(rule.provider, 2)


def judge(
    blob: Blob, data: bytes, own: tuple[int, int], matches: Iterable[Match]
) -> list[Candidate]:
    """The candidates among `matches` that begin in `own`; `data` is the blob's text."""
    path = blob.origin.inside or blob.origin.path
    low, high = own
    weighed = [
        kept
        for match in matches
        if low <= match.span[0] < high
        and not (_TEMPLATE.match(data, match.span[1]) and not match.decoded)
        and (kept := weigh(match, path, data)) is not None
    ]
    best = [kept for near in _clusters(weighed) for kept in _one_explanation_each(near)]
    best.sort(key=lambda one: one.match.span)
    places = Places(data, blob.line, blob.column)
    lines = [places.at(kept.match.span[0])[0] for kept in best]
    spans = sorted(kept.match.span for kept in weighed)
    furthest = list(accumulate((end for _, end in spans), max))
    places = Places(data, blob.line, blob.column)
    found = []
    for kept in _paired(best, lines):
        before = bisect_left(spans, (kept.match.span[0], 0))
        others = [(spans[before - 1][0], furthest[before - 1])] if before else []
        found.append(_candidate(blob, data, kept, others, places))
    return found


_TEMPLATE = late.pattern(rb"\{\{|\$[{(]|<%|%[{(]|#\{")
"""What follows a value that is only the constant beginning of a template."""


_CHECKSUMS = late.pattern(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|go\.(?:work\.)?sum|deno\.lock|MANIFEST"
    r"|[A-Za-z0-9_.-]{1,60}\.lock|(?:pnpm|shrinkwrap)-lock\.ya?ml|composer\.installed\.json|Manifest\.toml"
    r"|gradle\.lockfile|verification-metadata\.xml|packages\.lock\.json|bun\.lockb?|Package\.resolved"
    r"|(?:sha|SHA|md5|MD5|b2|B2)[0-9]{0,3}SUMS?(?:[._-][A-Za-z0-9._-]{0,40})?|checksums?(?:\.[a-z0-9]{1,8})?"
    r"|[^/]{1,100}\.(?:sha\d{1,3}|md5|sha\d{1,3}sums?|blake2b|etag)"
    r"|[^/]{0,60}(?:wycheproof|test[_-]?vectors?|(?<![a-z])vectors(?![a-z])|rfc\d{4})[^/]{0,60}"
    r"|(?:wycheproof|test[_-]?vectors?)/[^\n]{1,400})$"
)
"""Files full of checksums or of the vectors that a cipher is tried with: only a value with a form
of its own is a secret there."""


def weigh(match: Match, path: str, data: bytes) -> Weighed | None:
    """What the value itself and its place say; None when it is not a secret."""
    rule = match.rule
    if (rule.value or rule.generic) and path and _CHECKSUMS.search(path):
        return None
    evidence = [_seen(match)]
    confidence = rule.confidence
    if rule.finder:
        return Weighed(match, confidence, rule.severity, tuple(evidence))
    if rule.checksum:
        fits = CHECKSUMS[rule.checksum].check(match.value)
        if not fits and not _perhaps(rule, match.value):
            return None
        evidence.append(_checked(rule.checksum, fits=fits))
        if not fits:
            confidence = "possible"
        elif rule.checksum in PROVES:
            confidence = "confirmed"
    if rule.entropy and generic.entropy(match.value) < rule.entropy:
        return None
    if rule.generic:
        tier, terms = generic.weigh(_place(match, match.name, path, data), path)
        if not tier:
            return None
        return Weighed(match, tier, rule.severity, (*evidence, *terms))
    if confidence != "confirmed" and _not_real(rule, match.value):
        return None
    if rule.value and not generic.drawn(match.value):
        return None
    if match.weak and confidence == "likely":
        confidence = "possible"
        evidence.append(Evidence("words", "no word near by says that it is a credential"))
    if rule.guessable and confidence == "likely":
        confidence, terms = _chosen(match, path, data)
        evidence += terms
    return Weighed(match, confidence, rule.severity, tuple(evidence))


def _perhaps(rule: Rule, value: bytes) -> bool:
    """Whether a value may be real though its checksum does not fit: a form that its provider has
    changed must not become invisible.
    """
    body = value.removeprefix(rule.public_prefix.encode())
    return CHECKSUMS[rule.checksum].perhaps(body)


def _checked(checksum: str, *, fits: bool) -> Evidence:
    doubt = "does not fit: mistyped, made up, or of a form that is new"
    return Evidence("checksum", f"{checksum} {'fits' if fits else doubt}")


def _place(match: Match, name: bytes, path: str, data: bytes) -> Place:
    """The value and what stands around it; an encoded one in the text that it stood in."""
    if not match.decoded:
        return generic.place_of(data, match.span, name, path)
    start = max(0, match.line.find(match.value))
    return generic.place_of(match.line, (start, start + len(match.value)), name, path)


def _chosen(match: Match, path: str, data: bytes) -> tuple[str, tuple[Evidence, ...]]:
    """Its place says that it is a password; its look and the file, how surely a real one."""
    tier, terms = generic.weigh(_place(match, b"", path, data)._replace(name="password"), path)
    return tier or "possible", terms


def _not_real(rule: Rule, value: bytes) -> bool:
    """Whether the value only stands in for a real one: a chosen one is judged more broadly."""
    return bool(generic.dummy(value)) if rule.guessable else stand_in(value, rule.public_prefix)


def _seen(match: Match) -> Evidence:
    how = f"in {' in '.join(match.decoded)}" if match.decoded else "as it stands"
    if match.service:
        return Evidence("words", f"{match.service!r} stands near by; value {how}")
    if match.rule.finder:
        return Evidence("step", "it shows what it holds by construction")
    if not match.rule.pattern:  # a foreign detector's
        return Evidence("plugin", f"found by {match.rule.name}")
    return Evidence("pattern", f"matches the format of {match.rule.id}, {how}")


def _clusters(weighed: list[Weighed]) -> Iterator[list[Weighed]]:
    """Matches that may have bytes in common, so that thousands of them are not all compared."""
    near: list[Weighed] = []
    reach = 0
    for kept in sorted(weighed, key=_first_byte):
        if near and _first_byte(kept) >= reach:
            yield near
            near, reach = [], 0
        near.append(kept)
        reach = max(reach, kept.match.span[1], kept.match.outer[1])
    if near:
        yield near


def _first_byte(kept: Weighed) -> int:
    return min(kept.match.span[0], kept.match.outer[0])


def _one_explanation_each(weighed: list[Weighed]) -> list[Weighed]:
    """Of matches on the same bytes the best, the others named as alternatives."""
    best: list[Weighed] = []
    for kept in sorted(weighed, key=lambda one: (one.rank, -one.match.span[0]), reverse=True):
        over = next((index for index, other in enumerate(best) if _overlap(kept, other)), None)
        if over is None:
            best.append(kept)
        else:
            best[over] = _merged(best[over], kept)
    return sorted(best, key=lambda one: one.match.span)


def _merged(winner: Weighed, loser: Weighed) -> Weighed:
    """The winner with the loser named, as sure as the surer of the two; a rule that supersedes
    the winner takes its place.
    """
    if winner.match.rule.id in loser.match.rule.supersedes:
        winner, loser = loser, winner
    named = {winner.match.rule.id: None, **dict.fromkeys(winner.alternatives)}
    named |= dict.fromkeys((loser.match.rule.id, *loser.alternatives))
    surer = max(winner, loser, key=lambda one: TIERS.index(one.confidence))
    if surer is loser:
        told = Evidence("rule", f"{loser.match.rule.id} on the same bytes is {loser.confidence}")
        winner = winner._replace(confidence=loser.confidence, evidence=(*winner.evidence, told))
    return winner._replace(alternatives=tuple(named)[1:])


def _overlap(one: Weighed, other: Weighed) -> bool:
    start, end = one.match.span
    left, right = (
        (other.match.outer if other.confidence == "confirmed" else other.match.span)
        if other.match.rule.id != one.match.rule.id
        else other.match.span
    )
    return start < right and left < end


def _paired(best: list[Weighed], lines: list[int]) -> Iterator[Weighed]:
    """Both halves of a pair close together confirm each other; a lone half is less."""
    where: dict[str, list[int]] = {}
    for index, kept in enumerate(best):
        where.setdefault(kept.match.rule.id, []).append(index)
    partners = _partners(kept.match.rule for kept in best)
    for index, kept in enumerate(best):
        near = [
            other
            for rule_id, within in partners.get(kept.match.rule.id, {}).items()
            if (other := _near(where.get(rule_id, []), lines, index, within)) is not None
        ]
        if near:
            first = min(near)
            yield _confirmed(kept, best[first], lines[first])
        else:
            yield _alone(kept)


def _partners(rules: Iterable[Rule]) -> dict[str, dict[str, int]]:
    """For each rule its other halves, and how many lines away; it holds in both directions."""
    found: dict[str, dict[str, int]] = {}
    for rule in {rule.id: rule for rule in rules}.values():
        halves = {companion.rule: companion.within for companion in rule.companions}
        for other, within in halves.items():
            for one, two in ((rule.id, other), (other, rule.id)):
                near = found.setdefault(one, {})
                near[two] = max(near.get(two, -1), within)
    return found


def _near(where: list[int], lines: list[int], index: int, within: int) -> int | None:
    """The first of `where` (but `index` itself) that is no more than `within` lines away."""
    at = bisect_left(where, lines[index] - within, key=lines.__getitem__)
    if at < len(where) and where[at] == index:
        at += 1
    return where[at] if at < len(where) and lines[where[at]] <= lines[index] + within else None


def _confirmed(kept: Weighed, other: Weighed, line: int) -> Weighed:
    pair = Evidence("pair", f"complete with {other.match.rule.id} on line {line}")
    worst = max(kept.severity, other.severity, key=SEVERITIES.index)
    return kept._replace(confidence="confirmed", severity=worst, evidence=(*kept.evidence, pair))


def _alone(kept: Weighed) -> Weighed:
    rule = kept.match.rule
    if not rule.companions or not (rule.alone_severity or rule.alone_confidence):
        return kept
    return kept._replace(
        severity=rule.alone_severity or kept.severity,
        confidence=rule.alone_confidence or kept.confidence,
        evidence=(*kept.evidence, Evidence("pair", "its other half is not near by")),
    )


def _candidate(
    blob: Blob, data: bytes, kept: Weighed, others: list[tuple[int, int]], places: Places
) -> Candidate:
    match = kept.match
    start_line, start_column = places.at(match.span[0])
    end_line, end_column = places.at(match.span[1])
    origin = blob.origin
    allow, remark = inline_allowance(data, match.span, (match.rule.id, *kept.alternatives))
    return Candidate(
        rule=match.rule,
        secret=Secret(match.value),
        origin=origin,
        blob_id=blob.blob_id,
        span=match.span,
        outer=match.outer,
        location=Location(
            origin.name,
            start_line,
            start_column,
            end_line,
            end_column,
            origin.commit,
            origin.author_date,
        ),
        confidence=kept.confidence,
        severity=kept.severity,
        evidence=(*kept.evidence, *remark),
        decoded=match.decoded,
        line_text=excerpt(data, match.span, others, match.rule),
        alternatives=kept.alternatives,
        inline_allow=allow,
    )


_ALLOW = late.pattern(
    rb"leakguard:allow(?:[ \t]+(?P<rule>[a-z0-9*-]{1,80}))?(?P<reason>[^\n]{0,300})"
)
_COMMENT_LINE = late.pattern(rb"\s{0,200}(?:#|//|--|;|<!--|/\*|\*|'|\"|%|REM\b)")
LONG_LINE = 65_536
"""The line above a value is looked for no further back than this, bytes."""

_CLOSERS = " \t\r*/->%}"


def inline_allowance(
    data: bytes, span: tuple[int, int], rule_ids: tuple[str, ...]
) -> tuple[Suppression | None, tuple[Evidence, ...]]:
    """The comment that allows this match: on its first or last line, or alone on the line above."""
    first = data.rfind(b"\n", max(0, span[0] - LONG_LINE), span[0]) + 1
    above = data[data.rfind(b"\n", 0, max(0, first - 1)) + 1 : max(0, first - 1)][-1000:]
    stop = data.find(b"\n", span[1], span[1] + 1000)
    before = data[max(first, span[0] - 1000) : span[0]]
    after = data[span[1] : stop if stop >= 0 else span[1] + 1000]
    lines = [before, after] + ([above] if _COMMENT_LINE.match(above) else [])
    for line in lines:
        found = _ALLOW.search(line)
        if found is None:
            continue
        rule = (found["rule"] or b"").decode()
        reason = found["reason"].decode("utf-8", "replace").strip(_CLOSERS).strip()
        if rule not in rule_ids:
            remark = f"the comment allows {rule or 'no rule'}, not this one"
        elif not any(char.isalpha() for char in reason):
            remark = "the comment gives no reason, so it does not count"
        else:
            return Suppression(SuppressionKind.IN_SOURCE, reason), ()
        return None, (Evidence("allow", remark),)
    return None, ()
