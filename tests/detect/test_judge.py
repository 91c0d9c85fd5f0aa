"""Which match explains a secret best, what confirms it, and who allowed it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import pytest

from leakguard.blob import Blob, Origin
from leakguard.cli.rules_check import scanner as scanner_for
from leakguard.detect.scanner import Scanner
from leakguard.finding import Candidate, SuppressionKind
from leakguard.rule import Companion, Rule

from .builders import TOKEN, acme, scan

Fake = Callable[..., str]

BROAD = acme("acme-any-key", r"\b(?P<secret>acme_[a-z]{4}_[0-9A-Za-z]{32})\b", public_prefix="")
LIVE = acme()
PAIR_ID = acme("acme-id", r"\b(?P<secret>acmeid[0-9a-f]{16})\b", companions=(Companion("acme-secret", 3),),
               alone_severity="low", alone_confidence="possible", severity="critical")  # fmt: skip
PAIR_SECRET = acme("acme-secret", r"\b(?P<secret>acmesec[0-9a-f]{16})\b", severity="medium")


def ids(found: list[Candidate]) -> list[str]:
    return [one.rule.id for one in found]


# ------------------------------------------------------------------------------- one explanation


def test_of_two_rules_on_the_same_bytes_the_one_with_a_prefix_explains_it(fake: Fake) -> None:
    for order in ((BROAD, LIVE), (LIVE, BROAD)):
        (found,) = scan(fake(TOKEN), *order)
        assert found.rule.id == "acme-live-key"
        assert found.alternatives == ("acme-any-key",)


def test_a_surer_rule_explains_it_better(fake: Fake) -> None:
    (found,) = scan(fake(TOKEN), LIVE._replace(confidence="possible"), BROAD)
    assert found.rule.id == "acme-any-key"


def test_a_longer_match_explains_it_better(fake: Fake) -> None:
    short = acme(
        "acme-short",
        r"\b(?P<secret>live_[0-9A-Za-z]{32})\b".replace(r"\b", "", 1),
        public_prefix="",
    )
    (found,) = scan(fake(TOKEN), BROAD, short)
    assert found.rule.id == "acme-any-key"
    assert found.alternatives == ("acme-short",)


def test_a_rule_that_supersedes_takes_the_place_of_the_better_one(fake: Fake) -> None:
    meant = BROAD._replace(supersedes=("acme-live-key",))
    (found,) = scan(fake(TOKEN), LIVE, meant)
    assert found.rule.id == "acme-any-key"
    assert found.alternatives == ("acme-live-key",)


def test_secrets_side_by_side_are_both_told(fake: Fake) -> None:
    assert ids(scan(f"{fake(TOKEN)},{fake(TOKEN)}")) == ["acme-live-key"] * 2


def test_the_same_bytes_found_twice_by_one_rule_are_no_alternative(fake: Fake) -> None:
    rule = acme(value="hex:32", words=("acme", "acmecorp"))
    (found,) = scan(f"acmecorp acme key {fake('{{hex:32}}')}", rule)
    assert found.alternatives == ()


def test_a_providers_rule_beats_the_generic_one(scanner: Scanner, fake: Fake) -> None:
    text = f'password = "{fake("dop_v1_{{hex:64}}")}"'
    (found,) = scanner.look(Blob(Origin("tree", "app.py"), text.encode()))
    assert found.rule.id == "digitalocean-pat"


def test_candidates_come_in_the_order_of_the_text(fake: Fake) -> None:
    found = scan("\n".join(fake(TOKEN) for _ in range(9)))
    assert [one.location.start_line for one in found] == list(range(1, 10))


# ----------------------------------------------------------------------------------- what drops it


def test_a_stand_in_is_not_a_secret() -> None:
    assert scan("acme_live_" + "x" * 32) == []


def test_a_value_below_the_entropy_of_its_rule_is_not_a_secret(fake: Fake) -> None:
    value = "acme_live_" + "abcd1234" * 4
    assert scan(value)
    assert scan(value, acme(entropy=4.0)) == []
    assert scan(fake(TOKEN), acme(entropy=4.0))


@pytest.mark.parametrize(("path", "looked"), [
    (".npmrc", True), ("a/b/.npmrc", True), ("npmrc", False), ("conf/acme.ini", True), ("acme.ini", False),
])  # fmt: skip
def test_a_rule_with_paths_looks_only_there(path: str, looked: bool, fake: Fake) -> None:
    rule = acme(paths=("**/.npmrc", "conf/*.ini"))
    assert bool(scan(fake(TOKEN), rule, path=path)) == looked


def test_a_member_of_an_archive_is_judged_by_its_own_path(fake: Fake) -> None:
    blob = Blob(Origin("tree", "all.zip").within("home/.npmrc"), fake(TOKEN).encode())
    assert scanner_for([acme(paths=("**/.npmrc",))]).look(blob)


def test_a_match_that_begins_in_a_neighbours_part_is_the_neighbours(fake: Fake) -> None:
    text = "x " + fake(TOKEN)
    assert scan(text, own=(0, 3))
    assert not scan(text, own=(0, 2))
    assert not scan(text, own=(3, 100))
    assert scan(text, own=(2, 3))


# ------------------------------------------------------------------------------------------- pairs


def both(fake: Fake, between: str) -> list[Candidate]:
    text = fake("acmeid{{hex:16}}") + between + fake("acmesec{{hex:16}}")
    return scan(text, PAIR_ID, PAIR_SECRET)


@pytest.mark.parametrize("between", [" ", "\n", "\n\n\n"])
def test_two_halves_close_together_confirm_each_other(between: str, fake: Fake) -> None:
    one, two = both(fake, between)
    assert one.confidence == two.confidence == "confirmed"
    assert one.severity == two.severity == "critical"
    assert (
        one.evidence[-1].detail
        == f"complete with acme-secret on line {1 + len(between.strip(' '))}"
    )
    assert two.evidence[-1].detail == "complete with acme-id on line 1"


def test_halves_far_apart_do_not(fake: Fake) -> None:
    one, two = both(fake, "\n" * 4)
    assert (one.severity, one.confidence) == ("low", "possible")
    assert one.evidence[-1].detail == "its other half is not near by"
    assert (two.severity, two.confidence) == ("medium", "likely")


def test_a_lone_half_is_less(fake: Fake) -> None:
    (found,) = scan(fake("acmeid{{hex:16}}"), PAIR_ID, PAIR_SECRET)
    assert (found.severity, found.confidence) == ("low", "possible")


def test_a_half_that_says_nothing_of_being_alone_stays_what_it_is(fake: Fake) -> None:
    plain = PAIR_ID._replace(alone_severity="", alone_confidence="")
    (found,) = scan(fake("acmeid{{hex:16}}"), plain, PAIR_SECRET)
    assert (found.severity, found.confidence) == ("critical", "likely")


def test_the_first_other_half_in_reach_completes_it(fake: Fake) -> None:
    text = "\n".join(
        [fake("acmesec{{hex:16}}"), "", fake("acmeid{{hex:16}}"), fake("acmesec{{hex:16}}")]
    )
    found = scan(text, PAIR_ID, PAIR_SECRET)
    assert [one.evidence[-1].detail[-6:] for one in found] == ["line 3", "line 1", "line 3"]


# ----------------------------------------------------------------------------------- inline allow


def allowed(text: str, *rules: Rule) -> Candidate:
    (found,) = scan(text, *rules)
    return found


@pytest.mark.parametrize("line", [
    "key = TOKEN  # leakguard:allow acme-live-key revoked in 2027",
    "key = TOKEN  // leakguard:allow acme-live-key: revoked in 2027",
    "<!-- leakguard:allow acme-live-key revoked in 2027 --> TOKEN",
    "/* leakguard:allow acme-live-key   revoked in 2027 */ TOKEN",
    "# leakguard:allow acme-live-key revoked in 2027\nkey = TOKEN",
    "  // leakguard:allow acme-live-key revoked in 2027\r\nkey = TOKEN\r\n",
    "-- leakguard:allow acme-live-key revoked in 2027\nTOKEN",
])  # fmt: skip
def test_a_comment_with_a_reason_allows_it(line: str, fake: Fake) -> None:
    found = allowed(line.replace("TOKEN", fake(TOKEN)))
    assert found.inline_allow is not None
    assert found.inline_allow.kind is SuppressionKind.IN_SOURCE
    assert found.inline_allow.justification.lstrip(": ") == "revoked in 2027"


def test_a_comment_may_stand_on_the_first_or_the_last_line_of_a_key(fake: Fake) -> None:
    rule = acme("acme-pem", r"(?s)(?P<secret>ACME<<.{10,400}?>>)", public_prefix="")
    lines = ["key = 'ACME<<", fake("{{base64:40}}"), ">>'", "end"]
    note = "  # leakguard:allow acme-pem used in the tests"
    for at, counts in ((0, True), (1, False), (2, True), (3, False)):
        marked = [line + note * (index == at) for index, line in enumerate(lines)]
        if at == 0:
            marked[0] = "# leakguard:allow acme-pem used in the tests\n" + lines[0]
        assert bool(allowed("\n".join(marked), rule).inline_allow) == counts, at


@pytest.mark.parametrize(("line", "remark"), [
    ("TOKEN # leakguard:allow acme-other-key for the tests", "allows acme-other-key, not this one"),
    ("TOKEN # leakguard:allow", "allows no rule, not this one"),
    ("TOKEN # leakguard:allow acme-live-key", "gives no reason"),
    ("TOKEN # leakguard:allow acme-live-key: -- 12", "gives no reason"),
    ("TOKEN # leakguard:allow * for the tests", "not this one"),
])  # fmt: skip
def test_a_comment_that_does_not_count_says_why(line: str, remark: str, fake: Fake) -> None:
    found = allowed(line.replace("TOKEN", fake(TOKEN)))
    assert found.inline_allow is None
    assert remark in found.evidence[-1].detail


@pytest.mark.parametrize("text", [
    "leakguard:allow acme-live-key code, not a comment\nTOKEN",
    "# leakguard:allow acme-live-key two lines up\n\nTOKEN",
    "TOKEN\n# leakguard:allow acme-live-key the line below",
    "x = 1 # leakguard:allow acme-live-key about x\nTOKEN",
    "# Leakguard:Allow acme-live-key other spelling\nTOKEN",
])  # fmt: skip
def test_a_comment_elsewhere_does_not_count(text: str, fake: Fake) -> None:
    found = allowed(text.replace("TOKEN", fake(TOKEN)))
    assert found.inline_allow is None
    assert "allow" not in found.evidence[-1].term


def test_allowing_an_alternative_allows_it_too(fake: Fake) -> None:
    found = allowed(f"{fake(TOKEN)} # leakguard:allow acme-any-key known", LIVE, BROAD)
    assert found.inline_allow is not None


def test_the_comment_on_the_line_speaks_before_the_one_above(fake: Fake) -> None:
    text = f"# leakguard:allow acme-live-key above\n{fake(TOKEN)} # leakguard:allow acme-live-key beside"
    assert allowed(text).inline_allow.justification == "beside"  # type: ignore[union-attr]


def test_an_encoded_secret_is_allowed_where_it_stands(fake: Fake) -> None:
    text = base64.b64encode(f"# settings for the app\n{fake(TOKEN)}\n".encode()).decode()
    assert allowed(f"{text} # leakguard:allow acme-live-key known").inline_allow is not None


# -------------------------------------------------------------------------------------- and quickly


def test_thousands_of_secrets_in_one_file_take_time_in_proportion(fake: Fake) -> None:
    def seconds(count: int, end: str) -> float:
        text = end.join(fake("acmeid{{hex:16}} acmesec{{hex:16}}") for _ in range(count))
        began = time.process_time()
        assert len(scan(text, PAIR_ID, PAIR_SECRET, BROAD)) == 2 * count
        return time.process_time() - began

    for end in ("\n", " "):
        assert seconds(2000, end) < 40 * max(seconds(200, end), 0.01)
