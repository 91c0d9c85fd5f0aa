"""The engine with the scripts for Vault: from a leak to its proven end, on one server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from servers import place, vault

from leakguard import event as ev
from leakguard.incident import SecretState
from leakguard.keep.journal import Journal
from leakguard.keep.store import open_store
from leakguard.rotate.choose import check_target
from leakguard.rotate.engine import Engine
from leakguard.rotate.plan import Delivery, plan
from leakguard.rotate.policy import End, Outcome, Policy
from leakguard.rotate.script import catalogue
from leakguard.rotate.world import Crash, World
from leakguard.secret import Secret
from rotate.simulator.case import fork

SCRIPTS = catalogue({})
QUICK = Policy(patience=20, poll=0.2, level=2)


@pytest.fixture(params=[vault.KIND])
def server() -> Iterator[vault.Server]:
    with place() as folder, vault.start(folder) as running:
        yield running


@pytest.fixture
def kept(server: vault.Server) -> str:
    """Where a service reads the credential: a path of KV version 2."""
    server.do("POST", "secret/data/app", {"data": {"user": "app", "credential": "old"}})
    return "secret/data/app"


def slots(**values: str) -> dict[str, Secret]:
    """Of the issuer, and of the consumer where a name has `C1_` before it."""
    return {name.replace("C1_", "C1."): Secret(value.encode()) for name, value in values.items()}


def into(script: str, **told: str) -> Delivery:
    return Delivery("C1", "the app", script, check_target(SCRIPTS[script].manifest, told))


def into_kv(server: vault.Server, kept: str) -> Delivery:
    path = kept.removeprefix("secret/data/")
    return into("vault-kv", address=server.url, path=path, field="credential", expect_old="false")


@dataclass(frozen=True)
class Case:
    """An incident with one secret, kept in a folder, and a rotation of it that has begun."""

    folder: Path
    given: dict[str, Secret]
    rotation: str

    def run(self, world: World) -> Outcome:
        with open_store(kept_in(self.folder)) as store:
            return Engine(store, Journal(store), SCRIPTS, "ada", world).run(
                self.rotation, self.given
            )

    def run_killed_after(self, step: str) -> None:
        def crash(*at: str) -> None:
            if at == ("after_effect", step):
                os.kill(os.getpid(), signal.SIGKILL)

        child = fork()
        if not child:
            try:
                self.run(world(crash))
            finally:
                os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

    def run_to_the_end(self) -> None:
        outcome = self.run(world())
        assert outcome.end is End.CLOSED, outcome
        with open_store(kept_in(self.folder)) as store:
            assert store.load("LG-2026-0001").secrets["S1"].state is SecretState.DEAD
            assert store.verify() == []


def kept_in(folder: Path) -> str:
    return str(folder / "data" / "incidents.db")


def world(*crash: Crash) -> World:
    def now() -> datetime:
        return datetime.now(UTC)

    return World(now, lambda _: None, crash=crash[0]) if crash else World(now, lambda _: None)


def began(
    folder: Path, name: str, told: dict[str, str], given: dict[str, Secret], *to: Delivery
) -> Case:
    """Open an incident, plan, and begin."""
    manifest, now = SCRIPTS[name].manifest, datetime.now(UTC)
    events: list[ev.Event] = [
        ev.Opened("in a commit", "manual", ev.stamp(now)),
        ev.SecretAdded("S1", manifest.classes[0], provider="vault", label="app"),
        ev.SeverityJudged(2, "SEV-2", "", "", ()),
        *(ev.ConsumerAdded(one.id, "S1", one.name) for one in to),
        ev.ConsumersCounted("S1", "yes"),
    ]
    (folder / "data").mkdir(mode=0o700)
    with open_store(kept_in(folder)) as store:
        incident = store.load(store.create(events, actor="ada", at=now).id)
        found = plan(incident, "S1", SCRIPTS[name], check_target(manifest, told),
                     secrets=given, deliveries=to, runners=SCRIPTS)  # fmt: skip
        engine = Engine(store, Journal(store), SCRIPTS, "ada", world())
        return Case(folder, given, engine.start(found, QUICK).id)


def works(server: vault.Server, token: str) -> bool:
    status: int = server.ask("GET", "auth/token/lookup-self", token=token).status_code
    assert status in (200, 403)
    return status == 200


def test_a_token_and_the_app_that_reads_it_from_kv(
    server: vault.Server, kept: str, tmp_path: Path
) -> None:
    leaked = server.token((kept, "read"), no_parent=True)
    given = slots(admin=server.root, old=leaked, C1_token=server.root)
    began(
        tmp_path, "vault-token", {"address": server.url}, given, into_kv(server, kept)
    ).run_to_the_end()
    now = server.do("GET", kept)["data"]
    assert now["user"] == "app"
    assert server.do("GET", kept, token=now["credential"])["data"] == now
    assert not works(server, leaked)


def test_a_secret_id_and_the_app_that_reads_it_from_kv(
    server: vault.Server, kept: str, tmp_path: Path
) -> None:
    where = "auth/approle/role/app"
    server.do("POST", where, {"token_policies": ["default"]})
    role_id = server.do("GET", f"{where}/role-id")["role_id"]
    leaked = server.do("POST", f"{where}/secret-id", {})["secret_id"]

    def login(secret_id: str) -> Any:
        body = {"role_id": role_id, "secret_id": secret_id}
        return server.ask("POST", "auth/approle/login", body)

    session = login(leaked).json()["auth"]["client_token"]
    given = slots(admin=server.root, old=leaked, C1_token=server.root)
    told = {"address": server.url, "role": "app"}
    began(tmp_path, "vault-approle-secret-id", told, given, into_kv(server, kept)).run_to_the_end()
    assert login(server.do("GET", kept)["data"]["credential"]).status_code == 200
    assert login(leaked).status_code == 400
    assert not works(server, session)


def test_a_transit_key_and_what_it_wrapped(server: vault.Server, tmp_path: Path) -> None:
    server.do("POST", "transit/keys/kek", {})
    text = {"plaintext": "bGVha2d1YXJk"}
    leaked = server.do("POST", "transit/encrypt/kek", text)["ciphertext"]
    server.do("POST", "secret/data/wrapped/one", {"data": {"dek": leaked}})
    told = {"address": server.url, "key": "kek", "wrapped": "wrapped"}
    began(tmp_path, "vault-transit", told, slots(admin=server.root)).run_to_the_end()
    now = {"ciphertext": server.do("GET", "secret/data/wrapped/one")["data"]["dek"]}
    assert server.do("POST", "transit/decrypt/kek", now) == text
    assert server.ask("POST", "transit/decrypt/kek", {"ciphertext": leaked}).status_code == 400


@pytest.mark.parametrize("api", ["rekey", "rotate"])
def test_unseal_shares_whose_rotation_is_killed_and_goes_on(
    server: vault.Server, tmp_path: Path, api: str
) -> None:
    if (vault.KIND, api) == ("vault", "rotate"):
        pytest.skip("only OpenBao has sys/rotate/root")
    file = tmp_path / "shares"
    given = slots(present=" ".join(server.shares), admin=server.root)
    told = {"address": server.url, "api": api, "handed_to": "C1"}
    case = began(tmp_path, "vault-rekey", told, given, into("file", path=str(file), create="true"))
    case.run_killed_after("create")
    case.run_killed_after("disable_old")
    case.run_to_the_end()
    server.seal()
    for share in server.shares:
        server.ask("PUT", "sys/unseal", {"key": share})
    assert server.do("GET", "sys/seal-status")["sealed"]
    server.ask("PUT", "sys/unseal", {"reset": True})
    server.shares = file.read_text().strip().split(",")
    server.unseal()
