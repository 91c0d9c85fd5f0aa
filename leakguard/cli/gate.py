"""Joins reading, detecting and reporting: what every scanning command does once something hit."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

from leakguard import exits
from leakguard.blob import Blob, Unread
from leakguard.cli import console
from leakguard.cli.watchdog import Watchdog
from leakguard.detect.group import Grouper
from leakguard.detect.scanner import Scanner
from leakguard.errors import ConfigError, Place
from leakguard.finding import Candidate, Exposure, Outcome, Scanned
from leakguard.globs import expression, matcher
from leakguard.load import recent, suppressions
from leakguard.load.pack import Pack
from leakguard.policy import Policy
from leakguard.read import archive, magic, repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from leakguard.detect.versions import Copy, Seen
    from leakguard.plugins import Detector

_WAITED_FOR = ("staged", "push", "pre-receive", "message")
"""Modes in which somebody waits, so that an archive may cost less."""


class Gate:
    """Takes inputs, keeps candidates, gives an outcome."""

    def __init__(self, pack: Pack, top: str | None, mode: str, what: str = "file") -> None:
        self._pack = pack
        self._top = top
        self._mode = mode
        self._what = what
        self._began = time.monotonic()
        policy = pack.policy
        self._excluded = _excluding(policy)
        self._scanner = Scanner(
            pack.book, pack.prefilter.scan, Watchdog().watch, _detector(pack, mode)
        )
        self._allowances = suppressions.read(top)
        self._grouper = Grouper(policy.salt, self._allowances, date.today())
        self._unread: list[Unread] = []
        self._limits = archive.HOOK if mode in _WAITED_FOR else archive.DEFAULT
        self.items = 0
        self.bytes = 0
        self.commits = 0
        self.whole_tree = False

    def excluded(self, path: str) -> bool:
        """Whether the repository decided not to look at `path`."""
        return self._excluded(path)

    def unread(self, entry: Unread) -> None:
        """Note an input that could not be scanned."""
        self._unread.append(entry)

    def suspects(self, item: Blob | Unread, missed: list[Unread]) -> bool:
        """Whether something is found in an input; see `candidates`."""
        return any(True for _ in self.candidates(item, missed))

    def version(
        self, blob: Blob, copies: Sequence[Copy], old: Seen | None, missed: list[Unread]
    ) -> tuple[bool, Seen | None]:
        """Whether something is found in a text, and what else there is to know for the versions
        that take something over from it; see `Scanner.version`.
        """
        if magic.looks_like_archive(blob.data[:512]):
            return self.suspects(blob, missed), None
        seen = self._scanner.version(blob, copies, old)
        return not seen.clean, seen

    def look(self, item: Blob | Unread, keep: Callable[[Candidate], bool] | None = None) -> None:
        """Scan an input, and what is in it if it is an archive; `keep` says which hits count."""
        for candidate in self.candidates(item, self._unread):
            if keep is None or keep(candidate):
                self._grouper.add(candidate)

    def candidates(self, item: Blob | Unread, missed: list[Unread]) -> Iterator[Candidate]:
        """The candidates of an input and of everything packed in it; what could not be read goes
        to `missed`.
        """
        if isinstance(item, Unread):
            if not self.excluded(item.name.partition("!")[0]):
                missed.append(item)
            return
        if self.excluded(item.origin.path):
            return
        found = self._scanner.look(item)
        if not item.start and not item.origin.inside and magic.looks_like_archive(item.data[:512]):
            members = [one for member in archive.expand(item, self._limits)
                       for one in self.candidates(member, missed)]  # fmt: skip
            told = {(one.rule.id, one.secret) for one in members}
            yield from members
            found = [one for one in found if (one.rule.id, one.secret) not in told]
        yield from found

    def add(self, candidate: Candidate) -> None:
        """Keep a candidate that was found elsewhere."""
        self._grouper.add(candidate)

    def outcome(self, *, exposure: Exposure | None = None, scope: str = "") -> Outcome:
        """Everything this run found out."""
        findings = tuple(self._grouper.findings(exposure))
        policy = self._pack.policy
        unused = [entry for entry in self._allowances if entry not in self._grouper.used]
        return Outcome(
            mode=self._mode,
            findings=findings,
            scanned=Scanned(self._what, self.items, self.commits, self.bytes, scope),
            unread=tuple((entry.name, entry.why) for entry in self._unread),
            block_severity=policy.block_severity,
            block_confidence=policy.block_confidence,
            unused=tuple(
                suppressions.spell(entry)
                for entry in unused
                if self.whole_tree and entry not in self._grouper.expired
            ),
            expired=tuple(suppressions.spell(entry) for entry in sorted(self._grouper.expired)),
            seconds=time.monotonic() - self._began,
            ended=time.time(),
        )

    def remember(self, outcome: Outcome) -> None:
        """Keep the findings for `leakguard allow` in this repository."""
        if self._top is not None and outcome.findings:
            from leakguard.report.json_v1 import render

            recent.save(repository.git_folder(self._top), render(outcome))


def _detector(pack: Pack, mode: str) -> Detector | None:
    """What the repository wants beside our rules; nobody waits for it in a hook."""
    if not pack.policy.detectors or mode in _WAITED_FOR:
        return None
    from leakguard import plugins

    return plugins.detector(pack.policy.detectors, pack.book.rules)


def _excluding(policy: Policy) -> Callable[[str], bool]:
    """What the repository decided not to look at.

    Raises ConfigError for a pattern that git would not understand.
    """
    for pattern in policy.exclude:
        try:
            expression((pattern,))
        except ValueError:
            raise ConfigError(
                f"paths.exclude: {pattern!r} is not a pattern",
                "write it as in .gitignore: vendor/**, *.min.js",
                place=Place(policy.source),
            ) from None
    return matcher(policy.exclude) if policy.exclude else lambda _: False


def exit_code(outcome: Outcome) -> int:
    """Found beats unread: a leak must be told even where something could not be looked at."""
    if outcome.blocking:
        return exits.FOUND
    return exits.UNREAD if outcome.unread else exits.CLEAN


def show_hook(outcome: Outcome, *, explain: bool = False) -> int:
    """A hook's words: nothing when there is nothing to say."""
    if (outcome.findings and (outcome.blocking or outcome.warnings)) or outcome.unread:
        from leakguard.report.text import render

        look = console.style(sys.stdout)
        console.show(render(outcome, look, limit=5, explain=explain))
    return exit_code(outcome)


def look_at_all(gate: Gate, items: Iterable[Blob | Unread]) -> None:
    """Scan every input and count it."""
    for item in items:
        if isinstance(item, Blob):
            gate.items += not item.start
            gate.bytes += len(item.data)
        gate.look(item)
