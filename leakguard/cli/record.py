"""`leakguard note`, `evidence`, `mitigate`, `post-mortem`: what goes into the record by hand."""

from __future__ import annotations

import hashlib
import os

import click

from leakguard import event as ev
from leakguard.cli import console
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.errors import UnreadError, UsageError
from leakguard.incident import Incident, SecretState
from leakguard.report.style import clean
from leakguard.respond import actions
from leakguard.respond.mitigation import VECTORS, advice

CHUNK = 1024 * 1024
PROOFS = ("dead", "live-new", "switch", "gone")
METHODS = (
    "probe",
    "introspection",
    "provider-metadata",
    "login",
    "config",
    "usage",
    "health",
    "attestation",
)


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.argument("text")
@pass_desk
def note(desk: Desk, number: str, text: str) -> None:
    """Put words into the timeline. Never a secret: a text that holds one is refused.

    \b
    Examples:
      leakguard note 12 "vendor called back, case 4711"
    """
    desk.tell(desk.change(number, lambda _: [ev.Noted(text)]))


@click.group()
def evidence() -> None:
    """Keep the hash of what shows something, and what it proves.

    \b
    Examples:
      leakguard evidence add 12 access.log --how "export of the console"
      leakguard evidence list 12
    """


@evidence.command("add")
@click.argument("number", metavar="INCIDENT")
@click.argument("path", metavar="FILE")
@click.option("--how", default="", help="How it was collected.")
@click.option("--kept", default="", metavar="PLACE", help="Where it is kept, if not there.")
@click.option("--proves", type=click.Choice(PROOFS), help="What it proves.")
@click.option(
    "--of", "subject", default="", metavar="S1", help="Which secret, consumer or copy it shows."
)
@click.option("--method", type=click.Choice(METHODS), default="attestation", show_default=True,
              metavar="METHOD",
              help="How that was checked: " + ", ".join(METHODS) + ".")  # fmt: skip
@click.option("--detail", default="", help="What was seen, in one sentence.")
@click.option("--approver", default="", metavar="NAME", help="Who else agrees; for a mere word.")
@pass_desk
def evidence_add(
    desk: Desk, number: str, path: str, how: str, kept: str, proves: str | None, subject: str,
    method: str, detail: str, approver: str,
) -> None:  # fmt: skip
    """Record the hash and size of FILE; the file itself stays where it is.

    With --proves it stands for something: that a secret is dead, that a consumer
    is on the new value, that a copy is gone.

    \b
    Examples:
      leakguard evidence add 12 page.png --of X1 --how "screenshot"
      leakguard evidence add 12 answer.txt --proves dead --of S1 \\
          --method provider-metadata --detail "key status Inactive"
    """
    digest, size = _hash(path)

    def decide(now: Incident) -> list[ev.Event]:
        name = f"E{len(now.evidence) + 1}"
        of = _subject(now, proves, subject)
        added = ev.EvidenceAdded(name, os.path.basename(path), digest, size, how, kept, of)
        if proves is None:
            return [added]
        proof = ev.Proved(proves, of, method, holds=True, detail=detail or how, evidence=(name,),
                          approver=approver)  # fmt: skip
        refuse(f"{of} is not proven {proves}", actions.prove(now, proof, approver, desk.actor))
        dead = proves == "dead" and now.secrets[of].state is not SecretState.DEAD
        moved = [ev.SecretMoved(of, SecretState.DEAD.value, f"evidence {name}")] if dead else []
        return [added, proof, *moved]

    desk.tell(desk.change(number, decide))


@evidence.command("list")
@click.argument("number", metavar="INCIDENT")
@pass_desk
def evidence_list(desk: Desk, number: str) -> None:
    """Everything that was kept: number, SHA-256, size, name, how.

    \b
    Examples:
      leakguard evidence list 12
    """
    for one in desk.incident(number).evidence.values():
        how = f"  {one.how}" if one.how else ""
        console.show(f"{one.evidence}  {one.sha256}  {one.size}  {clean(one.name + how)}\n")


@click.command()
@click.argument("number", metavar="INCIDENT")
@click.option("--vector", type=click.Choice(list(VECTORS)), metavar="WAY",
              help="How it got out: " + ", ".join(VECTORS) + ".")  # fmt: skip
@click.option("--with", "mitigation", metavar="WHAT", help="What closes that way.")
@click.option("--shipped", metavar="COMMIT", help="It is in place: since which commit or change.")
@click.option("--tracked", metavar="LINK", help="It is planned: where it is tracked.")
@click.option("--gate", is_flag=True, help="Install leakguard's hooks here, and record it.")
@pass_desk
def mitigate(
    desk: Desk, number: str, vector: str | None, mitigation: str | None, shipped: str | None,
    tracked: str | None, gate: bool,
) -> None:  # fmt: skip
    """Record what keeps this from happening again. Without it nothing is closed.

    With a --vector alone, what closes it is said.

    \b
    Examples:
      leakguard mitigate 12 --vector ci-log
      leakguard mitigate 12 --gate
      leakguard mitigate 12 --vector chat --with training --tracked TEAM-77
    """
    if gate:
        event = _gated(vector or "source-code")
    elif vector and not (mitigation or shipped or tracked):
        console.show(advice(vector, desk.incident(number).id) + "\n")
        return
    elif not vector or not mitigation or (shipped is None) == (tracked is None):
        raise UsageError(
            "say --vector, --with, and --shipped or --tracked",
            "leakguard mitigate 12 --vector chat --with training --tracked TEAM-77",
        )
    else:
        state = "shipped" if shipped is not None else "tracked"
        event = ev.MitigationSet(vector, mitigation, state, str(shipped or tracked))
    desk.tell(desk.change(number, lambda _: [event]))


def _gated(vector: str) -> ev.MitigationSet:
    """Put the hooks in, and say since which commit they stand there."""
    from leakguard.cli.install import interpreter, show, templates
    from leakguard.install import here
    from leakguard.read import git

    folder, done = here.turn_on((), templates(), interpreter(), force=False)
    show(folder, done)
    commit = git.text("rev-parse", "--short", "--verify", "--quiet", "HEAD", ok=(0, 1, 128))
    hooks = ", ".join(name for name, _ in done)
    return ev.MitigationSet(
        vector, f"leakguard's gate: {hooks}", "shipped", f"installed at {commit or 'no commit yet'}"
    )


@click.command("post-mortem")
@click.argument("number", metavar="INCIDENT")
@click.option("--drafted", metavar="LINK", help="A draft is there.")
@click.option("--reviewed", metavar="LINK", help="It was reviewed.")
@click.option("--published", metavar="LINK", help="It can be read.")
@click.option("--waive", metavar="REASON", help="None is written; only where the preset allows it.")
@pass_desk
def post_mortem(
    desk: Desk, number: str, drafted: str | None, reviewed: str | None, published: str | None,
    waive: str | None,
) -> None:  # fmt: skip
    """Record where the post-mortem is. Without one nothing serious is closed.

    \b
    Examples:
      leakguard post-mortem 12 --published https://wiki.example/pm/12
    """
    told = {"drafted": drafted, "reviewed": reviewed, "published": published, "waived": waive}
    said = [(state, text) for state, text in told.items() if text]
    if len(said) != 1:
        raise UsageError("say one of --drafted, --reviewed, --published, --waive")
    state, text = said[0]

    def decide(now: Incident) -> list[ev.Event]:
        preset = desk.preset(now)
        if state == "waived" and now.level not in preset.close_without_review:
            raise UsageError(
                f"{preset.label(now.level)} is not closed without a post-mortem",
                f"leakguard post-mortem {now.id} --published LINK",
            )
        reason = {"reason": text} if state == "waived" else {"reference": text}
        return [ev.PostMortem(state, **reason)]

    desk.tell(desk.change(number, decide))


def _hash(path: str) -> tuple[str, int]:
    """SHA-256 and size of a file; `-` is standard input. Raises UnreadError."""
    digest, size = hashlib.sha256(), 0
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            while part := file.read(CHUNK):
                digest.update(part)
                size += len(part)
    except OSError as error:
        raise UnreadError(f"cannot read {path!r}", cause=error.strerror or "") from None
    return digest.hexdigest(), size


def _subject(incident: Incident, proves: str | None, wanted: str) -> str:
    """What evidence is about; a proof is always about something of its kind.

    Raises UsageError with the candidates.
    """
    every = {**incident.secrets, **incident.copies, **incident.consumers}
    of_kind = {None: every, "switch": incident.consumers, "gone": incident.copies}
    known = of_kind.get(proves, incident.secrets)
    if not wanted and (proves is None or len(known) == 1):
        return "" if proves is None else next(iter(known))
    if wanted not in known:
        raise UsageError(f"say of which: --of {' or '.join(known) or '(there is none)'}")
    return wanted
