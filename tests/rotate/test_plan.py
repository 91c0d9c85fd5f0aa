"""The plan: what would be done, whether it may, what nobody knows; and nothing is changed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard import event as ev
from leakguard.errors import UsageError
from leakguard.incident import LeakedSecret
from leakguard.load import bundled
from leakguard.rotate import manifest, words
from leakguard.rotate.checks import fit
from leakguard.rotate.choose import check_target, fitting
from leakguard.rotate.generate import ALPHABETS, Constraints, common, make
from leakguard.rotate.guided import Guided
from leakguard.rotate.manifest import Manifest
from leakguard.rotate.plan import Delivery, from_json, plan
from leakguard.secret import Secret
from rotate.simulator.case import Case


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    case = Case(tmp_path)
    before = {key: value for key, value in case.sim.state.items() if key != "calls"}
    assert case.plan().possible
    after = {key: value for key, value in case.sim.state.items() if key != "calls"}
    assert after == before


def test_a_plan_is_kept_without_any_value_and_read_again(tmp_path: Path) -> None:
    case = Case(tmp_path)
    found = case.plan()
    import json

    kept = json.dumps(found.as_json())
    assert json.dumps(from_json(json.loads(kept)).as_json()) == kept
    for secret in case.sim.slots.values():
        assert (secret.reveal().decode() in kept) is False


def test_what_cannot_be_undone_is_said_in_capitals(tmp_path: Path) -> None:
    text = words.plan(Case(tmp_path).plan())
    assert "CANNOT BE UNDONE" in text
    assert "undo: delete it" in text
    assert "Nothing was changed." in text
    assert all(len(line) <= 79 for line in text.splitlines())


def test_a_server_that_is_down_stands_in_the_plan(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.sim.fail("plan", "down")
    found = case.plan()
    assert not found.possible
    assert "network" in found.checks[0].detail
    assert "To run it" not in words.plan(found)


def test_a_script_that_says_something_else_than_its_manifest_is_not_run(tmp_path: Path) -> None:
    case = Case(tmp_path)
    with case.sim.changing() as state:
        state["mode"]["quota"] = 7
    found = case.plan()
    assert [check.detail for check in found.checks if not check.ok] == ["they differ in max_active"]


def test_a_library_that_is_missing_stands_in_the_plan(tmp_path: Path) -> None:
    case = Case(tmp_path)
    needs = manifest.Requires(("no_such_library",), ("no-such-program",), "acme")
    case.sim.script = replace(
        case.sim.script, manifest=replace(case.sim.script.manifest, requires=needs)
    )
    details = [check.detail for check in case.plan().checks if not check.ok]
    assert details == ["pip install 'leakguard[acme]'", "not on PATH"]


def test_a_missing_permission_of_a_consumer_stands_in_the_plan(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.sim.fail("plan", "denied", times=2)
    assert not case.plan().possible


def test_what_nobody_knows_is_said(tmp_path: Path) -> None:
    case = Case(tmp_path)
    found = case.plan(deliveries=[Delivery("C9", "the fax machine")])
    assert "C9 (the fax machine) is switched by a person" in found.unknown
    assert any("no consumer" in one for one in case.plan(deliveries=[]).unknown)


def test_consumers_narrow_what_a_new_value_may_be(tmp_path: Path) -> None:
    found = Case(tmp_path).plan()
    assert found.shape is not None
    characters, least, most = found.shape
    assert (least, most) == (24, 60)  # the issuer's least, the consumer's most
    assert set(characters) == set(ALPHABETS["alnum"])


# Which script


def _scripts() -> list[Manifest]:
    folder = Path(bundled.folder("hooks")) / "rotate"
    return [manifest.read(str(one)) for one in sorted(folder.iterdir()) if one.is_dir()]


def _secret(secret_class: str, provider: str) -> LeakedSecret:
    return LeakedSecret("S1", ev.SecretAdded("S1", secret_class, provider=provider))


def test_the_providers_own_script_goes_first_and_the_guide_last() -> None:
    found = [one.name for one in fitting(_secret("database-password", "postgresql"), _scripts())]
    assert found[0] == "postgresql"
    assert found[-1] == "generic"


def test_another_providers_script_does_not_touch_it() -> None:
    found = [one.name for one in fitting(_secret("cloud-access-key", "other-cloud"), _scripts())]
    assert "aws-iam-access-key" not in found


def test_what_nobody_knows_a_person_rotates() -> None:
    assert [one.name for one in fitting(_secret("totp-seed", "acme"), _scripts())] == ["generic"]


def test_a_person_is_guided_through_the_same_phases(tmp_path: Path) -> None:
    case = Case(tmp_path)
    guide = next(one for one in _scripts() if one.name == "generic")
    target = check_target(guide, {"what": "the deploy token", "where": "acme.example"})
    found = plan(
        case.incident(), "S1", Guided(guide, lambda *_: ""), target, secrets={},
    )  # fmt: skip
    assert found.possible
    text = words.plan(found)
    assert "deploy token" in text
    assert "acme.example" in text


# Parameters


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    manifest_of = Case(tmp_path).sim.consumer_script.manifest
    with pytest.raises(UsageError, match="state, who") as caught:
        check_target(manifest_of, {})
    assert caught.value.hints[0].startswith("--target state=")


def test_an_unknown_parameter_comes_with_a_suggestion(tmp_path: Path) -> None:
    manifest_of = Case(tmp_path).sim.script.manifest
    with pytest.raises(UsageError, match="no parameter 'stat'") as caught:
        check_target(manifest_of, {"stat": "x"})
    assert "did you mean 'state'?" in caught.value.hints


# Values


def test_places_that_share_no_character_cannot_share_a_value() -> None:
    odd = Constraints("hex", 1, 0, "0123456789abcdef")
    with pytest.raises(UsageError, match="no character"):
        common([("issuer", Constraints()), ("consumer", odd)])


def test_places_that_share_no_length_cannot_share_a_value() -> None:
    with pytest.raises(UsageError, match="no length suits issuer and till"):
        common([("issuer", Constraints(min_length=40)), ("till", Constraints(max_length=20))])


def test_a_weak_value_replaces_no_leaked_one() -> None:
    with pytest.raises(UsageError, match="too weak"):
        common([("till", Constraints("hex", max_length=8))])


places = st.builds(
    Constraints,
    st.sampled_from(sorted(ALPHABETS)),
    st.integers(1, 40),
    st.integers(0, 99),
    st.text("aB3-_!", max_size=4),
)


@given(st.lists(places, min_size=1, max_size=4), st.integers())
def test_a_value_fits_every_place_or_is_refused(asked: list[Constraints], seed: int) -> None:
    try:
        shape = common([("place", one) for one in asked])
    except UsageError:
        return
    value = make(shape, random.Random(seed).choice)
    text = value.reveal().decode()
    assert shape.takes(value)
    for one in asked:
        assert set(text) <= set(one.characters)
        assert len(text) >= one.min_length
        assert not one.max_length or len(text) <= one.max_length


def test_a_value_of_somebody_elses_is_measured_too() -> None:
    shape = common([("till", Constraints("alnum", 20, 30))])
    assert shape.takes(Secret(b"a" * 25))
    for bad in (b"a" * 10, b"a" * 31, b"a" * 24 + b"-"):
        assert not shape.takes(Secret(bad))


@pytest.mark.parametrize("odd", [{"nonsense": 1}, {"alphabet": "runes"}, {"min_length": "many"}])
def test_odd_constraints_of_a_script_stand_in_the_plan(tmp_path: Path, odd: object) -> None:
    found = Case(tmp_path).sim.script.manifest
    shape, checks = fit(("issuer", found, odd), [])  # type: ignore[arg-type]
    assert shape is None
    assert [check.what for check in checks] == ["the constraints make sense"]
