"""What the incident is told of a rotation: events, decided against what it holds by then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leakguard import event as ev
from leakguard.event import Event
from leakguard.incident import PROVEN, STOPPED, Incident, SecretState
from leakguard.rotate.proof import Round, streak, told

Decide = Callable[[Incident], Sequence[Event]]

_RANK = list(SecretState)
_ENDED = (SecretState.REVOKED, SecretState.DEAD, SecretState.QUARANTINED, SecretState.RETIRED)
_METHODS = {"login": "probe", "metadata": "provider-metadata", "attestation": "attestation"}
SWITCH_METHODS = ("config", "usage", "health", "login", "attestation")
"""What a consumer's script may say about how it looked."""


@dataclass(frozen=True, slots=True)
class Record:
    """The events of one rotation."""

    rotation: str
    secret: str
    script: str

    def noted(self, phase: str, status: str, detail: str = "") -> Event:
        """A step, in one line."""
        return ev.RotationNoted(self.rotation, self.secret, self.script, phase, status, detail)

    def moved(self, state: SecretState, why: str = "") -> Decide:
        """The credential came further. It never goes back by this: revoked stays revoked."""

        def decide(incident: Incident) -> list[Event]:
            if _RANK.index(incident.secrets[self.secret].state) >= _RANK.index(state):
                return []
            return [ev.SecretMoved(self.secret, state.value, why, self.rotation)]

        return decide

    def dead(
        self, rounds: Sequence[Round], doubt: str = "", *, final: bool, by_hand: bool = False
    ) -> Decide:
        """It was shown dead; after the last change this is the proof that counts.

        Where a person ended it (`by_hand`), the proof is the first that is heard of that.
        """
        method = _METHODS.get(rounds[-1].method, "probe")
        count = streak(rounds)
        detail = told(rounds) + doubt
        proof = ev.Proved("dead", self.secret, method, True, detail, count)

        def decide(incident: Incident) -> list[Event]:
            moved: list[Event] = []
            ended = self.moved(SecretState.REVOKED, "ended by a person")(incident)
            before = ended if by_hand else []
            state = incident.secrets[self.secret].state
            if final and (before or state in STOPPED - PROVEN):
                flag = "attested by a person, not probed" if method == "attestation" else "proven"
                moved = [ev.SecretMoved(self.secret, SecretState.DEAD.value, flag, self.rotation)]
            return [*before, proof, *moved]

        return decide

    def alive(self, rounds: Sequence[Round]) -> Decide:
        """It still works: whatever was recorded of its end is taken back."""
        proof = ev.Proved("dead", self.secret, "probe", False, told(rounds))

        def decide(incident: Incident) -> list[Event]:
            return [proof, *self._taken_back(incident, "it still works")]

        return decide

    def revived(self, why: str) -> Decide:
        """It was made to work again, on purpose."""
        return lambda incident: self._taken_back(incident, why)

    def _taken_back(self, incident: Incident, why: str) -> list[Event]:
        secret = incident.secrets[self.secret]
        if secret.state not in _ENDED:
            return []
        reached = [state for state in secret.moved if state not in _ENDED]
        last = max(reached, key=_RANK.index, default=SecretState.IDENTIFIED)
        return [ev.SecretMoved(self.secret, last.value, why, self.rotation)]

    def switched(self, consumer: str, more: Mapping[str, Any], detail: str) -> Decide:
        """A consumer was seen with the new one."""
        method = more.get("method", "config")
        method = method if method in SWITCH_METHODS else "config"

        def decide(incident: Incident) -> list[Event]:
            if consumer not in incident.consumers:
                return []
            return [ev.Proved("switch", consumer, method, True, detail)]

        return decide

    def went_back(self, consumer: str) -> Decide:
        """What showed a consumer on the new one holds no more: the new one is gone."""
        detail = f"{self.rotation} was rolled back"

        def decide(incident: Incident) -> list[Event]:
            if consumer not in incident.consumers:
                return []
            return [ev.Proved("switch", consumer, "config", False, detail)]

        return decide

    def live_new(self, detail: str, *, attested: bool) -> Event:
        """The new one was let in."""
        method = "attestation" if attested else "login"
        return ev.Proved("live-new", self.secret, method, True, detail)

    def discovered(self, uses: Sequence[Any]) -> Decide:
        """Somebody who was not on the list uses the old one."""

        def decide(incident: Incident) -> list[Event]:
            known = {one.added.name for one in incident.consumers.values()}
            fresh = [
                one
                for one in uses
                if isinstance(one, Mapping) and one.get("name") and str(one["name"]) not in known
            ]
            ids = _free(incident)
            return [self._consumer(next(ids), one) for one in fresh]

        return decide

    def _consumer(self, consumer: str, use: Mapping[str, Any]) -> Event:
        where = str(use.get("where", ""))
        return ev.ConsumerAdded(
            consumer, self.secret, str(use["name"]), "service", where, "discovered-use"
        )


def together(*parts: Event | Decide) -> Decide:
    """Several events, or decisions about events, as one."""

    def decide(incident: Incident) -> list[Event]:
        found: list[Event] = []
        for part in parts:
            found += part(incident) if callable(part) else [part]
        return found

    return decide


def _free(incident: Incident) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if f"C{number}" not in incident.consumers:
            yield f"C{number}"
