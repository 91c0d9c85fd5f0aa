"""One way to talk to a service: with patience, within limits, and a token that stays at home.

* The token goes to the origin it belongs to and nowhere else: not along a redirect
  to another host, not over plain http (but to this machine itself).
* 429, 5xx and broken connections are tried again, as long as the service asks for;
  one that asks for too long is named instead of waited for.
* A download goes on where it broke off, if the service can say that it is still
  the same file, and stops at a limit.
* No error quotes an address's query: signed addresses are secrets.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase

from leakguard import __version__
from leakguard.connect.address import bare, origin
from leakguard.connect.fetched import Deletable, Fetched
from leakguard.connect.part import OddRangeError, Part
from leakguard.errors import UnreadError, UsageError
from leakguard.secret import Secret

TRIES = 6
PATIENCE = 300.0
"""Seconds that one command waits in all because a service asked it to."""

REDIRECTS = 5
TIMEOUT = (10.0, 60.0)
PAGES = 1000
LARGEST_ANSWER = 32 * 1024 * 1024
PART = 16 * 1024
"""Bytes that are read at once: as many are lost when a connection breaks."""

_AGAIN = frozenset({429, 500, 502, 503, 504})
_BROKEN = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    OddRangeError,
)
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class TooLargeError(Exception):
    """A download beyond the limit; `size` if the service told it."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class GoneError(UnreadError):
    """404 or 410: not there (any more), or not for this token."""


class _Header(AuthBase):
    """Puts one header on a request. Being there, it also keeps requests from reading .netrc."""

    def __init__(self, name: str = "", value: Secret | None = None) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value is not None:
            request.headers[self._name] = self._value.reveal().decode("latin-1")
        return request


class Client:
    """Requests to one service."""

    def __init__(
        self,
        home: str,
        header: str = "",
        token: Secret | None = None,
        *,
        way_out: str = "",
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`home` is an address of the service; `way_out` tells a refused person which token."""
        self._home = origin(home)
        self._way_out = way_out
        self._sleep = sleep
        self._now = now
        self._waited = 0.0
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"leakguard/{__version__}"
        self._token = _Header(header, token)
        if token is not None and self._home[0] != "https" and self._home[1] not in _LOCAL:
            raise UsageError(
                f"{bare(home)} is plain http: a token sent there can be read on the way",
                "use its https address",
            )

    def close(self) -> None:
        """End all connections."""
        self._session.close()

    def json(self, url: str, **headers: str) -> Any:
        """The document at `url`."""
        return self._document(self._checked("GET", url, headers), url)

    def pages(self, url: str, key: str = "", **headers: str) -> Iterator[Any]:
        """Every entry of a listing, page after page as the service links them (RFC 8288)."""
        seen: set[str] = set()
        following: str | None = url
        while following:
            if following in seen or len(seen) >= PAGES:
                raise UnreadError(f"{bare(url)}: its pages do not end")
            seen.add(following)
            if origin(following) != self._home:
                raise UnreadError(f"{bare(url)}: its next page lies at another host")
            response = self._checked("GET", following, headers)
            document = self._document(response, url)
            entries = document.get(key) if key and isinstance(document, dict) else document
            if not isinstance(entries, list):
                raise UnreadError(f"{bare(url)}: the answer is no list")
            yield from entries
            link = response.links.get("next", {}).get("url")
            following = urljoin(following, link) if link else None

    def delete(self, one: Deletable) -> tuple[bool, str]:
        """Ask for a deletion once more than needed rather than never: (done, detail)."""
        try:
            response = self._send(one.method, one.url, {})
            response.close()
            if response.is_redirect and one.gone:  # a form's answer, whatever came of it
                done = self._is_gone(one.gone)
                return done, "" if done else "it is still there"
        except UnreadError as problem:
            return False, f"{problem.message}; look whether it is still there"
        if response.is_redirect:
            return False, "the service leads elsewhere; use its own address"
        if response.ok or response.status_code in (404, 410):
            return True, "" if response.ok else "it was not there any more"
        return False, f"HTTP {response.status_code}; {self._refused(response)}"

    def _is_gone(self, url: str) -> bool:
        with self._send("GET", url, {}) as response:
            return response.status_code in (404, 410)

    def download(self, url: str, path: str, name: str, limit: int) -> Fetched:
        """Save what `url` gives as `path`; a part that lies there from before is gone on with.

        Raises TooLargeError, GoneError or UnreadError.
        """
        part = Part(path)
        failures = 0
        while True:
            before = part.size
            try:
                if self._fill(url, part, limit):
                    return part.done(name)
                trouble = "it ended too early"
            except _BROKEN as error:
                trouble = type(error).__name__
            failures = 0 if part.size > before else failures + 1
            if failures >= TRIES:
                raise UnreadError(
                    f"{bare(url)} broke off {failures} times after {part.size:,} bytes",
                    "run the command again; with --keep DIR it goes on where it stopped",
                    cause=trouble,
                )
            self._wait(min(2.0**failures, 30.0), url)

    def _fill(self, url: str, part: Part, limit: int) -> bool:
        """Append to `part`; whether it is complete as far as the service says."""
        headers = {"Accept-Encoding": "identity", **part.condition()}
        response = self._send("GET", url, headers)
        with response:
            if response.status_code == 416:
                part.restart("")
                return False
            self._ok(response, url)
            total = part.begin(response.status_code, response.headers)
            if total > limit:
                raise TooLargeError(total)
            with open(part.path, "ab") as file:
                for piece in response.iter_content(PART):
                    file.write(piece)
                    part.size += len(piece)
                    if part.size > limit:
                        raise TooLargeError(max(total, 0))
        return total < 0 or part.size == total

    def _checked(self, method: str, url: str, headers: dict[str, str]) -> requests.Response:
        response = self._send(method, url, headers)
        self._ok(response, url)
        return response

    def _document(self, response: requests.Response, url: str) -> Any:
        with response:
            held = bytearray()
            try:
                for piece in response.iter_content(PART):
                    held += piece
                    if len(held) > LARGEST_ANSWER:
                        raise UnreadError(f"{bare(url)}: the answer is larger than 32 MiB")
            except _BROKEN as error:
                raise UnreadError(f"{bare(url)}: the answer broke off",
                                  cause=type(error).__name__) from None  # fmt: skip
        try:
            return json.loads(held)
        except (ValueError, RecursionError):
            raise UnreadError(
                f"{bare(url)}: the answer is not JSON", "is it the address of the service's API?"
            ) from None

    def _ok(self, response: requests.Response, url: str) -> None:
        if response.ok:
            return
        status = response.status_code
        response.close()
        problem = GoneError if status in (404, 410) else UnreadError
        raise problem(f"{bare(url)}: HTTP {status}", self._refused(response))

    def _refused(self, response: requests.Response) -> str:
        status = response.status_code
        if status == 401:
            return f"the token is missing, wrong or expired; {self._way_out}"
        if status == 403:
            return f"the token may not do this; {self._way_out}"
        if status == 404:
            return f"it does not exist, or the token may not see it; {self._way_out}"
        if status == 410:
            return "the service has deleted it: its time is over"
        if status == 409:
            return "is the run still going? wait until it has ended"
        return "try again later"

    def _send(self, method: str, url: str, headers: dict[str, str]) -> requests.Response:
        """One answer, after retries; its status may still be a refusal.

        Raises UnreadError when there is none.
        """
        for attempt in range(TRIES):
            try:
                response = self._follow(method, url, headers)
            except _BROKEN as error:
                if attempt + 1 == TRIES or method == "POST":
                    raise UnreadError(
                        f"{bare(url)} cannot be reached",
                        "is the address right, and is there a proxy (HTTPS_PROXY)?",
                        cause=type(error).__name__,
                    ) from None
                self._wait(2.0**attempt, url)
                continue
            wait = self._asked_to_wait(response, attempt)
            if wait is None:
                return response
            response.close()
            if attempt + 1 == TRIES:
                break
            self._wait(wait, url)
        said = f"{bare(url)}: HTTP {response.status_code}, {TRIES} times"
        raise UnreadError(said, "try again later")

    def _follow(self, method: str, url: str, headers: dict[str, str]) -> requests.Response:
        """Follow redirects by hand, so that the token goes only home."""
        for _ in range(REDIRECTS + 1):
            at_home = origin(url) == self._home
            response = self._session.request(
                method, url, headers=headers, auth=self._token if at_home else _Header(),
                allow_redirects=False, stream=True, timeout=TIMEOUT,
            )  # fmt: skip
            if not response.is_redirect or method != "GET":
                return response
            target = urljoin(url, response.headers["location"])
            response.close()
            try:
                scheme, host, _ = origin(target)
            except UsageError:
                raise UnreadError(f"{bare(url)} leads to no web address") from None
            if scheme != "https" and host not in _LOCAL:
                raise UnreadError(f"{bare(url)} leads to plain http, which is not followed")
            url = target
        raise UnreadError(f"{bare(url)}: more than {REDIRECTS} redirects")

    def _asked_to_wait(self, response: requests.Response, attempt: int) -> float | None:
        """Seconds until another try makes sense; None for an answer that is one."""
        headers = response.headers
        used_up = response.status_code == 403 and (
            headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
        )
        if response.status_code not in _AGAIN and not used_up:
            return None
        asked = self._seconds(headers.get("retry-after", ""))
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
        if asked is None and headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            asked = max(0.0, int(reset) - self._now()) + 1.0
        return asked if asked is not None else 2.0**attempt

    def _seconds(self, said: str) -> float | None:
        """Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
        said = said.strip()
        if said.isdigit():
            return float(said[:9])
        try:
            return max(0.0, parsedate_to_datetime(said).timestamp() - self._now())
        except (TypeError, ValueError, IndexError, OverflowError):
            return None

    def _wait(self, seconds: float, url: str) -> None:
        if self._waited + seconds > PATIENCE:
            raise UnreadError(
                f"{bare(url)} asks to wait {seconds:,.0f} s",
                "its rate limit is used up; run the command again then, or use a token of your own",
            )
        self._waited += seconds
        self._sleep(seconds)
