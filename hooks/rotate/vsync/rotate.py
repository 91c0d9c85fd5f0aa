#!/usr/bin/env python3
"""Replaces the passphrase of a vsync environment, through vsync's own command line.

Two halves open a bundle: the passphrase, and the configuration (VSYNC_CONFIG) with an IAM
key that may read the bucket. This replaces the first and packs the second anew around
another key, which `aws-iam-access-key` makes; the old key has to end there. Neither
protects a bundle that was fetched before: when both halves leaked, every value in it leaked.

Passphrases go to vsync's standard input; never into its arguments or its environment.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import shlex
import subprocess
from typing import Any

from leakguard.rotate.kit import Answer, Fail, Request, check, script

rotate = script()

PREFIX = "vsync-cfg-v1:"
SHOWN = ("endpoint", "region", "bucket", "prefix", "env")
COPIES = "bundles fetched before stay readable with the old passphrase"


@rotate.phase
def plan(ask: Request) -> Answer:
    """Whether vsync is set up here, and the leaked passphrase is the present one."""
    env = ask.target["env"]
    ready = _run(ask, "status", "") == 0
    checks = [check("vsync reaches the environment", ready, "run its status by hand")]
    said = _opens(ask, ask.secrets["old"]) if ready and "old" in ask.secrets else "unknown"
    why = f"it is {said}: vsync needs the present one to encrypt anew"
    checks.append(check("the leaked passphrase is the present one", said == "accepted", why))
    observed = [COPIES]
    if "config" in ask.secrets:
        config = _unpacked(ask.secret("config"))
        about = {name: config[name] for name in SHOWN if name in config}
        observed.append(f"the configuration is for {json.dumps(about, sort_keys=True)}")
        same = config.get("env") in (None, env)
        checks.append(check("the configuration is this environment's", same, "it is another's"))
        both = bool(ask.target.get("key_id")) and "iam_secret" in ask.secrets
        why = "rotate it with aws-iam-access-key, then give key_id and iam_secret"
        checks.append(check("there is another IAM key", both, why))
    rows = (("create", "encrypt anew", env, "the old passphrase opens no later bundle", None),)
    names = ("phase", "verb", "target", "effect", "undo")
    actions = [dict(zip(names, row, strict=True)) for row in rows]
    more = {"actions": actions, "known": [env], "checks": checks, "old": {"id": env}}
    return Answer(observed=observed, more=more)


@rotate.phase
def create(ask: Request) -> Answer:
    """Have vsync encrypt anew, unless the new passphrase opens the bundle already."""
    new = ask.secret("new")
    values = {"new_config": _repacked(ask)} if "config" in ask.secrets else {}
    done = _opens(ask, new) == "accepted"
    if not done and not ask.dry_run:
        ended = _run(ask, "rotate", f"{ask.secret('old')}\n{new}\n")
        if ended != 0:
            raise Fail("conflict", f"vsync ended with {ended}: it did not replace the passphrase")
    return Answer(
        "already" if done else "done",
        new={"id": ask.target["env"]},
        secrets=values,
        observed=[f"{ask.target['env']} is encrypted anew", COPIES],
    )


@rotate.phase
def verify_new(ask: Request) -> Answer:
    """Open the bundle with the new passphrase."""
    said = _opens(ask, ask.secret("new"))
    if said != "accepted":
        raise Fail("auth" if said == "refused" else "network", f"the new passphrase is {said}")
    return Answer(observed=["the new passphrase opens the bundle"])


@rotate.phase
def probe(ask: Request) -> Answer:
    """Open the bundle with both in one round. What was fetched before cannot be asked."""
    said: dict[str, Any] = {"method": "login", "derived": "unknown"}
    for slot in ("new", "old"):
        said[slot] = _opens(ask, ask.secrets[slot]) if slot in ask.secrets else "unknown"
    said["old_error"] = "auth" if said["old"] == "refused" else ""
    return Answer(more={"probe": said})


@rotate.phase
def observe(ask: Request) -> Answer:
    """Which passphrase opens the bundle now."""
    known = {"accepted": "active", "refused": "absent"}
    state: dict[str, Any] = {"credentials": []}
    for slot in ("old", "new"):
        said = _opens(ask, ask.secrets[slot]) if slot in ask.secrets else "unknown"
        state[slot] = known.get(said, "unknown")
    return Answer(more={"state": state})


# vsync


def _opens(ask: Request, passphrase: str) -> str:
    """What vsync says to a passphrase. Only its own number for a wrong one is a refusal."""
    ended = _run(ask, "check", f"{passphrase}\n")
    if ended == 0:
        return "accepted"
    wrong = ask.target.get("wrong", 2)
    return "refused" if ended == wrong and _run(ask, "status", "") == 0 else "unreachable"


def _run(ask: Request, what: str, text: str) -> int:
    """How vsync ended. What it prints is not kept: it may quote values of the bundle."""
    program = ask.target["program"]
    if not os.path.isabs(program):
        raise Fail("unsupported", "program has to be an absolute path")
    fill = {"{env}": ask.target["env"], "{note}": ask.rotation}
    words = [program]
    for word in shlex.split(ask.target[what]):
        for mark, value in fill.items():
            word = word.replace(mark, value)  # noqa: PLW2901 - filled in one after the other
        words.append(word)
    try:
        done = subprocess.run(
            words, input=text.encode(), cwd=ask.target["folder"], check=False,
            timeout=ask.deadline * 0.4, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Fail("timeout", "vsync took too long and was ended") from None
    except FileNotFoundError:
        raise Fail("missing", f"there is no {program}, or no such folder") from None
    except PermissionError:
        raise Fail("permission", f"{program} cannot be run") from None
    return done.returncode


# The configuration


def _unpacked(text: str) -> dict[str, Any]:
    """`vsync-cfg-v1:` and gzipped JSON in base64."""
    try:
        packed = base64.b64decode(text.removeprefix(PREFIX))
        found = json.loads(gzip.decompress(packed))
    except (ValueError, OSError, EOFError):
        found = None
    if not text.startswith(PREFIX) or not isinstance(found, dict):
        raise Fail("unsupported", f"config is no {PREFIX}...")
    return found


def _repacked(ask: Request) -> str:
    """The configuration around another IAM key."""
    config = _unpacked(ask.secret("config"))
    fields = (ask.target.get("id_field") or "accessKeyId",
              ask.target.get("secret_field") or "secretAccessKey")  # fmt: skip
    if any(name not in config for name in fields) or not ask.target.get("key_id"):
        raise Fail("missing", "key_id is not given, or the configuration keeps its key elsewhere")
    config |= {fields[0]: ask.target["key_id"], fields[1]: ask.secret("iam_secret")}
    packed = gzip.compress(json.dumps(config).encode(), mtime=0)
    return PREFIX + base64.b64encode(packed).decode()


if __name__ == "__main__":
    rotate.main()
