"""Rules as pages for people: what, why, how it is recognised, how to revoke, where.

`leakguard rules show` prints the same rows that the pages under docs/rules/ hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill

from leakguard.recipe import lengths
from leakguard.rule import CLASSES, CREDENTIAL_WORDS, SEVERITIES, Rule

NOTE = "Generated from the rules by `make rule-pages`; edit the rules, not this page.\n"

Row = tuple[str, str]
"""(label, text)"""

_DIGITS = {
    "hex": "lower-case hexadecimal digits",
    "HEX": "upper-case hexadecimal digits",
    "alnum": "letters and digits",
    "lower": "lower-case letters",
    "upper": "upper-case letters",
    "letters": "letters",
    "lowernum": "lower-case letters and digits",
    "uppernum": "upper-case letters and digits",
    "digits": "digits",
    "base32": "base32 characters",
    "base64": "base64 characters",
    "base64url": "characters of URL-safe base64",
    "word": "letters, digits and underscores",
}
_SEE = "see"


def rows(rule: Rule) -> list[Row]:
    """All there is to say of a rule, in the order in which people ask."""
    told = [
        ("what", rule.name),
        ("why", rule.why),
        ("severity", _severity(rule)),
        ("confidence", _confidence(rule)),
        ("class", rule.secret_class),
        ("looks like", looks(rule)),
        ("checksum", rule.checksum and f"{rule.checksum}; a value that fails it blocks nobody"),
        ("companions", "; ".join(_companion(half.rule, half.within) for half in rule.companions)),
        ("instead of", ", ".join(rule.supersedes)),
        ("same as", rule.same_as),
        ("only in", ", ".join(rule.paths)),
        ("fix", rule.fix),
        ("revoke", rule.revoke.how),
        ("at", rule.revoke.url),
        *((_SEE, link) for link in rule.references),
        ("since", rule.since),
    ]
    return [(label, text) for label, text in told if text]


def _companion(rule: str, within: int) -> str:
    return f"{rule} within {within} lines"


def _severity(rule: Rule) -> str:
    alone = rule.alone_severity
    return f"{rule.severity}, {alone} without a companion" if alone else rule.severity


def _confidence(rule: Rule) -> str:
    parts = [rule.confidence]
    if rule.alone_confidence:
        parts.append(f"{rule.alone_confidence} without a companion")
    if rule.companions:
        parts.append("confirmed with one")
    return ", ".join(parts)


def looks(rule: Rule) -> str:
    """How it is recognised, in words: a pattern would itself be found by a scan."""
    parts = []
    if rule.value:
        parts.append(f"{_shape(rule.value)} near {_words(rule.words)}{_keys(rule.keys)}")
    elif rule.public_prefix:
        parts.append(f"begins with {rule.public_prefix}")
    elif rule.pattern.startswith((r"\A", r"(?s)\A", r"(?i)\A")):
        parts.append("all that the file holds")
    elif rule.pattern:
        parts.append("a form of its own")
    elif rule.finder:
        parts.append("what a step of it does")
    else:
        parts.append("decided by the plugin")
    if rule.each:
        parts.append("each value of the block")
    if rule.decode:
        parts.append(f"decoded from {rule.decode}")
    if rule.entropy:
        parts.append(f"at least {rule.entropy:g} bits a character")
    return ", ".join(parts)


def _shape(value: str) -> str:
    if value == "uuid":
        return "a UUID"
    name, _, length = value.partition(":")
    if name not in _DIGITS:
        return "a value of a form of its own"
    low, high = lengths(length)
    often = str(low) if low == high else f"{low} to {high}"
    return f"{often} {_DIGITS[name]}"


def _words(words: Sequence[str]) -> str:
    spelt = " or ".join(f'"{word}"' for word in words)
    return f"the words {spelt}" if len(words) > 1 else f"the word {spelt}"


def _keys(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    if tuple(keys) == CREDENTIAL_WORDS:
        return ", named as a key, token, secret or password"
    return ", named as " + " or ".join(f'"{key}"' for key in keys)


# ------------------------------------------------------------------------------- for a terminal


def render(rule: Rule) -> str:
    """One rule as `leakguard rules show` prints it; 79 columns."""
    lines = [rule.id, ""]
    last = ""
    for label, text in [("provider", rule.provider), *rows(rule)]:
        lines.append(
            fill(
                text,
                79,
                initial_indent=f"  {'' if label == last else label:<11}",
                subsequent_indent=" " * 13,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
        last = label
    return "\n".join(lines)


def render_all(title: str, rules: Sequence[Rule]) -> str:
    """The rules of one provider, one after the other."""
    return "\n\n".join((title, *map(render, rules)))


# ---------------------------------------------------------------------------- for docs/rules/


def pages(rules: Sequence[Rule], titles: Mapping[str, str]) -> dict[str, str]:
    """Name and text of every page: one for each provider, one for all, one by class.

    The one for all is `index.md`: there is a provider called readme.
    """
    by_provider: dict[str, list[Rule]] = {}
    for rule in rules:
        by_provider.setdefault(rule.provider, []).append(rule)
    named = {provider: titles.get(provider, provider) for provider in by_provider}
    found = {f"{one}.md": _page(named[one], group) for one, group in by_provider.items()}
    found["index.md"] = _index(by_provider, named)
    found["by-class.md"] = _by_class(rules, named)
    return found


def _page(title: str, rules: Sequence[Rule]) -> str:
    tables = (f"## {rule.id}\n\n| | |\n|---|---|\n{''.join(_table(rule))}" for rule in rules)
    return "\n".join((f"# {_safe(title)}\n", NOTE, *tables))


def _table(rule: Rule) -> Iterator[str]:
    for label, text in rows(rule):
        shown = f"<{text}>" if re.fullmatch(r"https?://[^\s<>|]+", text) else _safe(text)
        yield f"| {label} | {shown} |\n"


def _index(by_provider: Mapping[str, Sequence[Rule]], named: Mapping[str, str]) -> str:
    count = sum(map(len, by_provider.values()))
    lines = [
        "# Rules\n",
        NOTE,
        f"{count} rules of {len(by_provider)} providers; [by class](by-class.md).",
        "`leakguard rules show ID` prints a rule, `leakguard rules show PROVIDER` all of one.\n",
        "| provider | rules | worst |",
        "|---|---|---|",
    ]
    for provider in sorted(by_provider, key=lambda one: (named[one].lower(), one)):
        group = by_provider[provider]
        worst = max((rule.severity for rule in group), key=SEVERITIES.index)
        lines.append(f"| [{_safe(named[provider])}]({provider}.md) | {len(group)} | {worst} |")
    return "\n".join(lines) + "\n"


def _by_class(rules: Sequence[Rule], named: Mapping[str, str]) -> str:
    parts = ["# Rules by class\n", NOTE]
    for kind in CLASSES:
        group = [rule for rule in rules if rule.secret_class == kind]
        if group:
            parts.append(f"## {kind}\n")
            parts += [
                f"* {_link(rule)} ({_safe(named[rule.provider])})"
                for rule in sorted(group, key=lambda one: (one.name.lower(), one.id))
            ]
            parts.append("")
    return "\n".join(parts)


def _link(rule: Rule) -> str:
    return f"[{_safe(rule.name)}]({rule.provider}.md#{rule.id})"


def _safe(text: str) -> str:
    """Words of a rule as Markdown shows them: what it would take for markup is escaped."""
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", " ".join(text.split()))
