"""`leakguard rules`."""

from __future__ import annotations

import click

from leakguard import exits
from leakguard.errors import UsageError
from leakguard.load.document import suggest
from leakguard.load.pack import open_pack
from leakguard.read import repository
from leakguard.rule import Rule


@click.group()
def command() -> None:
    """List, show and check rules.

    \b
    Examples:
      leakguard rules list --provider github
      leakguard rules show slack-bot-token
      leakguard rules check .leakguard/rules/*.yml
    """


def _rules() -> list[Rule]:
    return list(open_pack(repository.find_top()).book.rules)


@command.command("list")
@click.option("--provider", help="Only the rules of one provider.")
def list_rules(provider: str | None) -> None:
    """Every rule that is on here: id, severity, confidence, name.

    \b
    Example:
      leakguard rules list --provider aws
    """
    rules = sorted(_rules(), key=lambda rule: (rule.provider, rule.id))
    if provider:
        known = sorted({rule.provider for rule in rules})
        if provider not in known:
            raise UsageError(f"no provider {provider!r}", suggest(provider, known)[0])
        rules = [rule for rule in rules if rule.provider == provider]
    width = max(len(rule.id) for rule in rules)
    for rule in rules:
        click.echo(f"{rule.id:{width}}  {rule.severity:8}  {rule.confidence:9}  {rule.name}")
    providers = len({rule.provider for rule in rules})
    click.echo(f"{len(rules)} rules of {providers} providers", err=True)


@command.command("show")
@click.argument("name", metavar="ID|PROVIDER")
def show(name: str) -> None:
    """What a rule is about, why it matters and how to revoke; or all rules of a provider.

    \b
    Examples:
      leakguard rules show github-pat
      leakguard rules show stripe
    """
    from leakguard.load.rules import titles
    from leakguard.report.rule_page import render, render_all

    rules = _rules()
    one = next((rule for rule in rules if rule.id == name), None)
    group = [rule for rule in rules if rule.provider == name]
    if one is not None:
        click.echo(render(one))
    elif group:
        click.echo(render_all(titles().get(name, name), group))
    else:
        known = sorted({*(rule.id for rule in rules), *(rule.provider for rule in rules)})
        raise UsageError(f"no rule or provider {name!r}", suggest(name, known)[0])


@command.command("check")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option("--seed", type=int, default=0, show_default=True, help="Of the fakes that are made.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Provers beside each other.")
def check(files: tuple[str, ...], seed: int, jobs: int | None) -> int:
    """Prove rules: every example is found in every dress, every negative stays silent.

    Also that nothing is slow, looked for at every line, or found by another
    rule anyway. Without FILES all rules that ship with leakguard.

    \b
    Example:
      leakguard rules check .leakguard/rules/acme.yml
    """
    from leakguard.cli.crew import cores
    from leakguard.cli.rules_check import check_rules, load

    rules, chosen = load(files)
    problems = check_rules(rules, chosen, seed, jobs or cores())
    for problem in problems:
        click.echo(f"error: {problem.rule_id}: {problem.what}")
    if problems:
        click.echo(f"{len(problems)} problems in {len(chosen)} rules", err=True)
        return exits.CONFIG
    click.echo(f"{len(chosen)} rules are sound")
    return exits.CLEAN
