"""The program many times over, each time in a fork of one process that has loaded everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SERVER = r"""
import json, os, sys
import git, jinja2, sqlalchemy.dialects.sqlite
import leakguard.cli.app as app
from leakguard.cli import main
for name in app.COMMANDS:
    app.app.get_command(None, name)
for line in sys.stdin.buffer:
    asked = json.loads(line)
    pid = os.fork()
    if not pid:
        status = 70
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        for at, name in enumerate(("stdin", "stdout", "stderr")):
            file = os.open(asked[name], os.O_RDWR | os.O_CREAT | os.O_APPEND * bool(at), 0o600)
            os.dup2(file, at)
        sys.stdin = open(0, closefd=False)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
        try:
            status = main(asked["words"])
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.stdout.write(f"{status}\n")
    sys.stdout.flush()
"""
"""Arguments come through a pipe: only what leakguard itself starts has a command line."""


@dataclass
class Forked:
    """A running server of that kind. What a command says goes through files in `folder`."""

    folder: Path
    cwd: Path
    env: dict[str, str]
    _server: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Forked:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._server = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVER], env=self.env, cwd=self.cwd,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        assert self._server.wait(30) == 0
        assert self._server.stdout
        self._server.stdout.close()

    def run(self, *words: str, stdin: bytes = b"", cwd: Path | None = None, **env: str) -> Said:
        """Run one command; what it said, and how it ended."""
        files = {name: self.folder / name for name in ("stdin", "stdout", "stderr")}
        for file in files.values():
            file.write_bytes(stdin if file.name == "stdin" else b"")
        asked = {"words": words, "env": self.env | env, "cwd": str(cwd or self.cwd)}
        asked |= {name: str(file) for name, file in files.items()}
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps(asked).encode() + b"\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        said = [os.fsdecode(files[name].read_bytes()) for name in ("stdout", "stderr")]
        for file in files.values():
            file.unlink()
        return Said(status, *said)


@dataclass(frozen=True)
class Said:
    """What a run answered."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams."""
        return self.out + self.err

    @property
    def flat(self) -> str:
        """Both streams in one line: what was folded is whole again."""
        return " ".join(self.text.split())
