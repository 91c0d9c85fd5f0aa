"""A message as an issue at GitHub or GitLab: one issue an incident, comments for the rest.

Only where strangers cannot read (G-27): the project is asked first whether it is
private, each time, and an answer that is not a clear yes is a no. Hidden marks
name the incident and the message, so that what is there is not written again;
they are looked for before anything is sent, and once more when nobody knows
whether it arrived.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from leakguard.connect.notify import Outgoing, UnsureError
from leakguard.connect.notify_http import Answer, Poster, host, taken
from leakguard.errors import ConfigError, UnreadError
from leakguard.load.channels import Channel
from leakguard.secret import Secret

LABEL = "leakguard"
NOT_WRITTEN = frozenset({429, 503})
"""After any other error of the server the mark is looked for again."""

LARGEST = 60_000
"""Characters; GitHub takes 65,536."""


def deliver(channel: Channel, message: Outgoing) -> str:
    """Write it, unless it is there; the receipt is its address. Raises UnreadError, UnsureError."""
    tracker: Tracker = (GitHub if channel.kind == "github" else GitLab)(channel)
    try:
        tracker.check_private()
        return _once(tracker, message)
    finally:
        tracker.poster.close()


def _once(tracker: Tracker, message: Outgoing) -> str:
    found = tracker.find(message)
    if found:
        return found
    try:
        return tracker.write(message)
    except UnsureError:
        found = tracker.find(message)
        if found:
            return found
        raise


class Tracker(ABC):
    """A project's issues."""

    def __init__(self, base: str, poster: Poster, headers: dict[str, str]) -> None:
        self.base = base
        self.poster = poster
        self.headers = headers

    @abstractmethod
    def check_private(self) -> None:
        """Raise UnreadError unless only members can read what is written here."""

    @abstractmethod
    def issues(self, since: str) -> Iterator[dict[str, Any]]:
        """Every issue that was made or changed since."""

    @abstractmethod
    def text(self, entry: dict[str, Any]) -> str:
        """The Markdown of an issue or a comment."""

    @abstractmethod
    def comments(self, number: int) -> str:
        """The address of an issue's comments."""

    @abstractmethod
    def fields(self, title: str, body: str) -> dict[str, Any]:
        """What a new issue is made of."""

    @abstractmethod
    def number(self, issue: dict[str, Any]) -> int:
        """How an issue is called in addresses."""

    def find(self, message: Outgoing) -> str:
        """Where the message stands already, or nothing."""
        issue = self._thread(message)
        if issue is None:
            return ""
        mark = _mark(message, whole=False)
        if mark in self.text(issue).splitlines():
            return _address(issue)
        for comment in self.poster.pages(self.comments(self.number(issue)), **self.headers):
            if isinstance(comment, dict) and mark in str(comment.get("body")).splitlines():
                return _address(comment) or _address(issue)
        return ""

    def write(self, message: Outgoing) -> str:
        """The first message of an incident opens its issue, every other one is a comment."""
        issue = self._thread(message)
        mark = _mark(message, whole=False)
        body = f"{message.text[:LARGEST]}\n\n{mark}\n"
        if issue is None:
            body += f"{_mark(message, whole=True)}\n"
            return self._post(f"{self.base}/issues", self.fields(message.subject, body))
        said = {"body": f"**{_title(message.subject)}**\n\n{body}"}
        made = self._post(self.comments(self.number(issue)).partition("?")[0], said)
        return made or _address(issue)

    def _thread(self, message: Outgoing) -> dict[str, Any] | None:
        since = (message.opened_at - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        mark = _mark(message, whole=True)
        for issue in self.issues(since):
            if mark in self.text(issue).splitlines():
                return issue
        return None

    def _post(self, url: str, fields: dict[str, Any]) -> str:
        headers = {"Content-Type": "application/json", **self.headers}
        body = json.dumps(fields).encode()
        answer: Answer = self.poster.post(url, body, headers, refusals=NOT_WRITTEN)
        taken(answer, host(url))
        try:
            made = json.loads(answer.body)
        except ValueError:
            return ""
        return _address(made) if isinstance(made, dict) else ""


class GitHub(Tracker):
    """https://docs.github.com/en/rest/issues; the token needs "Issues: write"."""

    def __init__(self, channel: Channel) -> None:
        server = channel.settings.get("server", "https://api.github.com").rstrip("/")
        name = channel.settings["repository"]
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
            raise ConfigError(f"{name!r} is no repository", "repository: OWNER/NAME")
        token = Secret(b"Bearer " + channel.secrets["token"].reveal())
        poster = Poster(server, "Authorization", token, way_out="it needs Issues: write")
        accept = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        super().__init__(f"{server}/repos/{name}", poster, accept)
        self._name = name

    def check_private(self) -> None:
        """Internal repositories are read by a whole enterprise: they count as not private."""
        about = self.poster.json(self.base, **self.headers)
        known = isinstance(about, dict) and about.get("private") is True
        if not known or about.get("visibility", "private") != "private":
            raise UnreadError(f"{self._name} is not private, nothing was written there",
                              "name a private repository of the responders")  # fmt: skip

    def issues(self, since: str) -> Iterator[dict[str, Any]]:
        """Without pull requests, which GitHub counts among them."""
        url = f"{self.base}/issues?state=all&per_page=100&since={quote(since)}"
        for one in self.poster.pages(url, **self.headers):
            if isinstance(one, dict) and "pull_request" not in one:
                yield one

    def text(self, entry: dict[str, Any]) -> str:
        """Its body."""
        return str(entry.get("body") or "")

    def comments(self, number: int) -> str:
        """Its comments."""
        return f"{self.base}/issues/{number}/comments?per_page=100"

    def fields(self, title: str, body: str) -> dict[str, Any]:
        """With a label for people; marks are what we go by."""
        return {"title": title, "body": body, "labels": [LABEL]}

    def number(self, issue: dict[str, Any]) -> int:
        """Its number."""
        return _number(issue.get("number"))


class GitLab(Tracker):
    """https://docs.gitlab.com/api/issues/; the token needs `api`. Issues are confidential too."""

    def __init__(self, channel: Channel) -> None:
        server = channel.settings.get("server", "https://gitlab.com").rstrip("/")
        self._name = channel.settings["repository"]
        token = Secret(channel.secrets["token"].reveal())
        poster = Poster(server, "PRIVATE-TOKEN", token, way_out="it needs the scope api")
        base = f"{server}/api/v4/projects/{quote(self._name, safe='')}"
        super().__init__(base, poster, {})

    def check_private(self) -> None:
        """Internal projects are read by everybody with an account: they count as not private."""
        about = self.poster.json(self.base)
        if not isinstance(about, dict) or about.get("visibility") != "private":
            raise UnreadError(f"{self._name} is not private, nothing was written there",
                              "name a private project of the responders")  # fmt: skip

    def issues(self, since: str) -> Iterator[dict[str, Any]]:
        """All of them, open and closed."""
        url = f"{self.base}/issues?scope=all&per_page=100&created_after={quote(since)}"
        yield from (one for one in self.poster.pages(url) if isinstance(one, dict))

    def text(self, entry: dict[str, Any]) -> str:
        """Its description."""
        return str(entry.get("description") or entry.get("body") or "")

    def comments(self, number: int) -> str:
        """Its notes."""
        return f"{self.base}/issues/{number}/notes?per_page=100"

    def fields(self, title: str, body: str) -> dict[str, Any]:
        """Confidential: only members with more rights read it."""
        return {"title": title, "description": body, "labels": LABEL, "confidential": True}

    def number(self, issue: dict[str, Any]) -> int:
        """Its number within the project."""
        return _number(issue.get("iid"))


def _mark(message: Outgoing, *, whole: bool) -> str:
    """A comment that nobody sees: of the incident, or of this version of this message.

    It counts only as a line of its own, which text of others never is: its `<` is escaped.
    """
    name = message.incident if whole else message.key("issue")
    return f"<!-- leakguard {name} -->"


def _number(found: object) -> int:
    if not isinstance(found, int):
        raise UnreadError("an entry of the list of issues is not understood")
    return found


def _title(subject: str) -> str:
    return re.sub(r"[*_`<>\[\]]", "", subject)


def _address(entry: dict[str, Any]) -> str:
    found = entry.get("html_url") or entry.get("web_url") or ""
    return found if isinstance(found, str) else ""
