"""A Vault server: `bao` or `vault` in developer mode where one is on the PATH, else a fake.

The fake remembers tokens, policies, KV version 2, AppRole, transit keys and unseal
shares, and checks tokens and policies at every request. It answers as a real Vault was
seen to: everything but the seal's own paths says 503 while sealed, wrong shares give 500
on unseal, shares of before a rekey stay good until the new ones are verified, a change
with a stale version number says 400 with "check-and-set", revoking a token ends its children.

What the fake cannot prove: real cryptography (its transit keys encrypt nothing worth
the name, its shares are no Shamir shares), TTLs, leases, namespaces, replication, audit.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from servers import free_port, launch, program, until
from servers.github_api import Asked, Fake, Said

PACKAGES: tuple[str, ...] = ()

RULES = {"GET": "read", "POST": "update", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}


def available() -> str:
    """It always can: with a fake where there is nothing better."""
    return ""


def real() -> str:
    """The program that would be used, or "" when the fake is."""
    return program("bao") or program("vault")


@dataclass
class Server:
    """How to reach it, and who may do everything."""

    url: str
    root: str = field(repr=False)
    shares: list[str] = field(repr=False)
    fake: Vault | None = None

    def do(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """One request as the administrator; the `data` of the answer, or all of it."""
        said = self.ask(method, path, body, token=token)
        assert said.status_code < 300, f"{method} {path}: {said.status_code} {said.text}"
        found = said.json() if said.content else {}
        return found.get("data") or found.get("auth") or found

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """One request, whatever comes of it."""
        headers = {"X-Vault-Token": token or self.root}
        url = f"{self.url}/v1/{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=10)

    def token(self, *rules: tuple[str, str], **more: Any) -> str:
        """A token that may do only this: (path, "read update ..") each."""
        name = f"p-{secrets.token_hex(4)}"
        text = "\n".join(
            f'path "{path}" {{ capabilities = {_quoted(can.split())} }}' for path, can in rules
        )
        self.do("PUT", f"sys/policies/acl/{name}", {"policy": text})
        made = self.do("POST", "auth/token/create", {"policies": [name], **more})
        value: str = made["client_token"]
        return value


def _quoted(words: list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A server with AppRole and transit switched on, and KV version 2 at `secret/`."""
    with _real(folder) if real() else _fake() as server:
        server.do("POST", "sys/auth/approle", {"type": "approle"})
        server.do("POST", "sys/mounts/transit", {"type": "transit"})
        yield server


@contextmanager
def _real(folder: Path) -> Iterator[Server]:
    port, root = free_port(), secrets.token_hex(16)
    names = ("VAULT", "BAO")
    env = {f"{name}_DEV_ROOT_TOKEN_ID": root for name in names} | {"HOME": str(folder)}
    argv = [
        real(),
        "server",
        "-dev",
        f"-dev-listen-address=127.0.0.1:{port}",
        "-dev-no-store-token",
    ]
    log = folder / "vault.log"
    process = launch(argv, log=log, env=env, cwd=folder)
    try:
        until(lambda: "Unseal Key" in process.said(), process)
        found = re.search(r"Unseal Key: (\S+)", process.said())
        assert found is not None
        yield Server(f"http://127.0.0.1:{port}", root, [found[1]])
    finally:
        process.stop()


@contextmanager
def _fake() -> Iterator[Server]:
    vault = Vault()
    with vault.serving():
        yield Server(vault.url, vault.root, vault.shares[:], vault)


@dataclass
class Token:
    """One token, by its accessor."""

    accessor: str
    policies: list[str]
    path: str
    parent: str
    meta: dict[str, str]
    display_name: str = "token"
    made: int = field(default_factory=lambda: int(time.time()))

    def told(self) -> dict[str, Any]:
        """What a look-up answers."""
        return {
            "accessor": self.accessor, "policies": self.policies, "path": self.path,
            "meta": self.meta or None, "display_name": self.display_name, "orphan": not self.parent,
            "creation_time": self.made, "ttl": 3600, "creation_ttl": 3600, "period": 0,
            "num_uses": 0, "type": "service", "renewable": True, "explicit_max_ttl": 0,
        }  # fmt: skip


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(*errors)
        self.said = Said(status, {"errors": list(errors)})


class Vault(Fake):
    """The fake. `faults` (of Fake) are given out first."""

    def __init__(self) -> None:
        super().__init__()
        self.root = secrets.token_hex(16)
        self.tokens = {self.root: Token(secrets.token_hex(8), ["root"], "", "", {})}
        self.policies: dict[str, list[tuple[str, list[str]]]] = {}
        self.kv: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, dict[str, Any]] = {}
        self.secret_ids: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.sealed = False
        self.shares, self.threshold = _new_shares(3), 2
        self.given: list[str] = []
        self.rekey: dict[str, Any] = {}
        self.unauthenticated_rekey = True

    def answer(self, asked: Asked) -> Said:
        path = asked.path.removeprefix("/v1/")
        method = "LIST" if asked.query.get("list") == "true" else asked.method
        try:
            self._allowed(path, method, asked)
            for pattern, methods, handler in self._routes():
                match = re.fullmatch(pattern, path)
                if match and method in methods.split():
                    found = handler(*match.groups(), asked)
                    return Said(204) if found is None else Said(200, found)
        except Problem as problem:
            return problem.said
        return Said(404, {"errors": []})

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        return [
            (r"sys/(?:mounts|auth)/.+", "POST", lambda *_: None),
            (r"sys/policies/acl/(.+)", "PUT", self._policy),
            (r"sys/capabilities-self", "POST", self._capabilities),
            (r"sys/health", "GET", lambda _: {"sealed": self.sealed, "version": "fake"}),
            (r"sys/seal-status", "GET", lambda _: self._seal_status()),
            (r"sys/seal", "PUT POST", self._seal),
            (r"sys/unseal", "PUT POST", self._unseal),
            (r"sys/(?:rekey|rotate/root)/init", "GET PUT POST DELETE", self._rekey_init),
            (r"sys/(?:rekey|rotate/root)/update", "PUT POST", self._rekey_update),
            (r"sys/(?:rekey|rotate/root)/verify", "GET PUT POST DELETE", self._rekey_verify),
            (r"secret/data/(.+)", "GET", self._kv_read),
            (r"secret/data/(.+)", "PUT POST", self._kv_write),
            (r"secret/metadata/(.*)", "LIST", self._kv_list),
            (r"secret/metadata/(.+)", "GET", self._kv_metadata),
            (r"secret/(destroy|delete|undelete)/(.+)", "PUT POST", self._kv_end),
            (r"auth/token/create(?:-orphan)?", "POST", self._token_create),
            (r"auth/token/lookup-self", "GET", lambda asked: self._wrapped(self._mine(asked).told())),
            (r"auth/token/lookup-accessor", "POST", self._token_lookup),
            (r"auth/token/revoke-accessor", "POST", self._token_revoke),
            (r"auth/token/revoke-self", "POST", lambda asked: self._revoke(self._mine(asked).accessor)),
            (r"auth/token/accessors", "LIST", lambda _: self._wrapped(
                {"keys": [one.accessor for one in self.tokens.values()]})),
            (r"auth/approle/role/([^/]+)", "PUT POST", self._role),
            (r"auth/approle/role/([^/]+)/role-id", "GET", lambda name, _: self._wrapped(
                {"role_id": self._role_of(name)["role_id"]})),
            (r"auth/approle/role/([^/]+)/secret-id", "PUT POST", self._secret_id),
            (r"auth/approle/role/([^/]+)/secret-id", "LIST", self._secret_id_list),
            (r"auth/approle/role/([^/]+)/secret-id/lookup", "PUT POST", self._secret_id_by_value),
            (r"auth/approle/role/([^/]+)/secret-id-accessor/(lookup|destroy)", "PUT POST",
             self._secret_id_by_accessor),
            (r"auth/approle/login", "PUT POST", self._login),
            (r"transit/keys/([^/]+)", "PUT POST", self._key_make),
            (r"transit/keys/([^/]+)", "GET", lambda name, _: self._wrapped(self._key_told(name))),
            (r"transit/keys/([^/]+)/(rotate|config|trim)", "PUT POST", self._key_change),
            (r"transit/(encrypt|decrypt|rewrap)/([^/]+)", "PUT POST", self._transit),
        ]  # fmt: skip

    # Who may what

    def _allowed(self, path: str, method: str, asked: Asked) -> None:
        if re.fullmatch(r"sys/(seal-status|unseal|health)", path):
            return
        if self.sealed:
            raise Problem(503, "Vault is sealed")
        if path == "auth/approle/login":
            return
        if path.startswith("sys/rekey/"):
            if not self.unauthenticated_rekey:
                raise Problem(400, "unauthenticated rekey endpoints are disabled")
            return
        token = self._mine(asked)
        if path == "auth/token/accessors":
            path += "/"  # a policy names the folder
        wanted = "list" if method == "LIST" else RULES[asked.method]
        free = ("auth/token/lookup-self", "auth/token/revoke-self", "sys/capabilities-self")
        if path not in free and not {wanted, "root"} & set(self._can(token, path)):
            raise Problem(403, "1 error occurred:\n\t* permission denied\n\n")

    def _mine(self, asked: Asked) -> Token:
        token = self.tokens.get(asked.headers.get("x-vault-token", ""))
        if token is None:
            raise Problem(403, "permission denied")
        return token

    def _can(self, token: Token, path: str) -> list[str]:
        if "root" in token.policies:
            return ["root"]
        rules = [rule for name in token.policies for rule in self.policies.get(name, ())]
        fits = [
            can for where, can in rules
            if where == path or (where.endswith("*") and path.startswith(where[:-1]))
        ]  # fmt: skip
        return sorted({one for can in fits for one in can}) or ["deny"]

    def _policy(self, name: str, asked: Asked) -> None:
        found = re.findall(
            r'path "([^"]+)" \{ capabilities = \[([^\]]*)\] \}', asked.body["policy"]
        )
        self.policies[name] = [(path, re.findall(r'"(\w+)"', can)) for path, can in found]

    def _capabilities(self, asked: Asked) -> Any:
        token = self._mine(asked)
        return {path: self._can(token, path) for path in asked.body["paths"]}

    @staticmethod
    def _wrapped(data: Any) -> Any:
        return {"data": data}

    # Seal and rekey

    def _seal_status(self) -> Any:
        return {
            "type": "shamir", "initialized": True, "sealed": self.sealed, "t": self.threshold,
            "n": len(self.shares), "progress": len(self.given), "version": "fake",
        }  # fmt: skip

    def _seal(self, _: Asked) -> None:
        self.sealed = True

    def _unseal(self, asked: Asked) -> Any:
        if asked.body.get("reset"):
            self.given = []
            return self._seal_status()
        if asked.body["key"] not in self.given:
            self.given.append(asked.body["key"])
        if len(self.given) >= self.threshold:
            good, self.given = set(self.given) <= set(self.shares), []
            if not good:
                raise Problem(
                    500, "failed to decrypt keys from storage: message authentication failed"
                )
            self.sealed = False
        return self._seal_status()

    def _rekey_init(self, asked: Asked) -> Any:
        if asked.method == "DELETE":
            self.rekey = {}
            return None
        if asked.method in ("PUT", "POST"):
            if self.rekey:
                raise Problem(400, "rekey already in progress")
            self.rekey = {"nonce": secrets.token_hex(8), "given": [], **asked.body}
        if not self.rekey:
            return {"started": False, "nonce": "", "required": self.threshold, "progress": 0}
        return {
            "started": True, "nonce": self.rekey["nonce"], "t": self.rekey["secret_threshold"],
            "n": self.rekey["secret_shares"], "required": self.threshold,
            "progress": len(self.rekey["given"]),
            "verification_required": self.rekey.get("require_verification", False),
            "verification_nonce": self.rekey.get("verification_nonce", ""),
        }  # fmt: skip

    def _rekey_update(self, asked: Asked) -> Any:
        if not self.rekey or "fresh" in self.rekey or asked.body["nonce"] != self.rekey["nonce"]:
            raise Problem(400, "no rekey in progress, or another nonce")
        if asked.body["key"] not in self.rekey["given"]:
            self.rekey["given"].append(asked.body["key"])
        if len(self.rekey["given"]) < self.threshold:
            return self._rekey_init(Asked("GET", "", {}, {}, b""))
        given, self.rekey["given"] = self.rekey["given"], []
        if not set(given) <= set(self.shares):
            raise Problem(400, "rekey failed: the unseal key does not match")
        self.rekey["fresh"] = _new_shares(self.rekey["secret_shares"])
        self.rekey["verified"] = []
        told = {"nonce": self.rekey["nonce"], "complete": True, "keys_base64": self.rekey["fresh"]}
        if not self.rekey.get("require_verification"):
            self._rekeyed()
            return told
        self.rekey["verification_nonce"] = secrets.token_hex(8)
        more = {"verification_required": True}
        return told | more | {"verification_nonce": self.rekey["verification_nonce"]}

    def _rekey_verify(self, asked: Asked) -> Any:
        if "verification_nonce" not in self.rekey:
            raise Problem(400, "no rekey verification in progress")
        if asked.method == "DELETE":
            self.rekey["verified"] = []
        nonce = self.rekey["verification_nonce"]
        if asked.method in ("GET", "DELETE"):
            return {"started": True, "nonce": nonce, "progress": len(self.rekey["verified"])}
        if asked.body["nonce"] != nonce:
            raise Problem(400, "incorrect nonce supplied")
        self.rekey["verified"].append(asked.body["key"])
        verified = set(self.rekey["verified"])
        if len(verified) < self.rekey["secret_threshold"]:
            return {"nonce": nonce, "complete": False}
        if not verified <= set(self.rekey["fresh"]):
            self.rekey["verified"] = []
            raise Problem(400, "verification failed: the keys do not match")
        self._rekeyed()
        return {"nonce": nonce, "complete": True}

    def _rekeyed(self) -> None:
        self.shares, self.threshold = self.rekey["fresh"], self.rekey["secret_threshold"]
        self.rekey = {}

    # KV, version 2

    def _kv_read(self, path: str, asked: Asked) -> Any:
        entry = self.kv.get(path)
        if entry is None:
            raise Problem(404)
        number = int(asked.query.get("version") or len(entry["versions"]))
        version = entry["versions"][number - 1]
        said = {"data": version["data"], "metadata": _version_told(number, version)}
        if version["destroyed"] or version["deleted"]:
            raise _Gone({"data": said | {"data": None}})
        return {"data": said}

    def _kv_write(self, path: str, asked: Asked) -> Any:
        versions = self.kv.setdefault(path, {"versions": []})["versions"]
        cas = asked.body.get("options", {}).get("cas")
        if cas is not None and cas != len(versions):
            if not versions:
                del self.kv[path]
            raise Problem(400, "check-and-set parameter did not match the current version")
        versions.append({"data": asked.body["data"], "deleted": False, "destroyed": False})
        return {"data": _version_told(len(versions), versions[-1])}

    def _kv_list(self, folder: str, _: Asked) -> Any:
        inside = [path.removeprefix(folder) for path in self.kv if path.startswith(folder)]
        keys = sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in inside})
        if not keys:
            raise Problem(404)
        return {"data": {"keys": keys}}

    def _kv_metadata(self, path: str, _: Asked) -> Any:
        if path not in self.kv:
            raise Problem(404)
        versions = self.kv[path]["versions"]
        told = {str(n): _version_told(n, one) for n, one in enumerate(versions, 1)}
        return {"data": {"current_version": len(versions), "versions": told}}

    def _kv_end(self, how: str, path: str, asked: Asked) -> None:
        for number in asked.body["versions"]:
            version = self.kv[path]["versions"][number - 1]
            if how == "destroy":
                version |= {"destroyed": True, "data": None}
            else:
                version["deleted"] = how == "delete"

    # Tokens

    def _token_create(self, asked: Asked) -> Any:
        mine, body = self._mine(asked), asked.body
        policies = body.get("policies") or mine.policies
        orphan = body.get("no_parent") or asked.path.endswith("-orphan")
        parent = "" if orphan else mine.accessor
        made = self._mint(policies, "auth/token/create", parent, body.get("meta") or {})
        return {"auth": made}

    def _mint(self, policies: list[str], path: str, parent: str, meta: dict[str, str]) -> Any:
        value = f"hvs.{secrets.token_urlsafe(24)}"
        token = Token(secrets.token_hex(8), policies, path, parent, meta)
        self.tokens[value] = token
        return {"client_token": value, "accessor": token.accessor, "policies": policies}

    def _by_accessor(self, asked: Asked) -> Token:
        wanted = asked.body.get("accessor", "")
        found = [one for one in self.tokens.values() if one.accessor == wanted]
        if not found:
            raise Problem(403, "1 error occurred:\n\t* invalid accessor\n\n")
        return found[0]

    def _token_lookup(self, asked: Asked) -> Any:
        return {"data": self._by_accessor(asked).told()}

    def _token_revoke(self, asked: Asked) -> None:
        self._revoke(self._by_accessor(asked).accessor)

    def _revoke(self, accessor: str) -> None:
        for child in [one.accessor for one in self.tokens.values() if one.parent == accessor]:
            self._revoke(child)
        self.tokens = {v: one for v, one in self.tokens.items() if one.accessor != accessor}

    # AppRole

    def _role(self, name: str, asked: Asked) -> None:
        policies = asked.body.get("token_policies") or []
        self.roles[name] = {"role_id": secrets.token_hex(8), "policies": policies}

    def _role_of(self, name: str) -> dict[str, Any]:
        if name not in self.roles:
            raise Problem(404, f"role {name!r} does not exist")
        return self.roles[name]

    def _secret_id(self, name: str, asked: Asked) -> Any:
        import json

        self._role_of(name)
        value, accessor = secrets.token_hex(16), secrets.token_hex(8)
        meta = json.loads(asked.body.get("metadata") or "{}")
        self.secret_ids[accessor] = {"role": name, "value": value, "metadata": meta}
        return {"data": {"secret_id": value, "secret_id_accessor": accessor, "secret_id_ttl": 0}}

    def _secret_id_list(self, name: str, _: Asked) -> Any:
        keys = [key for key, one in self.secret_ids.items() if one["role"] == name]
        if not keys:
            raise Problem(404)
        return {"data": {"keys": keys}}

    def _secret_id_by_accessor(self, name: str, what: str, asked: Asked) -> Any:
        accessor = asked.body["secret_id_accessor"]
        found = self.secret_ids.get(accessor)
        if found is None or found["role"] != name:
            raise Problem(404, "failed to find accessor entry for secret_id_accessor")
        if what == "destroy":
            del self.secret_ids[accessor]
            return None
        return {"data": {"secret_id_accessor": accessor, "metadata": found["metadata"]}}

    def _secret_id_by_value(self, name: str, asked: Asked) -> Any:
        for accessor, one in self.secret_ids.items():
            if (one["role"], one["value"]) == (name, asked.body["secret_id"]):
                return {"data": {"secret_id_accessor": accessor, "metadata": one["metadata"]}}
        return None

    def _login(self, asked: Asked) -> Any:
        given = asked.body.get("role_id"), asked.body.get("secret_id")
        for one in self.secret_ids.values():
            role = self.roles[one["role"]]
            if (role["role_id"], one["value"]) == given:
                meta = {"role_name": one["role"], **one["metadata"]}
                return {"auth": self._mint(role["policies"], "auth/approle/login", "", meta)}
        raise Problem(400, "invalid role or secret ID")

    # Transit

    def _key_make(self, name: str, _: Asked) -> None:
        now = int(time.time())
        self.keys.setdefault(name, {
            "latest_version": 1, "min_decryption_version": 1, "min_encryption_version": 0,
            "min_available_version": 0, "keys": {"1": now}, "exportable": False,
        })  # fmt: skip

    def _key_told(self, name: str) -> dict[str, Any]:
        if name not in self.keys:
            raise Problem(404)
        return {"name": name, **self.keys[name]}

    def _key_change(self, name: str, what: str, asked: Asked) -> None:
        key = self.keys.get(name)
        if key is None:
            raise Problem(400, "no existing key named " + name)
        if what == "rotate":
            key["latest_version"] += 1
            key["keys"][str(key["latest_version"])] = int(time.time())
        elif what == "config":
            for number in ("min_decryption_version", "min_encryption_version"):
                if asked.body.get(number, 0) > key["latest_version"]:
                    raise Problem(400, "cannot set to a version that does not exist")
                key[number] = asked.body.get(number, key[number])
            known = range(max(1, key["min_decryption_version"]), key["latest_version"] + 1)
            key["keys"] = {str(one): int(time.time()) for one in known}
        else:
            least = asked.body["min_available_version"]
            if least > key["min_decryption_version"] or least > key["min_encryption_version"]:
                raise Problem(400, "cannot trim beyond the minimum versions")
            key["min_available_version"] = least

    def _transit(self, what: str, name: str, asked: Asked) -> Any:
        key = self.keys.get(name)
        if key is None:
            raise Problem(400, "encryption key not found")
        if what == "encrypt":
            version = asked.body.get("key_version") or key["latest_version"]
            if version < key["min_encryption_version"]:
                raise Problem(400, "requested version for encryption is less than the minimum")
            return {"data": {"ciphertext": _sealed(name, version, asked.body["plaintext"])}}
        plain = self._opened(name, key, asked.body["ciphertext"])
        if what == "decrypt":
            return {"data": {"plaintext": plain}}
        return {"data": {"ciphertext": _sealed(name, key["latest_version"], plain)}}

    def _opened(self, name: str, key: dict[str, Any], ciphertext: str) -> str:
        match = re.fullmatch(r"vault:v(\d+):(.+)", ciphertext)
        if match is None:
            raise Problem(400, "invalid ciphertext: no prefix")
        if int(match[1]) < key["min_decryption_version"]:
            raise Problem(400, "ciphertext or signature version is disallowed by policy (too old)")
        owner, _, plain = base64.b64decode(match[2]).decode().partition("\0")
        if owner != name:
            raise Problem(400, "cipher: message authentication failed")
        return plain


class _Gone(Problem):
    """A version that was deleted: 404, with its metadata."""

    def __init__(self, body: Any) -> None:
        super().__init__(404)
        self.said = Said(404, body)


def _version_told(number: int, version: dict[str, Any]) -> dict[str, Any]:
    deleted = "2020-01-01T00:00:00Z" if version["deleted"] else ""
    return {"version": number, "destroyed": version["destroyed"], "deletion_time": deleted}


def _sealed(name: str, version: int, plain: str) -> str:
    return f"vault:v{version}:" + base64.b64encode(f"{name}\0{plain}".encode()).decode()


def _new_shares(count: int) -> list[str]:
    return [base64.b64encode(secrets.token_bytes(33)).decode() for _ in range(count)]
