"""The HTML page: nothing from outside, nothing that acts but our own script."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given

from leakguard.finding import Evidence, Outcome
from leakguard.report.escape import is_address
from leakguard.report.html import render

from .builders import CASES, SLACK, allowed, finding, hostile_outcomes, place, pushed, staged, tree

VOID = {"meta", "input", "br"}
TAGS = VOID | {
    "html", "head", "title", "style", "body", "header", "h1", "h2", "p", "code", "main", "article",
    "aside", "span", "dl", "dt", "dd", "ul", "li", "pre", "a", "form", "select", "option",
    "output", "footer", "script",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "data-kind", "data-severity",
    "data-confidence", "href", "rel", "hidden", "type", "placeholder", "aria-label", "value", "id",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would see, with every tag and attribute checked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.meta: dict[str, str] = {}
        self.inside: dict[str, list[str]] = {}
        self.cards: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= ATTRIBUTES
        found = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        if tag == "a":
            self.links.append(found["href"])
        if tag == "meta":
            self.meta[found.get("http-equiv", found.get("name", ""))] = found.get("content", "")
        if tag == "article":
            self.cards.append(found["data-kind"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.inside.setdefault(self.open[-1] if self.open else "", []).append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def text(self, tag: str) -> str:
        """All text directly inside elements of that name."""
        return "\n".join(self.inside.get(tag, []))


def page(outcome: Outcome, *, explain: bool = False) -> Page:
    """The page, parsed and checked."""
    text = render(outcome, explain=explain)
    assert text.isascii()
    assert all(line.isprintable() for line in text.split("\n"))
    parsed = Page(text)
    assert all(map(is_address, parsed.links))
    assert (parsed.tags["script"], parsed.tags["style"]) == (1, 1)
    return parsed


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("explain", [False, True])
def test_every_case_is_a_page(name: str, explain: bool) -> None:
    outcome = CASES[name]
    assert len(page(outcome, explain=explain).cards) == len(outcome.findings)


@given(hostile_outcomes())
def test_nothing_foreign_becomes_an_element(outcome: Outcome) -> None:
    harmless = outcome._replace(
        findings=tuple(
            found._replace(
                rule=found.rule._replace(name="n", why="w"),
                locations=tuple(spot._replace(path="p") for spot in found.locations),
            )
            for found in outcome.findings
        ),
        unread=tuple(("n", "r") for _ in outcome.unread),
    )
    seen = page(outcome, explain=True)
    assert len(seen.cards) == len(outcome.findings)
    plain = page(harmless, explain=True).tags
    assert seen.tags - Counter({"pre": 99}) == plain - Counter({"pre": 99})


def test_the_policy_allows_this_script_and_style_and_nothing_else() -> None:
    parsed = page(CASES["staged"])
    policy = parsed.meta["Content-Security-Policy"]
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": hashed(parsed.text("style")),
        "script-src": hashed(parsed.text("script")),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def hashed(text: str) -> str:
    """A source expression of the policy, as a browser computes it."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_the_policy_stands_before_what_it_rules() -> None:
    text = render(CASES["staged"])
    assert text.index("Content-Security-Policy") < text.index("<style>") < text.index("<script>")


def test_nothing_is_fetched() -> None:
    text = render(CASES["staged, everything"])
    assert "url(" not in text
    assert "@import" not in text
    assert " src=" not in text
    assert not re.search(r"fetch\(|XMLHttp|import\(|eval|innerHTML", text)
    assert re.findall(r"<link|<img|<iframe|<object", text) == []


def test_without_the_script_everything_is_there_and_no_form() -> None:
    text = render(CASES["staged, everything"])
    assert "<form hidden>" in text
    assert text.count("<article ") == 4
    assert not re.search(r"<article[^>]*hidden", text)


def test_it_opens_with_the_verdict_and_what_was_not_scanned() -> None:
    parsed = page(CASES["staged, everything"])
    assert parsed.text("h1") == "2 secrets must be taken out, not everything was scanned"
    text = render(CASES["staged, everything"])
    assert text.index("Not scanned, which is not clean") < text.index("<article ")
    assert "<li><code>big.zip</code>: larger than the limit</li>" in text


def test_the_worst_come_first_and_allowed_ones_last_with_their_reason() -> None:
    parsed = page(CASES["staged, everything"])
    assert parsed.cards == ["blocking", "blocking", "warning", "allowed"]
    assert "sample of the public docs" in parsed.text("dd")


def test_a_card_says_all_of_a_finding() -> None:
    parsed = page(pushed(finding(SLACK, place("a b.py", 3, commit="ab" * 20))))
    assert "a b.py:3:16" in parsed.text("code")
    assert "xoxb-*****" in parsed.text("code")
    assert 'leakguard allow 7f3a9c --reason "why it is safe"' in parsed.text("code")
    assert "whoever reads this can read and post as your bot" in parsed.text("dd")
    assert parsed.links == ["https://slack.example/apps", "https://docs.slack.example/tokens"]


def test_evidence_is_shown_on_request() -> None:
    outcome = staged(finding(evidence=(Evidence("checksum", "fits"),)))
    assert "checksum: fits" in page(outcome, explain=True).text("li")
    assert "checksum" not in render(outcome)


@pytest.mark.parametrize(
    "name",
    [
        "<script>x</script>",
        '" onmouseover="x',
        "</style>",
        "&lt;b&gt;",
        "javascript:x",
        "-->",
        "]]>",
    ],
)
def test_a_name_is_text(name: str) -> None:
    rule = SLACK._replace(name=name, why=name, references=(name,))
    parsed = page(tree(allowed(finding(rule, place(name)), name), unread=((name, name),)))
    assert f"{name}:14:16" in parsed.text("code")
    assert name not in parsed.links


def test_many_places_are_counted_beyond_a_hundred() -> None:
    outcome = tree(finding(SLACK, *(place(f"{n}.py") for n in range(120)), more_places=5))
    parsed = page(outcome)
    assert "and 25 more" in parsed.text("li")


def test_a_clean_run_is_a_page_too() -> None:
    parsed = page(tree())
    assert parsed.text("h1") == "no secrets found"
    assert parsed.text("p").startswith("Clean: 412 files, 0 secrets, 0 allowed")
    assert parsed.tags["form"] == 0
