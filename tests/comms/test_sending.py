"""Sending over HTTP: once, to the right place, and never with more certainty than there is."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leakguard import event as ev
from leakguard.connect import notify_http, webhook
from leakguard.connect.http import Client
from leakguard.connect.notify import Failure, Outgoing, Receipt, outgoing, send
from leakguard.connect.notify_slack import BLOCKS, SECTION, document
from leakguard.connect.notify_text import MORE, slack
from leakguard.load.channels import Channel
from leakguard.load.templates import shipped, template
from leakguard.secret import Secret
from tests.comms.builders import BEGIN, resolved, subject_of, told
from tests.comms.receivers import Answer, Authority, Host, http, nobody

TEXT = "# LG-2026-0001\n\n- Level: **critical**\n- Key: `ACME_KEY`\n- a \\<b\\> c\n"


def message(**changes: object) -> Outgoing:
    fields: dict[str, object] = {
        "incident": "LG-2026-0001", "message": "M1", "version": 1, "audience": "internal",
        "subject": "LG-2026-0001: status", "text": TEXT, "tlp": "AMBER", "level": 0,
        "opened_at": BEGIN,
    }  # fmt: skip
    return Outgoing(**(fields | changes))  # type: ignore[arg-type]


def channel(kind: str, url: str, **more: str) -> Channel:
    path = f"/services/{secrets.token_hex(8)}"
    values = {
        "webhook": {"url": url + path, "key": secrets.token_hex(16)},
        "slack": {"url": url + path},
        "apprise": {"url": url.replace("http://", "json://") + path},
        "pagerduty": {"key": secrets.token_hex(16)},
        "github": {"token": secrets.token_hex(16)},
        "gitlab": {"token": secrets.token_hex(16)},
    }[kind]
    settings = {"server": url} if kind in ("pagerduty", "github", "gitlab") else {}
    made = {key: Secret(value.encode()) for key, value in values.items()}
    return Channel("ops", kind, ("internal", "owner"), settings | more, secrets=made)


def path_of(found: Channel) -> str:
    if found.kind == "pagerduty":
        return "/v2/enqueue"
    return "/services/" + found.secrets["url"].reveal().decode().rpartition("/")[2]


def values(found: Channel) -> list[str]:
    """Everything of a channel that must not be told on, also the secret part of an address."""
    raw = [secret.reveal().decode() for secret in found.secrets.values()]
    return [*raw, *(one.rpartition("/")[2] for one in raw)]


@pytest.fixture
def host() -> Iterator[Host]:
    with http() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waiting is counted, not done; and a silent server is given up after a moment."""
    waited: list[float] = []

    def wait(self: Client, seconds: float, url: str) -> None:
        waited.append(seconds)

    monkeypatch.setattr(Client, "_wait", wait)
    monkeypatch.setattr(notify_http, "TIMEOUT", (1.0, 0.3))
    return waited


HTTP_KINDS = ("webhook", "slack", "pagerduty", "apprise")


# what every channel does


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_it_arrives_once(kind: str, host: Host) -> None:
    to = channel(kind, host.url)
    host.says(path_of(to), Answer())
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Receipt)
    assert got.sent
    assert got.key == "LG-2026-0001/M1/v1/ops"
    (seen,) = host.posted()
    assert b"LG-2026-0001" in seen.body


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_dry_run_touches_nothing(kind: str, host: Host) -> None:
    got = send(channel(kind, host.url), message())
    assert isinstance(got, Receipt)
    assert not got.sent
    assert "dry run" in got.detail
    assert host.seen == []


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_message_goes_only_to_those_it_is_for(kind: str, host: Host) -> None:
    got = send(channel(kind, host.url), message(audience="customers"), dry_run=False)
    assert isinstance(got, Failure)
    assert got.problem == "channel ops reaches internal, owner, not customers"
    assert host.seen == []


def test_what_is_red_goes_through_no_channel(host: Host) -> None:
    got = send(channel("webhook", host.url), message(tlp="RED"), dry_run=False)
    assert isinstance(got, Failure)
    assert host.seen == []


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_what_was_sent_is_not_sent_again(kind: str, host: Host) -> None:
    before = (ev.MessageSent("M1", "ops", "HTTP 200"),)
    got = send(channel(kind, host.url), message(), before=before, dry_run=False)
    assert isinstance(got, Receipt)
    assert got.detail == "sent before: HTTP 200"
    assert host.seen == []


@pytest.mark.parametrize("kind", ["webhook", "slack", "apprise"])
def test_what_may_have_arrived_is_not_sent_again(kind: str, host: Host) -> None:
    before = (ev.MessageFailed("M1", "ops", "broke off", unknown=True),)
    got = send(channel(kind, host.url), message(), before=before, dry_run=False)
    assert isinstance(got, Failure)
    assert got.unknown
    assert host.seen == []


def test_a_clear_failure_may_be_tried_again(host: Host) -> None:
    to = channel("webhook", host.url)
    host.says(path_of(to), Answer())
    before = (
        ev.MessageFailed("M1", "ops", "broke off", unknown=True),
        ev.MessageFailed("M1", "ops", "settled: it is not there"),
    )
    assert isinstance(send(to, message(), before=before, dry_run=False), Receipt)


def test_another_channel_s_past_does_not_count(host: Host) -> None:
    to = channel("webhook", host.url)
    host.says(path_of(to), Answer())
    before = (ev.MessageSent("M1", "mail", "x"), ev.MessageSent("M0", "ops", "x"))
    send(to, message(), before=before, dry_run=False)
    assert len(host.posted()) == 1


# how it fails


@pytest.mark.parametrize("kind", ["webhook", "slack", "pagerduty"])
def test_a_rate_limit_is_waited_for_as_long_as_asked(
    kind: str, host: Host, quick: list[float]
) -> None:
    to = channel(kind, host.url)
    host.says(path_of(to), Answer(429, headers={"Retry-After": "7"}), Answer())
    assert isinstance(send(to, message(), dry_run=False), Receipt)
    assert quick == [7.0]
    assert len(host.posted()) == 2


@pytest.mark.parametrize("kind", ["webhook", "slack", "pagerduty"])
@pytest.mark.parametrize("status", [500, 503])
def test_an_error_that_passes_is_sat_out(kind: str, status: int, host: Host) -> None:
    to = channel(kind, host.url)
    host.says(path_of(to), Answer(status), Answer(status), Answer())
    assert isinstance(send(to, message(), dry_run=False), Receipt)
    assert len(host.posted()) == 3


def test_an_error_that_stays_is_a_failure(host: Host) -> None:
    to = channel("webhook", host.url)
    host.says(path_of(to), Answer(503))
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "HTTP 503, 6 times" in got.problem


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_s_error_says_nothing_about_the_service_behind_it(
    status: int, host: Host
) -> None:
    to = channel("webhook", host.url)
    host.says(path_of(to), Answer(status))
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert got.unknown
    assert len(host.posted()) == 1


@pytest.mark.parametrize("kind", ["webhook", "slack", "apprise"])
@pytest.mark.parametrize("reset", ["before", "after"])
def test_a_line_that_breaks_leaves_it_unknown_and_is_not_repeated(
    kind: str, reset: str, host: Host
) -> None:
    to = channel(kind, host.url)
    host.says(path_of(to), Answer(reset=reset), Answer())
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert got.unknown
    assert len(host.posted()) == (1 if reset == "after" else 0)


@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_silence_after_the_body_leaves_it_unknown(kind: str, host: Host) -> None:
    to = channel(kind, host.url)
    host.says(path_of(to), Answer(slow=5))
    begin = time.monotonic()
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert got.unknown
    assert len(host.posted()) == 1
    assert time.monotonic() - begin < 4


def test_a_service_that_recognises_repetitions_is_asked_again(host: Host) -> None:
    to = channel("pagerduty", host.url)
    host.says("/v2/enqueue", Answer(reset="after"), Answer(202))
    assert isinstance(send(to, message(), dry_run=False), Receipt)
    keys = {one.document["dedup_key"] for one in host.posted()}
    assert keys == {"LG-2026-0001"}
    assert len(host.posted()) == 2


@pytest.mark.parametrize("kind", ["webhook", "slack", "pagerduty"])
def test_where_nobody_listens_nothing_was_sent(kind: str) -> None:
    with nobody() as url:
        got = send(channel(kind, url), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "cannot be reached" in got.problem


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_redirect_is_not_followed_and_nothing_leaks_along_it(kind: str, host: Host) -> None:
    with http() as elsewhere:
        to = channel(kind, host.url)
        elsewhere.says("/thief", Answer())
        host.says(path_of(to), Answer(307, headers={"Location": f"{elsewhere.url}/thief"}))
        got = send(to, message(), dry_run=False)
        assert elsewhere.seen == []
    assert isinstance(got, Failure)


@pytest.mark.parametrize("kind", ["webhook", "slack", "pagerduty"])
def test_a_refusal_is_told_with_its_status(kind: str, host: Host) -> None:
    to = channel(kind, host.url)
    host.says(path_of(to), Answer(404, b"no_service"))
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "HTTP 404" in got.problem
    assert len(host.posted()) == 1


def test_a_certificate_nobody_vouches_for_stops_it(tmp_path: Path) -> None:
    with http(Authority(tmp_path).context) as host:
        to = channel("webhook", host.url)
        got = send(to, message(), dry_run=False)
        assert host.seen == []
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "certificate is not trusted" in got.problem


def test_plain_http_to_somewhere_else_is_refused() -> None:
    got = send(channel("webhook", "http://hooks.example.com"), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert "can be read on the way" in got.problem


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(404),
        Answer(503),
        Answer(502),
        Answer(301, headers={"Location": "https://example.com/?a=b"}),
        Answer(reset="before"),
        Answer(reset="after"),
    ],
    ids=["404", "503", "502", "301", "reset before", "reset after"],
)
def test_no_answer_and_no_output_holds_a_secret(
    kind: str,
    answer: Answer,
    host: Host,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(1)
    to = channel(kind, host.url)
    host.says(path_of(to), answer)
    told_ = repr(send(to, message(), dry_run=False)) + "".join(capfd.readouterr())
    if kind != "apprise":  # at debug level other libraries log paths; the command never sets it
        told_ += "".join(one.getMessage() for one in caplog.records if "leakguard" in one.name)
    for value in values(to):
        assert value not in told_


def test_a_server_s_answer_is_read_to_a_limit_only(host: Host) -> None:
    to = channel("webhook", host.url)
    host.says(path_of(to), Answer(body=b"x" * (notify_http.LARGEST * 4)))
    assert isinstance(send(to, message(), dry_run=False), Receipt)


# the webhook


def test_a_receiver_can_check_who_sent_it_and_when(host: Host) -> None:
    to = channel("webhook", host.url)
    host.says(path_of(to), Answer())
    send(to, message(), dry_run=False)
    (seen,) = host.posted()
    header, key, now = seen.headers["x-leakguard-signature"], to.secrets["key"], time.time()
    assert webhook.genuine(header, seen.body, key, now)
    assert not webhook.genuine(header, seen.body + b" ", key, now)
    assert not webhook.genuine(header, seen.body, Secret(b"another"), now)
    assert not webhook.genuine(header, seen.body, key, now + 1000)
    assert not webhook.genuine("t=x,v1=", seen.body, key, now)
    old, _, rest = header.partition(",")
    later = int(old.removeprefix("t=")) + 200
    assert not webhook.genuine(f"t={later},{rest}", seen.body, key, now + 200), "a replay"
    by_hand = hmac.new(key.reveal(), old[2:].encode() + b"." + seen.body, "sha256").hexdigest()
    assert rest == f"v1={by_hand}"
    assert seen.headers["idempotency-key"] == "LG-2026-0001/M1/v1/ops"
    assert seen.document["schema"] == "leakguard-message/1"
    assert seen.document["text"] == TEXT


def test_each_try_carries_the_same_key(host: Host) -> None:
    to = channel("webhook", host.url)
    host.says(path_of(to), Answer(503), Answer())
    send(to, message(), dry_run=False)
    assert len({one.headers["idempotency-key"] for one in host.posted()}) == 1


# PagerDuty


def test_an_alert_has_the_shape_that_is_documented(host: Host) -> None:
    to = channel("pagerduty", host.url)
    host.says("/v2/enqueue", Answer(202))
    send(to, message(subject="s" * 2000, text="t" * 20_000), dry_run=False)
    event = host.posted()[0].document
    assert event["routing_key"] == to.secrets["key"].reveal().decode()
    assert event["event_action"] == "trigger"
    assert len(event["payload"]["summary"]) == 1024
    assert event["payload"]["severity"] == "critical"
    assert len(event["payload"]["custom_details"]["text"]) <= 8000
    assert event["payload"]["custom_details"]["text"].endswith(MORE)


def test_a_resolved_incident_closes_its_alert(host: Host) -> None:
    story = resolved()
    out = outgoing(story.incident, story.draft(template("resolution")))
    host.says("/v2/enqueue", Answer(202))
    send(channel("pagerduty", host.url), out, dry_run=False)
    assert host.posted()[0].document["event_action"] == "resolve"


def test_a_drill_wakes_nobody_up(host: Host) -> None:
    host.says("/v2/enqueue", Answer(202))
    send(channel("pagerduty", host.url), message(drill=True), dry_run=False)
    assert host.posted()[0].document["payload"]["severity"] == "info"


# Slack


@pytest.mark.parametrize("kind", shipped(), ids=lambda one: one.id)
def test_every_message_fits_into_slack_s_blocks(kind: object) -> None:
    story = resolved()
    out = outgoing(story.incident, story.draft(kind, subject_of(kind)))  # type: ignore[arg-type]
    made = document(out)
    blocks = made["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) <= BLOCKS
    assert len(blocks[0]["text"]["text"]) <= 150
    for block in blocks[1:-1]:
        assert 0 < len(block["text"]["text"]) <= SECTION
    assert "\\" not in json.dumps(made["text"])


def test_a_long_message_is_cut_and_says_so() -> None:
    long = "\n\n".join(f"{number} " + "x" * 2900 for number in range(100))
    made = document(message(text=long))
    blocks = made["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) == BLOCKS
    assert blocks[-2]["text"]["text"] == MORE
    wide = document(message(text="y" * 10_000))["blocks"]
    assert isinstance(wide, list)
    assert wide[1]["text"]["text"].endswith(MORE)


def test_nobody_is_called_and_nothing_linked_in_slack_by_foreign_text() -> None:
    shown = slack("a \\<!channel> <!here> <@U123> <https://evil.invalid|bank> **b**\n# T")
    assert "<!channel>" not in shown
    assert "<@U123>" not in shown
    assert "<https://evil" not in shown
    assert "&lt;!here&gt;" in shown
    assert "*b*" in shown
    assert shown.endswith("*T*")
    assert slack("<https://chat.example.com/x>") == "<https://chat.example.com/x>"


def test_slack_s_word_for_a_success_is_ok(host: Host) -> None:
    to = channel("slack", host.url)
    host.says(path_of(to), Answer(200, b"<html>a login page</html>"))
    got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert "something else than ok" in got.problem


# apprise


def test_apprise_gets_the_title_and_the_text(host: Host) -> None:
    to = channel("apprise", host.url)
    host.says(path_of(to), Answer())
    assert isinstance(send(to, message(), dry_run=False), Receipt)
    seen = host.posted()[0].document
    assert seen["title"] == "LG-2026-0001: status"
    assert "ACME\\_KEY" in seen["message"] or "ACME_KEY" in seen["message"]


@pytest.mark.parametrize("query", ["verify=no", "redirect=yes", "retry=3", "wait=2"])
def test_an_address_cannot_switch_safety_off(query: str, host: Host) -> None:
    to = channel("apprise", host.url)
    url = to.secrets["url"].reveal().decode()
    weak = Channel(
        "ops", "apprise", ("internal",), secrets={"url": Secret(f"{url}?{query}".encode())}
    )
    got = send(weak, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert query.partition("=")[0] in got.problem
    assert host.seen == []


def test_an_address_apprise_does_not_know_is_a_clear_failure() -> None:
    odd = Channel("ops", "apprise", ("internal",), secrets={"url": Secret(b"nonsense://x")})
    got = send(odd, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown


def test_a_message_of_an_incident_is_made_ready() -> None:
    story = told()
    drafted = story.draft(template("status"))
    out = outgoing(story.incident, drafted)
    assert (out.message, out.version, out.audience, out.level) == ("M1", 1, "internal", 0)
    assert out.text == drafted.draft.text
    assert not out.resolved
