"""`.leakguard.yml` and `.leakguard/rules/` into rules and a policy.

```yaml
extends: {file: shared/leakguard.yml, sha256: <64 hex digits>}
rules:
  disable: [generic-password]
  override:
    slack-bot-token: {severity: critical}
paths:
  exclude: ['vendor/**']
block: {severity: low, confidence: likely}
companions:
  - {rules: [acme-key-id, acme-secret], within: 10}
salt: acme
detectors: [detect-secrets]
```
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from leakguard import plugins
from leakguard.errors import ConfigError
from leakguard.load import inside
from leakguard.load.document import Document, Node, suggest
from leakguard.load.rules import read_bundled, read_file, unique
from leakguard.policy import Policy
from leakguard.rule import SEVERITIES, TIERS, Companion, Rule

FILE = ".leakguard.yml"
RULES_FOLDER = os.path.join(".leakguard", "rules")
MAX_BYTES = 1024 * 1024

_KEYS = ("extends", "rules", "paths", "block", "companions", "salt", "detectors")
_OVERRIDES = ("severity", "confidence", "paths", "entropy")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a repository ends up with."""

    rules: list[Rule]
    policy: Policy


def sources(top: str) -> list[tuple[str, bytes]]:
    """(path, bytes) of every file that decides, in a fixed order; extended files included.

    Paths are relative to `top`. A file that is not there is not listed; a link
    that leads out of the repository is refused.
    """
    found: list[tuple[str, bytes]] = []
    config = inside.read(top, FILE, MAX_BYTES)
    if config is not None:
        found.append((FILE, config))
    folder = os.path.join(top, RULES_FOLDER)
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if name.endswith((".yml", ".yaml")):
                path = os.path.join(RULES_FOLDER, name)
                raw = inside.read(top, path, MAX_BYTES)
                if raw is not None:
                    found.append((path, raw))
    return found


def resolve(top: str, files: list[tuple[str, bytes]]) -> Resolved:
    """The rules and the policy that `files` (from `sources`) decide on."""
    rules = read_bundled()
    policy = Policy()
    for path, raw in files:
        if path != FILE:
            rules += read_file(path, raw)
    unique(rules)
    for path, raw in files:
        if path == FILE:
            policy, rules = _apply(top, path, raw, policy, rules)
    return Resolved(rules, policy)


def _apply(
    top: str, path: str, raw: bytes, policy: Policy, rules: list[Rule], depth: int = 0
) -> tuple[Policy, list[Rule]]:
    doc = Document(path, raw)
    if doc.root is None:
        return policy._replace(source=path), rules
    entries = doc.mapping(doc.root, _KEYS, path)
    if "extends" in entries:
        policy, rules = _extend(top, doc, entries["extends"], policy, rules, depth)
    if "detectors" in entries:
        policy, rules = _detectors(doc, entries["detectors"], policy, rules)
    if "rules" in entries:
        rules = _rules(doc, entries["rules"], rules)
    if "companions" in entries:
        rules = _companions(doc, entries["companions"], rules)
    changes: dict[str, Any] = {"source": path}
    if "paths" in entries:
        paths = doc.mapping(entries["paths"], ("exclude",), "paths")
        if "exclude" in paths:
            changes["exclude"] = policy.exclude + doc.texts(paths["exclude"], "exclude")
    if "block" in entries:
        block = doc.mapping(entries["block"], ("severity", "confidence"), "block")
        for key, known in (("severity", SEVERITIES), ("confidence", TIERS)):
            if key in block:
                changes[f"block_{key}"] = doc.choice(block[key], known, key)
    if "salt" in entries:
        changes["salt"] = doc.text_of(entries["salt"], "salt")
    return policy._replace(**changes), rules


def _detectors(
    doc: Document, node: Node, policy: Policy, rules: list[Rule]
) -> tuple[Policy, list[Rule]]:
    """Foreign detectors; what they find are rules like any other, to be overridden or disabled."""
    for item in doc.items(node, "detectors"):
        name = doc.choice(item, plugins.DETECTORS, "detector")
        if name not in policy.detectors:
            rules = rules + plugins.rules_of(name)
            policy = policy._replace(detectors=(*policy.detectors, name))
    return policy, rules


def _extend(
    top: str, doc: Document, node: Node, policy: Policy, rules: list[Rule], depth: int
) -> tuple[Policy, list[Rule]]:
    entries = doc.mapping(node, ("file", "sha256"), "extends")
    for needed in ("file", "sha256"):
        if needed not in entries:
            doc.fail(node, f"extends needs {needed!r}", "pin what you extend by its hash")
    if depth >= 2:
        doc.fail(node, "extends at most two files deep")
    path = doc.text_of(entries["file"], "file")
    full = os.path.join(top, os.path.expanduser(path))
    try:
        raw = inside.read_file(full, path, MAX_BYTES)
    except (ConfigError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "cause", "") or str(error)
        doc.fail(entries["file"], f"cannot read {path!r}: {why}")
    digest = hashlib.sha256(raw).hexdigest()
    if digest != doc.text_of(entries["sha256"], "sha256").lower():
        doc.fail(
            entries["sha256"],
            f"{path!r} is not the file that was pinned",
            f"if the change is meant, write sha256: {digest}",
        )
    return _apply(top, path, raw, policy, rules, depth + 1)


def _rules(doc: Document, node: Node, rules: list[Rule]) -> list[Rule]:
    entries = doc.mapping(node, ("enable", "disable", "override"), "rules")
    by_id = {rule.id: rule for rule in rules}

    def known(node: Node) -> str:
        rule_id = doc.text_of(node, "a rule id")
        if rule_id not in by_id:
            hint = suggest(rule_id, list(by_id))[0]
            doc.fail(
                node,
                f"there is no rule {rule_id!r}",
                hint if len(hint) < 99 else "leakguard rules list shows them",
            )
        return rule_id

    disabled: set[str] = set()
    if "disable" in entries:
        disabled = {known(item) for item in doc.items(entries["disable"], "disable")}
    if "enable" in entries:
        kept = {known(item) for item in doc.items(entries["enable"], "enable")}
        disabled |= set(by_id) - kept
    if "override" in entries:
        doc.mapping(entries["override"], None, "override")
        for key_node, value in entries["override"].value:
            rule_id = known(key_node)
            by_id[rule_id] = _override(doc, value, by_id[rule_id])
    return [rule for rule in by_id.values() if rule.id not in disabled]


def _override(doc: Document, node: Node, rule: Rule) -> Rule:
    entries = doc.mapping(node, _OVERRIDES, "an override")
    changes: dict[str, Any] = {}
    if "severity" in entries:
        changes["severity"] = doc.choice(entries["severity"], SEVERITIES, "severity")
    if "confidence" in entries:
        changes["confidence"] = doc.choice(entries["confidence"], TIERS, "confidence")
    if "paths" in entries:
        changes["paths"] = doc.texts(entries["paths"], "paths")
    if "entropy" in entries:
        changes["entropy"] = doc.number(entries["entropy"], float, "entropy")
    return rule._replace(**changes)


def _companions(doc: Document, node: Node, rules: list[Rule]) -> list[Rule]:
    """Pairs of rules whose matches close together are one complete credential."""
    by_id = {rule.id: rule for rule in rules}
    for item in doc.items(node, "companions"):
        entries = doc.mapping(item, ("rules", "within"), "a companion set")
        if "rules" not in entries:
            doc.fail(item, "a companion set needs 'rules'")
        ids = doc.texts(entries["rules"], "rules")
        within = doc.number(entries["within"], int, "within") if "within" in entries else 20
        for rule_id in ids:
            if rule_id not in by_id:
                doc.fail(entries["rules"], f"there is no rule {rule_id!r}")
            others = tuple(Companion(other, within) for other in ids if other != rule_id)
            rule = by_id[rule_id]
            by_id[rule_id] = rule._replace(companions=rule.companions + others)
    return list(by_id.values())
