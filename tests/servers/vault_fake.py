"""A fake of Vault and OpenBao, for where the real one is not installed.

It remembers tokens, policies, KV version 2, AppRole, transit keys and unseal shares, and
checks tokens and policies at every request. It answers as OpenBao 2.4 and Vault 1.14 were
seen to; tests/rotate/test_vault_answers.py holds all of them to that.

What it cannot prove: real cryptography (its transit keys encrypt nothing worth the name,
its shares are no Shamir shares), TTLs, leases, namespaces, replication, audit.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from servers.fake import Asked, Fake, Said

RULES = {"GET": "read", "POST": "update", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}
WRONG = "failed to decrypt keys from storage: cipher: message authentication failed"


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

    def __init__(self, open_rekey: bool = True) -> None:
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
        self.open_rekey = open_rekey
        self.careful = False  # a rekey is cancelled by its nonce only: Vault 1.17.18 and later

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
            (r"sys/health", "GET", self._health),
            (r"secret/config", "GET", lambda _: self._wrapped({"cas_required": False})),
            (r"sys/seal-status", "GET", lambda _: self._seal_status()),
            (r"sys/seal", "PUT POST", self._seal),
            (r"sys/unseal", "PUT POST", self._unseal),
            (r"sys/(rekey|rotate/root)/(init|verify)", "GET PUT DELETE", self._rekey),
            (r"sys/(rekey|rotate/root)/(update)", "PUT", self._rekey),
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
            if not self.open_rekey:
                raise Problem(405, "unsupported operation")
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

    def _health(self, _: Asked) -> Any:
        if self.sealed:
            raise Problem(503)
        return {"initialized": True, "sealed": False, "version": "fake"}

    def _seal(self, _: Asked) -> None:
        self.sealed, self.rekey = True, {}

    def _unseal(self, asked: Asked) -> Any:
        if asked.body.get("reset"):
            self.given = []
            return self._seal_status()
        if asked.body["key"] not in self.given:
            self.given.append(asked.body["key"])
        if len(self.given) >= self.threshold:
            good, self.given = set(self.given) <= set(self.shares), []
            if not good:
                raise Problem(400, f"unable to retrieve stored keys: invalid key: {WRONG}")
            self.sealed = False
        return self._seal_status()

    def _rekey(self, place: str, what: str, asked: Asked) -> Any:
        """sys/rekey, and sys/rotate/root: the same under other names, with its answers in `data`."""
        old = place == "rekey"
        self.word = "rekey" if old else "rotation"
        handlers = {"init": self._init, "update": self._update, "verify": self._verify}
        found = handlers[what](asked, 500 if old else 400)
        if found is None or old:
            return found
        if "required" in found:
            found["seal_threshold"] = found.pop("required")
        return {"data": found}

    def _init(self, asked: Asked, broken: int) -> Any:
        if asked.method == "DELETE":
            if self.careful and self.rekey and asked.body.get("nonce") != self.rekey["nonce"]:
                raise Problem(400, "invalid request")
            self.rekey = {}
            return None
        if asked.method != "GET":
            if self.rekey:
                raise Problem(400, f"{self.word} already in progress")
            if asked.body["secret_threshold"] > asked.body["secret_shares"]:
                raise Problem(broken, "threshold cannot be larger than shares")
            self.rekey = {"nonce": secrets.token_hex(8), "given": [], **asked.body}
        return self._status()

    def _status(self) -> dict[str, Any]:
        """How far the rekey is."""
        if not self.rekey:
            return {"started": False, "t": 0, "n": 0, "required": self.threshold}
        return {
            "started": True, "nonce": self.rekey["nonce"], "t": self.rekey["secret_threshold"],
            "n": self.rekey["secret_shares"], "required": self.threshold,
            "progress": len(self.rekey["given"]),
            "verification_required": self.rekey.get("require_verification", False),
            "verification_nonce": self.rekey.get("verification_nonce", ""),
        }  # fmt: skip

    def _update(self, asked: Asked, broken: int) -> Any:
        if not self.rekey:
            raise Problem(400, f"no barrier {self.word} in progress")
        if "fresh" in self.rekey:
            raise Problem(400, f"{self.word} already finished; verification must be performed")
        given = self.rekey["given"]
        self._taken(asked, self.rekey["nonce"], given)
        if len(given) < self.threshold:
            return self._status()
        self.rekey["given"] = []
        if not set(given) <= set(self.shares):
            raise Problem(broken, f"failed to read root key: invalid key: {WRONG}")
        fresh = self.rekey["fresh"] = _new_shares(self.rekey["secret_shares"])
        told = {"nonce": self.rekey["nonce"], "complete": True, "keys_base64": fresh}
        if not self.rekey.get("require_verification"):
            self._rekeyed()
            return told
        self._await()
        told["verification_nonce"] = self.rekey["verification_nonce"]
        return told | {"verification_required": True}

    def _await(self) -> None:
        """Begin to wait for the new shares, or begin anew."""
        self.rekey |= {"verified": [], "verification_nonce": secrets.token_hex(8)}

    def _verify(self, asked: Asked, _: int) -> Any:
        if not self.rekey:
            raise Problem(400, f"no {self.word} configuration found")
        if asked.method == "DELETE":
            self._await()
        nonce, given = self.rekey["verification_nonce"], self.rekey["verified"]
        if asked.method == "PUT":
            self._taken(asked, nonce, given)
            if len(given) >= self.rekey["secret_threshold"]:
                if not set(given) <= set(self.rekey["fresh"]):
                    self._await()
                    words = "verification failed; incorrect key shares supplied"
                    raise Problem(400, f"{self.word} {words}")
                self._rekeyed()
                return {"nonce": nonce, "complete": True}
        return {"started": True, "nonce": nonce, "progress": len(given)}

    def _taken(self, asked: Asked, nonce: str, given: list[str]) -> None:
        """One more share, or why not."""
        share = asked.body["key"]
        if asked.body["nonce"] != nonce:
            raise Problem(400, f"incorrect nonce supplied; nonce for this operation is {nonce!r}")
        if not re.fullmatch(r"[0-9a-f]+|[A-Za-z0-9+/]+=*", share):
            raise Problem(400, "'key' must be a valid hex or base64 string")
        if share in given:
            raise Problem(400, "given key has already been provided during this operation")
        given.append(share)

    def _rekeyed(self) -> None:
        self.shares, self.threshold = self.rekey["fresh"], self.rekey["secret_threshold"]
        self.rekey = {}

    # KV, version 2

    def _kv_read(self, path: str, asked: Asked) -> Any:
        entry = self.kv.get(path)
        if entry is None:
            raise Problem(404)
        number = int(asked.query.get("version") or 0) or len(entry["versions"])
        if number > len(entry["versions"]):
            raise Problem(404)
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
        versions = self.kv.get(path, {}).get("versions", ())
        for number in asked.body["versions"] if versions else ():
            version = versions[number - 1]
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
        made = self._mint(policies, asked.path.removeprefix("/v1/"), parent, body.get("meta") or {})
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
            raise Problem(400, "1 error occurred:\n\t* invalid accessor\n\n")
        return found[0]

    def _token_lookup(self, asked: Asked) -> Any:
        return {"data": self._by_accessor(asked).told()}

    def _token_revoke(self, asked: Asked) -> Any:
        wanted = asked.body["accessor"]
        if all(one.accessor != wanted for one in self.tokens.values()):
            return {"data": None, "warnings": ["No token found with this accessor"]}
        return self._revoke(wanted)

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
            raise Problem(404)
        return self.roles[name]

    def _secret_id(self, name: str, asked: Asked) -> Any:
        self._role_of(name)
        value, accessor = secrets.token_hex(16), secrets.token_hex(8)
        meta = json.loads(asked.body.get("metadata") or "{}")
        self.secret_ids[accessor] = {"role": name, "value": value, "metadata": meta}
        return {"data": {"secret_id": value, "secret_id_accessor": accessor, "secret_id_ttl": 0}}

    def _secret_id_list(self, name: str, _: Asked) -> Any:
        if name not in self.roles:
            raise Problem(400, f'role "{name}" does not exist')
        keys = [key for key, one in self.secret_ids.items() if one["role"] == name]
        if not keys:
            raise Problem(404)
        return {"data": {"keys": keys}}

    def _secret_id_by_accessor(self, name: str, what: str, asked: Asked) -> Any:
        accessor = asked.body["secret_id_accessor"]
        found = self.secret_ids.get(accessor)
        if found is None or found["role"] != name:
            status = 500 if what == "destroy" else 404
            raise Problem(status, "failed to find accessor entry for secret_id_accessor")
        if what == "destroy":
            del self.secret_ids[accessor]
            return None
        return {"data": {"secret_id_accessor": accessor, "metadata": found["metadata"]}}

    def _secret_id_by_value(self, name: str, asked: Asked) -> Any:
        if name not in self.roles:
            raise Problem(500, f'1 error occurred:\n\t* role "{name}" does not exist\n\n')
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

    def _key_change(self, name: str, what: str, asked: Asked) -> Any:
        key = self.keys.get(name)
        if key is None:
            raise Problem(400, "key not found")
        {"rotate": _rotated, "config": _configured, "trim": _trimmed}[what](key, asked.body)
        return {"data": self._key_told(name)}

    def _transit(self, what: str, name: str, asked: Asked) -> Any:
        key = self.keys.get(name)
        if key is None:
            raise Problem(400, "encryption key not found")
        if what == "encrypt":
            version = asked.body.get("key_version") or key["latest_version"]
            _wraps(key, version)
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


def _rotated(key: dict[str, Any], _: Any) -> None:
    key["latest_version"] += 1
    key["keys"][str(key["latest_version"])] = int(time.time())


def _configured(key: dict[str, Any], body: dict[str, int]) -> None:
    latest = key["latest_version"]
    for name in ("min_decryption_version", "min_encryption_version"):
        if body.get(name, 0) > latest:
            words = name.replace("_", " ")
            raise Problem(
                400, f"cannot set {words} of {body[name]}, latest key version is {latest}"
            )
        if name in body and 0 < body[name] < key["min_available_version"]:
            raise Problem(400, "min version should not be less then min available version")
        key[name] = body.get(name, key[name])
    known = range(max(1, key["min_decryption_version"]), latest + 1)
    key["keys"] = {str(one): int(time.time()) for one in known}


def _trimmed(key: dict[str, Any], body: dict[str, int]) -> None:
    least = body["min_available_version"]
    if not key["min_encryption_version"]:
        raise Problem(400, "cannot be set when minimum encryption version is not set")
    if least > min(key["min_decryption_version"], key["min_encryption_version"]):
        raise Problem(400, "cannot be more than the minimum versions")
    key["min_available_version"] = least


def _wraps(key: dict[str, Any], version: int) -> None:
    if version > key["latest_version"]:
        raise Problem(400, "requested version for encryption is higher than the latest key version")
    if version < key["min_encryption_version"]:
        raise Problem(400, "requested version for encryption is less than the minimum")
    if str(version) not in key["keys"]:
        raise Problem(400, "no such key version")


def _version_told(number: int, version: dict[str, Any]) -> dict[str, Any]:
    deleted = "2020-01-01T00:00:00Z" if version["deleted"] else ""
    return {"version": number, "destroyed": version["destroyed"], "deletion_time": deleted}


def _sealed(name: str, version: int, plain: str) -> str:
    return f"vault:v{version}:" + base64.b64encode(f"{name}\0{plain}".encode()).decode()


def _new_shares(count: int) -> list[str]:
    return [base64.b64encode(secrets.token_bytes(33)).decode() for _ in range(count)]
