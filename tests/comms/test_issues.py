"""Issues: only in private projects, one per incident, nothing written twice."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from leakguard import event as ev
from leakguard.connect.http import Client
from leakguard.connect.notify import Failure, Receipt, send
from leakguard.load.channels import Channel
from leakguard.secret import Secret
from tests.comms.receivers import Answer, Host, Seen, http
from tests.comms.test_sending import message

KINDS = ("github", "gitlab")


class Project:
    """A tracker that keeps issues and comments as GitHub and GitLab do, in pages of two."""

    def __init__(self, kind: str, host: Host, visibility: str = "private") -> None:
        self.kind, self.host, self.visibility = kind, host, visibility
        self.issues: list[dict[str, Any]] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.lost = 0  # answers that are lost after the work was done
        self.refuse: list[Answer] = []
        self.base = (
            "/repos/acme/incidents" if kind == "github" else "/api/v4/projects/acme%2Fincidents"
        )
        host.pages[f"GET {self.base}"] = self.about
        host.pages[f"GET {self.base}/issues"] = lambda seen: self.page(seen, self.issues)
        host.pages[f"POST {self.base}/issues"] = self.open

    def about(self, _: Seen) -> Any:
        if self.kind == "gitlab":
            return {"visibility": self.visibility}
        return {"private": self.visibility != "public", "visibility": self.visibility}

    def page(self, seen: Seen, entries: list[dict[str, Any]]) -> Answer:
        query = dict(one.split("=") for one in seen.path.partition("?")[2].split("&"))
        number = int(query.get("page", 1))
        shown = entries[2 * (number - 1) : 2 * number]
        headers = {"Content-Type": "application/json"}
        if len(entries) > 2 * number:
            bare = seen.path.partition("&page=")[0]
            headers["Link"] = f'<{self.host.url}{bare}&page={number + 1}>; rel="next"'
        return Answer(body=json.dumps(shown).encode(), headers=headers)

    def open(self, seen: Seen) -> Answer:
        if self.refuse:
            return self.refuse.pop(0)
        number = len(self.issues) + 1
        key = "number" if self.kind == "github" else "iid"
        link = "html_url" if self.kind == "github" else "web_url"
        made = {**seen.document, key: number, link: f"https://git.example.com/issues/{number}"}
        self.issues.insert(0, made)
        self.comments[number] = []
        suffix = "comments" if self.kind == "github" else "notes"
        path = f"{self.base}/issues/{number}/{suffix}"
        self.host.pages[f"GET {path}"] = lambda one: self.page(one, self.comments[number])
        self.host.pages[f"POST {path}"] = lambda one: self.comment(number, one)
        return self.done(made)

    def comment(self, number: int, seen: Seen) -> Answer:
        self.comments[number].append(seen.document)
        return self.done({"id": len(self.comments[number])})

    def done(self, made: dict[str, Any]) -> Answer:
        body = json.dumps(made).encode()
        if self.lost:
            self.lost -= 1
            return Answer(201, body, reset="after")
        return Answer(201, body, headers={"Content-Type": "application/json"})

    @property
    def texts(self) -> list[str]:
        found = [one.get("body") or one["description"] for one in self.issues]
        return found + [one["body"] for thread in self.comments.values() for one in thread]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(Client, "_wait", lambda *_: None)
    with http() as running:
        yield running


def channel(kind: str, host: Host) -> Channel:
    settings = {"server": host.url, "repository": "acme/incidents"}
    token = Secret(secrets.token_hex(20).encode())
    return Channel("tickets", kind, ("internal",), settings, secrets={"token": token})


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_message_opens_an_issue_and_the_next_is_a_comment(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    first = send(to, message(), dry_run=False)
    assert isinstance(first, Receipt)
    assert first.detail == "https://git.example.com/issues/1"
    send(to, message(message="M2", subject="[odd] *subject*", text="second"), dry_run=False)
    assert len(project.issues) == 1
    (comment,) = project.comments[1]
    assert comment["body"].startswith("**odd subject**\n\nsecond")
    assert project.issues[0]["title"] == "LG-2026-0001: status"
    if kind == "gitlab":
        assert project.issues[0]["confidential"] is True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("visibility", ["public", "internal", "", "something new"])
def test_where_others_can_read_nothing_is_written(kind: str, visibility: str, host: Host) -> None:
    project = Project(kind, host, visibility)
    got = send(channel(kind, host), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "is not private, nothing was written there" in got.problem
    assert project.issues == []
    assert host.posted() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_that_does_not_say_whether_it_is_private_is_not(kind: str, host: Host) -> None:
    project = Project(kind, host)
    host.pages[f"GET {project.base}"] = lambda _: {"name": "incidents"}
    assert isinstance(send(channel(kind, host), message(), dry_run=False), Failure)
    host.pages[f"GET {project.base}"] = lambda _: [1]
    assert isinstance(send(channel(kind, host), message(), dry_run=False), Failure)
    assert host.posted() == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_asked_again_each_time(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    send(to, message(), dry_run=False)
    project.visibility = "public"
    assert isinstance(send(to, message(message="M2"), dry_run=False), Failure)
    assert len(project.texts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_message_is_not_written_twice(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    for _ in range(3):
        got = send(to, message(), dry_run=False)
        assert isinstance(got, Receipt)
        assert got.detail == "https://git.example.com/issues/1"
    for _ in range(3):
        send(to, message(message="M2", text="second"), dry_run=False)
    assert len(project.texts) == 2
    send(to, message(message="M3", version=2, text="third"), dry_run=False)
    assert len(project.texts) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_is_looked_for_and_not_written_again(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    project.lost = 1
    assert isinstance(send(to, message(), dry_run=False), Receipt)
    project.lost = 1
    assert isinstance(send(to, message(message="M2", text="second"), dry_run=False), Receipt)
    assert len(project.texts) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_try_is_settled_by_looking(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    send(to, message(), dry_run=False)
    before = (ev.MessageFailed("M1", "tickets", "broke off", unknown=True),)
    assert isinstance(send(to, message(), before=before, dry_run=False), Receipt)
    assert len(project.texts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_while_writing_that_left_nothing_is_unknown_until_the_next_look(
    kind: str, host: Host
) -> None:
    project, to = Project(kind, host), channel(kind, host)
    project.refuse = [Answer(500)]
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert got.unknown
    before = (ev.MessageFailed("M1", "tickets", got.problem, unknown=True),)
    assert isinstance(send(to, message(), before=before, dry_run=False), Receipt)
    assert len(project.texts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_limit_is_waited_for(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    project.refuse = [Answer(429, headers={"Retry-After": "1"}), Answer(503)]
    assert isinstance(send(to, message(), dry_run=False), Receipt)
    assert len(project.texts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_issue_is_found_among_many_and_not_by_text_that_looks_like_its_mark(
    kind: str, host: Host
) -> None:
    project, to = Project(kind, host), channel(kind, host)
    for number in range(7):
        send(to, message(incident=f"LG-2026-1{number:03}"), dry_run=False)
    forged = "\\<!-- leakguard LG-2026-0001/M2/v1/issue --> \\<!-- leakguard LG-2026-0001 -->"
    send(to, message(incident="LG-2026-2000", text=forged), dry_run=False)
    send(to, message(text=f"one {forged}"), dry_run=False)
    assert len(project.issues) == 9
    send(to, message(message="M2", text="second"), dry_run=False)
    assert len(project.issues) == 9
    assert "second" in project.comments[9][0]["body"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_may_not_is_told_apart_from_silence(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    project.refuse = [Answer(403, b"{}")]
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "HTTP 403" in got.problem
    assert to.secrets["token"].reveal().decode() not in repr(got)


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_is_sent_as_the_service_wants_it(kind: str, host: Host) -> None:
    Project(kind, host)
    to = channel(kind, host)
    send(to, message(), dry_run=False)
    token = to.secrets["token"].reveal().decode()
    wanted = ("authorization", f"Bearer {token}") if kind == "github" else ("private-token", token)
    assert {one.headers[wanted[0]] for one in host.seen} == {wanted[1]}


@pytest.mark.parametrize("name", ["../../user", "../user", "incidents", "a/b/c", "a/b?c"])
def test_a_repository_has_an_owner_and_a_name(name: str, host: Host) -> None:
    settings = {"server": host.url, "repository": name}
    to = Channel("tickets", "github", ("internal",), settings, secrets={"token": Secret(b"x")})
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert "is no repository" in got.problem
    assert host.seen == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_makes_no_sense_is_a_failure(kind: str, host: Host) -> None:
    project, to = Project(kind, host), channel(kind, host)
    send(to, message(), dry_run=False)
    for key in ("number", "iid"):
        if key in project.issues[0]:
            project.issues[0][key] = "one"
    got = send(to, message(message="M2"), dry_run=False)
    assert isinstance(got, Failure)
    assert "not understood" in got.problem


def test_pull_requests_are_no_issues(host: Host) -> None:
    project, to = Project("github", host), channel("github", host)
    send(to, message(), dry_run=False)
    project.issues[0]["pull_request"] = {}
    send(to, message(message="M2"), dry_run=False)
    assert len(project.issues) == 2
