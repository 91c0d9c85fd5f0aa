"""What the scripts for Vault build on, as a real server says it; the fake has to say the same.

Every test runs on the fake, and on a real server too where one is installed. Where Vault
and OpenBao differ, both answers stand here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from servers import place, vault

PLACES = {"rekey": "sys/rekey", "rotate": "sys/rotate/root"}


def running(kind: str, *, open_rekey: bool = True) -> Iterator[vault.Server]:
    with place() as folder:
        begin = vault.faked(open_rekey) if kind == "fake" else vault.start(
            folder, open_rekey=open_rekey
        )  # fmt: skip
        with begin as server:
            yield server


KINDS = pytest.mark.parametrize("server", sorted({"fake", vault.KIND}), indirect=True)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[vault.Server]:
    yield from running(request.param)


def says(
    server: vault.Server, method: str, path: str, body: Any = None, token: str = ""
) -> tuple[int, str]:
    said = server.ask(method, path, body, token=token)
    return said.status_code, said.text


def test_a_real_server_is_there() -> None:
    if vault.KIND == "fake":
        pytest.skip("no bao and no vault on the PATH: the scripts for Vault met the fake only")
    assert vault.real()


@KINDS
def test_tokens_and_accessors(server: vault.Server) -> None:
    assert says(server, "GET", "auth/token/lookup-self", token="none")[0] == 403
    made = server.do("POST", "auth/token/create-orphan", {"meta": {"a": "b"}})
    accessor = {"accessor": made["accessor"]}
    told = server.do("POST", "auth/token/lookup-accessor", accessor)
    assert (told["meta"], told["orphan"], told["path"]) == (
        {"a": "b"}, True, "auth/token/create-orphan",
    )  # fmt: skip
    assert made["accessor"] in server.do("GET", "auth/token/accessors?list=true")["keys"]
    assert says(server, "POST", "auth/token/revoke-accessor", accessor) == (204, "")
    status, text = says(server, "POST", "auth/token/lookup-accessor", accessor)
    assert status in (400, 403, 404)
    assert "invalid accessor" in text
    status, text = says(server, "POST", "auth/token/revoke-accessor", accessor)
    assert status in (200, 400, 403)


@KINDS
def test_what_a_token_may(server: vault.Server) -> None:
    weak = server.token(("secret/data/a", "read"))
    paths = ["secret/data/a", "auth/token/accessors/"]
    can = server.do("POST", "sys/capabilities-self", {"paths": paths}, token=weak)
    assert (can["secret/data/a"], can["auth/token/accessors/"]) == (["read"], ["deny"])
    can = server.do("POST", "sys/capabilities-self", {"paths": paths})
    assert can["secret/data/a"] == ["root"]
    status, text = says(server, "GET", "secret/data/b", token=weak)
    assert (status, "permission denied" in text) == (403, True)


@KINDS
def test_secret_ids(server: vault.Server) -> None:
    name, role = f"app-{secrets.token_hex(4)}", "auth/approle/role/none"
    assert says(server, "GET", f"{role}/role-id")[0] == 404
    status, text = says(server, "GET", f"{role}/secret-id?list=true")
    assert (status, "does not exist" in text) == (400, True)
    status, text = says(server, "POST", f"{role}/secret-id/lookup", {"secret_id": "no"})
    assert (status, "does not exist" in text) == (500, True)
    role = f"auth/approle/role/{name}"
    server.do("POST", role, {"token_policies": ["default"]})
    assert says(server, "GET", f"{role}/secret-id?list=true")[0] == 404
    made = server.do("POST", f"{role}/secret-id", {"metadata": '{"a": "b"}'})
    accessor = {"secret_id_accessor": made["secret_id_accessor"]}
    body = {"role_id": server.do("GET", f"{role}/role-id")["role_id"]}
    opened = server.do("POST", "auth/approle/login", body | {"secret_id": made["secret_id"]})
    told = server.do("POST", "auth/token/lookup-accessor", {"accessor": opened["accessor"]})
    assert told["meta"] == {"role_name": name, "a": "b"}
    assert told["path"] == "auth/approle/login"
    by_value = server.do("POST", f"{role}/secret-id/lookup", {"secret_id": made["secret_id"]})
    assert by_value["secret_id_accessor"] == made["secret_id_accessor"]
    assert says(server, "POST", f"{role}/secret-id/lookup", {"secret_id": "no"}) == (204, "")
    assert says(server, "POST", f"{role}/secret-id-accessor/destroy", accessor) == (204, "")
    assert says(server, "POST", f"{role}/secret-id-accessor/destroy", accessor)[0] in (404, 500)
    assert says(server, "POST", f"{role}/secret-id-accessor/lookup", accessor)[0] == 404
    status, text = says(server, "POST", "auth/approle/login", body | {"secret_id": "no"})
    assert (status, "invalid role or secret ID" in text) == (400, True)


@KINDS
def test_versions_of_a_secret(server: vault.Server) -> None:
    path = secrets.token_hex(4)

    def write(cas: int, value: str) -> tuple[int, str]:
        body = {"options": {"cas": cas}, "data": {"x": value}}
        return says(server, "POST", f"secret/data/{path}", body)

    assert says(server, "GET", f"secret/data/{path}")[0] == 404
    assert [write(cas, "1")[0] for cas in (3, 0, 1)] == [400, 200, 200]
    status, text = write(1, "2")
    assert (status, "check-and-set" in text) == (400, True)
    for end, gone in (("delete", False), ("destroy", True)):
        assert says(server, "POST", f"secret/{end}/{path}", {"versions": [1]}) == (204, "")
        said = server.ask("GET", f"secret/data/{path}?version=1")
        assert said.status_code == 404
        assert said.json()["data"]["data"] is None
        assert said.json()["data"]["metadata"]["destroyed"] is gone
        assert says(server, "POST", f"secret/undelete/{path}", {"versions": [1]}) == (204, "")
    assert says(server, "GET", f"secret/data/{path}?version=9")[0] == 404
    assert says(server, "POST", "secret/undelete/none", {"versions": [1]}) == (204, "")
    assert server.do("GET", f"secret/metadata/{path}")["current_version"] == 2
    assert says(server, "GET", "secret/metadata/none/?list=true")[0] == 404


TRANSIT = (
    ("encrypt", {"plaintext": "eA==", "key_version": 9}, "higher than the latest"),
    ("decrypt", {"ciphertext": "x"}, "no prefix"),
    ("keys/{}/config", {"min_decryption_version": 7}, "latest key version is 2"),
    ("keys/{}/trim", {"min_available_version": 2}, "minimum encryption version is not set"),
)


@KINDS
def test_versions_of_a_transit_key(server: vault.Server) -> None:
    name = secrets.token_hex(4)

    def do(what: str, body: Any) -> Any:
        path = f"transit/{what.format(name)}" if "{}" in what else f"transit/{what}/{name}"
        return server.ask("POST", path, body)

    assert says(server, "GET", f"transit/keys/{name}")[0] == 404
    assert says(server, "POST", f"transit/keys/{name}/rotate", {})[0] == 400
    server.do("POST", f"transit/keys/{name}", {})
    made = do("encrypt", {"plaintext": "eA==", "key_version": 1}).json()["data"]
    assert made["ciphertext"].startswith("vault:v1:")
    first = {"ciphertext": made["ciphertext"]}
    do("keys/{}/rotate", {})
    again = do("rewrap", first).json()["data"]
    assert again["ciphertext"].startswith("vault:v2:")
    for what, body, words in TRANSIT:
        said = do(what, body)
        assert (said.status_code, words in said.text) == (400, True), (what, said.text)
    do("keys/{}/config", {"min_decryption_version": 2})
    assert "too old" in do("decrypt", first).text
    assert do("encrypt", {"plaintext": "eA==", "key_version": 1}).status_code == 400
    do("keys/{}/config", {"min_encryption_version": 2})
    assert do("keys/{}/trim", {"min_available_version": 2}).status_code in (200, 204)
    assert do("keys/{}/config", {"min_decryption_version": 1}).status_code == 400
    assert "too old" in do("decrypt", first).text
    key = server.do("GET", f"transit/keys/{name}")
    names = ("latest_version", "min_decryption_version", "min_available_version")
    assert [key[one] for one in names] == [2, 2, 2]


class Rekey:
    """One of the two ways to new shares. sys/rotate/root puts its answers into `data`."""

    def __init__(self, server: vault.Server, api: str) -> None:
        self.server, self.api, self.place = server, api, PLACES[api]

    def says(self, method: str, what: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        said = self.server.ask(method, f"{self.place}/{what}", body)
        found = said.json() if said.content else {}
        assert self.api == "rekey" or said.status_code != 200 or found["data"]
        return said.status_code, found if self.api == "rekey" else found.get("data") or found

    def begin(self) -> str:
        body = {"secret_shares": 3, "secret_threshold": 2, "require_verification": True}
        status, told = self.says("PUT", "init", body)
        assert (status, told["started"], told["verification_required"]) == (200, True, True)
        assert told["required" if self.api == "rekey" else "seal_threshold"] == 2
        return str(told["nonce"])

    def give(self, what: str, shares: list[str], nonce: str) -> tuple[int, dict[str, Any]]:
        for share in shares:
            status, told = self.says("PUT", what, {"key": share, "nonce": nonce})
        return status, told


@pytest.fixture(params=[(kind, api) for kind in sorted({"fake", vault.KIND}) for api in PLACES],
                ids="-".join)  # fmt: skip
def rekey(request: pytest.FixtureRequest) -> Iterator[Rekey]:
    kind, api = request.param
    if (kind, api) == ("vault", "rotate"):
        pytest.skip("only OpenBao has sys/rotate/root")
    for server in running(kind):
        yield Rekey(server, api)


def test_a_rekey_that_is_verified(rekey: Rekey) -> None:
    shares = rekey.server.shares
    status, told = rekey.says("GET", "init")
    assert (status, told["started"]) == (200, False)
    assert rekey.says("GET", "verify")[0] == 400
    assert rekey.says("DELETE", "verify")[0] == 400
    nonce = rekey.begin()
    assert rekey.says("PUT", "init", {"secret_shares": 1, "secret_threshold": 1})[0] == 400
    assert rekey.give("update", shares[:1], "x")[0] == 400
    assert rekey.give("update", shares[:1] * 2, nonce)[0] == 400
    status, told = rekey.give("update", shares[1:2], nonce)
    assert (status, told["complete"], told["nonce"]) == (200, True, nonce)
    fresh, awaited = told["keys_base64"], told["verification_nonce"]
    assert rekey.says("GET", "init")[1]["verification_nonce"] == awaited
    assert rekey.give("update", shares[2:], nonce)[0] == 400
    assert rekey.give("verify", fresh[:1], nonce)[0] == 400
    assert rekey.give("verify", fresh[:1], awaited)[1]["progress"] == 1
    status, told = rekey.says("DELETE", "verify")
    assert (status, told["progress"], told["nonce"] != awaited) == (200, 0, True)
    assert rekey.give("verify", shares[:2], told["nonce"])[0] == 400
    status, now = rekey.says("GET", "init")
    assert (now["nonce"], now["verification_nonce"] != told["nonce"]) == (nonce, True)
    status, told = rekey.give("verify", fresh[:2], now["verification_nonce"])
    assert (status, told["complete"]) == (200, True)
    assert rekey.says("GET", "init")[1]["started"] is False


def test_shares_that_are_no_good_are_told_by_words_not_by_the_status(rekey: Rekey) -> None:
    wrong = [secrets.token_hex(33) for _ in range(2)]
    status, told = rekey.give("update", wrong, rekey.begin())
    assert status == (500 if rekey.api == "rekey" else 400)
    assert "message authentication failed" in told["errors"][0]
    status, told = rekey.says("GET", "init")
    assert (told["started"], told["progress"]) == (True, 0)
    assert rekey.says("PUT", "update", {"key": "no share", "nonce": told["nonce"]})[0] == 400
    assert rekey.says("DELETE", "init", {"nonce": told["nonce"]})[0] == 204
    assert rekey.says("DELETE", "init", {"nonce": told["nonce"]})[0] == 204


def test_a_seal_forgets_the_rekey_and_wrong_shares_leave_it_closed(rekey: Rekey) -> None:
    rekey.begin()
    rekey.server.seal()
    assert rekey.says("GET", "init")[0] == 503
    assert says(rekey.server, "GET", "auth/token/lookup-self")[0] == 503
    assert says(rekey.server, "GET", "sys/health")[0] == 503
    for share in (secrets.token_hex(33), secrets.token_hex(33)):
        status, _ = says(rekey.server, "PUT", "sys/unseal", {"key": share})
    assert status in (400, 500)
    told = rekey.server.do("GET", "sys/seal-status")
    assert (told["sealed"], told["progress"], told["t"], told["n"]) == (True, 0, 2, 3)
    rekey.server.unseal()
    assert rekey.says("GET", "init")[1]["started"] is False


@pytest.mark.parametrize("kind", sorted({"fake", vault.KIND} - {"vault"}))
def test_a_closed_rekey_interface(kind: str) -> None:
    for server in running(kind, open_rekey=False):
        assert says(server, "GET", "sys/rekey/init")[0] == 405
        assert says(server, "GET", f"{PLACES['rotate']}/init")[0] == 200
        weak = server.token(("secret/data/a", "read"))
        assert says(server, "GET", f"{PLACES['rotate']}/init", token=weak)[0] == 403
