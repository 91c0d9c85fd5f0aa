"""`leakguard review`: the access logs of the time in which a secret was exposed."""

from __future__ import annotations

import click

from leakguard import event as ev
from leakguard.cli.desk import Desk, pass_desk, refuse
from leakguard.cli.named import secret_of, when
from leakguard.errors import UsageError
from leakguard.incident import Incident
from leakguard.respond import actions

VERDICTS = ("no-unauthorised-access", "unauthorised-access", "cannot-determine")


@click.group()
def review() -> None:
    """Access logs of the time it was exposed, and what was seen in them.

    \b
    Examples:
      leakguard review add 12 S1 --source cloudtrail --verdict cannot-determine
    """


@review.command("add")
@click.argument("number", metavar="INCIDENT")
@click.argument("subject", metavar="[S1]", required=False)
@click.option("--source", required=True, help="Whose log.")
@click.option("--from", "begin", default="", metavar="TIME", help="Its first instant.")
@click.option("--until", "end", default="", metavar="TIME", help="Its last instant.")
@click.option("--verdict", type=click.Choice(VERDICTS), required=True, help="What it shows.")
@click.option("--tamper-evident", is_flag=True, help="Nobody involved could have edited it.")
@click.option("--cross-checked-with", "other", default="", metavar="SOURCE",
              help="An independent log that says the same.")  # fmt: skip
@click.option("--rows", type=click.IntRange(min=0), default=0, help="How many entries were read.")
@click.option("--note", default="", help="In a few words.")
@pass_desk
def review_add(
    desk: Desk, number: str, subject: str | None, source: str, begin: str, end: str, verdict: str,
    tamper_evident: bool, other: str, rows: int, note: str,
) -> None:  # fmt: skip
    """Record that access logs were read, and what they show.

    "cannot-determine" is an honest verdict; it is carried into every message. A
    log that its writer can edit does not show alone that nobody came.

    \b
    Examples:
      leakguard review add 12 S1 --source audit.csv \\
          --cross-checked-with "bucket log" --verdict no-unauthorised-access
    """
    span = (when(begin), when(end))

    def decide(now: Incident) -> list[ev.Event]:
        event = ev.LogReviewed(
            secret_of(now, subject), source, *span, verdict, tamper_evident, other, rows, note
        )
        refuse("this verdict is not recorded", actions.review(event, now.id))
        return [event]

    desk.tell(desk.change(number, decide))


@review.command("anomaly")
@click.argument("number", metavar="INCIDENT")
@click.argument("detail")
@click.option("--secret", "subject", metavar="S1", help="Which secret; the only one by default.")
@pass_desk
def review_anomaly(desk: Desk, number: str, detail: str, subject: str | None) -> None:
    """Note something in the logs that no usual user of the secret does.

    \b
    Examples:
      leakguard review anomaly 12 "full export at 03:04 UTC from 203.0.113.9"
    """

    def decide(now: Incident) -> list[ev.Event]:
        name = f"A{len(now.anomalies) + 1}"
        return [ev.AnomalyFound(name, secret_of(now, subject), detail)]

    desk.tell(desk.change(number, decide))


@review.command("decide")
@click.argument("number", metavar="INCIDENT")
@click.argument("anomaly", metavar="A1")
@click.option("--as", "decision", required=True,
              type=click.Choice(["benign", "attacker", "cannot-determine"]),
              help="What it was.")  # fmt: skip
@click.option("--disclose", is_flag=True, help="Somebody outside has to be told.")
@click.option("--why", required=True, help="What shows it.")
@pass_desk
def review_decide(
    desk: Desk, number: str, anomaly: str, decision: str, disclose: bool, why: str
) -> None:
    """Decide what an anomaly was. An attacker's raises the severity.

    \b
    Examples:
      leakguard review decide 12 A1 --as benign --why "our own backup job"
    """

    def decide(now: Incident) -> list[ev.Event]:
        if anomaly not in now.anomalies:
            raise UsageError(f"{now.id} has no anomaly {anomaly!r}")
        decided: list[ev.Event] = [ev.AnomalyDecided(anomaly, decision, disclose, why)]
        if decision == "attacker":
            decided.append(ev.Stated("evidence-of-use", "yes", why=f"{anomaly}: {why}"))
        return decided

    desk.tell(desk.change(number, decide))
