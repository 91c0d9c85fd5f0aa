"""New unseal shares: the old ones stay good until the new ones were handed back in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, place, vault

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, hurried, manifest_of

SCRIPT = SCRIPTS / "vault-rekey"
PLACES = {"rekey": "sys/rekey", "rotate": "sys/rotate/root"}


class Shares:
    """A server, its present shares, and what a rotation of them knows so far."""

    def __init__(self, server: vault.Server, api: str) -> None:
        self.server = server
        self.place = PLACES[api]
        self.more: dict[str, Any] = {"api": api, "handed_to": "C1"}
        self.secrets = {"present": " ".join(server.shares)}
        if api == "rotate":
            self.secrets["admin"] = server.root
        self.parts: dict[str, Any] = {}

    def all(self, more: dict[str, Any]) -> dict[str, Any]:
        where = {"address": self.server.url} | self.more
        return {"target": where, "secrets": self.secrets, **self.parts, **more}

    def do(self, phase: str) -> dict[str, Any]:
        answer = done(SCRIPT, phase, **self.all({}))
        if phase == "plan":
            self.parts |= {"plan": answer}
        if phase == "create":
            self.parts["new"] = answer["new"]
            self.secrets["new"] = answer["secrets"]["new"]
        return answer

    def fail(self, phase: str) -> str:
        return failed(SCRIPT, phase, **self.all({}))

    def probe(self) -> tuple[str, str]:
        found = self.do("probe")["probe"]
        return found["new"], found["old"]

    def state(self) -> tuple[str, str]:
        found = hurried(SCRIPT, "observe", **self.all({}))["state"]
        return found["old"], found["new"]

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.do("GET", f"{self.place}/init")
        return found

    def unseals(self, shares: str) -> bool:
        """Whether these open the server after it was sealed; judged by `sealed` alone."""
        self.server.ask("PUT", "sys/seal")
        for share in shares.replace(",", " ").split():
            self.server.ask("PUT", "sys/unseal", {"key": share})
            if not self.server.do("GET", "sys/seal-status")["sealed"]:
                self.server.until_ready()
                return True
        self.server.ask("PUT", "sys/unseal", {"reset": True})
        return False


def begun(api: str, *, open_rekey: bool) -> Iterator[Shares]:
    if api == "rotate" and vault.KIND == "vault":
        pytest.skip("only OpenBao has sys/rotate/root")
    with place() as folder, vault.start(folder, open_rekey=open_rekey) as server:
        yield Shares(server, api)


@pytest.fixture(params=PLACES, ids=[f"{vault.KIND}-{api}" for api in PLACES])
def shares(request: pytest.FixtureRequest) -> Iterator[Shares]:
    yield from begun(request.param, open_rekey=True)


@pytest.fixture(params=[vault.KIND])
def closed() -> Iterator[Shares]:
    """A server that lets nobody rekey without a token, as OpenBao 2.5 and later."""
    if vault.KIND == "vault":
        pytest.skip("a Vault this old cannot close sys/rekey")
    yield from begun("rekey", open_rekey=False)


def test_the_script_is_what_its_manifest_says() -> None:
    said = call(SCRIPT, "describe", target={})["capabilities"]
    manifest = manifest_of(SCRIPT)
    assert said == {name: manifest[name] for name in said}


def test_the_old_shares_end_when_the_new_ones_are_handed_in(shares: Shares) -> None:
    assert failing_checks(shares.do("plan")) == []
    assert shares.probe() == ("unknown", "accepted")
    shares.do("create")
    shares.do("verify_new")
    assert shares.state() == ("active", "disabled")
    assert shares.probe() == ("unknown", "unknown")  # one rekey at a time
    assert shares.do("disable_old")["status"] == "done"
    assert shares.do("disable_old")["status"] == "already"
    assert shares.probe() == ("accepted", "refused")
    assert shares.state() == ("absent", "active")
    assert shares.fail("rollback") == "conflict"
    assert not shares.unseals(shares.secrets["present"])
    assert shares.unseals(shares.secrets["new"])


def test_until_then_the_old_ones_unseal_and_a_lost_answer_costs_nothing(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    assert shares.unseals(shares.secrets["present"])
    lost = shares.secrets["new"]
    again = shares.do("create")
    assert shares.secrets["new"] != lost
    assert again["status"] == "done"
    shares.do("disable_old")
    assert shares.probe() == ("accepted", "refused")


def test_sealing_forgets_what_was_not_handed_in(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    assert shares.unseals(shares.secrets["present"])
    assert shares.fail("disable_old") == "conflict"
    assert shares.state() == ("active", "absent")


def test_a_try_that_ended_between_two_shares_is_made_good(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    first = shares.secrets["new"].split(",")[0]
    nonce = shares.status()["verification_nonce"]
    shares.server.do("PUT", f"{shares.place}/verify", {"key": first, "nonce": nonce})
    assert shares.do("disable_old")["status"] == "done"
    assert shares.probe() == ("accepted", "refused")


def test_a_try_that_began_to_hand_in_anew_and_ended_is_made_good(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.server.do("DELETE", f"{shares.place}/verify")
    assert shares.state() == ("active", "disabled")
    shares.do("verify_new")
    assert shares.do("disable_old")["status"] == "done"


def test_going_back_makes_the_new_ones_void(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.do("rollback")
    assert shares.state() == ("active", "absent")
    assert shares.fail("verify_new") == "conflict"
    assert shares.fail("disable_old") == "conflict"
    assert shares.probe() == ("refused", "accepted")


def test_a_server_that_wants_to_hear_which_rekey_is_cancelled_is_told(shares: Shares) -> None:
    if shares.server.fake is None:
        pytest.skip("Vault 1.17.18 and later want that; what is installed does not")
    shares.server.fake.careful = True
    shares.do("plan")
    shares.do("create")
    shares.do("create")
    shares.do("rollback")
    assert shares.probe() == ("refused", "accepted")


def test_shares_that_are_not_current_make_none(shares: Shares) -> None:
    shares.do("plan")
    shares.secrets["present"] = " ".join(secrets.token_hex(33) for _ in range(3))
    assert shares.fail("create") == "auth"
    assert shares.status()["started"] is False


def test_dead_shares_are_not_called_dead_when_the_new_ones_fail_as_well(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.do("disable_old")
    shares.secrets["new"] = " ".join(secrets.token_hex(33) for _ in range(3))
    assert shares.probe() == ("refused", "unknown")


def test_a_rekey_of_somebody_else_is_no_refusal(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.do("disable_old")
    body = {"secret_shares": 3, "secret_threshold": 2}
    shares.server.do("PUT", f"{shares.place}/init", body)
    assert shares.probe() == ("unknown", "unknown")
    assert shares.status()["started"] is True


def test_where_sys_rekey_is_closed_a_token_and_another_address_do_it(closed: Shares) -> None:
    assert failing_checks(closed.do("plan")) == ["its rekey interface is open"]
    closed.more["api"] = "rotate"
    closed.secrets["admin"] = closed.server.root
    assert failing_checks(closed.do("plan")) == []
    closed.do("create")
    closed.do("disable_old")
    assert closed.probe() == ("accepted", "refused")
    closed.secrets["admin"] = secrets.token_hex(8)
    assert closed.probe() == ("unknown", "unknown")


def test_a_token_that_may_too_little_is_told_before(closed: Shares) -> None:
    closed.more["api"] = "rotate"
    closed.secrets["admin"] = closed.server.token((f"{PLACES['rotate']}/init", "read"))
    assert failing_checks(closed.do("plan")) == [
        f"the acting token may use {PLACES['rotate']}/{what}"
        for what in ("init", "update", "verify")
    ]
    assert closed.fail("create") == "permission"


def test_what_stands_in_the_way_is_said_before(shares: Shares) -> None:
    shares.secrets["present"] = shares.server.shares[0]
    shares.more |= {"shares": 2, "threshold": 5, "handed_to": ""}
    assert failing_checks(shares.do("plan")) == [
        "there are enough present shares", "somebody keeps the new shares", "the new numbers fit",
    ]  # fmt: skip
    shares.more |= {"shares": 0, "threshold": 0, "handed_to": "C1"}
    shares.secrets["present"] = " ".join(shares.server.shares)
    body = {"secret_shares": 3, "secret_threshold": 2}
    shares.server.do("PUT", f"{shares.place}/init", body)
    assert failing_checks(shares.do("plan")) == ["nobody rekeys now"]
    shares.server.seal()
    assert failing_checks(shares.do("plan")) == ["it is unsealed"]
    assert shares.fail("create") == "network"


def test_a_server_that_is_down_or_sealed_refuses_nobody(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.do("disable_old")
    shares.server.seal()
    assert shares.probe() == ("unreachable", "unreachable")
    shares.more |= {"address": f"http://127.0.0.1:{free_port()}"}
    assert shares.probe() == ("unreachable", "unreachable")
