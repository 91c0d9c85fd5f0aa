"""Everything that one incident knows, as further events of another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from leakguard import event as ev
from leakguard.incident import Incident, SecretState


@dataclass(slots=True)
class _Names:
    """What the parts of the one incident are called in the other."""

    known: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.known.get(name, name)


def carried(gone: Incident, kept: Incident) -> list[ev.Event]:
    """The events that bring `gone` into `kept`; a secret that both know is one secret."""
    names = _Names()
    told = _secrets(gone, kept, names)
    told += _copies(gone, kept, names)
    told += _consumers(gone, kept, names)
    told += _evidence(gone, kept, names)
    told += [
        replace(one, subject=names[one.subject])
        for one in gone.stated.values()
        if one.fact != "confidence"
    ]
    for secret in gone.secrets.values():
        told += [replace(one, secret=names[one.secret]) for one in secret.reviews]
    told += _anomalies(gone, kept, names)
    return told


def _secrets(gone: Incident, kept: Incident, names: _Names) -> list[ev.Event]:
    same = {one.added.fingerprint: one.id for one in kept.secrets.values() if one.added.fingerprint}
    told: list[ev.Event] = []
    number = len(kept.secrets)
    for secret in gone.secrets.values():
        found = same.get(secret.added.fingerprint)
        if found:
            names.known[secret.id] = found
            continue
        number += 1
        names.known[secret.id] = f"S{number}"
        within = names[secret.added.within] if secret.added.within else ""
        reason = f"contained-in:{within}" if within else secret.added.reason
        told.append(replace(secret.added, secret=f"S{number}", within=within, reason=reason))
        if secret.state is not SecretState.IDENTIFIED:
            told.append(ev.SecretMoved(f"S{number}", secret.state.value, f"as in {gone.id}"))
        told += [replace(proof, subject=f"S{number}", evidence=()) for _, proof in secret.proofs]
    return told


def _copies(gone: Incident, kept: Incident, names: _Names) -> list[ev.Event]:
    told: list[ev.Event] = []
    for number, copy in enumerate(gone.copies.values(), len(kept.copies) + 1):
        names.known[copy.id] = f"X{number}"
        told.append(replace(copy.added, exposure=f"X{number}", secret=names[copy.added.secret]))
        if copy.state != "found":
            told.append(ev.ExposureClosed(f"X{number}", copy.state, copy.detail))
    return told


def _consumers(gone: Incident, kept: Incident, names: _Names) -> list[ev.Event]:
    told: list[ev.Event] = []
    for number, one in enumerate(gone.consumers.values(), len(kept.consumers) + 1):
        name = names.known[one.id] = f"C{number}"
        told.append(replace(one.added, consumer=name, secret=names[one.added.secret]))
        if one.proof:
            told.append(replace(one.proof, subject=name, evidence=()))
        if one.exception:
            told.append(replace(one.exception, consumer=name))
    return told


def _evidence(gone: Incident, kept: Incident, names: _Names) -> list[ev.Event]:
    told: list[ev.Event] = []
    for number, one in enumerate(gone.evidence.values(), len(kept.evidence) + 1):
        names.known[one.evidence] = f"E{number}"
        told.append(replace(one, evidence=f"E{number}"))
    return told


def _anomalies(gone: Incident, kept: Incident, names: _Names) -> list[ev.Event]:
    told: list[ev.Event] = []
    pairs = gone.anomalies.values()
    for number, (found, decided) in enumerate(pairs, len(kept.anomalies) + 1):
        told.append(replace(found, anomaly=f"A{number}", secret=names[found.secret]))
        if decided:
            told.append(replace(decided, anomaly=f"A{number}"))
    return told
