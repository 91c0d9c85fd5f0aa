"""What people read. The pages are golden; small tests say why they look like that."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.finding import Evidence, Exposure, Outcome, Scanned
from leakguard.report.style import PLAIN, Style
from leakguard.report.text import clean_line, render

from .builders import (
    CASES,
    NPM,
    SLACK,
    allowed,
    finding,
    hostile_outcomes,
    in_commit,
    place,
    possible,
    pushed,
    staged,
    tree,
)


def page(text: str) -> str:
    """A page as it stands in a test, without the test's indentation."""
    return dedent(text).lstrip("\n")


def test_a_stopped_commit() -> None:
    assert render(staged(finding()), PLAIN) == page("""
        error[slack-bot-token]: Slack bot token in a staged file
          --> app/notify.py:14:16
           |
        14 | SLACK_TOKEN = "xoxb-*****"
           |                ^^^^^^^^^^ confidence likely
           |
           = why: whoever reads this can read and post as your bot
           = fix: load it when the program runs, then stage the file again
                    SLACK_TOKEN = os.environ["SLACK_TOKEN"]

        Commit stopped: 1 secret in 1 of 3 staged files. Nothing was committed.

          Not a secret?    leakguard allow 7f3a9c --reason "why it is safe"
          Already shared?  leakguard respond 7f3a9c
          More about it    leakguard rules show slack-bot-token
        """)


def test_a_stopped_push() -> None:
    assert render(pushed(in_commit()), PLAIN) == page("""
        error[slack-bot-token]: Slack bot token in commit ab12cd3
          --> app/notify.py:14:16 (2026-11-21)
           |
        14 | SLACK_TOKEN = "xoxb-*****"
           |                ^^^^^^^^^^ confidence likely
           |
           = why: whoever reads this can read and post as your bot
           = fix: take it out, rewrite the commit, then push again; rotate it if anyone
                  could have fetched it
                    git commit --amend            # when it is in the last commit
                    git rebase -i ab12cd34~       # when it is in an older one

        Push stopped: 1 secret in 1 of 12 commits. Nothing was pushed.

          Not a secret?    leakguard allow 7f3a9c --reason "why it is safe"
          Already shared?  leakguard respond 7f3a9c
          More about it    leakguard rules show slack-bot-token
        """)


def test_a_token_in_a_log() -> None:
    assert render(CASES["logged"], PLAIN) == page("""
        error[npm-token]: npm access token in a CI log
          --> publish.log:214:16
            |
        214 | NPM_TOKEN = "npm_*****"
            |              ^^^^^^^^^ confidence likely
            |
            = why: it can publish your packages
            = fix: rotate it now; hiding the log does not undo the reading; to rotate:
                   replace the token, then delete it

        Found 1 secret in 1 log (0.1 s)

          Rotate it now    https://npm.example/settings/tokens
          Start here       leakguard respond 7f3a9c
          Not a secret?    leakguard allow 7f3a9c --reason "why it is safe"
          More about it    leakguard rules show npm-token
        """)


def test_unread_is_a_headline() -> None:
    assert render(CASES["staged, unread only"], PLAIN) == page("""
        error: not scanned: big.zip
          cause: larger than the limit
          hint: if it cannot hold secrets, exclude its path in .leakguard.yml

        Commit stopped: not everything could be scanned. Nothing was committed.
        """)


def test_unread_comes_before_the_findings() -> None:
    outcome = staged(finding(), unread=(("big.zip", "larger than the limit"),))
    text = render(outcome, PLAIN)
    assert text.index("not scanned: big.zip") < text.index("slack-bot-token")
    assert "1 secret in 1 of 3 staged files, 1 not scanned." in text


def test_a_reason_may_end_in_what_to_do() -> None:
    gap = ("history", "the clone is shallow; git fetch --unshallow")
    text = render(Outcome("history", (), Scanned("blob", 9), (gap,)), PLAIN)
    assert "  cause: the clone is shallow\n  hint: git fetch --unshallow\n" in text
    assert "exclude" not in text


def test_a_warning_lets_the_commit_go_on() -> None:
    text = render(staged(possible()), PLAIN)
    assert text.startswith("warning[generic-password]: password in a staged file\n")
    assert "\nCommit goes on: 1 possible secret needs a look.\n" in text
    assert "Nothing was" not in text


def test_a_sure_finding_below_the_threshold_is_minor() -> None:
    outcome = staged(finding(severity="low"))._replace(block_severity="medium")
    assert "Commit goes on: 1 minor finding needs a look." in render(outcome, PLAIN)


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (CASES["message"], "Commit stopped: 1 secret in the commit message. Nothing was"),
        (CASES["pre-receive"], "Push refused: 1 secret in 1 of 12 commits. Nothing was accepted."),
        (staged(finding(), files=1), "Commit stopped: 1 secret in 1 staged file."),
        (staged(finding(more_places=9)), "Commit stopped: 1 secret in 3 staged files."),
        (tree(finding()), "Found 1 secret in 412 files (0.8 s)"),
        (
            tree(finding(), finding(NPM), allowed(finding())),
            "Found 2 secrets in 412 files, 1 allowed (0.8 s)",
        ),
        (
            tree(finding(), possible(), unread=(("a", "b"),)),
            "Found 1 secret in 412 files, 1 possible secret, 1 not scanned (0.8 s)",
        ),
        (tree(possible(), possible()), "Found 2 possible secrets in 412 files (0.8 s)"),
        (tree(unread=(("a", "b"),)), "Found 0 secrets in 412 files, 1 not scanned (0.8 s)"),
        (CASES["history"], "Found 1 secret in 3400 blobs (12.3 s)"),
        (pushed(in_commit(), mode="range"), "Found 1 secret in 12 commits (0.0 s)"),
    ],
)
def test_one_sentence_sums_it_up(outcome: Outcome, sentence: str) -> None:
    assert sentence in render(outcome, PLAIN).replace("\n", " ")


def test_a_clean_scan_is_one_line_and_counts_what_is_allowed() -> None:
    outcome = tree(allowed(finding()), allowed(finding(NPM)))
    assert render(outcome, PLAIN) == "Clean: 412 files, 0 secrets, 2 allowed (0.8 s)\n"
    assert clean_line(outcome) + "\n" == render(outcome, PLAIN)


@pytest.mark.parametrize(
    ("outcome", "headline"),
    [
        (tree(finding()), "Slack bot token in the working tree"),
        (staged(finding())._replace(mode="index"), "Slack bot token in a staged file"),
        (CASES["absolute"], "Slack bot token in a file"),
        (CASES["stdin"], "Slack bot token on standard input"),
        (CASES["message"], "Slack bot token in the commit message"),
        (CASES["pushed"], "Slack bot token in pushed history"),
        (
            pushed(
                finding(
                    SLACK,
                    place("commit message", 3, 1, commit="ab" * 20),
                    exposure=Exposure.COMMITTED,
                )
            ),
            "Slack bot token in the message of commit abababa",
        ),
    ],
)
def test_the_headline_says_where(outcome: Outcome, headline: str) -> None:
    assert render(outcome, PLAIN).splitlines()[0] == f"error[slack-bot-token]: {headline}"


def test_a_finding_in_pushed_history_names_its_commit() -> None:
    assert "  --> app/notify.py:14:16 (commit ab12cd3, 2026-11-21)\n" in render(
        CASES["pushed"], PLAIN
    )


def test_once_it_got_out_rotating_is_the_first_of_the_next_commands() -> None:
    last = render(CASES["pushed"], PLAIN).rsplit("\n\n", 1)[1]
    assert last.splitlines()[0] == "  Rotate it now    https://slack.example/apps"
    assert "Rotate it now" not in render(staged(finding()), PLAIN)


def test_more_places_are_counted_and_three_are_named() -> None:
    text = render(CASES["many places"], PLAIN)
    assert "   = also: in 12 more places: b.py:14, c.py:14, d.py:14, ...\n" in text
    one = render(tree(finding(SLACK, place("a.py"), place("b.py", 3))), PLAIN)
    assert "   = also: in 1 more place: b.py:3\n" in one


def test_what_else_it_could_be_is_a_note() -> None:
    text = render(staged(finding(alternatives=("aws-secret-access-key", "x-key"))), PLAIN)
    assert "   = note: also looks like aws-secret-access-key, x-key\n" in text


def test_a_comment_that_does_not_count_is_explained_without_being_asked() -> None:
    remark = Evidence("allow", "the comment gives no reason, so it does not count")
    assert f"   = note: {remark.detail}\n" in render(staged(finding(evidence=(remark,))), PLAIN)


def test_explain_gives_every_reason() -> None:
    seen = (Evidence("pattern", "matches the format"), Evidence("checksum", "crc fits"))
    outcome = staged(finding(evidence=seen), allowed(finding(NPM)))
    assert "evidence" not in render(outcome, PLAIN)
    text = render(outcome, PLAIN, explain=True)
    assert "   = evidence: pattern: matches the format\n" in text
    assert "   = evidence: checksum: crc fits\n" in text
    assert "   = details: 7f3a9c0e51d24b6f, severity high, validity unknown, class" in text
    assert "allowed[npm-token]: app/notify.py:14: sample of the public docs\n" in text


def test_several_findings_carry_their_ids_and_are_all_answered() -> None:
    outcome = staged(finding(), finding(NPM, fingerprint="19c04e0000000000"))
    text = render(outcome, PLAIN)
    assert "   = finding: 7f3a9c\n" in text
    assert text.endswith(
        '  Not a secret?    leakguard allow 7f3a9c --reason "why it is safe"\n'
        '                   leakguard allow 19c04e --reason "why it is safe"\n'
        "  Already shared?  leakguard respond 7f3a9c\n"
        "                   leakguard respond 19c04e\n"
        "  More about it    leakguard rules show slack-bot-token\n"
        "                   leakguard rules show npm-token\n"
    )


def test_many_findings_fit_one_screen_in_a_hook() -> None:
    many = staged(*(finding(fingerprint=f"{n:06x}0000000000") for n in range(8)))
    text = render(many, PLAIN, limit=5)
    assert text.count("error[") == 5
    assert "\nand 3 more; to see them all: leakguard scan --staged\n" in text
    assert text.count("leakguard allow ") == 5
    assert "Commit stopped: 8 secrets in" in text


def test_a_long_list_names_a_placeholder_since_ids_stand_at_the_findings() -> None:
    text = render(CASES["many findings"], PLAIN)
    assert text.count("error[") == 8
    assert text.endswith(
        '  Not a secret?    leakguard allow FINDING --reason "why it is safe"\n'
        "  Already shared?  leakguard respond FINDING\n"
        "  More about it    leakguard rules show RULE\n"
    )


def test_allowances_that_ended_or_match_nothing_say_how_to_go_on() -> None:
    text = render(CASES["staged, everything"], PLAIN)
    assert (
        "note: expired allowance 7f3a9c (slack-bot-token, app/notify.py, until\n"
        "  2026-11-20) - remove the secret, or allow it again\n"
        "note: unused allowance 19c04e (npm-token) - delete its line in .leakguard/allow\n"
    ) in text


def test_without_a_masked_line_the_confidence_is_still_said() -> None:
    text = render(staged(finding(excerpt="")), PLAIN)
    assert "   = confidence: likely\n   = why:" in text
    assert "^" not in text


def test_colour_repeats_what_the_words_say() -> None:
    plain = render(CASES["staged, everything"], PLAIN, explain=True)
    coloured = render(CASES["staged, everything"], Style(colour=True), explain=True)
    assert "\x1b[31merror[npm-token]:\x1b[0m npm access token" in coloured
    for code in ("\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


@pytest.mark.parametrize("name", CASES)
def test_nobody_is_taught_the_bypass_or_blamed(name: str) -> None:
    text = render(CASES[name], PLAIN, explain=True)
    assert "no-verify" not in text
    assert "!" not in text.replace("zip!", "")


@pytest.mark.parametrize("name", CASES)
def test_79_columns(name: str) -> None:
    assert max(map(len, render(CASES[name], PLAIN, explain=True).splitlines())) <= 79


@given(hostile_outcomes(), st.booleans(), st.sampled_from([None, 1, 5]))
def test_nothing_foreign_drives_the_terminal(
    outcome: Outcome, explain: bool, limit: int | None
) -> None:
    text = render(outcome, PLAIN, limit=limit, explain=explain)
    assert text.endswith("\n")
    for line in text.split("\n"):
        assert line.isprintable()
        assert not line.strip().startswith("::")
        assert "##[" not in line
    text.encode("utf-8")
