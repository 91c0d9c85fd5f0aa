"""Failures in words: lower case, the place, the cause, a way out."""

from __future__ import annotations

from textwrap import dedent

from hypothesis import given

from leakguard.errors import ConfigError, Place, UnreadError, UsageError
from leakguard.report.problem import render
from leakguard.report.style import PLAIN, Style

from .builders import ANY_TEXT


def page(text: str) -> str:
    """A page as it stands in a test, without the test's indentation."""
    return dedent(text).lstrip("\n")


def test_what_another_program_said_is_quoted() -> None:
    error = UnreadError(
        "git could not read the index",
        "run git status; if that fails too, the repository needs repair",
        "the commit is stopped on purpose; unread is not clean",
        cause="fatal: index file corrupt",
    )
    assert render(error, PLAIN, what="commit not scanned") == page("""
        error: commit not scanned: git could not read the index
          cause: "fatal: index file corrupt"
          hint: run git status; if that fails too, the repository needs repair
          hint: the commit is stopped on purpose; unread is not clean
        """)


def test_a_mistake_in_a_file_is_shown_with_its_line() -> None:
    spot = Place(".leakguard.yml", 12, 12, 'severity = "hgih"', 6)
    error = ConfigError(
        'unknown severity "hgih"',
        'did you mean "high"?',
        "one of: info, low, medium, high, critical",
        place=spot,
    )
    assert render(error, PLAIN, what="commit not scanned") == page("""
        error: commit not scanned: unknown severity "hgih"
          --> .leakguard.yml:12:12
           |
        12 | severity = "hgih"
           |            ^^^^^^ one of: info, low, medium, high, critical
           |
           = hint: did you mean "high"?
        """)


def test_choices_that_do_not_fit_beside_the_caret_are_a_hint() -> None:
    spot = Place(".leakguard.yml", 3, 60, "x" * 70, 1)
    error = ConfigError("unknown key", "one of: extends, rules, paths, block", place=spot)
    lines = render(error, PLAIN).splitlines()
    assert lines[-1] == "   = hint: one of: extends, rules, paths, block"


def test_a_place_without_a_line_is_only_named() -> None:
    error = ConfigError("the rule file is empty", place=Place("rules/acme.yml"))
    assert render(error, PLAIN) == page("""
        error: the rule file is empty
          --> rules/acme.yml
        """)


def test_what_did_not_happen_is_said_once() -> None:
    error = UnreadError("commit not scanned: git could not read the index")
    assert render(error, PLAIN, what="commit not scanned").count("commit not scanned") == 1


def test_several_lines_of_a_program_become_one() -> None:
    error = UsageError("no", cause="fatal: a\nhint: run this\x1b[2J")
    assert render(error, PLAIN) == ('error: no\n  cause: "fatal: a\\nhint: run this\\x1b[2J"\n')


def test_colour_repeats_what_the_words_say() -> None:
    error = UsageError("which hook?")
    assert render(error, Style(colour=True)) == "\x1b[31merror:\x1b[0m which hook?\n"


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_nothing_foreign_drives_the_terminal(path: str, line: str, cause: str, hint: str) -> None:
    error = ConfigError("wrong", hint, place=Place(path, 7, 3, line, 4), cause=cause)
    text = render(error, PLAIN)
    for shown in text.split("\n"):
        assert shown.isprintable()
        assert not shown.strip().startswith("::")
    text.encode("utf-8")


def test_a_command_at_the_end_of_a_hint_stays_whole() -> None:
    command = "leakguard exposure close LG-2026-0001 X1 --state removal-requested"
    long = UsageError("not yet", f"nothing was done about X1 (app.py:1 on main) [G-28]: {command}")
    assert f"        {command}" in render(long, PLAIN).splitlines()
