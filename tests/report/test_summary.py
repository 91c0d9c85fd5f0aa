"""The job summary: Markdown that opens with the verdict and fits the service."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.finding import Exposure, Outcome, Scanned
from leakguard.report.summary import LIMIT, headline, render

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

LOGGED = finding(NPM, place("publish.log", 214), exposure=Exposure.LOGGED)
OURS = re.compile(r"</?(?:code|details|summary)>")
AUTOLINK = re.compile(r"\(<(https?://[^<>\s|]+)>\)")
SPAN = re.compile(r"`[^`|]+`")


def sane(text: str) -> str:
    """The summary, with every line checked for what it may hold."""
    assert text.isascii()
    assert text.endswith("\n")
    assert text.startswith("### leakguard: ")
    assert text.count("<details>") == text.count("</details>")
    for line in text.split("\n"):
        assert line.isprintable()
        if line.startswith("|"):
            assert line.count("|") == 6, line
        bare = OURS.sub("", AUTOLINK.sub("", SPAN.sub("", line)))
        assert not set(bare) & set("<`"), line
        assert "](" not in bare
        assert not re.search(r"https?:|www\.|[@!]\[?\w", bare)
    return text


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_sane(name: str) -> None:
    sane(render(CASES[name]))


@given(hostile_outcomes(), st.sampled_from([3000, 5000, LIMIT]))
def test_every_outcome_is_sane_and_fits(outcome: Outcome, limit: int) -> None:
    assert len(sane(render(outcome, limit=limit))) <= limit


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (tree(), "no secrets found"),
        (tree(allowed(finding())), "no secrets found"),
        (tree(possible()), "1 possible secret needs a look"),
        (staged(finding()), "1 secret must be taken out"),
        (tree(LOGGED), "1 secret must be rotated"),
        (tree(LOGGED, finding(), finding()), "1 secret must be rotated, 2 secrets must be taken out"),
        (tree(unread=(("a", "b"),)), "not everything was scanned"),
        (tree(finding(), unread=(("a", "b"),)),
         "1 secret must be taken out, not everything was scanned"),
    ],
)  # fmt: skip
def test_it_opens_with_the_verdict(outcome: Outcome, words: str) -> None:
    assert headline(outcome) == words
    assert render(outcome).startswith(f"### leakguard: {words}\n")


def test_a_row_says_what_where_since_when_and_what_to_do() -> None:
    text = render(pushed(in_commit(NPM)))
    assert "| Finding | What | Where | Since | Do now |\n|---|---|---|---|---|\n" in text
    assert (
        "| `7f3a9c` | npm access token, `npm_*****` (critical, likely) | "
        "`app/notify.py:14` (commit `ab12cd3`) | 2026-11-21 14&#58;02 | take it out, rewrite"
    ) in text


def test_what_got_out_comes_with_the_address_where_it_is_revoked() -> None:
    assert "(<https://npm.example/settings/tokens>) |\n" in render(tree(LOGGED))
    assert "https://npm.example" not in render(tree(finding(NPM)))


def test_how_much_was_scanned_and_allowed_is_always_said() -> None:
    outcome = Outcome("range", (allowed(finding()), allowed(finding())),
                      Scanned("file", 40, 12, scope="main..feature/pay"), seconds=1.44)  # fmt: skip
    assert (
        "Scanned 12 commits (`main..feature/pay`) in 1.4 s. "
        "2 allowed secrets were seen and did not block.\n"
    ) in render(outcome)
    assert "- `7f3a9c` Slack bot token at `app/notify.py:14`: sample of the public docs\n" in (
        render(outcome)
    )


def test_not_scanned_stands_above_the_findings() -> None:
    text = render(CASES["staged, everything"])
    assert "**Not scanned**, which is not clean:\n\n- `big.zip`: larger than the limit\n" in text
    assert text.index("big.zip") < text.index("| Finding |")


def test_what_does_not_block_is_folded() -> None:
    text = render(tree(possible()))
    assert "<details><summary>1 finding that does not block</summary>\n\n| Finding |" in text


def test_each_finding_says_why_how_and_the_next_commands() -> None:
    assert (
        "- `7f3a9c` Slack bot token at `app/notify.py:14`\n"
        "  - **why** whoever reads this can read and post as your bot\n"
        "  - **fix** load it when the program runs, then stage the file again\n"
        '    - `SLACK_TOKEN = os.environ["SLACK_TOKEN"]`\n'
        '  - **Not a secret?** `leakguard allow 7f3a9c --reason "why it is safe"`\n'
        "  - **Already shared?** `leakguard respond 7f3a9c`\n"
        "  - **More about it** `leakguard rules show slack-bot-token`\n"
    ) in render(staged(finding()))


def test_a_long_summary_is_cut_and_says_what_is_missing() -> None:
    deep = "d/" * 120 + "x.py"
    many = tuple(finding(SLACK, place(deep), fingerprint=f"{n:016x}") for n in range(3000))
    text = sane(render(tree(*many)))
    assert LIMIT * 0.95 < len(text) <= LIMIT
    assert "**Cut at 900 KiB.** Left out: " in text
    shown = text.count("\n| `")
    left = re.search(r"(\d+) of 3000 blocking findings", text)
    assert shown + (int(left[1]) if left else 0) == 3000
    assert text.rstrip().endswith("The other reports hold everything.")


@pytest.mark.parametrize(
    "name",
    [
        "a|b",
        "a`b|c",
        "<script>x</script>",
        "[x](https://evil.example)",
        "@team",
        "a\n# b",
        "</code>",
    ],
)
def test_a_name_is_text(name: str) -> None:
    rule = SLACK._replace(name=name, why=name)
    sane(render(staged(finding(rule, place(name)), unread=((name, name),))))


@pytest.mark.parametrize("name", CASES)
def test_nobody_is_taught_the_bypass_or_blamed(name: str) -> None:
    text = render(CASES[name])
    assert "no-verify" not in text
