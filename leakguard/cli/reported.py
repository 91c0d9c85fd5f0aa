"""Everything about a leak that can be found out without asking anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leakguard import event as ev
from leakguard.cli.desk import Desk
from leakguard.cli.whereabouts import Whereabouts
from leakguard.leak import Leak
from leakguard.respond.opening import Reported
from leakguard.respond.surroundings import environment


def reported(
    desk: Desk, leak: Leak, where: Whereabouts, exposures: Sequence[ev.ExposureAdded],
    said: dict[str, Any], **more: Any,
) -> Reported:  # fmt: skip
    """What an incident begins with. `said` are options that know better than any search."""
    path = leak.places[0].path if leak.places else ""
    label = said.get("label") or where.label
    return Reported(
        leak=leak,
        detected_at=ev.stamp(desk.now()),
        keyed=desk.store.keyed,
        label=label,
        environment=said.get("environment") or environment(path, label, leak.rule_id),
        exposures=tuple(exposures),
        uses=where.uses,
        revoke=_revoke(leak),
        **more,
    )


def _revoke(leak: Leak) -> tuple[str, str]:
    """Where and how the owner kills it, as our own rule says; a repository's rules do not decide
    where people go with a leaked credential.
    """
    from leakguard.load.pack import open_pack

    rule = next((one for one in open_pack(None).book.rules if one.id == leak.rule_id), None)
    return (rule.revoke.url, rule.revoke.how) if rule else ("", "")
