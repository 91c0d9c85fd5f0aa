"""The masked stream: whatever the chunks, no secret comes out, and nothing else is lost."""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.cli.mask_commands import AZURE, GITHUB
from leakguard.cli.watchdog import Watchdog
from leakguard.detect import mask, prefilter
from leakguard.detect.known import Known
from leakguard.detect.mask import HOLD, WAIT, Commands, Masker
from leakguard.detect.sight import Sight
from leakguard.finding import Candidate
from leakguard.load.pack import open_pack
from leakguard.recipe import expand
from leakguard.secret import Secret

TOKEN = 'GITHUB_TOKEN="ghp_{{alnum:36}}"'


@pytest.fixture(scope="session")
def sight() -> Sight:
    pack = open_pack(None)
    return Sight(pack.book, pack.prefilter.scan, Watchdog().watch)


class Run:
    """A masker, and what came of it."""

    def __init__(self, sight: Sight, *known: str, commands: Commands | None = None) -> None:
        self.found: list[Candidate] = []
        values = Known(prefilter.extension())
        for value in known:
            values.add(Secret(value.encode()))
        self.masker = Masker(sight, values, self.found.append, "(output)", commands)
        self.out = b""
        self.now = 0.0

    def feed(self, *parts: bytes | str, pause: float = 0.0) -> bytes:
        """Give parts with pauses between them, ticking as a caller would."""
        before = len(self.out)
        for part in parts:
            self.out += self.masker.feed(part.encode() if isinstance(part, str) else part, self.now)
            until = self.now + pause
            while (due := self.masker.due()) is not None and due <= until:
                self.now = max(self.now, due)
                self.out += self.masker.tick(self.now)
            self.now = until
        return self.out[before:]

    def end(self) -> bytes:
        self.out += self.masker.finish()
        return self.out


def whole(sight: Sight, text: str, *known: str) -> bytes:
    run = Run(sight, *known)
    run.feed(text)
    return run.end()


def secret_of(line: str) -> str:
    return line.split('"')[1]


@pytest.fixture
def line(fake: Callable[..., str]) -> str:
    return f'DEPLOY_TOKEN="{fake("{{alnum:40}}")}"\n'


def test_a_secret_becomes_a_mask_and_the_rest_stays(sight: Sight, line: str) -> None:
    assert whole(sight, f"before\n{line}after\n") == b'before\nDEPLOY_TOKEN="*****"\nafter\n'


def test_a_known_value_is_masked_though_no_rule_finds_it(sight: Sight) -> None:
    assert whole(sight, "the word is correct-horse today\n", "correct-horse") == (
        b"the word is ***** today\n"
    )


def test_a_value_that_was_found_is_masked_where_it_stands_alone(sight: Sight, line: str) -> None:
    assert whole(sight, f"{line}got {secret_of(line)} back\n").endswith(b"\ngot ***** back\n")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 64, 1000])
def test_whatever_the_size_of_the_chunks(size: int, sight: Sight, line: str) -> None:
    text = f"one\n{line}two {secret_of(line)} three\nfour".encode()
    run = Run(sight)
    run.feed(*(text[at : at + size] for at in range(0, len(text), size)))
    assert run.end() == whole(sight, text.decode())


@pytest.mark.parametrize("pause", [0.001, WAIT + 0.001, 0.1, 0.5])
def test_however_slowly_it_comes(pause: float, sight: Sight, line: str) -> None:
    run = Run(sight)
    run.feed(*(char.encode() for char in f"one\n{line}two\n"), pause=pause)
    assert run.end() == b'one\nDEPLOY_TOKEN="*****"\ntwo\n'


@pytest.mark.parametrize("pause", [0.1, 0.5])
def test_however_slowly_a_known_value_comes(pause: float, sight: Sight) -> None:
    run = Run(sight, "correct-horse-battery")
    run.feed(*(char.encode() for char in "is correct-horse-battery it\n"), pause=pause)
    shown = run.end()
    assert b"horse" not in shown
    assert shown.endswith(b" it\n")


@given(st.lists(st.integers(0, 400), max_size=12), st.floats(0, 0.2), st.integers(0, 2**32))
def test_any_cuts_and_pauses(sight: Sight, cuts: list[int], pause: float, seed: int) -> None:
    token = expand("{{alnum:40}}", Random(seed))
    text = f'x = 1\n\x1b[31merror\x1b[0m DEPLOY_TOKEN="{token}" end\nplain {token}\n'.encode()
    places = sorted({0, *(cut % len(text) for cut in cuts), len(text)})
    run = Run(sight, token)
    run.feed(*(text[a:b] for a, b in pairwise(places)), pause=pause)
    shown = run.end()
    assert not any(token[at : at + 6].encode() in shown for at in range(35))
    assert shown.startswith(b"x = 1\n\x1b[31merror\x1b[0m DEPLOY_TOKEN=")
    assert shown.count(b"\n") == 3


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_what_holds_no_secret_comes_out_as_it_went_in(sight: Sight, data: bytes, size: int) -> None:
    run = Run(sight)
    run.feed(*(data[at : at + size] for at in range(0, len(data), size)), pause=0.05)
    shown = run.end()
    assert shown == data or run.found


def test_a_prompt_comes_out_soon(sight: Sight) -> None:
    run = Run(sight)
    assert run.feed("Password: ", pause=0.05) == b"Password: "
    assert run.feed("\nContinue? [y/N]", pause=0.05) == b"\nContinue? [y/N]"
    assert run.feed("\r 45%", pause=0.05) == b"\r 45%"


def test_a_complete_line_comes_out_at_once(sight: Sight) -> None:
    assert Run(sight).feed("hello\nwor") == b"hello\n"


def test_what_may_be_a_secret_waits_until_it_is_told_and_not_for_ever(sight: Sight) -> None:
    run = Run(sight, "correct-horse")
    assert run.feed("say correct", pause=HOLD / 2) == b"say "
    assert run.feed("ion\n") == b"correction\n"
    assert run.feed("say correct", pause=2 * HOLD) == b"say correct"


def test_colours_stay_and_hide_nothing(sight: Sight, fake: Callable[..., str]) -> None:
    token = fake("{{alnum:40}}")
    shown = whole(sight, f'API_TOKEN=\x1b[32m"{token[:20]}\x1b[1m{token[20:]}"\x1b[0m ok\n')
    assert shown == b'API_TOKEN=\x1b[32m"*****\x1b[1m"\x1b[0m ok\n'


def test_a_public_prefix_stays(sight: Sight, rules: list, fake: Callable[..., str]) -> None:
    rule = next(rule for rule in rules if rule.public_prefix == "ghp_" and rule.checksum)
    shown = whole(sight, f"got {fake('ghp_{{alnum:30}}{{checksum}}', rule)}\n")
    assert shown == b"got ghp_*****\n"


@pytest.mark.parametrize("size", [1, 70, 10_000])
def test_a_private_key_is_masked_line_by_line(
    size: int, sight: Sight, fake: Callable[..., str]
) -> None:
    text = f"key:\n{fake('{{pem:RSA PRIVATE KEY}}')}\ndone\n".encode()
    body = text.split(b"-----\n")[1].split(b"\n-----")[0].split(b"\n")
    run = Run(sight)
    run.feed(*(text[at : at + size] for at in range(0, len(text), size)), pause=0.001)
    shown = run.end()
    assert not any(line[:12] in shown for line in body)
    assert shown.startswith(b"key:\n")
    assert shown.endswith(b"\ndone\n")


def test_a_private_key_that_stops_half_way(sight: Sight, fake: Callable[..., str]) -> None:
    lines = fake("{{pem:RSA PRIVATE KEY}}").splitlines()
    run = Run(sight)
    run.feed(*(f"{line}\n" for line in lines[:8]), pause=2 * HOLD)
    run.feed("next: line 1\n", "and more\n")
    assert not any(line.encode()[:12] in run.end() for line in lines[1:8])
    assert run.out.endswith(b"\nand more\n")


def test_base64_of_an_assignment(sight: Sight, line: str) -> None:
    coded = base64.b64encode(line.encode())
    shown = whole(sight, f"see {coded.decode()} there\n")
    assert coded[20:60] not in shown
    assert shown.endswith(b" there\n")


def test_a_line_without_an_end_is_passed_on_in_parts(sight: Sight, line: str) -> None:
    token = secret_of(line)
    text = "a" * 100_000 + " " + line.strip() + " " + "b " * 100_000
    run = Run(sight, token)
    early = run.feed(*(text[at : at + 1000] for at in range(0, len(text), 1000)))
    assert len(early) > 200_000
    assert run.end() == text.replace(token, "*****").encode()


def test_lines_are_counted_through(sight: Sight, line: str) -> None:
    run = Run(sight)
    run.feed(*("nothing here\n" * 50 for _ in range(400)), line)
    run.end()
    assert {one.location.start_line for one in run.found} == {20_001}
    assert {one.location.path for one in run.found} == {"(output)"}
    assert run.found[0].location.start_column == len('DEPLOY_TOKEN="') + 1


def test_each_place_is_told_once(sight: Sight, line: str) -> None:
    run = Run(sight)
    run.feed(line, *(f"line {number}\n" for number in range(200)))
    run.end()
    assert len({(one.rule.id, one.location.start_line) for one in run.found}) == len(run.found)


def test_memory_stays_flat(sight: Sight) -> None:
    run = Run(sight)
    for _ in range(50):
        run.feed("some line of a log\n" * 5000)
        run.out = b""
    assert len(run.masker._buffer) <= 4 * mask.CONTEXT


@pytest.mark.parametrize(
    ("service", "command"),
    [(GITHUB, "::add-mask::{}\n"), (AZURE, "##vso[task.setsecret]{}\n"),
     (AZURE, "##vso[task.setvariable variable=x;issecret=true]{}\n")],
)  # fmt: skip
def test_a_program_that_tells_its_service_is_let_through_and_the_value_is_masked_from_then_on(
    service: object, command: str, sight: Sight
) -> None:
    run = Run(sight, commands=service.heard)  # type: ignore[attr-defined]
    told = command.format("correct-horse")
    run.feed(told, "it is correct-horse\n")
    assert run.end() == f"{told}it is *****\n".encode()


def test_outside_a_service_such_a_line_is_masked(sight: Sight) -> None:
    assert whole(sight, "::add-mask::correct-horse\n", "correct-horse") == b"::add-mask::*****\n"
