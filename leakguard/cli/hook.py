"""What git runs. The clean path is the product's feel, so it imports next to nothing.

A change is read, prefiltered and let through in tens of milliseconds; rules,
reports and everything else load only when something hit.
"""

from __future__ import annotations

import os

from leakguard import exits
from leakguard.blob import Blob
from leakguard.detect.plain import plain
from leakguard.errors import UnreadError, UsageError
from leakguard.load.pack import Pack, open_pack
from leakguard.read import magic, repository, staged

NAMES = ("pre-commit", "pre-push", "commit-msg", "pre-receive")


def run(arguments: list[str]) -> int:
    """`leakguard hook NAME [ARGUMENTS]`, as git or the pre-commit framework calls it."""
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name not in NAMES:
        raise UsageError(
            f"unknown hook {name!r}" if name else "which hook?",
            f"leakguard hook {'|'.join(NAMES)}",
        )
    if rest in (["-h"], ["--help"]) and not os.path.lexists(rest[0]):
        from leakguard.cli import app

        return app.run(["hook", "--help"])
    for argument in rest:
        if argument.startswith("-") and argument != "--" and not os.path.lexists(argument):
            raise UsageError(f"hook {name} has no option {argument!r}", "leakguard hook --help")
    rest = rest[1:] if rest[:1] == ["--"] else rest  # only the first: a file may be called --
    if name == "pre-commit":
        return pre_commit(rest)
    if name == "commit-msg":
        return commit_msg(rest)
    from leakguard.cli import push

    return push.pre_push(rest) if name == "pre-push" else push.pre_receive()


def suspicious(pack: Pack, blob: Blob) -> bool:
    """Whether a blob has to be looked at again: something is found, or it must be unpacked."""
    if magic.looks_like_archive(blob.data[:512]):
        return True
    text, width = plain(blob.data)
    hits = pack.prefilter.scan(text)
    return (pack.concerns(hits, blob) or pack.called(blob)) and pack.finds(blob, text, width, hits)


def pre_commit(files: list[str]) -> int:
    """Scan what is staged, and every named file that is not.

    `git commit` stages; `pre-commit run --all-files` names. Either way
    something was looked at, or there was nothing to look at.
    """
    top = repository.find_top()
    if top is None:
        raise UnreadError("not inside a git repository", "a hook runs in a repository")
    pack = open_pack(top)
    changes = staged.changes(top)
    new = [change for change in changes if change.blob_id not in change.old_ids]
    moved = [change for change in changes if change.old_path != change.path]
    hot = []
    count = size = 0
    for change, blob in staged.blobs(new, top):
        count += 1
        size += len(blob.data)
        if suspicious(pack, blob):
            hot.append((change, blob))
    known = {change.path for change in changes}
    named = [path for path in files if os.path.relpath(path, top) not in known]
    for path in named:
        if not os.path.lexists(path):
            raise UnreadError(f"{path!r} is not there", "name files as they are from here")
    if not hot and not named and not (moved and pack.policy.exclude):
        return exits.CLEAN
    from leakguard.cli import staged_gate

    return staged_gate.judge(pack, top, changes, hot, named, count, size)


def commit_msg(arguments: list[str]) -> int:
    """Scan the message that git is about to record; comment lines count too."""
    if len(arguments) != 1:
        raise UsageError("commit-msg takes the file that holds the message")
    path = arguments[0]
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UnreadError(
            "the commit message could not be read", cause=f"{path}: {error.strerror}"
        ) from None
    top = repository.find_top()
    pack = open_pack(top)
    from leakguard.blob import Origin

    blob = Blob(Origin("message", "commit message"), recorded(data))
    if not suspicious(pack, blob):
        return exits.CLEAN
    from leakguard.cli.gate import Gate, look_at_all, show_hook

    gate = Gate(pack, top, "message", "message")
    look_at_all(gate, [blob])
    outcome = gate.outcome()
    gate.remember(outcome)
    return show_hook(outcome)


_SCISSORS = b" ------------------------ >8 ------------------------\n"


def recorded(message: bytes) -> bytes:
    """The message without the diff that `git commit --verbose` shows below its scissors line."""
    cut = message.find(_SCISSORS)
    if cut < 0 or b"Do not modify or remove the line above" not in message[cut : cut + 200]:
        return message
    return message[: message.rfind(b"\n", 0, cut) + 1]
