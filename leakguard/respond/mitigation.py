"""How each way of leaking is closed (P-34 to P-40); where leakguard itself does it, how."""

from __future__ import annotations

from typing import NamedTuple


class Mitigation(NamedTuple):
    """What closes a way of leaking. `command` is empty where leakguard cannot do it."""

    what: str
    command: str = ""


GATE = Mitigation("a gate before commit and push", "leakguard mitigate {incident} --gate")

VECTORS: dict[str, Mitigation] = {
    "source-code": GATE,
    "env-file": Mitigation(
        "a gate before commit and push, and the file in .gitignore",
        "leakguard mitigate {incident} --vector env-file --gate",
    ),
    "ci-log": Mitigation(
        "commands of the job run masked, and its logs are looked at",
        "leakguard exec -- COMMAND; leakguard logs LOG",
    ),
    "log-line": Mitigation("the logger masks what its fields call secret"),
    "error-response": Mitigation("the serializer of errors shows nothing of the inside"),
    "screenshot": Mitigation("the screens that show secrets mask them, and people know"),
    "chat": Mitigation("messages are looked at before they are kept, and people know"),
    "ticket": Mitigation("tickets are looked at before they are kept, and people know"),
    "wiki": Mitigation("pages are looked at before they are kept, and people know"),
    "paste-site": Mitigation("people know, and have a private place to paste to"),
    "iac-module": GATE,
    "backup": Mitigation("backups are encrypted, and their key is kept apart"),
    "process-memory": Mitigation("dumps are switched off or cleaned before they are kept"),
    "transcript": Mitigation("recordings are looked at before they are shared"),
    "agent-session": Mitigation("agents get short-lived credentials, and their output is masked"),
    "package": Mitigation("what is published is looked at before", "leakguard scan dist/"),
    "image": Mitigation("images are looked at before they are pushed", "leakguard scan image.tar"),
    "vendor": Mitigation("the vendor gets a credential of its own, with less rights"),
    "device": Mitigation("disks are encrypted, and credentials are short-lived"),
    "other": Mitigation("what keeps exactly this from happening again"),
}
"""Every way of leaking that can be named, and what closes it."""


def advice(vector: str, incident: str) -> str:
    """What closes a way of leaking, and the command, if there is one."""
    found = VECTORS[vector]
    how = f": {found.command.format(incident=incident)}" if found.command else ""
    return f"{found.what}{how}"
