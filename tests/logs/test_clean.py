"""What stands between a rule and the text is taken out; lines keep their numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.read import ci_log
from leakguard.read.ci_log import CONTINUED, Steps, cleaned, plain


def clean(text: str | bytes, steps: Steps | None = None, size: int = 1 << 20) -> str:
    data = text.encode() if isinstance(text, str) else text
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(cleaned(parts, steps or Steps())).decode("utf-8", "replace")


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-21T14:02:11.1234567Z word one",
        "\ufeff2026-11-21T14:02:11.1234567Z word one",
        "2026-11-21 14:02:11,123 word one",
        "[2026-11-21T14:02:11.123Z] word one",
        "14:02:11 word one",
        "[14:02:11] word one",
        "[14:02:11]W:\t [Step 1/3] word one",
        "2026-11-21T14:02:11.123456Z 00O word one",
        "2026-11-21T14:02:11.123456Z 01E word one",
        "web-1    | word one",
        "[pod/api-0/main] word one",
        "[build:L12:3s] word one",
        "\x1b[32;1mword\x1b[0m \x1b[Kone",
        "wo\x1b[01;31m\x1b[Krd\x1b[m\x1b[K one",
        "\x1b_bk;t=1700000000000\x07word one",
        "\x1b[8mha:AAAAB3Nz\x1b[0mword one",
        "build\tRun it\t2026-11-21T14:02:11.1234567Z word one",
    ],
)
def test_what_services_put_around_a_line_is_gone(line: str) -> None:
    assert clean(f"before\n{line}\nafter\n") == "before\nword one\nafter\n"


def test_what_a_carriage_return_hides_is_kept() -> None:
    assert clean("secret words\rover\n") == "secret words over\n"


def test_the_address_behind_a_terminal_link_is_kept() -> None:
    assert clean("\x1b]8;;https://host/?t=x\x1b\\here\x1b]8;;\x1b\\\n").split() == [
        "https://host/?t=x",
        "here",
    ]


def test_a_cursor_that_moves_leaves_a_space() -> None:
    assert clean("one\x1b[5Ctwo\n") == "one two\n"


def test_names_in_front_of_a_value_stay() -> None:
    assert clean("token | abc\n") == "token | abc\n"


def test_utf_16_becomes_readable() -> None:
    assert clean("\ufeffone\r\ntwo\r\n".encode("utf-16-le"), size=7) == "one\ntwo\n"


def test_a_line_that_gitlab_cut_is_marked() -> None:
    stamp = "2026-11-21T14:02:11.123456Z 00O"
    text = f"{stamp} one\n{stamp}+two\n"
    assert clean(text) == f"one\n{CONTINUED.decode()}two\n"


@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_line_is_lost_or_made(data: bytes, size: int) -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(cleaned(parts, Steps())).count(b"\n") == data.count(b"\n")


@given(st.binary(max_size=400), st.integers(1, 60), st.integers(1, 40), st.integers(1, 4))
def test_pieces_are_the_same_bytes_and_end_with_a_line(
    data: bytes, size: int, piece: int, times: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ci_log, "PIECE", piece)
        patch.setattr(ci_log, "LONGEST", piece * times)
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        pieces = list(ci_log._pieces(parts))
    assert b"".join(pieces) == data
    for one in pieces[:-1]:
        assert one.endswith(b"\n") or len(one) <= piece * times
        assert len(one) <= max(piece, piece * times)


@given(
    st.lists(
        st.sampled_from([b"\x1b[", b"\x1b]", b"\x1b_", b"\x07", b"1m", b"a", b"\n", b"\r"]),
        max_size=60,
    )
)
def test_hostile_sequences_never_take_a_line_with_them(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert plain(data).count(b"\n") == data.count(b"\n")


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("##[group]Run npm publish", "Run npm publish"),
        (
            "\x1b[0Ksection_start:1700000000:step_script[collapsed=true]\r\x1b[0KThe script",
            "The script",
        ),
        ("\x1b[0Ksection_start:1700000000:step_script\r\x1b[0K", "step_script"),
        ("[Pipeline] { (Deploy)", "Deploy"),
        ("travis_fold:start:install\r\x1b[0K", "install"),
        ("##[section]Starting: Test", "Test"),
        ("\x1b_bk;t=1\x07~~~ Running hooks", "Running hooks"),
    ],
)
def test_a_log_names_its_steps(marker: str, name: str) -> None:
    steps = Steps()
    clean(f"one\n{marker}\nthree\n", steps)
    assert steps.at(1) == ("", "")
    assert steps.at(2) == steps.at(3) == ("", name)


def test_the_head_of_a_diff_is_no_step() -> None:
    steps = Steps()
    clean("--- a/file\n+++ b/file\n", steps)
    assert steps.at(2) == ("", "")


def test_gh_names_job_and_step_of_every_line() -> None:
    steps = Steps()
    stamp = "2026-11-21T14:02:11.1234567Z"
    clean(f"build\tSet up\t\ufeff{stamp} a\nbuild\tTest\t{stamp} b\nlint\tTest\t{stamp} c\n", steps)
    assert [steps.at(line) for line in (1, 2, 3)] == [
        ("build", "Set up"),
        ("build", "Test"),
        ("lint", "Test"),
    ]


def test_steps_count_lines_across_pieces() -> None:
    steps = Steps()
    clean("x\n" * 700_000 + "##[group]Late\n" + "y\n" * 10, steps, size=65536)
    assert steps.at(700_000) == ("", "")
    assert steps.at(700_001) == ("", "Late")
