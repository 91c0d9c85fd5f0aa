"""The main job, live: a leak is blocked, fixed, searched for in history and in a job's log; one
gets out, and is rotated until it is proven dead.

Everything happens in a scratch folder that is removed at the end. The secret is
made up as this runs; no service ever knew it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from zlib import crc32

import pipeline
import response
from database import running

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def fake_token() -> str:
    """A well-formed forge token: 30 random characters and their CRC-32 in base 62."""
    body = "".join(secrets.choice(BASE62) for _ in range(30))
    check, tail = crc32(body.encode()), ""
    for _ in range(6):
        check, digit = divmod(check, 62)
        tail = BASE62[digit] + tail
    return "ghp" + "_" + body + tail


class Stage:
    """A scratch repository and a narrator."""

    def __init__(self, folder: Path) -> None:
        self.repo = folder / "shop"
        self.repo.mkdir()
        home = folder / "home"
        home.mkdir()
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "HOME": str(home),
            "LEAKGUARD_DATA": str(folder / "data"),
            "LEAKGUARD_ACTOR": "mara",
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        for key, value in (("user.name", "Demo"), ("user.email", "demo@localhost.invalid")):
            self.run("git", "config", "--global", key, value)
        self.run("git", "init", "--quiet", "--initial-branch=main")

    def run(self, *command: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run quietly."""
        done = subprocess.run(
            command, cwd=self.repo, env=self.env, text=True, capture_output=True, check=False
        )
        if expect is not None and done.returncode != expect:
            sys.exit(
                f"{' '.join(command)} gave {done.returncode}, not {expect}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done

    def show(self, *command: str, expect: int) -> str:
        """Run as the person at the keyboard would, and print what they see."""
        print(f"\n$ {' '.join(command)}", flush=True)
        began = time.perf_counter()
        done = self.run(*command, expect=expect)
        seconds = time.perf_counter() - began
        print((done.stdout + done.stderr).rstrip())
        print(f"  [exit {done.returncode}, {seconds * 1000:.0f} ms]", flush=True)
        return done.stdout + done.stderr

    def watch(self, *command: str, expect: int) -> None:
        """Run on this very terminal, so that a progress bar shows."""
        print(f"\n$ {' '.join(command)}", flush=True)
        code = subprocess.run(command, cwd=self.repo, env=self.env, check=False).returncode
        if code != expect:
            sys.exit(f"{' '.join(command)} gave {code}, not {expect}")


def say(text: str) -> None:
    """A heading."""
    print(f"\n=== {text}", flush=True)


def play(stage: Stage) -> None:
    """The whole story."""
    token = fake_token()
    source = stage.repo / "deploy.py"
    say("A repository, and leakguard in front of its commits and pushes")
    (stage.repo / "README.md").write_text("# shop\n", encoding="utf-8")
    stage.run("git", "add", "README.md")
    stage.run("git", "commit", "--quiet", "--message", "start")
    stage.show("leakguard", "install", expect=0)

    say("Someone commits a token")
    source.write_text(f'import os\n\nTOKEN = "{token}"\n', encoding="utf-8")
    stage.run("git", "add", "deploy.py")
    seen = stage.show("git", "commit", "-m", "deploy script", expect=1)

    say("The fix: read it when the program runs")
    source.write_text('import os\n\nTOKEN = os.environ["TOKEN"]\n', encoding="utf-8")
    stage.run("git", "add", "deploy.py")
    seen += stage.show("git", "commit", "-m", "deploy script", expect=0)

    say("Was one committed before the gate stood here? Two hundred commits, one of them careless")
    for number in range(200):
        text = f'TOKEN = "{token}"\n' if number == 77 else f"step = {number}\n"
        (stage.repo / "steps.py").write_text(text, encoding="utf-8")
        stage.run("git", "add", "steps.py")
        stage.run("git", "commit", "--quiet", "--no-verify", "-m", f"step {number}")
    stage.watch("leakguard", "scan", "--history", "--all", expect=1)

    if token in seen:
        sys.exit("the secret was printed; this must never happen")
    say("The token was never printed, and HEAD holds nothing of it")
    stage.show("leakguard", "scan", expect=0)


def main() -> None:
    """Set the stage, play, clean up."""
    folder = Path(tempfile.mkdtemp(prefix="leakguard-demo-"))
    folder.chmod(0o755)  # the database runs as somebody else where we are root
    try:
        stage = Stage(folder)
        play(stage)
        pipeline.play(stage, say)
        with running(folder / "database") as database:
            response.play(stage, database, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
