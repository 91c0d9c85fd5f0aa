"""What is dangerous together: halves, pairs, shares, containers, and when they come late."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakguard.errors import ConfigError
from leakguard.load.companions import companions
from leakguard.load.rules import read_bundled
from leakguard.respond.companions import (
    STATES,
    CompanionSet,
    Dump,
    Item,
    Match,
    Member,
    Result,
    evaluate,
    words_of,
)
from leakguard.respond.containers import Content, expand

SETS = companions()
BY_ID = {one.id: one for one in SETS}

CONFIG = Item("S1", "generic", label="VSYNC_CONFIG", environment="production")
PASSPHRASE = Item("S2", "dek-passphrase", label="VSYNC_PASSPHRASE", environment="production")


def one(name: str, *dumps: Dump, **answers: str) -> Result:
    """The result of one set."""
    told = {key.replace("_", "-").replace("-together", ".together"): value
            for key, value in answers.items()}  # fmt: skip
    return evaluate([BY_ID[name]], dumps, told)[0]


def apart(*items: Item) -> list[Dump]:
    """Each in a dump of its own."""
    return [Dump(f"D{number}", (item,)) for number, item in enumerate(items, 1)]


# The two halves of seed 000


def test_v02_a_half_with_nobody_to_ask_is_handled_as_both() -> None:
    for half in (CONFIG, PASSPHRASE):
        result = one("vsync", *apart(half))
        assert (result.state, result.open, result.level, result.opens) == (
            "unknown", True, 0, "vault",
        )  # fmt: skip
        assert "nobody ruled out" in result.why


@pytest.mark.parametrize(
    ("half", "found", "missing"), [(CONFIG, "access", "decrypt"), (PASSPHRASE, "decrypt", "access")]
)
def test_v01_a_half_that_was_alone_is_a_half(half: Item, found: str, missing: str) -> None:
    result = one("vsync", *apart(half), vsync="no")
    assert (result.state, result.open, result.level) == ("half", False, 3)
    assert result.found == ((found, (half.secret,)),)
    assert result.missing == (missing,)


def test_v04_the_sentence_that_a_half_opens_nothing_goes_when_both_leaked() -> None:
    alone = one("vsync", *apart(CONFIG), vsync="no")
    assert alone.why == BY_ID["vsync"].alone
    assert "opens nothing alone" in alone.why
    both = one("vsync", Dump("D1", (CONFIG, PASSPHRASE)), vsync="no")
    assert both.why == BY_ID["vsync"].effect
    assert "opens nothing" not in both.why


def test_what_was_found_counts_more_than_what_was_answered() -> None:
    assert one("vsync", Dump("D1", (CONFIG, PASSPHRASE)), vsync="no").state == "complete"


def test_one_answer_can_count_for_every_set() -> None:
    results = evaluate(SETS, apart(CONFIG, Item("S9", "vault-token")), {"*": "no"})
    assert {result.state for result in results} == {"absent", "half"}
    own = evaluate(SETS, apart(CONFIG), {"*": "no", "vsync": "yes"})
    assert own[0].state == "complete"


def test_v05_halves_of_two_places_belong_together_until_somebody_says_no() -> None:
    result = one("vsync", *apart(CONFIG, PASSPHRASE), vsync="no")
    assert (result.state, result.apart, result.missing) == ("unknown", True, ())
    assert one("vsync", *apart(CONFIG, PASSPHRASE), vsync_together="yes").state == "complete"
    assert one("vsync", *apart(CONFIG, PASSPHRASE), vsync="yes").state == "complete"
    assert one("vsync", *apart(CONFIG, PASSPHRASE), vsync_together="no").state == "half"


def test_an_operator_can_say_that_two_places_are_one_leak() -> None:
    first, second = apart(CONFIG, PASSPHRASE)
    assert one("vsync", first, Dump("D2", second.items, linked=("D1",))).state == "complete"
    middle = Dump("D3", (), linked=("D1", "D2"))
    for order in itertools.permutations((first, second, middle)):
        assert one("vsync", *order).state == "complete"


def test_nothing_found_is_absent_whatever_is_answered() -> None:
    for answer in ("yes", "no", "unknown"):
        assert one("vsync", *apart(Item("S1", "generic", label="TOKEN")), vsync=answer).state == (
            "absent"
        )


def test_outside_of_production_a_container_is_one_level_milder() -> None:
    staged = [Item("S1", "generic", label="VSYNC_CONFIG", environment="staging"),
              Item("S2", "generic", label="VSYNC_PASSPHRASE", environment="staging")]  # fmt: skip
    assert one("vsync", Dump("D1", tuple(staged))).level == 1
    assert one("vsync", Dump("D1", (staged[0], PASSPHRASE))).level == 0


# All other sets

COMPLETE: dict[str, tuple[Item, ...]] = {
    "vsync": (CONFIG, PASSPHRASE),
    "vault-token": (Item("S1", "vault-token"), Item("S2", "generic", label="VAULT_ADDR")),
    "vault-approle": (Item("S1", "approle-secret-id"), Item("S2", "generic", label="ROLE_ID")),
    "unseal-shares": tuple(Item(f"S{number}", "unseal-share") for number in range(3)),
    "kms": (Item("S1", "kek"), Item("S2", "generic", label="ciphertext")),
    "encrypted-backup": (
        Item("S1", "dek-passphrase", label="RESTIC_PASSWORD"),
        Item("S2", "generic", label="backup_file"),
    ),
    "sops-age": (
        Item("S1", "kek", "age-secret-key"), Item("S2", "generic", label="sops_file"),
    ),
    "ansible-vault": (
        Item("S1", "dek-passphrase", "ansible-vault-password-file"),
        Item("S2", "generic", label="vault-file"),
    ),
    "admin-environment": (
        Item("S1", "provider-api-key", label="ADMIN_TOKEN"), Item("S2", "oauth-client-secret"),
    ),
    "aws": (
        Item("S1", "cloud-access-key", "aws-access-key-id"),
        Item("S2", "cloud-access-key", "aws-secret-access-key"),
    ),
    "google-hmac": (
        Item("S1", "cloud-access-key", "google-hmac-key-id"),
        Item("S2", "cloud-access-key", "google-hmac-secret"),
    ),
    "google-service-account": (
        Item("S1", "cloud-service-account-key", "google-service-account-key"),
    ),
    "azure-application": (
        Item("S1", "oauth-client-secret", "azure-entra-client-secret"),
        Item("S2", "generic", label="AZURE_TENANT_ID"),
        Item("S3", "generic", label="AZURE_CLIENT_ID"),
    ),
    "url-with-password": (Item("S1", "database-password", "database-postgres-uri"),),
    "database": (
        Item("S1", "database-password"), Item("S2", "generic", label="DB_HOST"),
        Item("S3", "generic", label="dbUser"),
    ),
    "oauth-client": (
        Item("S1", "oauth-client-secret"), Item("S2", "generic", label="OAUTH_CLIENT_ID"),
    ),
    "smtp": (Item("S1", "smtp-credential"), Item("S2", "generic", label="SMTP_HOST")),
    "webhook": (
        Item("S1", "webhook-secret", "stripe-webhook-secret"),
        Item("S2", "webhook-secret", "slack-webhook-url"),
    ),
    "password-and-totp": (Item("S1", "personal-password"), Item("S2", "totp-seed")),
    "tls": (Item("S1", "tls-key"), Item("S2", "generic", label="TLS_CRT")),
    "ssh-hosts": (Item("S1", "ssh-user-key"), Item("S2", "generic", label="known_hosts")),
    "ssh-passphrase": (
        Item("S1", "ssh-user-key", "private-key-openssh-encrypted"),
        Item("S2", "dek-passphrase", label="SSH_PASSPHRASE"),
    ),
    "token-signing": (
        Item("S1", "session-signing-key"), Item("S2", "generic", label="JWT_ISSUER"),
    ),
    "cookie-signing": (
        Item("S1", "session-signing-key", "django-secret-key"),
        Item("S2", "generic", label="users_dump"),
    ),
}  # fmt: skip


def test_the_two_halves_of_vsync_come_first() -> None:
    assert SETS[0].id == "vsync"


@pytest.mark.parametrize("name", BY_ID)
def test_a_set_is_complete_with_its_parts_and_half_without_one(name: str) -> None:
    items = COMPLETE[name]
    kept = BY_ID[name]
    assert one(name, Dump("D1", items)).state == "complete"
    for several in (itertools.combinations(items, len(items) - 1)) if len(items) > 1 else ():
        alone = one(name, Dump("D1", several), **{name: "no"})
        if any(kept.speaks(item) for item in several):
            assert alone.state == "half"
            assert one(name, Dump("D1", several)).state == "unknown"
        else:
            assert alone.state == "absent"


@pytest.mark.parametrize("name", BY_ID)
def test_a_set_says_what_it_opens_what_it_asks_and_where_it_comes_from(name: str) -> None:
    kept = BY_ID[name]
    assert kept.question.endswith("?")
    assert kept.effect != kept.alone
    assert kept.source
    assert kept.production == (0 if kept.opens else 2)


def test_the_rules_that_sets_name_exist() -> None:
    from fnmatch import fnmatchcase

    known = [rule.id for rule in read_bundled()]
    unknown = {
        glob
        for kept in SETS
        for match in (*kept.whole, *(one for part in kept.members for one in part.match))
        for glob in match.rules
        if not any(fnmatchcase(rule, glob) for rule in known)
    }
    assert unknown == set()


def test_a_client_secret_alone_is_no_sign_of_an_admin_token() -> None:
    assert one("admin-environment", *apart(Item("S1", "oauth-client-secret"))).state == "absent"


def test_one_credential_is_not_two_parts_of_a_set() -> None:
    both = CompanionSet(
        "x", "x", (Member("a", "a", (Match(classes=("generic",)),)),
                   Member("b", "b", (Match(labels=("token",)),))),
        "effect", "alone", "?",
    )  # fmt: skip
    item = Item("S1", "generic", label="TOKEN")
    assert evaluate([both], apart(item))[0].state == "unknown"
    again = Item("S3", "generic", label="TOKEN", fingerprint="f")
    seen = Item("S2", "generic", label="TOKEN", fingerprint="f")
    assert evaluate([both], [Dump("D1", (seen, again))])[0].missing
    other = Item("S2", "generic", label="WORD")
    assert evaluate([both], [Dump("D1", (item, other))])[0].state == "complete"
    assert evaluate([both], [Dump("D1", (other, item))])[0].state == "complete"


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("VSYNC_CONFIG", ("vsync", "config")),
        ("vsyncConfig", ("vsync", "config")),
        ("prod.vsync-config", ("prod", "vsync", "config")),
        ("DBHost2", ("db", "host", "2")),
        ("", ()),
    ],
)
def test_the_words_of_a_label_are_found_in_every_way_of_writing(
    label: str, words: tuple[str, ...]
) -> None:
    assert words_of(label) == words


# Order, and more of the same

NAMES = ("D1", "D2", "D3", "D4")


def dumps_of(items: tuple[Item, ...]) -> st.SearchStrategy[list[Dump]]:
    """Dumps of the parts of one set, each perhaps as another secret too, or linked."""
    again = [replace(item, secret=f"{item.secret}b") for item in items]
    some = st.lists(st.sampled_from([*items, *again, CONFIG]), max_size=3).map(tuple)
    linked = st.lists(st.sampled_from(NAMES), max_size=1).map(tuple)
    return st.lists(st.builds(Dump, st.sampled_from(NAMES), some, linked), max_size=4)


DUMPS = st.sampled_from(list(COMPLETE.values())).flatmap(dumps_of)
GROWING = st.sampled_from(list(COMPLETE.values())).flatmap(
    lambda items: st.tuples(dumps_of(items), dumps_of(items))
)
ANSWERS = st.dictionaries(
    st.sampled_from([*BY_ID, *(f"{name}.together" for name in BY_ID), "*"]),
    st.sampled_from(["yes", "no", "unknown"]),
    max_size=4,
)


@settings(deadline=None)
@given(st.data(), DUMPS, ANSWERS)
def test_the_order_in_which_things_are_found_never_matters(
    data: st.DataObject, dumps: list[Dump], answers: dict[str, str]
) -> None:
    shuffled = data.draw(st.permutations(dumps))
    turned = [Dump(one.id, tuple(reversed(one.items)), one.linked) for one in shuffled]
    assert evaluate(SETS, dumps, answers) == evaluate(SETS, turned, answers)


@settings(deadline=None)
@given(GROWING, ANSWERS)
def test_finding_more_never_makes_a_result_milder(
    growing: tuple[list[Dump], list[Dump]], answers: dict[str, str]
) -> None:
    before, more = growing
    was, now = (evaluate(SETS, dumps, answers) for dumps in (before, before + more))
    for old, new in zip(was, now, strict=True):
        assert STATES.index(new.state) >= STATES.index(old.state)
        assert new.level <= old.level


def test_every_order_of_arrival_ends_in_the_same_case_three() -> None:
    events = [CONFIG, PASSPHRASE, *COMPLETE["aws"]]
    ends = {
        tuple(evaluate(SETS, [Dump("D1", (item,)) for item in order]))
        for order in itertools.permutations(events)
    }
    assert len(ends) == 1


# Shares


def test_the_same_share_found_twice_is_one_share() -> None:
    twice = [Item(f"S{number}", "unseal-share", fingerprint="same") for number in range(3)]
    assert one("unseal-shares", Dump("D1", tuple(twice))).state == "unknown"
    spread = one("unseal-shares", *apart(*COMPLETE["unseal-shares"]))
    assert (spread.state, spread.apart) == ("unknown", True)


# Containers


def test_a_container_gives_away_what_the_containers_in_it_hold() -> None:
    inventory = {
        "vault": (
            Content("db", "billing database", "database-password"),
            Content("token", "other vault", "vault-token", opens="other"),
        ),
        "other": (Content("key", "signing key", "code-signing-key"),),
    }
    found = expand(inventory, "vault")
    told = [(one.within, one.content.id, one.depth) for one in found.contents]
    assert told == [("vault", "db", 1), ("vault", "token", 1), ("other", "key", 2)]
    assert found.enumerate_first == ()


def test_containers_that_open_each_other_are_opened_once() -> None:
    inventory = {
        "a": (Content("1", "b's token", opens="b"), Content("2", "a's own token", opens="a")),
        "b": (Content("3", "a's token", opens="a"),),
    }
    found = expand(inventory, "a")
    assert [one.content.id for one in found.contents] == ["1", "2", "3"]
    assert found.enumerate_first == ()


def test_a_container_that_nobody_listed_is_not_empty() -> None:
    assert expand({}, "vault").enumerate_first == (
        ("vault", "its contents are not in the inventory"),
    )
    assert expand({"vault": ()}, "vault").enumerate_first == ()


def test_what_lies_too_deep_has_to_be_listed_by_hand() -> None:
    chain = {f"c{n}": (Content(f"k{n}", "next", opens=f"c{n + 1}"),) for n in range(50)}
    found = expand(chain, "c0", depth_limit=3)
    assert [one.content.id for one in found.contents] == ["k0", "k1", "k2"]
    assert found.enumerate_first == (("c3", "more than 3 deep"),)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcde"), st.lists(st.sampled_from("abcdef"), max_size=4), max_size=5
    )
)
def test_every_container_that_can_be_reached_is_opened_or_blocks(
    opens: dict[str, list[str]],
) -> None:
    inventory = {
        name: tuple(Content(f"{name}{n}", "x", opens=to) for n, to in enumerate(several))
        for name, several in opens.items()
    }
    found = expand(inventory, "a")
    reached = {"a"} | {one.content.opens for one in found.contents}
    assert len(found.contents) == sum(len(inventory.get(name, ())) for name in reached)
    assert {name for name, _ in found.enumerate_first} == reached - set(inventory)


# Sets of one's own

GOOD = """
sets:
  - id: acme
    title: two keys
    members:
      - {id: a, what: a key, match: [{labels: [acme key]}]}
      - {id: b, what: another, match: [{rules: ['acme-*']}]}
    effect: it opens
    alone: it does not
    question: Both?
"""


def own(text: str) -> tuple[CompanionSet, ...]:
    return companions([("companions.yml", text.encode())])


def test_sets_of_ones_own_follow_ours() -> None:
    assert own(GOOD)[-1].id == "acme"


HOSTILE = {
    GOOD.replace("id: acme\n", "id: vsync\n"): "there is a set 'vsync' already",
    GOOD.replace("{labels: [acme key]}", ""): "nothing would ever match",
    GOOD.replace("{labels: [acme key]}", "{}"): "match every credential",
    GOOD.replace("[acme key]", "[]"): "labels is empty",
    GOOD.replace("[acme key]", "[ACME_KEY]"): "no words of a label",
    GOOD.replace("'acme-*'", "'*'"): "names no rules",
    GOOD.replace("'acme-*'", "'a*b*c*d*'"): "names no rules",
    GOOD.replace("'acme-*'", "'[a-z]'"): "names no rules",
    GOOD.replace("what: a key", "what: a key, count: 0"): "count must be from 1",
    GOOD.replace("what: a key", "what: a key, count: 99999999"): "count must be from 1",
    GOOD.replace("what: a key", "what: a key, count: x"): "count must be a number",
    GOOD.replace("id: b", "id: a"): "two members have the same id",
    GOOD.replace("what: a", "public: yes, what: a"): "required and secret",
    GOOD.replace("it opens", '"\\e[2J"'): "one printable line",
    GOOD + "    production: 3\n": "production cannot be milder",
    GOOD + "    level: 9\n": "unknown level '9'",
    GOOD + "    state: absent\n": "unknown key 'state'",
    GOOD.replace("    question: Both?\n", ""): "'question' is missing",
    "sets: 1": "sets must be a list",
    "{}": "needs 'sets'",
    "": "is empty",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_set_that_hides_or_misspells_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(ConfigError, match=HOSTILE[text]) as caught:
        own(text)
    assert caught.value.place is not None
    assert caught.value.place.path == "companions.yml"
