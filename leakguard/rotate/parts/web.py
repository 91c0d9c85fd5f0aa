"""Requests to a service: encrypted, to nowhere else, with nothing of this machine in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from leakguard.rotate.kit import Fail

KINDS = {
    400: "conflict",
    401: "auth",
    403: "permission",
    404: "not_found",
    409: "conflict",
    422: "conflict",
}

Answer = TypeVar("Answer")

KNOCKS = 24
"""So often is an address asked: one of four workers behind it is then missed once in a thousand
times."""

AT_ONCE = 8
"""Who asks one after the other may meet the same worker each time."""

DIGITS = 4
"""Who wants us to wait for more digits of seconds is not waited for."""


def encrypted(url: str) -> None:
    """Raises Fail(unsupported) for an address to which a secret would go in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Fail("unsupported", "secrets are sent over https only: use an https address")


def session() -> Any:
    """A session that knows nothing of this machine: a .netrc would replace what we send."""
    import requests

    made = requests.Session()
    made.trust_env = False
    return made


def send(who: str, method: str, url: str, **parts: Any) -> Any:
    """What a service answers, be it a refusal.

    Raises Fail when it is out of reach, out of order or wants us to wait; `who` names it.
    """
    import requests

    encrypted(url)
    with session() as opened:
        try:
            answer = opened.request(method, url, timeout=(5, 15), allow_redirects=False, **parts)
        except requests.RequestException as error:
            raise Fail("network", f"{who}: {type(error).__name__}", retryable=True) from None
    if answer.status_code >= 500:
        raise Fail("network", f"{who} answered {answer.status_code}", retryable=True)
    if _limited(answer):
        said = answer.headers.get("Retry-After", "")
        seconds = float(said) if said.isdecimal() and len(said) <= DIGITS else None
        raise Fail("quota", f"{who} wants us to wait", retryable=True, retry_after=seconds)
    return answer


def answers(knock: Callable[[], Answer]) -> set[Answer]:
    """All that the workers behind one address say, each of which keeps what it knows to itself.

    Raises what `knock` raises.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {asked.result() for asked in [pool.submit(knock) for _ in range(KNOCKS)]}


def must(who: str, answer: Any, kinds: Mapping[int, str] = KINDS) -> Any:
    """The answer, if it is a success. `kinds` says what a refusal means here."""
    status = answer.status_code
    if status >= 300:
        raise Fail(kinds.get(status, "bug"), f"{who} answered {status}")
    return answer


def told(url: str, field: str) -> Any:
    """A field of what an address says of itself; None while it does not answer."""
    import requests

    try:
        answer = requests.get(url, timeout=(3, 5), allow_redirects=False)
        said: Any = answer.json() if answer.status_code == 200 else None
        for name in field.split("."):
            said = said[name]
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
    return said


def _limited(answer: Any) -> bool:
    """A limit comes as 429, or as 403 with a header that tells it from a lack of permission."""
    spent = answer.headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in answer.headers
    return answer.status_code == 429 or (answer.status_code == 403 and spent)
