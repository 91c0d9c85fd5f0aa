"""A message to a Slack incoming webhook, within the limits of Block Kit.

50 blocks a message, 3,000 characters a section, 150 a header
(https://api.slack.com/reference/block-kit/blocks). What does not fit says so.
"""

from __future__ import annotations

import json

from leakguard.connect.notify import Outgoing
from leakguard.connect.notify_http import Poster, host, secret_text, taken
from leakguard.connect.notify_text import MORE, cut, slack
from leakguard.errors import UnreadError
from leakguard.load.channels import Channel

BLOCKS = 50
SECTION = 3000
HEADER = 150


def deliver(channel: Channel, message: Outgoing) -> str:
    """Post it; Slack recognises no repetition. Raises UnreadError or UnsureError."""
    url = secret_text(channel, "url")
    body = json.dumps(document(message)).encode()
    poster = Poster(url)
    try:
        answer = poster.post(url, body, {"Content-Type": "application/json"})
    finally:
        poster.close()
    taken(answer, host(url))
    if answer.body.strip() not in (b"ok", b""):
        raise UnreadError(f"{host(url)} answered something else than ok", "is it a webhook?")
    return f"HTTP {answer.status}"


def document(message: Outgoing) -> dict[str, object]:
    """The header, the sections and the mark of the message; `text` is what notifications show."""
    sections = _sections(slack(message.text))
    if len(sections) > BLOCKS - 2:
        sections = [*sections[: BLOCKS - 3], MORE]
    blocks: list[dict[str, object]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut_line(message.subject)}}
    ]
    blocks += [{"type": "section", "text": {"type": "mrkdwn", "text": one}} for one in sections]
    mark = f"TLP:{message.tlp} {message.incident} {message.message}"
    blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": mark}]})
    return {"text": slack(message.subject), "blocks": blocks, "unfurl_links": False}


def cut_line(subject: str) -> str:
    """A header of the length that Slack takes."""
    return subject if len(subject) <= HEADER else subject[: HEADER - 3] + "..."


def _sections(text: str) -> list[str]:
    """Paragraphs put together up to the size of a section; one that is longer is cut."""
    found: list[str] = []
    for paragraph in filter(str.strip, text.split("\n\n")):
        piece = cut(paragraph, SECTION)
        if found and len(found[-1]) + 2 + len(piece) <= SECTION:
            found[-1] += f"\n\n{piece}"
        else:
            found.append(piece)
    return found
