"""AWS IAM and STS by moto's server, with signatures and policies enforced.

moto has no policy simulation; `__main__` below adds it, out of moto's own evaluation.

What this cannot prove: moto accepts an Inactive access key (AWS does not), knows
no condition `aws:TokenIssueTime` (so that older sessions end), is consistent at
once (AWS refuses a new key for a few seconds), and attaches no quarantine policy by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import Process, free_port, lacking, launch, listening, until

PACKAGES: tuple[str, ...] = ()

USER = "deployer"
ADMIN = "rotator"
EVERYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(modules=["moto", "flask", "boto3"])


@dataclass
class Server:
    """The server, and the credentials of three users that it was set up with."""

    port: int
    process: Process
    keys: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """Where IAM and STS listen."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, user: str = "root") -> Any:
        """A boto3 client that acts as one of the users."""
        import boto3

        key, secret = self.keys.get(user, ("AKIA", "none"))
        return boto3.client(
            service,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            endpoint_url=self.url,
        )

    def enforce(self) -> None:
        """From now on every signature and every policy counts."""
        import requests

        requests.post(f"{self.url}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()


@contextmanager
def start(folder: Path) -> Iterator[Server]:
    """A server with a user whose key leaked, one who may rotate it, and one who may all."""
    port = free_port()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": ":".join(sys.path)}
    process = launch(
        [sys.executable, __file__, str(port)], log=folder / "moto.log", env=env, cwd=folder
    )
    try:
        until(listening(port), process)
        server = Server(port, process)
        _people(server)
        server.enforce()
        yield server
    finally:
        process.stop()


def _people(server: Server) -> None:
    iam = server.client("iam")
    for user in ("root", ADMIN, USER):
        iam.create_user(UserName=user)
        made = iam.create_access_key(UserName=user)["AccessKey"]
        server.keys[user] = (made["AccessKeyId"], made["SecretAccessKey"])
    for user in ("root", ADMIN):
        iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=EVERYTHING)


def _simulate(self: Any) -> Any:
    """SimulatePrincipalPolicy: what moto would decide, for a user."""
    from moto.core.responses import ActionResult
    from moto.iam.access_control import IAMPolicy, IAMUserAccessKey, PermissionResult

    user = self.backend.get_user(self._get_param("PolicySourceArn").rsplit("/", 1)[1])
    headers: dict[str, str] = {}
    key = IAMUserAccessKey(
        self.current_account, self.partition, user.access_keys[0].access_key_id, headers
    )
    found = []
    for action in self._get_param("ActionNames", []):
        resource = self._get_param("ResourceArns", ["*"])[0]
        said = [IAMPolicy(p).is_action_permitted(action, resource) for p in key.collect_policies()]
        allowed = PermissionResult.PERMITTED in said and PermissionResult.DENIED not in said
        decision = "allowed" if allowed else "implicitDeny"
        found.append({"EvalActionName": action, "EvalDecision": decision})
    return ActionResult({"EvaluationResults": found, "IsTruncated": False})


def _main(port: str) -> None:
    import os

    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1000000"
    from moto.iam.responses import IamResponse
    from moto.server import main

    IamResponse.simulate_principal_policy = _simulate  # type: ignore[attr-defined]
    main(["-H", "127.0.0.1", "-p", port])


if __name__ == "__main__":
    _main(sys.argv[1])
