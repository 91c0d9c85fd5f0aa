"""The words of the recall part of the measure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from accuracy_product import BLOCKS, WARNS
from accuracy_recall import MEANT, TIERS, grouped, macro, recall
from tables import row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from accuracy_recall import Trial

WORST = 30
FEW = 12


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [row(head), "|" + "---|" * len(head), *map(row, rows), ""]


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.1f}%"


def render(trials: Sequence[Trial], skipped: Mapping[str, str], *, show: bool) -> str:
    """All tables of recall; with `show`, what each rule misses and why."""
    tiers = Counter(trial.tier for trial in trials)
    own = sum(trial.own for trial in trials) / max(len(trials), 1)
    lines = [
        "## Recall in contexts the rules' authors did not write",
        "",
        (f"{len(trials):,} values of {len(grouped(trials, 'rule')):,} rules and "
        f"{len(grouped(trials, 'provider')):,} providers; {len(skipped)} rules left out."),
        "",
        *table(
            ("measure", "blocking", "blocking or warning"),
            (
                ("mean of providers", percent(macro(trials)), percent(macro(trials, WARNS))),
                ("mean of values", percent(recall(trials)), percent(recall(trials, WARNS))),
            ),
        ),
        "tiers: " + ", ".join(f"{tier} {tiers[tier]:,}" for tier in TIERS)
        + f"; found by a rule of the same provider: {percent(own)}",
        "",
        *worst("provider", trials, WORST),
        *worst("context", trials, 1000),
        *causes(trials),
    ]  # fmt: skip
    if show:
        lines += [
            "",
            *missed(trials),
            *(f"    left out: {id_}: {why}" for id_, why in skipped.items()),
        ]
    return "\n".join([*lines, ""])


def worst(by: str, trials: Sequence[Trial], most: int) -> list[str]:
    """The groups with the least recall first."""
    parts = grouped(trials, by)
    order = sorted(parts, key=lambda name: recall(parts[name]) + recall(parts[name], WARNS))
    rows = [
        (
            name,
            str(len(parts[name])),
            percent(recall(parts[name])),
            percent(recall(parts[name], WARNS)),
        )
        for name in order[:most]
    ]
    title = f"the {len(rows)} worst of {len(parts)} {by}s" if len(rows) < len(parts) else f"by {by}"
    return [f"### {title}", "", *table((by, "values", "blocking", "blocking or warning"), rows)]


def causes(trials: Sequence[Trial]) -> list[str]:
    """Why values did not block."""
    counts = Counter((trial.cause, trial.tier) for trial in trials if trial.cause)
    rows = [(cause, tier, f"{number:,}") for (cause, tier), number in counts.most_common()]
    return ["### why values did not block", "", *table(("cause", "outcome", "values"), rows)]


def missed(trials: Sequence[Trial]) -> list[str]:
    """For each rule the contexts in which it does not block, by cause; a `~` after one that warns.

    What a rule's own file says of it (it only warns, it is half of a pair) is left out.
    """
    open_ones = [trial for trial in trials if trial.tier != BLOCKS and trial.cause not in MEANT]
    parts = grouped(open_ones, "rule")
    whole = Counter(trial.rule.id for trial in trials)
    lines = []
    for name in sorted(parts, key=lambda name: -len(parts[name])):
        lines.append(f"    {name}: {len(parts[name])} of {whole[name]}")
        for cause in sorted({trial.cause for trial in parts[name]}):
            there = [trial for trial in parts[name] if trial.cause == cause]
            where = ", ".join(f"{trial.context}{'~' * (trial.tier == WARNS)}" for trial in there)
            few = where if len(there) <= FEW else f"{where[:200]} ... ({len(there)})"
            lines.append(f"        {cause}: {few}")
    return lines


def plain(trials: Sequence[Trial]) -> dict[str, object]:
    """The figures, for JSON."""
    return {
        "macro": {tier: macro(trials, tier) for tier in (BLOCKS, WARNS)},
        "micro": {tier: recall(trials, tier) for tier in (BLOCKS, WARNS)},
        **{
            by: {
                name: {"values": len(part), BLOCKS: recall(part), WARNS: recall(part, WARNS)}
                for name, part in grouped(trials, by).items()
            }
            for by in ("provider", "rule", "context")
        },
    }
