"""Posting a message: tried again only while it is certain that nothing arrived.

The address may be a secret itself (a webhook's is), so errors name its host and
nothing more. A redirect is not followed: what leads elsewhere is not ours.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from leakguard.connect.http import TRIES, Client
from leakguard.connect.notify import UnsureError
from leakguard.errors import ConfigError, LeakguardError, UnreadError
from leakguard.load.channels import Channel
from leakguard.secret import Secret

LARGEST = 256 * 1024
"""Bytes of an answer that are read."""

LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
CLEARLY_NOT = frozenset({429, 500, 503})
"""Answers that say that it was not taken; 502 and 504 speak for somebody else."""

TIMEOUT = (10.0, 30.0)
"""Seconds for the connection, and for each part of the answer."""

_NOT_CONNECTED = frozenset({"NewConnectionError", "ConnectTimeoutError", "NameResolutionError"})


class Answer(NamedTuple):
    """What a service said, at most `LARGEST` bytes of it."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300


class Poster(Client):
    """A Client that also sends."""

    def __init__(
        self,
        home: str,
        header: str = "",
        token: Secret | None = None,
        *,
        way_out: str = "",
    ) -> None:
        """`home` may be secret. Raises ConfigError when it is no address or not encrypted."""
        self._shown = host(home)
        try:
            super().__init__(home, header, token, way_out=way_out)
        except LeakguardError:
            raise ConfigError(f"{self._shown} is no web address to send to") from None

    def post(
        self,
        url: str,
        body: bytes,
        headers: dict[str, str],
        *,
        repeatable: bool = False,
        refusals: frozenset[int] = CLEARLY_NOT,
    ) -> Answer:
        """The answer to `body`. `repeatable` says that a second one would be recognised.

        Raises UnreadError when nothing arrived, UnsureError when nobody knows.
        """
        for attempt in range(TRIES):
            last = attempt + 1 == TRIES
            try:
                response = self._session.request(
                    "POST", url, data=body, headers=headers, auth=self._token,
                    allow_redirects=False, stream=True, timeout=TIMEOUT,
                )  # fmt: skip
            except requests.exceptions.SSLError:
                raise UnreadError(f"{self._shown}: its certificate is not trusted") from None
            except ValueError:  # requests quotes what it cannot use, so nothing of it is told on
                raise ConfigError(f"{self._shown}: the address or the token is none") from None
            except requests.exceptions.RequestException as error:
                self._again(error, last=last, repeatable=repeatable)
                self._wait(2.0**attempt, self._shown)
                continue
            wait = self._asked_to_wait(response, attempt)
            if wait is None:
                return Answer(response.status_code, _body(response))
            response.close()
            if response.status_code not in {403, *refusals} and not repeatable:
                raise UnsureError(f"{self._shown}: HTTP {response.status_code} from in between")
            if last:
                break
            self._wait(wait, self._shown)
        raise UnreadError(f"{self._shown}: HTTP {response.status_code}, {TRIES} times")

    def _again(self, error: Exception, *, last: bool, repeatable: bool) -> None:
        """Return if another try makes sense and does no harm."""
        name = type(error).__name__
        if before_the_body(error):
            if last:
                raise UnreadError(f"{self._shown} cannot be reached", cause=name) from None
        elif last or not repeatable:
            raise UnsureError(f"{self._shown} broke off ({name}); it may have arrived") from None


def before_the_body(error: Exception) -> bool:
    """Whether there was no connection yet, so that nothing can have arrived."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in _NOT_CONNECTED


def host(url: str) -> str:
    """The scheme and host of an address, which may be shown. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        name = ""
    if not name or parts.scheme not in ("https", "http"):
        raise ConfigError("the channel's address is no web address", "https://HOST/...")
    if parts.scheme == "http" and name not in LOCAL:
        raise ConfigError(f"http://{name} can be read on the way", "use its https address")
    return f"{parts.scheme}://{name}"


def secret_text(channel: Channel, key: str) -> str:
    """A secret of the channel as text. Raises ConfigError, without quoting it."""
    try:
        return channel.secrets[key].reveal().decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError(f"channel {channel.name}: {key} has odd characters") from None


def taken(answer: Answer, shown: str) -> None:
    """Raise UnreadError for an answer that is a refusal."""
    if 300 <= answer.status < 400:
        raise UnreadError(f"{shown} leads elsewhere (HTTP {answer.status})",
                          "a message does not follow; use the final address")  # fmt: skip
    if not answer.ok:
        raise UnreadError(f"{shown}: HTTP {answer.status}, it was not taken",
                          "is the address right, and the token valid?")  # fmt: skip


def _body(response: requests.Response) -> bytes:
    """The beginning of the answer; the status has told what counts, so a break does not."""
    held = b""
    with response:
        try:
            for piece in response.iter_content(16 * 1024):
                held += piece
                if len(held) >= LARGEST:
                    break
        except requests.exceptions.RequestException:
            pass
    return held[:LARGEST]
