"""Talking to AWS with boto3, and the errors of its services as ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from leakguard.rotate.kit import Fail, Request, check

ERRORS = {
    "403": "permission",  # somebody in between, who does not speak the service's JSON
    "429": "quota",
    "500": "network",
    "503": "network",
    "AccessDenied": "permission",
    "AccessDeniedException": "permission",
    "ExpiredToken": "auth",
    "ExpiredTokenException": "auth",
    "InternalServerError": "network",
    "InternalServiceError": "network",
    "InternalServiceErrorException": "network",
    "InvalidAccessKeyId": "auth",
    "InvalidClientTokenId": "auth",
    "InvalidSignatureException": "auth",
    "ServiceFailure": "network",
    "ServiceUnavailable": "network",
    "SignatureDoesNotMatch": "auth",
    "Throttling": "quota",
    "ThrottlingException": "quota",
    "UnrecognizedClientException": "auth",
}
"""What any service may answer; a script adds the codes of its own."""

AGAIN = frozenset(
    code for code, kind in ERRORS.items() if kind in ("network", "quota") and not code.isdigit()
)


@contextmanager
def speaking(errors: Mapping[str, str], again: Sequence[str] = ()) -> Iterator[None]:
    """Turns what AWS answers into our classes; its messages may quote, so only its codes go on."""
    from botocore.exceptions import (  # type: ignore[import-untyped, unused-ignore]
        BotoCoreError,
        ClientError,
    )

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        what = f"AWS answered {code} to {error.operation_name}"
        retryable = code in AGAIN or code in again
        raise Fail(errors.get(code, "bug"), what, retryable=retryable) from None
    except BotoCoreError as error:
        raise Fail("network", type(error).__name__, retryable=True) from None


def client(ask: Request, service: str, key_id: str, key: str, session: str | None = None) -> Any:
    """A client of a service that acts with an access key."""
    import boto3  # type: ignore[import-untyped, unused-ignore]
    from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]

    return boto3.session.Session(key_id, key, session, ask.target.get("region")).client(
        service,
        endpoint_url=ask.target.get("endpoint") or None,
        config=Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2}),
    )


def acting(ask: Request, service: str) -> Any:
    """A client that acts with the slots `key` and `session`."""
    return client(ask, service, ask.target["key_id"], ask.secret("key"), ask.secrets.get("session"))


def may(ask: Request, actions: Sequence[str], arn: str) -> list[dict[str, Any]]:
    """What policy simulation says; nothing where that is not allowed."""
    from botocore.exceptions import ClientError

    try:
        who = acting(ask, "sts").get_caller_identity()["Arn"]
        said = acting(ask, "iam").simulate_principal_policy(
            PolicySourceArn=who, ActionNames=list(actions), ResourceArns=[arn]
        )["EvaluationResults"]
    except ClientError:
        return []
    return [
        check(f"may {one['EvalActionName']}", one["EvalDecision"] == "allowed", f"to {who}")
        for one in said
    ]
