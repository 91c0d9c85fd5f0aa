"""A raw value has one type and one door."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakguard.secret import MASK, Secret

RAW = b"correct horse battery staple"


@pytest.fixture
def secret() -> Secret:
    return Secret(RAW)


@pytest.mark.parametrize("show", [
    repr, str, ascii, format, "{}".format, "{!r}".format, "{:>60}".format, "{0!s:_^40}".format,
    lambda one: f"{one}", lambda one: f"{one!r} {one:x<9}", lambda one: f"{one=}",
    lambda one: "%s %r %a" % (one, one, one),  # noqa: UP031
    lambda one: f"{[one]} {({'key': one})} {(one,)}",
])  # fmt: skip
def test_it_does_not_show_itself(show: object, secret: Secret) -> None:
    shown = show(secret)  # type: ignore[operator]
    assert "horse" not in shown
    assert MASK in shown


def test_revealing_it_is_the_only_door(secret: Secret) -> None:
    assert secret.reveal() == RAW
    with pytest.raises(TypeError):
        bytes(secret)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError):
        json.dumps({"key": secret})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol: int, secret: Secret) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps({"key": [secret]}, protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_it_is_not_copied(duplicate: object, secret: Secret) -> None:
    with pytest.raises(TypeError, match="copied"):
        duplicate(secret)  # type: ignore[operator]


def test_a_log_does_not_show_it(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("acme")
    log.warning("got %s and %r", secret, [secret])
    try:
        int(f"{secret}")
    except ValueError:
        log.exception("failed with %s", secret)
    assert "horse" not in caplog.text
    assert caplog.text.count(MASK) >= 4


def test_a_traceback_does_not_show_it_even_with_its_variables(secret: Secret) -> None:
    def use(one: Secret) -> None:
        raise RuntimeError(one)

    try:
        use(secret)
    except RuntimeError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    text = "".join(lines)
    assert "horse" not in text
    assert MASK in text


def test_equal_values_are_equal_secrets(secret: Secret) -> None:
    assert secret == Secret(RAW)
    assert secret != Secret(RAW + b"!")
    assert secret != RAW
    assert len({secret, Secret(RAW)}) == 1


@given(st.binary(), st.binary(max_size=40), st.text("abc-", min_size=1, max_size=40))
def test_a_fingerprint_is_16_hex_digits_and_tells_nothing(
    raw: bytes, salt: bytes, rule: str
) -> None:
    name = Secret(raw).fingerprint(rule, salt, guessable=False)
    assert len(bytes.fromhex(name)) == 8
    assert name == Secret(raw).fingerprint(rule, salt, guessable=False)
    assert name != Secret(raw + b"x").fingerprint(rule, salt, guessable=False)
    assert name != Secret(raw).fingerprint(rule + "x", salt, guessable=False)
    assert name != Secret(raw).fingerprint(rule, salt + b"x", guessable=False)


@pytest.mark.parametrize("guessable", [False, True])
def test_rule_and_value_do_not_run_into_each_other(guessable: bool) -> None:
    one = Secret(b"key-value").fingerprint("acme", b"salt", guessable=guessable)
    two = Secret(b"value").fingerprint("acmekey-", b"salt", guessable=guessable)
    assert one != two
