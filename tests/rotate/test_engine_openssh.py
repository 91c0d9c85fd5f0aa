"""The engine with a key that may log in: made by the script, written to a real sshd's files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from servers import openssh, place

from leakguard import event as ev
from leakguard.incident import SecretState
from leakguard.keep.journal import Journal
from leakguard.keep.store import open_store
from leakguard.rotate.choose import check_target
from leakguard.rotate.engine import Engine
from leakguard.rotate.plan import plan
from leakguard.rotate.policy import End, Policy
from leakguard.rotate.script import catalogue
from leakguard.rotate.world import World
from leakguard.secret import Secret

pytestmark = pytest.mark.skipif(bool(openssh.available()), reason=openssh.available())

SCRIPT = "openssh-authorized-key"


def test_a_leaked_key_is_replaced_and_stays_out(tmp_path: Path) -> None:
    with place() as folder, openssh.start(folder) as server:
        leaked = openssh.key_pair(folder / "leaked")
        server.authorized_keys.write_text(f"{openssh.public(leaked)} ci@example.com\n")
        given = {
            "host": "127.0.0.1", "port": server.port, "host_key": server.host_key,
            "user": server.user, "authorized_keys": server.authorized_keys,
            "revoked_keys": server.revoked_keys, "login_log": server.log,
            "sshd_config": server.config, "transport": "local",
        }  # fmt: skip
        slots = {"old": Secret(leaked.read_bytes())}
        scripts = catalogue({})
        target = check_target(
            scripts[SCRIPT].manifest, {name: str(value) for name, value in given.items()}
        )
        now = datetime.now(UTC)
        events: list[ev.Event] = [
            ev.Opened("a key in a repository", "manual", ev.stamp(now)),
            ev.SecretAdded("S1", "ssh-user-key", label="ci@example.com"),
            ev.SeverityJudged(2, "SEV-2", "", "", ()),
            ev.ConsumersCounted("S1", "yes"),
        ]
        (tmp_path / "data").mkdir(mode=0o700)
        with open_store(str(tmp_path / "data" / "incidents.db")) as store:
            number = store.create(events, actor="ada", at=now).id
            world = World(lambda: datetime.now(UTC), lambda _: None)
            engine = Engine(store, Journal(store), scripts, "ada", world)
            found = plan(store.load(number), "S1", scripts[SCRIPT], target, secrets=slots,
                         runners=scripts)  # fmt: skip
            rotation = engine.start(found, Policy(patience=20, poll=0.2, level=2)).id
            outcome = engine.run(rotation, slots)
            assert outcome.end is End.CLOSED, outcome
            assert store.load(number).secrets["S1"].state is SecretState.DEAD
        lines = server.authorized_keys.read_text()
        assert openssh.public(leaked) not in lines
        assert "*****" not in lines
        assert lines.count("ssh-ed25519 ") == 1
