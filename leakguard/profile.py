"""Who an organisation is when something leaked: whom to call, where to talk, where to write to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

CONTACTS = ("legal", "privacy", "executive", "communications", "support", "vendors")
"""The people an incident may need besides those on call."""


class Flaw(NamedTuple):
    """Something that will be missed in the first minutes: which key, what, and what to write."""

    key: str
    what: str
    how: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What messages say about the organisation. Empty text is what nobody has filled in."""

    organisation: str = ""
    security_address: str = ""  # where reports and questions go; private, never a public tracker
    on_call: tuple[str, ...] = ()
    channel: str = ""  # where responders talk
    status_page: str = ""
    public_issues: str = ""
    contacts: Mapping[str, str] = field(default_factory=dict)
    source: str = ""  # the file it came from


def flaws(profile: Profile) -> list[Flaw]:
    """What is wrong with a profile before anything has happened; empty when nothing is."""
    found = []
    if not profile.on_call:
        found.append(Flaw("on_call", "nobody is on call", "on_call: [name or number, ...]"))
    if not profile.security_address:
        found.append(
            Flaw(
                "security_address",
                "there is no address for reports",
                "security_address: security@example.com",
            )
        )
    elif _public(profile):
        found.append(
            Flaw(
                "security_address",
                "reports of leaks would go to a public place",
                "security_address: an address that only responders read",
            )
        )
    if not profile.organisation:
        found.append(Flaw("organisation", "the organisation has no name", "organisation: Example"))
    if not profile.channel:
        found.append(
            Flaw("channel", "responders have no place to talk", "channel: https://chat.example.com")
        )
    return found


def _public(profile: Profile) -> bool:
    """A report in a public tracker tells everybody before anything is closed."""
    address = profile.security_address.rstrip("/")
    return address == profile.public_issues.rstrip("/") or address.endswith(
        ("/issues", "/issues/new")
    )
