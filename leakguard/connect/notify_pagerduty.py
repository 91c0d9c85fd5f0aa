"""An incident to PagerDuty Events v2: one alert per incident, whatever is sent again.

https://developer.pagerduty.com/docs/events-api-v2-overview/ `dedup_key` is the
incident's id, so a repetition changes nothing, and a resolution closes the alert.
"""

from __future__ import annotations

import json

from leakguard.connect.notify import Outgoing
from leakguard.connect.notify_http import Poster, host, secret_text, taken
from leakguard.connect.notify_text import cut, letter
from leakguard.load.channels import Channel

SERVER = "https://events.pagerduty.com"
SEVERITIES = ("critical", "error", "warning", "info")
SUMMARY = 1024
DEDUP = 255
DETAIL = 8000
"""Characters; an event has at most 512 kB."""


def deliver(channel: Channel, message: Outgoing) -> str:
    """Enqueue it; the receipt is the key of the alert. Raises UnreadError or UnsureError."""
    url = channel.settings.get("server", SERVER).rstrip("/") + "/v2/enqueue"
    body = json.dumps({"routing_key": secret_text(channel, "key"), **document(message)}).encode()
    poster = Poster(url)
    try:
        answer = poster.post(url, body, {"Content-Type": "application/json"}, repeatable=True)
    finally:
        poster.close()
    taken(answer, host(url))
    return f"alert {message.incident}"


def document(message: Outgoing) -> dict[str, object]:
    """The event without the key that says whose it is."""
    event: dict[str, object] = {
        "event_action": "resolve" if message.resolved else "trigger",
        "dedup_key": message.incident[:DEDUP],
        "client": "leakguard",
    }
    if not message.resolved:
        event["payload"] = {
            "summary": message.subject[:SUMMARY],
            "source": "leakguard",
            "severity": "info" if message.drill else SEVERITIES[min(message.level, 3)],
            "component": message.incident,
            "class": "secret leak",
            "custom_details": {"tlp": message.tlp, "text": cut(letter(message.text), DETAIL)},
        }
    return event
