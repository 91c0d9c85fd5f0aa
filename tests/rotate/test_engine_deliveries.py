"""One rotation of a real PostgreSQL role that hands its new value to seven consumers at once.

The stores are emulators and fakes (moto, a Kubernetes API, GitHub's REST interface) and a
Vault where one is installed; files and programs are what they are.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import aws, github_actions, kubernetes, place, vault

psycopg = pytest.importorskip("psycopg")

from servers import postgresql  # noqa: E402 - after the skip: it imports psycopg too

from leakguard.rotate import words  # noqa: E402
from leakguard.rotate.plan import shape_of  # noqa: E402
from leakguard.rotate.policy import End  # noqa: E402
from rotate.simulator.live import Live  # noqa: E402

LACKING = "; ".join(
    f"{one.__name__}: {one.available()}"
    for one in (postgresql, aws, github_actions)
    if one.available()
)
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

SECRET = "/api/v1/namespaces/default/secrets/db"
ACTION = "/repos/octo/app/actions/secrets/DB"
MAY = ("get secrets", "patch secrets", "get deployments", "patch deployments", "list pods")

TAKES = """#!{python} -I
import json, pathlib, sys
here = pathlib.Path(__file__).parent
told = json.load(sys.stdin)
(here / "taken").write_text(json.dumps(told))
with (here / "times").open("a") as times:
    times.write(told["rotation"] + "\\n")
"""

USES = """#!{python} -I
import json, pathlib, sys
here = pathlib.Path(__file__).parent
if (here / "stuck").exists():
    sys.exit(75)
sys.exit(0 if json.loads((here / "taken").read_text()) == json.load(sys.stdin) else 1)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with place() as folder, postgresql.start(folder) as running:
        yield running


@pytest.fixture(scope="module")
def cloud() -> Iterator[aws.Server]:
    with place() as folder, aws.start(folder) as running:
        yield running


@pytest.fixture(scope="module")
def safe() -> Iterator[vault.Server]:
    with place() as folder, vault.start(folder) as running:
        yield running


class Everywhere:
    """The leaked password of a role, and all the places where it is kept."""

    def __init__(
        self, folder: Path, server: postgresql.Server, cloud: aws.Server, safe: vault.Server,
        cluster: kubernetes.Kubernetes, hub: github_actions.Actions,
    ) -> None:  # fmt: skip
        self.folder, self.server, self.cloud, self.safe = folder, server, cloud, safe
        self.cluster, self.hub = cluster, hub
        self.role, self.old = f"app_{secrets.token_hex(4)}", secrets.token_hex(16)
        server.role(self.role, self.old)
        server.role(f"{self.role}_b")
        where = server.target(role=self.role, partner=f"{self.role}_b", sslmode="disable")
        slots = {"admin": server.admin_password, "old": self.old}
        self.leak = Live(folder, "postgresql", "database-password", where, slots)
        self._files()
        self._stores()

    def _files(self) -> None:
        self.env, self.file = self.folder / ".env", self.folder / "password"
        self.env.write_text(f"DB_USER={self.role}\nDB_PASSWORD={self.old}\n")
        self.file.write_text(self.old)
        self.file.chmod(0o600)
        takes, uses = (self._program(*one) for one in (("takes", TAKES), ("uses", USES)))
        leak = self.leak
        leak.deliver("app", "env-file", path=self.env, key="DB_PASSWORD", id_key="DB_USER")
        leak.deliver("report", "file", path=self.file)
        leak.deliver("till", "command", command=takes, confirm=uses, input="json")

    def _stores(self) -> None:
        self.path, self.name = f"app/{self.role}", f"/app/{self.role}"
        held = {"user": self.role, "password": self.old}
        self.safe.do("POST", f"secret/data/{self.path}", {"data": held})
        self.manager = self.cloud.client("secretsmanager")
        self.manager.create_secret(Name=self.name, SecretString=json.dumps(held))
        self.cluster.secret("db", {name: _b64(value) for name, value in held.items()})
        self.hub.put(ACTION, self.old)
        key, secret = self.cloud.keys[aws.ADMIN]
        leak = self.leak
        leak.deliver("vault", "vault-kv", {"token": self.safe.root},
                     address=self.safe.url, path=self.path, field="password", id_field="user")  # fmt: skip
        leak.deliver("manager", "aws-secrets-manager", {"key": secret},
                     secret_id=self.name, region="us-east-1", key_id=key, endpoint=self.cloud.url,
                     field="password", id_field="user")  # fmt: skip
        leak.deliver("cluster", "kubernetes-secret", {"token": self.cluster.account(*MAY)},
                     server=self.cluster.url, secret="db", key="password", id_key="user")  # fmt: skip
        leak.deliver("pipeline", "github-actions-secret", {"token": self.hub.token},
                     api=self.hub.url, repository="octo/app", name="DB")  # fmt: skip

    def _program(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text.format(python=sys.executable), "utf-8")
        path.chmod(0o755)
        return str(path)

    # What each of them holds

    def logins(self) -> dict[str, tuple[str, str]]:
        """User and password as each consumer would log in now."""
        env = dict(line.split("=", 1) for line in self.env.read_text().splitlines())
        held = self.safe.do("GET", f"secret/data/{self.path}")["data"]
        manager = json.loads(self._managed(VersionStage="AWSCURRENT"))
        inner = {
            name: base64.b64decode(value).decode()
            for name, value in self.cluster.objects[SECRET]["data"].items()
        }
        return {
            "app": (env["DB_USER"], env["DB_PASSWORD"]),
            "report": self._of(self.file.read_text()),
            "till": self._taken(),
            "vault": (held["user"], held["password"]),
            "manager": (manager["user"], manager["password"]),
            "cluster": (inner["user"], inner["password"]),
            "pipeline": self._of(self.hub.values[ACTION]),
        }

    def _of(self, password: str) -> tuple[str, str]:
        """With whose name somebody logs in who is given a bare password."""
        return self.role if password == self.old else f"{self.role}_b", password

    def _taken(self) -> tuple[str, str]:
        path = self.folder / "taken"
        told = json.loads(path.read_text()) if path.exists() else {"user": "", "value": ""}
        return told["user"], told["value"]

    def _managed(self, **which: Any) -> str:
        said: str = self.manager.get_secret_value(SecretId=self.name, **which)["SecretString"]
        return said

    def readable_versions(self) -> list[str]:
        """What the stores that keep versions would hand out beside the present value."""
        listed = self.safe.do("GET", f"secret/metadata/{self.path}")["versions"]
        last = max(map(int, listed))
        kept = [f"vault {one}" for one in listed
                if int(one) < last and not listed[one]["deletion_time"]]  # fmt: skip
        stages = self.manager.describe_secret(SecretId=self.name)["VersionIdsToStages"]
        return kept + [
            f"manager {name}" for name, one in stages.items() if one and one != ["AWSCURRENT"]
        ]

    def everybody_works_with_the_new_one(self) -> bool:
        values = {password for _, password in self.logins().values()}
        works = [self.server.accepts(*login) for login in self.logins().values()]
        return len(values) == 1 and self.old not in values and all(works)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def everywhere(
    tmp_path: Path, server: postgresql.Server, cloud: aws.Server, safe: vault.Server
) -> Iterator[Everywhere]:
    with kubernetes.start() as cluster, github_actions.start() as hub:
        yield Everywhere(tmp_path, server, cloud, safe, cluster, hub)


def test_one_value_suits_all_goes_to_all_and_is_confirmed_by_each(everywhere: Everywhere) -> None:
    leak = everywhere.leak
    found = leak.plan()
    assert found.possible, [check for check in found.checks if not check.ok]
    shape = shape_of(found)
    assert shape is not None
    assert not set(shape.characters) & set("\"'\\`$#;!&|<>(){}*?[]~%^ ")  # the .env file's
    shown = " ".join(words.plan(found).split())
    for name in everywhere.logins():
        assert f"{name} (" in shown
    leak.start()
    outcome = leak.run()
    assert outcome.end is End.CLOSED, outcome
    assert everywhere.everybody_works_with_the_new_one()
    assert not everywhere.server.accepts(everywhere.role, everywhere.old)
    assert everywhere.readable_versions() == []
    incident = leak.incident()
    assert leak.recorded_dead
    assert all(one.settled for one in incident.consumers.values())
    noted = [one.phase for one in incident.rotations[leak.rotation] if one.status == "done"]
    for number in range(1, 8):
        assert noted.count(f"distribute:C{number}") == noted.count(f"confirm:C{number}") == 1


def test_one_that_does_not_confirm_and_one_that_is_down_keep_the_old_one_alive(
    everywhere: Everywhere,
) -> None:
    leak = everywhere.leak
    leak.start()
    (everywhere.folder / "stuck").touch()
    everywhere.cluster.accounts.clear()  # the cluster's token was withdrawn after the plan
    outcome = leak.run()
    assert outcome.end is End.WAITING
    assert outcome.unconfirmed == ("C3", "C6")
    assert everywhere.server.accepts(everywhere.role, everywhere.old)
    assert not leak.recorded_dead
    late = [key for key, one in leak.incident().consumers.items() if not one.settled]
    assert late == ["C3", "C6"]
    assert everywhere.logins()["cluster"] == (everywhere.role, everywhere.old)
    (everywhere.folder / "stuck").unlink()
    everywhere.cluster.accounts[leak.slots["C6.token"].reveal().decode()] = set(MAY)
    assert leak.run().end is End.CLOSED
    assert everywhere.everybody_works_with_the_new_one()
    assert leak.recorded_dead


@pytest.mark.parametrize(
    "point, step",
    [("after_effect", "distribute:C3"), ("after_commit", "distribute:C4"),
     ("after_intent", "distribute:C5")],
)  # fmt: skip
def test_killed_between_two_consumers_it_hands_the_same_value_to_the_rest(
    everywhere: Everywhere, point: str, step: str
) -> None:
    leak = everywhere.leak
    leak.start()
    assert leak.run_until_killed(point, step)
    sealed = leak.new_value()
    handed = [name for name, (_, password) in everywhere.logins().items() if password == sealed]
    assert handed[:2] == ["app", "report"]
    assert "pipeline" not in handed
    assert all(
        everywhere.server.accepts(*login) for name, login in everywhere.logins().items()
        if name != "till" or login[0]
    )  # fmt: skip
    assert leak.run().end is End.CLOSED
    assert everywhere.everybody_works_with_the_new_one()
    assert {password for _, password in everywhere.logins().values()} == {sealed}
    times = (everywhere.folder / "times").read_text().split()
    assert len(times) == (2 if point == "after_effect" else 1)  # the same value, by the same key
    stages = everywhere.manager.describe_secret(SecretId=everywhere.name)["VersionIdsToStages"]
    assert len(stages) <= 2
