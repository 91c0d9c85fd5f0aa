"""A stream with its secrets starred out: bytes in as they come, bytes out as soon as they may.

A secret may begin in one chunk and end in the next, so an unfinished line waits.
Not for long, though: a prompt has no line end. After `WAIT` seconds it is passed
on, except for a last run of characters that may be the beginning of a secret;
that waits until it is told, at most `HOLD` seconds after the last byte. What
was passed on is kept a while as context, so that a value is still judged by the
words before it, and so that the rest of one that was cut is masked all the same.

Colours stay: sequences for the terminal are left out before matching and put
back afterwards. Time is passed in; nothing here reads, writes or waits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from leakguard import late
from leakguard.blob import Blob, Origin
from leakguard.detect.armour import KEY, open_key, unended
from leakguard.detect.known import Known
from leakguard.detect.sight import Sight
from leakguard.detect.uncoloured import ESCAPE, Uncoloured
from leakguard.finding import Candidate
from leakguard.rule import Rule
from leakguard.secret import MASK, Secret

WAIT = 0.02
"""How long an unfinished line is kept, seconds."""

HOLD = 1.0
"""How long what may be the beginning of a secret is kept after the last byte, seconds."""

CONTEXT = 4096
"""Bytes that are kept at least after they were passed on."""

LONGEST = 64 * 1024
"""A line that is longer does not wait for its end."""

TAIL = 16 * 1024
"""So much of it stays behind."""

LEARNED = 100
"""So many found values are looked for again wherever they stand."""

LEARNED_LENGTH = 8
"""Only values of this length or more: a short one may be a word."""

_LINE = late.pattern(rb"[^\r\n]+")
_NAMED = late.pattern(
    rb"(?:pass|pwd|secret|token|key|auth|bearer|credential)[\w.-]{0,40}[\"']?"
    rb"(?:\s{0,3}[:=]\s{0,3}|\s)[\"']?(?P<value>[^\s\"':=][^\s\"']{0,4096})$",
    re.IGNORECASE,
)
_RANDOM = late.pattern(rb"(?<![\w+/=])(?=[A-Za-z+/_=]{0,64}[0-9])(?P<value>[\w+/=]{16,4096})$")
_TAIL_LINE = 4200
"""What is looked at of an unfinished line to tell whether a secret begins there."""


class Commands:
    """How a service is told of a secret: lines that fit `pattern`, in which `needle` stands."""

    def __init__(self, needle: bytes, pattern: re.Pattern[bytes]) -> None:
        """The pattern's group `value` is the secret."""
        self._needle = needle
        self._pattern = pattern

    def find(self, text: bytes, start: int) -> Iterator[re.Match[bytes]]:
        """The commands in a text."""
        return self._pattern.finditer(text, start) if self._needle in text else iter(())


class Masker:
    """One stream."""

    def __init__(
        self,
        sight: Sight,
        known: Known,
        tell: Callable[[Candidate], None],
        name: str,
        commands: Commands | None = None,
    ) -> None:
        """`tell` is given each candidate once, `name` is the path in its place.

        A command by which the program hands a value to the service around us, which
        then masks it, is passed on as it is; the value is looked for from then on.
        """
        self._sight = sight
        self._known = known
        self._tell = tell
        self._name = name
        self._commands = commands
        self._beginnings: re.Pattern[bytes] | None = None
        self._buffer = b""  # what was passed on and is context, then what waits
        self._done = 0  # where the second begins
        self._start = 0  # how much of the stream lies before the buffer
        self._line, self._column = 1, 0
        self._since = self._last = 0.0
        self._held = False
        self._keys = False  # whether the buffer speaks of a private key
        self._edge = False  # whether what was passed on last ends in a mask
        self._told: set[tuple[str, int]] = set()
        self._learned = 0

    @property
    def lines(self) -> int:
        """How many lines came so far; the last may be unfinished."""
        left = self._buffer.count(b"\n")
        return self._line - 1 + left + (self._buffer[-1:] not in (b"\n", b""))

    @property
    def size(self) -> int:
        """How many bytes came so far."""
        return self._start + len(self._buffer)

    def feed(self, data: bytes, now: float) -> bytes:
        """Take what came, give what may be passed on."""
        if self._done == len(self._buffer) or self._held:
            self._since, self._held = now, False
        self._last = now
        seam = self._buffer[-len(KEY) :]
        self._keys = self._keys or KEY in data or KEY in seam + data[: len(KEY)]
        self._buffer += data
        end = self._complete()
        if end <= self._done:
            return b""
        out = self._release(end)
        self._since = now
        return out

    def due(self) -> float | None:
        """When `tick` has to be called at the latest; None while nothing waits."""
        if self._done == len(self._buffer):
            return None
        return self._last + HOLD if self._held else self._since + WAIT

    def tick(self, now: float) -> bytes:
        """What may be passed on because it waited long enough."""
        due = self.due()
        if due is None or now < due:
            return b""
        if self._held:
            return self.finish()
        self._held = True
        return self._release(len(self._buffer) - self._doubtful())

    def finish(self) -> bytes:
        """All that is left."""
        return self._release(len(self._buffer), last=True)

    def _complete(self) -> int:
        """Where the last complete line ends, or a long line no longer waits; before a private key
        that has not ended.
        """
        data = self._buffer
        end = max(data.rfind(b"\n", self._done), data.rfind(b"\r", self._done)) + 1
        if len(data) - max(end, self._done) > LONGEST:
            end = len(data) - TAIL
        opened = self._open_key()
        return opened if 0 <= opened < end else end

    def _open_key(self) -> int:
        return open_key(self._buffer, LONGEST) if self._keys else -1

    def _doubtful(self) -> int:
        """How many bytes at the end may be the beginning of a secret."""
        data = self._buffer
        opened = self._open_key()
        if opened >= 0:
            return len(data) - max(opened, self._done)
        line = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        tail = data[max(line, len(data) - _TAIL_LINE) :]
        if self._beginnings is None:
            self._beginnings = self._sight.beginnings()
        longest = self._known.begun(tail)
        for form in (self._beginnings, _NAMED, _RANDOM):
            found = form.search(tail)
            if found is not None:
                longest = max(longest, len(tail) - found.start("value"))
        return min(longest, len(data) - self._done)

    def _release(self, end: int, *, last: bool = False) -> bytes:
        """Pass on what waits up to `end`, or less where a secret there may go on."""
        if end <= self._done:
            return b""
        view = Uncoloured(self._buffer)
        floor = view.inward(self._done)
        exempt = self._exempt(view.text, floor)
        found = [one for one in self._candidates(view.text, floor) if not _in(one.span, exempt)]
        hidden = (one for one in self._spans(view.text, floor, found) if not _in(one, exempt))
        spans = _joined(view.span(*one) for one in hidden if one[1] > one[0])
        for start, stop in spans:
            if start < end < stop:
                grows = stop == len(self._buffer) and not last and start > self._done
                end = start if grows else stop
        self._report(found, view, end)
        out = b"".join(self._masked(spans, end))
        self._done = end
        self._trim()
        return out

    def _exempt(self, text: bytes, floor: int) -> list[tuple[int, int]]:
        """Commands to the service around us, as stretches of the text; their values are learned."""
        if self._commands is None:
            return []
        found = []
        for command in self._commands.find(text, floor):
            self._known.add(Secret(command["value"].strip()))
            found.append(command.span())
        return found

    def _candidates(self, text: bytes, floor: int) -> list[Candidate]:
        origin = Origin("ci_log", "")  # without a path, rules for certain files look too
        blob = Blob(origin, text, start=self._start + 1, line=self._line, column=self._column)
        return self._sight.look(blob, floor)

    def _spans(self, text: bytes, floor: int, found: list[Candidate]) -> Iterator[tuple[int, int]]:
        for one in found:
            start, stop = one.span
            yield start + _shown(one.rule, text, start), stop
            self._learn(one)
        yield from ((low, high) for low, high in self._known.spans(text) if high > floor)
        if self._keys:
            yield from unended(text, floor)

    def _learn(self, one: Candidate) -> None:
        """A value that was found is masked from now on wherever it stands."""
        value = one.secret.reveal()
        value = value[_shown(one.rule, value, 0) :]
        if one.confidence == "possible" or len(value) < LEARNED_LENGTH:
            return
        if self._learned < LEARNED and (secret := Secret(value)) not in self._known:
            self._learned += 1
            self._known.add(secret)

    def _report(self, found: list[Candidate], view: Uncoloured, end: int) -> None:
        for one in found:
            start = view.source(one.span[0])
            key = (one.rule.id, self._start + start)
            if start >= end or key in self._told:
                continue
            self._told.add(key)
            self._tell(one._replace(location=one.location._replace(path=self._name)))

    def _masked(self, spans: list[tuple[int, int]], end: int) -> Iterator[bytes]:
        """What waits up to `end`, its secrets as masks."""
        at = self._done
        edge = self._edge
        for start, stop in spans:
            if stop <= at or start >= end:
                continue
            if start > at or not edge:
                yield self._buffer[at:start]
                edge = False
            yield _mask(self._buffer[max(start, at) : stop], going_on=edge)
            at, edge = stop, self._buffer[stop - 1] not in b"\r\n"
        yield self._buffer[at:end]
        self._edge = edge and at == end

    def _trim(self) -> None:
        """Let go of context that is no longer needed, from a line's beginning if there is one."""
        if self._done < 2 * CONTEXT:
            return
        cut = self._done - CONTEXT
        opened = self._open_key()
        cut = cut if opened < 0 else min(cut, opened)
        cut = (self._buffer.find(b"\n", cut, self._done) + 1) or cut
        gone, self._buffer = self._buffer[:cut], self._buffer[cut:]
        newlines = gone.count(b"\n")
        left = ESCAPE.sub(b"", gone[gone.rfind(b"\n") + 1 :])
        self._line += newlines
        self._column = len(left.decode("utf-8", "replace")) + (0 if newlines else self._column)
        self._start += cut
        self._done -= cut
        self._keys = self._keys and KEY in self._buffer
        self._told = {key for key in self._told if key[1] >= self._start}


def _shown(rule: Rule, text: bytes, start: int) -> int:
    """How much of a value is public and stays, so that a reader sees what it was."""
    prefix = rule.public_prefix.encode()
    return len(prefix) if prefix and text.startswith(prefix, start) else 0


def _in(span: tuple[int, int], stretches: list[tuple[int, int]]) -> bool:
    """Whether it begins in one of the stretches."""
    return any(low <= span[0] < high for low, high in stretches)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same stretches without overlaps, in order."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def _mask(piece: bytes, *, going_on: bool) -> bytes:
    """One mask for each line of a secret, line ends and colours kept; none on the first line
    if that has one already.
    """
    first = True

    def star(line: re.Match[bytes]) -> bytes:
        nonlocal first
        colours = b"".join(ESCAPE.findall(line[0]))
        begun, first = going_on and first and line.start() == 0, False
        if not ESCAPE.sub(b"", line[0]).strip():
            return line[0]
        return colours if begun else MASK.encode() + colours

    return _LINE.sub(star, piece)
