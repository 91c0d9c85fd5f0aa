"""A place that holds one value for others to read: what scripts for such places share."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from leakguard.rotate.kit import Answer, Request, check
from leakguard.rotate.parts.web import told


def right_one(ask: Request, held: str | None, what: str) -> dict[str, Any]:
    """A check that this is the place that leaked, where we may compare. `what` names it."""
    claim = f"the {what} holds the value that leaked"
    if "old" not in ask.secrets or not ask.target.get("expect_old", True) or held is None:
        return check(claim, True, found="not compared")
    way = f"it holds another: the right {what}? if so, expect_old=false"
    return check(claim, held == ask.secret("old"), way)


def read_by(ask: Request, version: str, where: str = "") -> Answer:
    """Whether the readers at `health_url` say that they have this version, if there are any."""
    urls = (ask.target.get("health_url") or "").split()
    field = ask.target.get("health_field") or "version"
    late = [urlsplit(url).netloc for url in urls if str(told(url, field)) != version]
    if late:
        said = [f"{one} has not read version {version} yet" for one in late]
        return Answer("pending", observed=said, more={"method": "health"})
    seen = "so do its readers" if urls else "nobody looked at who reads it"
    method = "health" if urls else "config"
    return Answer(
        observed=[f"{where or f'version {version}'} holds it; {seen}"], more={"method": method}
    )
