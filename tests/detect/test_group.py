"""One secret, any number of places, and the decisions about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import pytest

from leakguard.blob import Blob, Origin
from leakguard.detect.group import MAX_PLACES, Grouper
from leakguard.finding import Candidate, Exposure, Finding, SuppressionKind
from leakguard.policy import Allowance
from leakguard.rule import Rule
from leakguard.secret import Secret

from .builders import TOKEN, acme, scan, scanner

Fake = Callable[..., str]

TODAY = date(2027, 5, 21)


def grouped(
    candidates: list[Candidate], *allowances: Allowance, salt: str = "salt"
) -> list[Finding]:
    grouper = Grouper(salt, allowances, TODAY)
    for one in candidates:
        grouper.add(one)
    return grouper.findings()


def allowance(found: Finding, path: str = "", until: date | None = None) -> Allowance:
    return Allowance(found.fingerprint, found.rule_id, until, path, "a sample")


def test_one_secret_in_many_places_is_one_finding(fake: Fake) -> None:
    token = fake(TOKEN)
    places = scan(f"{token}\n{token}", path="b.py") + scan(token, path="a.py")
    (found,) = grouped(places)
    assert [(one.path, one.start_line) for one in found.locations] == [
        ("a.py", 1),
        ("b.py", 1),
        ("b.py", 2),
    ]


def test_another_value_or_another_rule_is_another_finding(fake: Fake) -> None:
    token = fake(TOKEN)
    other = acme("acme-other-key")
    assert len(grouped(scan(f"{token} {fake(TOKEN)}"))) == 2
    assert len(grouped(scan(token) + scan(token, other))) == 2


def test_the_same_place_seen_twice_is_one_place(fake: Fake) -> None:
    token = fake(TOKEN)
    (found,) = grouped(scan(token) + scan(token))
    assert len(found.locations) == 1


def test_beyond_so_many_places_there_is_only_a_count(fake: Fake) -> None:
    (found,) = grouped(scan("\n".join([fake(TOKEN)] * (MAX_PLACES + 7))))
    assert len(found.locations) == MAX_PLACES
    assert found.more_places == 7


# ----------------------------------------------------------------------------------- fingerprints


def fingerprint(candidates: list[Candidate], salt: str = "salt") -> str:
    (found,) = grouped(candidates, salt=salt)
    return found.fingerprint


def test_a_fingerprint_stays_when_code_moves(fake: Fake) -> None:
    token = fake(TOKEN)
    assert fingerprint(scan(token)) == fingerprint(
        scan(f"\n\nkey = '{token}'", path="other/file.rb")
    )


def test_a_fingerprint_changes_with_the_value_the_rule_and_the_salt(fake: Fake) -> None:
    token = fake(TOKEN)
    names = {
        fingerprint(scan(token)),
        fingerprint(scan(fake(TOKEN))),
        fingerprint(scan(token, acme("acme-other-key"))),
        fingerprint(scan(token), salt="another"),
    }
    assert len(names) == 4
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)


def test_a_guessable_value_is_hashed_slowly(fake: Fake) -> None:
    chosen = acme(secret_class="personal-password", public_prefix="")
    assert chosen.guessable
    assert not acme(secret_class="personal-password").guessable  # its prefix says it was made
    secret = Secret(fake("{{password:12}}").encode())
    quick = secret.fingerprint("acme", b"salt", guessable=False)
    began = time.process_time()
    slow = secret.fingerprint("acme", b"salt", guessable=True)
    assert time.process_time() - began > 0.001
    assert slow != quick
    assert slow == secret.fingerprint("acme", b"salt", guessable=True)
    assert slow != secret.fingerprint("acme", b"other", guessable=True)


def test_a_finding_tells_nothing_of_the_value(fake: Fake) -> None:
    token = fake(TOKEN)
    (found,) = grouped(scan(f"key = {token}"))
    assert token[len("acme_live_") :] not in repr(found)
    assert found.preview == "acme_live_*****"


# ------------------------------------------------------------------------------------- allowances


def test_an_allowance_anywhere_covers_every_place(fake: Fake) -> None:
    places = scan(fake(TOKEN), path="a.py")
    (found,) = grouped(places)
    (now,) = grouped(places, allowance(found))
    assert now.suppression is not None
    assert now.suppression.kind is SuppressionKind.EXTERNAL
    assert now.suppression.justification == "a sample"
    assert not now.blocks("info", "possible")


def test_an_allowance_for_a_path_covers_only_that_path(fake: Fake) -> None:
    token = fake(TOKEN)
    places = scan(token, path="docs/a.md") + scan(token, path="src/a.py")
    (found,) = grouped(places)
    open_, settled = grouped(places, allowance(found, "docs/a.md"))
    assert [one.path for one in open_.locations] == ["src/a.py"]
    assert open_.suppression is None
    assert [one.path for one in settled.locations] == ["docs/a.md"]
    assert settled.suppression is not None


def test_an_allowance_holds_through_its_last_day(fake: Fake) -> None:
    places = scan(fake(TOKEN))
    (found,) = grouped(places)
    assert grouped(places, allowance(found, until=TODAY))[0].suppression is not None
    assert grouped(places, allowance(found, until=date(2027, 5, 20)))[0].suppression is None


def test_used_and_expired_allowances_are_told_apart(fake: Fake) -> None:
    places = scan(fake(TOKEN))
    (found,) = grouped(places)
    old, new = allowance(found, until=date(2020, 1, 1)), allowance(found)
    stranger = Allowance("0" * 16, "acme-live-key", None, "", "somewhere else")
    grouper = Grouper("salt", [old, new, stranger], TODAY)
    grouper.add(places[0])
    assert grouper.findings()[0].suppression is not None
    assert grouper.used == {new}
    assert grouper.expired == {old}


def test_a_place_that_a_comment_allows_leaves_the_others_open(fake: Fake) -> None:
    token = fake(TOKEN)
    text = f"{token}\n{token} # leakguard:allow acme-live-key a sample"
    open_, settled = grouped(scan(text))
    assert (open_.locations[0].start_line, settled.locations[0].start_line) == (1, 2)
    assert settled.suppression.kind is SuppressionKind.IN_SOURCE  # type: ignore[union-attr]
    assert open_.fingerprint == settled.fingerprint


# ------------------------------------------------------------------------------ order and exposure


def test_the_worst_comes_first_and_the_allowed_last(fake: Fake) -> None:
    def one(name: str, confidence: str, severity: str, path: str) -> list[Candidate]:
        return scan(fake(TOKEN), acme(name, confidence=confidence, severity=severity), path=path)

    places = [
        *one("acme-a", "possible", "critical", "a"),
        *one("acme-b", "likely", "low", "b"),
        *one("acme-c", "likely", "high", "z"),
        *one("acme-d", "likely", "high", "d"),
        *one("acme-e", "likely", "critical", "e"),
    ]
    by_id = {found.rule_id: found for found in grouped(places)}
    order = grouped(places, allowance(by_id["acme-e"]))
    assert [found.rule_id[-1] for found in order] == ["d", "c", "b", "a", "e"]


def test_the_surest_place_speaks_for_all(fake: Fake) -> None:
    token = fake(TOKEN)
    places = scan(token, acme(confidence="possible", severity="low")) + scan(token, path="b.py")
    (found,) = grouped(places)
    assert (found.confidence, found.severity) == ("likely", "high")


def test_alternatives_of_all_places_are_named(fake: Fake) -> None:
    token = fake(TOKEN)
    other = acme("acme-any", r"(?P<secret>acme_[a-z]{4}_[0-9A-Za-z]{32})", public_prefix="")
    (found,) = grouped(scan(token) + scan(token, acme(), other, path="b.py"))
    assert found.alternatives == ("acme-any",)


@pytest.mark.parametrize(("kind", "exposure"), [
    ("staged", Exposure.LOCAL), ("tree", Exposure.LOCAL), ("commit", Exposure.COMMITTED), ("ci_log", Exposure.LOGGED),
])  # fmt: skip
def test_how_far_it_got_follows_from_where_it_was_found(
    kind: str, exposure: Exposure, fake: Fake
) -> None:
    found = scanner([acme()]).look(
        Blob(Origin(kind, "a.py", commit="c0ffee"), fake(TOKEN).encode())
    )
    assert grouped(found)[0].exposure is exposure


def test_whoever_knows_better_says_how_far_it_got(fake: Fake) -> None:
    grouper = Grouper("salt", [], TODAY)
    grouper.add(scan(fake(TOKEN))[0])
    assert grouper.findings(Exposure.PUSHED)[0].exposure is Exposure.PUSHED


def test_no_bundled_rule_is_guessable_and_has_a_prefix(rules: list[Rule]) -> None:
    assert not [rule.id for rule in rules if rule.guessable and rule.public_prefix]
