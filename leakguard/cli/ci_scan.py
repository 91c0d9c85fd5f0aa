"""Scanning what an event brings: the commits, and files that the pipeline made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from leakguard.blob import Blob, Unread
from leakguard.ci import base_policy
from leakguard.ci.span import Span
from leakguard.cli import survey, tree_scan
from leakguard.cli.gate import Gate
from leakguard.cli.staged_gate import Added
from leakguard.errors import ConfigError
from leakguard.finding import Candidate, Evidence, Exposure, Finding, Outcome
from leakguard.load.pack import open_pack
from leakguard.read import commits, tree

_LATER = (
    "the comment that allows it came with this change; it counts once it is merged, "
    "or put the allowance into .leakguard/allow of the branch this goes to"
)


class ProposedGate(Gate):
    """A gate for a change that somebody proposes: comments in it do not allow anything."""

    def candidates(self, item: Blob | Unread, missed: list[Unread]) -> Iterator[Candidate]:
        """As the gate's, without what the change itself allows."""
        for found in super().candidates(item, missed):
            if found.inline_allow is not None and found.origin.kind in ("commit", "message"):
                evidence = (*found.evidence, Evidence("allow", _LATER))
                yield found._replace(inline_allow=None, evidence=evidence)
            else:
                yield found


def scan(span: Span, top: str, paths: tuple[str, ...], config: str, jobs: int) -> Outcome:
    """Look at everything. The policy is that of the commit in `span`, or of the checkout; `config`
    stands in for its configuration file.
    """
    if span.whole and not config:
        outcome = survey.history(top, (span.head,), jobs)
        if paths:
            outcome = _both(outcome, _files(Gate(open_pack(top), top, "ci"), paths, top, jobs))
    elif not span.policy and not config:
        outcome = _commits(Gate(open_pack(top), top, "ci", "changed file"), span, top, paths, jobs)
    else:
        outcome = _elsewhere(span, top, paths, config, jobs)
    outcome = outcome._replace(mode="ci")
    if span.event.service:
        outcome = outcome._replace(findings=tuple(map(_shared, outcome.findings)))
    return outcome


def _elsewhere(span: Span, top: str, paths: tuple[str, ...], config: str, jobs: int) -> Outcome:
    """With a policy that is not the checkout's."""
    if span.policy:
        files = base_policy.of_commit(span.policy, top, config)
    else:
        files = base_policy.of_checkout(top, config)
    kind = ProposedGate if span.policy else Gate
    with tempfile.TemporaryDirectory(prefix="leakguard-") as folder:
        root = base_policy.lay_out(files, folder)
        try:
            gate = kind(open_pack(root), root, "ci", "changed file")
            return _commits(gate, span, top, paths, jobs)
        except ConfigError as problem:
            where = f"that is the file at {span.policy[:7]}, which decides for this change"
            raise ConfigError(
                problem.message, *problem.hints, *((where,) if span.policy else ()),
                place=problem.place, cause=problem.cause,
            ) from None  # fmt: skip


def _commits(
    gate: Gate, span: Span, top: str, paths: tuple[str, ...], jobs: int
) -> Outcome:  # fmt: skip
    """What the commits add, their messages, what a tag holds, and the files."""
    revisions = list(span.revisions)
    if span.whole:
        revisions = commits.revisions(span.head, top=top)
    gate.commits = len(revisions)
    for entry, blob in commits.blobs(list(commits.changes(revisions, top)), top):
        gate.items += 1
        gate.bytes += len(blob.data)
        gate.look(blob, Added(gate, entry.change, top))
    tags = span.named.tags if span.named else []
    for blob in commits.messages(revisions + tags, top):
        gate.look(blob)
    for blob in commits.named_blobs(span.named.blobs if span.named else [], top):
        gate.look(blob)
    return _files(gate, paths, top, jobs) if paths else gate.outcome()


def _files(gate: Gate, paths: tuple[str, ...], top: str, jobs: int) -> Outcome:
    listed = (tree.files(path, ignored=True) for path in paths)
    tree_scan.look(gate, listed, top, jobs)
    return gate.outcome()


def _both(one: Outcome, other: Outcome) -> Outcome:
    """The outcome of a history and of files beside it."""
    scanned = one.scanned._replace(items=one.scanned.items + other.scanned.items,
                      bytes=one.scanned.bytes + other.scanned.bytes)  # fmt: skip
    return one._replace(findings=one.findings + other.findings, scanned=scanned,
                   unread=one.unread + other.unread, expired=one.expired or other.expired,
                   seconds=one.seconds + other.seconds)  # fmt: skip


def _shared(found: Finding) -> Finding:
    """A service that runs us has the commits, so they have left the machine they were made on."""
    if any(place.commit for place in found.locations):
        return found._replace(exposure=Exposure.PUSHED)
    return found
