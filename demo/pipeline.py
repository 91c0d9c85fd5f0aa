"""A pipeline, live: a job prints its environment, and the log holds both halves of a credential."""

from __future__ import annotations

import secrets
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

BASE32 = string.ascii_uppercase + "234567"
BASE64 = string.ascii_letters + string.digits + "+/"


class Stage(Protocol):
    """What the demo plays on (demo/run.py)."""

    repo: Path

    def show(self, *command: str, expect: int) -> str:
        """Run, and print what a person sees."""


def play(stage: Stage, say: Callable[[str], None]) -> None:
    """From the job's log to the page that its reader sees."""
    key_id = "AKIA" + "".join(secrets.choice(BASE32) for _ in range(16))
    key = "".join(secrets.choice(BASE64) for _ in range(40))
    lines = [
        "##[group]Run env", "CI=true", f"AWS_ACCESS_KEY_ID={key_id}", "AWS_REGION=eu-west-1",
        f"AWS_SECRET_ACCESS_KEY={key}", "##[endgroup]", "Deployed.",
    ]  # fmt: skip
    log = stage.repo.parent / "job.log"
    stamped = [f"2026-11-21T07:00:0{at}.0000000Z {line}\n" for at, line in enumerate(lines)]
    log.write_text("".join(stamped), encoding="utf-8")

    say("In the pipeline a job prints its environment: both halves of a key are in its log")
    page, summary = _page(stage.repo.parent), stage.repo.parent / "summary.md"
    seen = stage.show("leakguard", "logs", "../job.log", "--summary", "../summary.md",
                      "--html", str(page), expect=1)  # fmt: skip
    told = summary.read_text(encoding="utf-8")
    print(f"\nThe job's summary:\n\n{told.rstrip()}\n\nThe same as a page: {page}", flush=True)
    if any(key in text for text in (seen, told, page.read_text(encoding="utf-8"))):
        sys.exit("the secret was printed; this must never happen")


def _page(folder: Path) -> Path:
    """Where the page goes: to stay, if somebody is there to look at it."""
    if not sys.stdout.isatty():
        return folder / "job.html"
    with tempfile.NamedTemporaryFile(prefix="leakguard-job-", suffix=".html", delete=False) as page:
        return Path(page.name)
