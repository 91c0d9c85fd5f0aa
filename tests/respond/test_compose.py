"""Every kind of case gives a checklist that can be worked from top to bottom."""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakguard.errors import ConfigError
from leakguard.facts import CHANNELS
from leakguard.load.playbooks import bundled
from leakguard.playbook import Fragment, Phase, Step, step, step_fields
from leakguard.respond.compose import PHASES, VOCABULARY, Checklist, compose
from leakguard.rule import CLASSES

OURS = bundled()
GOLDEN = Path(__file__).parent / "golden" / "checklists.txt"
REGENERATE = "LEAKGUARD_REGENERATE_GOLDEN"
STRATEGIES = VOCABULARY["strategy"]
COMPANIONS = {"none": "absent", "half": "half", "complete": "complete"}
HALF = {"dek-passphrase": "decrypt"}


def facts(**named: str) -> dict[str, frozenset[str]]:
    """`facts(secret_class="kek")`: dashes for underscores, several values with a comma."""
    names = {"secret_class": "class"}
    return {
        names.get(name, name.replace("_", "-")): frozenset(value.split(","))
        for name, value in named.items()
    }


def case(
    secret_class: str = "generic",
    channel: str = "ci-log",
    environment: str = "production",
    companion: str = "absent",
    strategy: str = "overlap",
    **more: str,
) -> Checklist:
    own = facts(secret_class=secret_class, environment=environment, strategy=strategy)
    incident = facts(level="1", companion=companion, status="declared", **more)
    if companion != "absent":
        own |= facts(half=HALF.get(secret_class, "access"))
        incident |= facts(companion_set="vsync")
    return compose(
        OURS,
        incident,
        [("S1", own)],
        [("X1", facts(channel=channel))],
        ["C1"],
        owners={"X1": "S1", "C1": "S1"},
    )


@functools.cache
def usual(secret_class: str, channel: str) -> Checklist:
    """What most of a team's cases look like."""
    return case(secret_class, channel)


def keys(checklist: Checklist) -> list[str]:
    return [one.key for one in checklist.steps]


def before(checklist: Checklist, *wanted: str) -> bool:
    order = keys(checklist)
    places = [order.index(key) for key in wanted]
    return places == sorted(places)


@pytest.mark.parametrize("secret_class", CLASSES)
def test_every_case_of_a_class_can_be_worked_from_top_to_bottom(secret_class: str) -> None:
    for channel, environment, companion in itertools.product(
        CHANNELS, VOCABULARY["environment"], COMPANIONS.values()
    ):
        plain = (environment, companion) == ("production", "absent")
        for strategy in STRATEGIES if plain else ("overlap",):
            checklist = case(secret_class, channel, environment, companion, strategy)
            told = f"{secret_class} {channel} {environment} {companion} {strategy}"
            assert sound(checklist) == [], told


def sound(checklist: Checklist) -> list[str]:
    """What is wrong with a checklist."""
    wrong, seen, phase = [], set(), 0
    asked = {fact for fact, _ in checklist.questions} | {"rotated", "evidence-captured"}
    for one in checklist.steps:
        wrong += [f"{one.key} stands before {key}" for key in one.depends_on if key not in seen]
        wrong += [f"nobody asks for {fact}" for fact in one.needs if fact not in asked]
        if PHASES.index(one.phase) < phase:
            wrong.append(f"{one.key} is of an earlier phase")
        if one.mandatory and not one.source:
            wrong.append(f"{one.key} has no source")
        if one.key in seen:
            wrong.append(f"{one.key} stands twice")
        phase = PHASES.index(one.phase)
        seen.add(one.key)
    return wrong


def test_the_checklists_are_the_ones_that_were_read_by_a_person() -> None:
    """Run with LEAKGUARD_REGENERATE_GOLDEN=1 to write them anew, and read the difference."""
    made = listing()
    if os.environ.get(REGENERATE):
        GOLDEN.write_text(made, encoding="ascii")
    assert GOLDEN.read_text(encoding="ascii") == made


def listing() -> str:
    """The steps that all cases share, then for each class and channel the others, in order.

    The four digits stand for the order of all of them.
    """
    found = {(one, at): keys(usual(one, at)) for one in CLASSES for at in CHANNELS}
    out = [names for (_, channel), names in found.items() if channel != "local-commit"]
    core = [key for key in out[0] if all(key in names for names in out)]
    lines = ["# in every case but local commits", *core, "", "# class, channel: what else"]
    for (secret_class, channel), names in found.items():
        digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:4]
        rest = " ".join(key for key in names if key not in core)
        lines.append(f"{secret_class} {channel} {len(names)} {digest}: {rest}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("secret_class", CLASSES)
def test_a_class_has_its_own_words_for_ending_the_credential(secret_class: str) -> None:
    checklist = case(secret_class)
    (revoke,) = (one for one in checklist.steps if one.key == "revoke:S1")
    assert revoke.fragment == f"class-{secret_class}"
    assert revoke.sets == "revoked"


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_has_its_own_steps(channel: str) -> None:
    checklist = case(channel=channel)
    assert any(one.fragment == f"channel-{channel}" for one in checklist.steps)
    if channel != "local-commit":
        (hide,) = (one for one in checklist.steps if one.id == "hide")
        assert hide.needs["rotated"] == ("yes",)
        assert any(one.id.startswith("close-") for one in checklist.steps)


def test_first_the_credential_is_ended_then_the_copy_is_taken_away() -> None:
    for strategy in STRATEGIES:
        checklist = case("cloud-access-key", "public-repository", strategy=strategy)
        assert before(checklist, "revoke:S1", "hide:X1", "rewrite-history:X1")


def test_rewriting_the_history_is_tidiness_after_rotation_evidence_and_copies() -> None:
    checklist = case(channel="public-repository")
    (rewrite,) = (one for one in checklist.steps if one.id == "rewrite-history")
    waits = {"revoke:S1", "prove-dead:S1", "capture:X1", "copies:X1", "preserve"}
    assert waits <= set(rewrite.depends_on)
    assert "not for safety" in rewrite.title
    assert not rewrite.mandatory


def test_what_destroys_waits_for_the_evidence_in_every_case() -> None:
    for secret_class, channel in itertools.product(CLASSES, CHANNELS):
        for one in usual(secret_class, channel).steps:
            assert not one.destructive or "preserve" in one.depends_on, one.key


def test_a_foreign_step_cannot_destroy_or_tidy_up_before_its_time() -> None:
    burn = Step("burn", "Burn it", "So.", ("A",), Phase.CONTAIN, destructive=True)
    wipe = Step("wipe", "Wipe it", "So.", ("A",), Phase.CONTAIN, proves="gone", per="exposure")
    foreign = Fragment("acme", "pack", "ACME", {}, (burn, wipe))
    secrets, places = [("S1", facts(secret_class="kek"))], [("X1", facts(channel="chat"))]
    checklist = compose([*OURS, foreign], {}, secrets, places, [], owners={"X1": "S1"})
    steps = {one.key: one for one in checklist.steps}
    assert steps["burn"].depends_on == ("preserve",)
    assert steps["wipe:X1"].depends_on == ("revoke:S1",)
    assert before(checklist, "preserve", "burn")


def test_keeping_evidence_delays_no_revocation() -> None:
    for strategy in STRATEGIES:
        (revoke,) = (one for one in case(strategy=strategy).steps if one.id == "revoke")
        assert not {"preserve", "capture:X1", "snapshot"} & set(revoke.depends_on)


def test_inside_comes_before_outside() -> None:
    outside = ("tell-customers", "tell-vendor", "mass-owners", "vault-tell-tenants")
    checklist = case("provider-api-key", customer_data="yes", container="yes",
                     intrusion="vault", tenants="yes")  # fmt: skip
    for name in outside:
        (told,) = (one for one in checklist.steps if one.id == name)
        assert "tell-internal" in told.depends_on


def test_with_overlap_the_old_value_ends_when_every_consumer_has_switched() -> None:
    assert before(case(), "replace:S1", "distribute:S1", "switch:C1", "revoke:S1", "prove-dead:S1")


def test_with_revoke_first_the_old_value_ends_before_there_is_a_new_one() -> None:
    checklist = case("database-password", strategy="revoke-first")
    assert before(checklist, "revoke:S1", "replace:S1", "switch:C1")
    assert not [one for one in checklist.steps if one.sets in ("issued", "distributed")]


def test_with_quarantine_first_it_is_denied_before_anything_else() -> None:
    checklist = case("cloud-access-key", strategy="quarantine-first")
    assert before(checklist, "quarantine:S1", "replace:S1", "revoke:S1")


def test_a_key_of_keys_is_not_ended_before_the_last_one_is_wrapped_anew() -> None:
    for strategy in STRATEGIES:
        checklist = case("kek", strategy=strategy)
        assert before(checklist, "replace:S1", "rewrap:S1", "revoke:S1", "rotate-wrapped:S1")


def test_the_cloud_key_is_deactivated_then_deleted_and_nobody_skips_that_alone() -> None:
    checklist = case("cloud-access-key")
    assert before(checklist, "revoke:S1", "prove-dead:S1", "delete-key:S1")
    (delete,) = (one for one in checklist.steps if one.id == "delete-key")
    assert delete.mandatory


def test_no_session_key_is_accepted_beside_the_new_one_after_a_leak() -> None:
    checklist = case("session-signing-key", strategy="revoke-first")
    assert before(checklist, "revoke:S1", "replace:S1")
    assert any("no time in which old and new" in text for text in checklist.risk_statements)


HALVES = [("dek-passphrase", "half-decrypt"), ("cloud-access-key", "half-access")]


@pytest.mark.parametrize(("secret_class", "fragment"), HALVES)
def test_one_half_is_said_to_open_nothing_alone(secret_class: str, fragment: str) -> None:
    checklist = case(secret_class, companion="half")
    assert any("opens nothing alone" in text for text in checklist.risk_statements)
    assert any(one.fragment == fragment for one in checklist.steps)


@pytest.mark.parametrize("companion", ["complete", "unknown"])
@pytest.mark.parametrize("secret_class", ["dek-passphrase", "cloud-access-key"])
def test_both_halves_or_not_knowing_open_everything(secret_class: str, companion: str) -> None:
    checklist = case(secret_class, companion=companion)
    assert not any("opens nothing alone" in text for text in checklist.risk_statements)
    assert before(checklist, "vault-inventory", "push-back", "fan-out")


def test_the_steps_of_one_half_are_kept_when_it_becomes_both() -> None:
    one, both = (
        case("dek-passphrase", companion="half"),
        case("dek-passphrase", companion="complete"),
    )
    only_half = {"other-half", "link-rotation", "everywhere"}
    assert set(keys(one)) - set(keys(both)) == only_half


def test_where_nobody_knows_the_place_it_counts_as_public() -> None:
    silent = compose(OURS, {}, [("S1", {})], [("X1", {})], [])
    assert {"declare", "tell-internal", "search-copies", "tell-legal"} <= {
        one.id for one in silent.steps
    }
    assert {fact for fact, _ in silent.questions} >= {"channel", "audience", "environment"}


def test_what_never_left_the_machine_is_rotated_without_clocks_and_without_an_alarm() -> None:
    checklist = case(channel="local-commit")
    ids = {one.id for one in checklist.steps}
    assert {"revoke", "replace", "check-unpushed", "drop-commit"} <= ids
    assert not ids & {"declare", "page", "tell-internal", "tell-legal", "published", "hide"}


def test_sealing_is_offered_for_an_intrusion_on_the_vault_only() -> None:
    plain = {one.id for one in case("vault-token").steps}
    assert "vault-seal" not in plain
    assert "vault-isolate" not in plain
    unanswered = {one.id for one in case("vault-token", intrusion="vault").steps}
    assert "vault-decide" in unanswered
    assert "vault-seal" not in unanswered
    sealed = case("vault-token", intrusion="vault", seal_signal="root")
    order = ("vault-isolate", "vault-logins", "vault-tokens", "vault-rekey", "vault-seal",
             "undo-vault-seal", "vault-health", "vault-rotate-all", "undo-vault-logins",
             "undo-vault-isolate")  # fmt: skip
    assert before(sealed, *order)


def test_what_a_sealed_vault_refuses_is_not_asked_of_it() -> None:
    sealed = case("vault-token", intrusion="vault", seal_signal="root")
    for name in ("vault-root", "vault-logins", "vault-tokens", "vault-rekey", "vault-rotate-all"):
        (found,) = (one for one in sealed.steps if one.id == name)
        assert found.needs["sealed"] == ("no",)


def test_a_vault_that_was_sealed_in_haste_is_unsealed_in_isolation_first() -> None:
    checklist = case("vault-token", intrusion="vault", seal_signal="root", sealed="yes")
    assert before(checklist, "vault-isolate", "vault-unseal-old", "vault-root", "vault-rekey")
    assert "vault-unseal-old" not in keys(case(intrusion="vault", sealed="no"))


@pytest.mark.parametrize("secret_class", ["vault-token", "approle-secret-id", "unseal-share"])
def test_a_credential_of_the_vault_is_no_reason_to_seal_it(secret_class: str) -> None:
    plain, intrusion = case(secret_class), case(secret_class, intrusion="vault")
    told = "A leaked credential is no reason to seal the vault; revoke the credential."
    assert told in plain.risk_statements
    assert "intrusion" in dict(plain.questions)
    assert told not in intrusion.risk_statements


def test_recovery_shares_only_where_a_key_service_unseals() -> None:
    def target(seal_type: str) -> bool:
        checklist = case(intrusion="vault", seal_signal="root", seal_type=seal_type)
        (rekey,) = (one for one in checklist.steps if one.id == "vault-rekey")
        return "-target=recovery" in rekey.command

    assert target("auto")
    assert not target("shamir")
    assert not target("unknown")


def test_a_container_is_rotated_in_four_tiers_after_seven_checks() -> None:
    checklist = case(container="yes")
    assert before(checklist, "enumerate", "mass-map", "mass-order", "mass-stage",
                  "mass-infrastructure", "mass-service", "mass-integration", "mass-human",
                  "mass-check")  # fmt: skip


def test_every_block_has_a_step_that_takes_it_back_in_the_same_case() -> None:
    checklist = case("cloud-access-key", intrusion="vault,server", seal_signal="root",
                     evidence_of_use="yes", companion="complete")  # fmt: skip
    ids = {one.id for one in checklist.steps}
    undone = {one.undo_step for one in checklist.steps if one.undo_step}
    assert len(undone) >= 7
    assert undone <= ids
    assert all(one.due for one in checklist.steps if one.id in undone)


def test_operations_steps_are_off_unless_asked() -> None:
    assert not [one for one in case().steps if one.id.startswith("ops-")]
    assert [one for one in case(pack="ops-generic").steps if one.id.startswith("ops-")]


def test_a_script_is_named_only_where_one_fits() -> None:
    assert not [one for one in case().steps if one.automated_by]
    own = facts(secret_class="ssh-user-key", rotation_script="yes")
    checklist = compose(OURS, {}, [("S1", own)], [], [])
    assert {"replace:S1", "revoke:S1"} <= {one.key for one in checklist.steps if one.automated_by}


def test_two_secrets_have_their_own_ways_and_wait_only_for_their_own() -> None:
    checklist = compose(
        OURS,
        {},
        [("S1", facts(secret_class="kek", strategy="overlap")),
         ("S2", facts(secret_class="ssh-user-key", strategy="revoke-first"))],
        [("X1", facts(channel="chat")), ("X2", facts(channel="ci-log"))],
        ["C1", "C2"],
        owners={"X1": "S1", "X2": "S2", "C1": "S1", "C2": "S2"},
    )  # fmt: skip
    steps = {one.key: one for one in checklist.steps}
    assert "rewrap:S1" in steps
    assert "rewrap:S2" not in steps
    assert "retention" in steps
    assert {"revoke:S1", "capture:X1"} <= set(steps["hide:X1"].depends_on)
    assert not {"revoke:S2", "capture:X2"} & set(steps["hide:X1"].depends_on)
    assert steps["switch:C2"].depends_on == ("distribute:S2",)
    assert {"prove-dead:S1", "prove-dead:S2"} <= set(steps["tell-rotated"].depends_on)


def test_a_copy_that_belongs_to_nobody_waits_for_every_secret() -> None:
    checklist = compose(OURS, {}, [("S1", {}), ("S2", {})], [("X1", facts(channel="chat"))], [])
    (hide,) = (one for one in checklist.steps if one.id == "hide")
    assert {"revoke:S1", "revoke:S2"} <= set(hide.depends_on)


def test_an_answer_ends_its_question() -> None:
    assert "audience" in dict(case().questions)
    assert "audience" not in dict(case(audience="few").questions)


def test_a_stored_checklist_is_the_composed_one() -> None:
    composed = case("unseal-share", intrusion="vault", seal_signal="root").steps
    assert tuple(step(step_fields(one)) for one in composed) == composed


def test_the_same_words_twice_are_one_step_with_both_sources() -> None:
    def fragment(name: str, source: str, waits: tuple[str, ...] = ()) -> Fragment:
        made = Step("look", "Look", "Because.", (source,), Phase.CONTAIN, depends_on=waits)
        first = Step("first", "First", "Because.", ("P-01",), Phase.CONTAIN)
        return Fragment(name, "channel", name, {}, (made, first))

    checklist = compose([fragment("a", "P-01"), fragment("b", "R-07", ("first",))], {}, [], [], [])
    assert [(one.key, one.source) for one in checklist.steps] == [
        ("first", ("P-01",)),
        ("look", ("P-01", "R-07")),
    ]


def test_steps_that_wait_for_each_other_are_refused_by_name() -> None:
    one = Step("one", "One", "Because.", ("P-01",), Phase.CONTAIN, depends_on=("two",))
    two = Step("two", "Two", "Because.", ("P-01",), Phase.CONTAIN, depends_on=("one",))
    with pytest.raises(ConfigError, match=r"wait for each other: .*one.*"):
        compose([Fragment("x", "pack", "X", {}, (one, two))], {}, [], [], [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(STRATEGIES)), max_size=4),
    st.lists(st.tuples(st.sampled_from(CHANNELS), st.integers(0, 4)), max_size=4),
    st.integers(0, 3),
    st.dictionaries(
        st.sampled_from([name for name, values in VOCABULARY.items() if values]),
        st.integers(0, 30),
    ),
)
def test_any_mixture_of_secrets_places_and_facts_has_an_order(
    secrets: list[tuple[str, str]],
    places: list[tuple[str, int]],
    consumers: int,
    said: dict[str, int],
) -> None:
    incident = {
        name: frozenset([VOCABULARY[name][number % len(VOCABULARY[name])]])
        for name, number in said.items()
    }
    named = [(f"S{n}", facts(secret_class=c, strategy=s)) for n, (c, s) in enumerate(secrets, 1)]
    copies = [(f"X{n}", facts(channel=channel)) for n, (channel, _) in enumerate(places, 1)]
    owners = {f"X{n}": f"S{of}" for n, (_, of) in enumerate(places, 1) if of}
    used = [f"C{n}" for n in range(consumers)]
    checklist = compose(OURS, incident, named, copies, used, owners=owners)
    assert [one for one in sound(checklist) if "nobody asks" not in one] == []
