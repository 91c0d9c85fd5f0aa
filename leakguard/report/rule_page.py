"""One rule as a page for people: what, why, how to revoke, where."""

from __future__ import annotations

from textwrap import fill

from leakguard.rule import Rule


def render(rule: Rule) -> str:
    """What `leakguard rules show` prints; 79 columns."""
    rows = [
        ("what", rule.name),
        ("why", rule.why),
        ("provider", rule.provider),
        ("class", rule.secret_class),
        ("severity", rule.severity),
        ("confidence", _confidence(rule)),
        ("looks like", _looks(rule)),
        ("with", ", ".join(half.rule for half in rule.companions)),
        ("only in", ", ".join(rule.paths)),
        ("fix", rule.fix),
        ("revoke", rule.revoke.how),
        ("at", rule.revoke.url),
    ]
    lines = [rule.id, ""]
    for label, text in rows:
        if text:
            lines.append(
                fill(
                    text,
                    79,
                    initial_indent=f"  {label:<11}",
                    subsequent_indent=" " * 13,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    lines += [f"  {'see' if not at else '':<11}{link}" for at, link in enumerate(rule.references)]
    return "\n".join(lines)


def _confidence(rule: Rule) -> str:
    proof = f"; a fitting {rule.checksum} checksum confirms it" if rule.checksum else ""
    return rule.confidence + proof


def _looks(rule: Rule) -> str:
    if rule.value:
        return f"{rule.value} near the words {', '.join(rule.words)}"
    return f"begins with {rule.public_prefix}" if rule.public_prefix else ""
