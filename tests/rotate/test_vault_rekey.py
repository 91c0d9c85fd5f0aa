"""New unseal shares: the old ones stay good until the new ones were handed back in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import free_port, place, vault

from rotate.drive import SCRIPTS, call, done, failed, failing_checks, hurried, manifest_of

SCRIPT = SCRIPTS / "vault-rekey"


class Shares:
    """A server, its present shares, and what a rotation of them knows so far."""

    def __init__(self, server: vault.Server) -> None:
        self.server = server
        self.more: dict[str, Any] = {}
        self.secrets = {"present": " ".join(server.shares)}
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

    def unseals(self, shares: str) -> bool:
        """Whether these open the server after it was sealed; judged by `sealed` alone."""
        self.server.ask("PUT", "sys/seal")
        for share in shares.split():
            self.server.ask("PUT", "sys/unseal", {"key": share})
            if not self.server.do("GET", "sys/seal-status")["sealed"]:
                return True
        self.server.ask("PUT", "sys/unseal", {"reset": True})
        return False


@pytest.fixture
def shares() -> Iterator[Shares]:
    with place() as folder, vault.start(folder) as server:
        yield Shares(server)


@pytest.fixture
def fake(shares: Shares) -> vault.Vault:
    if shares.server.fake is None:
        pytest.skip("a real server does not do this at will")
    return shares.server.fake


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


def test_a_try_that_ended_between_two_shares_is_made_good(
    shares: Shares, fake: vault.Vault
) -> None:
    shares.do("plan")
    shares.do("create")
    first = shares.secrets["new"].split()[0]
    nonce = shares.parts["new"]["id"]
    shares.server.do("PUT", "sys/rekey/verify", {"key": first, "nonce": nonce})
    assert shares.do("disable_old")["status"] == "done"
    assert fake.shares == shares.secrets["new"].split()


def test_going_back_makes_the_new_ones_void(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.do("rollback")
    assert shares.state() == ("active", "absent")
    assert shares.fail("verify_new") == "conflict"
    assert shares.fail("disable_old") == "conflict"
    assert shares.probe() == ("refused", "accepted")


def test_shares_that_are_not_current_make_none(shares: Shares) -> None:
    shares.do("plan")
    shares.secrets["present"] = " ".join(secrets.token_hex(33) for _ in range(3))
    assert shares.fail("create") == "auth"
    assert shares.server.do("GET", "sys/rekey/init")["started"] is False


def test_dead_shares_are_not_called_dead_when_the_new_ones_fail_as_well(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.do("disable_old")
    shares.secrets["new"] = " ".join(secrets.token_hex(33) for _ in range(3))
    assert shares.probe() == ("refused", "unknown")


def test_openbao_wants_a_token_and_another_address(shares: Shares, fake: vault.Vault) -> None:
    fake.unauthenticated_rekey = False
    assert failing_checks(shares.do("plan")) == ["its rekey interface is open"]
    shares.more = {"api": "rotate"}
    shares.secrets["admin"] = shares.server.root
    assert failing_checks(shares.do("plan")) == []
    shares.do("create")
    shares.do("disable_old")
    assert shares.probe() == ("accepted", "refused")
    shares.secrets["admin"] = secrets.token_hex(8)
    assert shares.probe() == ("unknown", "unknown")


def test_what_stands_in_the_way_is_said_before(shares: Shares, fake: vault.Vault) -> None:
    shares.secrets["present"] = fake.shares[0]
    shares.more = {"shares": 2, "threshold": 5}
    assert failing_checks(shares.do("plan")) == [
        "there are enough present shares", "the new numbers fit",
    ]  # fmt: skip
    shares.more = {}
    shares.secrets["present"] = " ".join(fake.shares)
    body = {"secret_shares": 3, "secret_threshold": 2}
    shares.server.do("PUT", "sys/rekey/init", body)
    assert failing_checks(shares.do("plan")) == ["nobody rekeys now"]
    shares.server.do("PUT", "sys/seal")
    assert failing_checks(shares.do("plan")) == ["it is unsealed"]
    assert shares.fail("create") == "network"


def test_a_server_that_is_down_or_sealed_refuses_nobody(shares: Shares) -> None:
    shares.do("plan")
    shares.do("create")
    shares.do("disable_old")
    shares.server.do("PUT", "sys/seal")
    assert shares.probe() == ("unreachable", "unreachable")
    shares.more = {"address": f"http://127.0.0.1:{free_port()}"}
    assert shares.probe() == ("unreachable", "unreachable")
