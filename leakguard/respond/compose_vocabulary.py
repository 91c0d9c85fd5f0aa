"""The facts that playbooks may ask for, and what holds where nobody said anything."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from leakguard.facts import ANSWERS, AUDIENCES, CHANNELS, ENVIRONMENTS, Facts
from leakguard.incident import Status
from leakguard.rule import CLASSES

_YES_NO = ("yes", "no")

VOCABULARY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "class": CLASSES,
        "provider": (),
        "channel": CHANNELS,
        "audience": AUDIENCES,
        "environment": ENVIRONMENTS,
        "validity": ("active", "inactive", "unknown"),
        "evidence-of-use": ANSWERS,
        "regulated": ANSWERS,
        "customer-data": ANSWERS,
        "privilege": ("read", "write", "admin", "unknown"),
        "expired": _YES_NO,
        "confidence": ("possible", "likely", "confirmed"),
        "surface": ("known", "unknown"),
        "half": ("access", "decrypt"),
        "companion": ("absent", "half", "complete", "unknown"),
        "companion-set": (),
        "container": _YES_NO,
        "exposure-active": ANSWERS,
        "level": ("0", "1", "2", "3"),
        "status": tuple(Status),
        "intrusion": ("vault", "server", "none", "unknown"),
        "strategy": ("revoke-first", "overlap", "quarantine-first"),
        "drill": _YES_NO,
        "report": ("external", "internal"),
        "rotation-script": _YES_NO,
        "history-pushed": _YES_NO,
        "gate-installed": _YES_NO,
        "rotated": _YES_NO,
        "proven": _YES_NO,
        "evidence-captured": _YES_NO,
        "known-audience": _YES_NO,
        "sealed": ANSWERS,
        "seal-type": ("shamir", "auto", "unknown"),
        "seal-signal": ("intrusion", "root", "key-material", "legal-hold", "none"),
        "tenants": ANSWERS,
        "pack": (),
    }
)
"""Every fact that a playbook may ask for, with its values; empty where any word may stand."""

CAUTIOUS: Facts = MappingProxyType(
    {
        name: frozenset(values)
        for name, values in {
            "class": ["generic"],
            "channel": ["unknown"],
            "audience": ["unknown"],
            "environment": ["unknown"],
            "validity": ["unknown"],
            "evidence-of-use": ["unknown"],
            "regulated": ["unknown"],
            "customer-data": ["unknown"],
            "privilege": ["unknown"],
            "companion": ["unknown"],
            "container": ["no"],
            "exposure-active": ["unknown"],
            "intrusion": ["unknown"],
            "strategy": ["revoke-first"],
            "drill": ["no"],
            "report": ["internal"],
            "rotation-script": ["no"],
            "history-pushed": ["yes"],
            "gate-installed": ["no"],
            "known-audience": ["no"],
            "sealed": ["unknown"],
            "seal-type": ["unknown"],
            "tenants": ["unknown"],
        }.items()
    }
)
"""What holds where nobody said anything."""
