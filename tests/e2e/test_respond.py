"""From a leak to an incident, as the person at the keyboard sees it, with real git and a real store."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Planted, Repo, fake
from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schema" / "leakguard-incident-1.json"


@pytest.fixture
def server(make_repo: Callable[..., Repo]) -> Repo:
    """A bare repository: where a push goes."""
    return make_repo("server.git", "--bare")


@pytest.fixture
def leaked(started: Repo, server: Repo) -> tuple[Repo, Planted]:
    """A token that was committed past the gate, pushed, tagged; and another file that uses it."""
    started.git("remote", "add", "origin", str(server.path))
    started.write("use.py", "from deploy import DEPLOY_TOKEN\n")
    secret = fake("respond")
    started.write("deploy.py", f'import os\n\nDEPLOY_TOKEN = "{secret}"\n')
    started.git("add", ".")
    started.commit_unseen("deploy script")
    started.git("tag", "v1")
    started.git("-c", "core.hooksPath=/dev/null", "push", "-q", "origin", "main", "v1")
    started.git("fetch", "-q")
    return started, Planted(secret, "deploy.py:3:17")


def finding(repo: Repo) -> str:
    """The id that the last scan printed."""
    shown = repo.leakguard("scan", ok=False).output
    found = re.search(r"leakguard respond ([0-9a-f]{6})", shown)
    assert found, shown
    return found[1]


def record(repo: Repo, number: str = "1") -> dict:
    """The incident as programs read it, valid by its schema."""
    told = json.loads(repo.leakguard("status", number, "--json").output)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)
    return told


def test_a_pushed_token_becomes_an_incident_that_knows_where_it_got_to(
    leaked: tuple[Repo, Planted],
) -> None:
    repo, planted = leaked
    shown = repo.leakguard("respond", finding(repo)).output
    planted.is_not_shown(shown)
    told = record(repo)
    assert re.fullmatch(r"LG-\d{4}-0001", told["id"])
    assert told["status"] == "declared"
    assert told["severity"]["level"] == 0
    (secret,) = told["secrets"]
    assert (secret["label"], secret["environment"]) == ("DEPLOY_TOKEN", "unknown")
    (copy,) = told["exposures"]
    assert copy["channel"] == "public-repository"  # nobody said who reads the remote
    assert {"origin/main", "v1"} <= set(copy["refs"])
    assert copy["commit"] == repo.head()
    assert [one["name"] for one in told["consumers"]] == ["use.py"]
    assert any(step["key"].startswith("revoke") for step in told["steps"])


def test_what_never_left_the_machine_is_cheap_insurance_and_no_alarm(started: Repo) -> None:
    planted = started.plant("app.py", fake("local"))
    shown = started.leakguard("respond", finding(started)).output
    planted.is_not_shown(shown)
    told = record(started)
    assert (told["severity"]["level"], told["severity"]["notification"]) == (3, "none")
    assert [one["channel"] for one in told["exposures"]] == ["local-commit"]


def test_the_same_secret_is_one_incident_however_often_it_is_found(
    leaked: tuple[Repo, Planted],
) -> None:
    repo, planted = leaked
    repo.leakguard("respond", finding(repo))
    repo.write("again.py", f'OTHER = "{planted.value}"\n')
    shown = repo.leakguard("respond", finding(repo)).output
    assert "knows this secret already" in shown
    assert len(repo.leakguard("list", "--all").output.splitlines()) == 1


@pytest.mark.parametrize(
    "words", [("advance", "1"), ("done", "1", "revoke", "--outcome", "succeeded")]
)
def test_an_incident_that_is_not_there_is_one_clear_error(started: Repo, words: tuple[str]) -> None:
    result = started.leakguard(*words, ok=False)
    assert result.status == 2
    assert "there is no incident 1" in result.output


def test_closing_is_refused_with_everything_that_is_missing_and_how_to_supply_it(
    leaked: tuple[Repo, Planted],
) -> None:
    repo, _ = leaked
    repo.leakguard("respond", finding(repo))
    refused = repo.leakguard("advance", "1", ok=False)
    assert refused.status == 6
    told = " ".join(refused.output.split())
    for guard, command in (
        ("G-01", "leakguard rotate LG-"),
        ("G-36", "--role commander"),
        ("G-28", "leakguard evidence add"),
        ("G-04", "leakguard notice LG-"),
    ):
        assert guard in told, refused.output
        assert command in told, refused.output


def test_a_text_that_holds_the_secret_does_not_enter_the_record(
    leaked: tuple[Repo, Planted],
) -> None:
    repo, planted = leaked
    repo.leakguard("respond", finding(repo))
    refused = repo.leakguard("note", "1", f"it was {planted.value}", ok=False)
    assert refused.status == 6
    assert "holds a secret" in refused.output
    planted.is_not_shown(refused.output)
    for kept in Path(repo.env["HOME"]).rglob("*"):
        if kept.is_file():
            assert planted.value.encode() not in kept.read_bytes(), kept


def test_the_way_to_contained_by_hand(leaked: tuple[Repo, Planted]) -> None:
    repo, _ = leaked
    repo.leakguard("respond", finding(repo))
    log = repo.write("audit.log", "nobody came\n")
    repo.leakguard("evidence", "add", "1", str(log), "--how", "export of the console")
    repo.leakguard("assign", "1", "--role", "commander", "--to", "mara")
    repo.leakguard("secret", "move", "1", "S1", "revoked", "--why", "deleted in the console")
    repo.leakguard("exposure", "close", "1", "X1", "--state", "persists", "--detail", "in forks")
    refused = repo.leakguard("advance", "1", ok=False)
    assert "G-04" in refused.output
    assert "G-01" not in refused.output
    told = record(repo)
    assert told["secrets"][0]["state"] == "revoked"
    assert "proven dead" not in repo.leakguard("status", "1").output
    timeline = repo.leakguard("timeline", "1").output
    assert "S1 is revoked: deleted in the console" in timeline
    assert repo.leakguard("audit", "verify").status == 0


def test_a_claim_never_makes_a_secret_dead(leaked: tuple[Repo, Planted]) -> None:
    repo, _ = leaked
    repo.leakguard("respond", finding(repo))
    refused = repo.leakguard("secret", "move", "1", "S1", "dead", "--why", "sure", ok=False)
    assert refused.status == 6
    repo.leakguard("secret", "move", "1", "S1", "revoked", "--why", "deleted in the console")
    refused = repo.leakguard("secret", "move", "1", "S1", "dead", "--why", "sure", ok=False)
    assert "a claim is no proof" in " ".join(refused.output.split())
    answer = repo.write("answer.txt", "key status: deleted\n")
    repo.leakguard(
        "evidence", "add", "1", str(answer), "--proves", "dead", "--of", "S1",
        "--method", "provider-metadata", "--detail", "the key list has it no more",
    )  # fmt: skip
    assert record(repo)["secrets"][0]["state"] == "dead"


def test_a_leak_in_a_chat_is_opened_by_hand(started: Repo) -> None:
    started.leakguard(
        "respond", "--manual", "--class", "database-password", "--label", "billing_rw",
        "--channel", "chat", "--where", "#ops", "--audience", "internal",
        "--environment", "production", "--since", "2026-11-21T14:02Z", "--used", "no",
    )  # fmt: skip
    told = record(started)
    assert told["source"] == "manual"
    assert told["exposures"][0]["channel"] == "chat"
    assert told["exposures"][0]["since"] == "2026-11-21T14:02:00.000000Z"


def test_a_pasted_value_is_recognised_and_never_kept(started: Repo) -> None:
    secret = fake("pasted")
    words = (sys.executable, "-P", "-m", "leakguard", "respond", "-", "--channel", "chat")
    shown = started.run(*words, stdin=secret).output
    Planted(secret, "").is_not_shown(shown)
    told = record(started)
    assert told["secrets"][0]["rule_id"] == "digitalocean-pat"
    assert secret not in json.dumps(told)


def test_a_report_of_another_scanner_opens_the_same_incident(leaked: tuple[Repo, Planted]) -> None:
    repo, planted = leaked
    repo.leakguard("respond", finding(repo))
    report = [
        {
            "RuleID": "digitalocean-token", "File": "deploy.py", "StartLine": 3, "StartColumn": 17,
            "Secret": planted.value, "Match": f'DEPLOY_TOKEN = "{planted.value}"', "Commit": "",
        }
    ]  # fmt: skip
    path = repo.write("foreign.json", json.dumps(report))
    shown = repo.leakguard("respond", "--report", str(path)).output
    assert "knows this secret already" in shown
    planted.is_not_shown(shown)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"RuleID": "x", "Fi', "not whole JSON"),
        ('{"schema": "leakguard/9", "findings": []}', "another version"),
        ('{"hello": "world"}', "no report that we know"),
        ('{"schema": "leakguard/1", "findings": [{}]}', "lacks what its format promises"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_report_that_cannot_be_trusted_is_one_clear_error(
    started: Repo, text: str, problem: str
) -> None:
    path = started.write("report.json", text)
    result = started.leakguard("respond", "--report", str(path), ok=False)
    assert result.status == 3
    assert problem in " ".join(result.output.split())


def test_the_folder_for_a_ticket_holds_the_whole_case(
    leaked: tuple[Repo, Planted], tmp_path: Path
) -> None:
    repo, planted = leaked
    repo.leakguard("respond", finding(repo), "--out", str(tmp_path / "case"))
    (case,) = (tmp_path / "case").iterdir()
    names = {path.name for path in case.iterdir()}
    pages = {
        f"{name}.{kind}" for name in ("checklist", "timeline", "notice") for kind in ("md", "html")
    }
    assert names == {"record.json", *pages}
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(
        json.loads((case / "record.json").read_text())
    )
    for path in case.iterdir():
        planted.is_not_shown(path.read_text())
    for path in case.glob("*.html"):
        assert not re.search(r"<(?:script|link|img|iframe)|src=|@import|url\(", path.read_text())


def test_overdue_steps_fail_a_scheduled_job(leaked: tuple[Repo, Planted]) -> None:
    repo, _ = leaked
    repo.leakguard("respond", finding(repo))
    assert repo.leakguard("watch", "--once").status == 0
    code = (
        "import sys; from datetime import UTC, datetime, timedelta\n"
        "import leakguard.cli.desk as desk\n"
        "desk.Desk.now = lambda self: datetime.now(UTC) + timedelta(hours=6)\n"
        "from leakguard.cli import main\nsys.exit(main(['watch', '--once']))\n"
    )
    late = repo.run(sys.executable, "-P", "-c", code, ok=False)
    assert late.status == 7, late.output
    assert "min ago" in late.output


def test_a_pipeline_opens_incidents_without_questions(leaked: tuple[Repo, Planted]) -> None:
    repo, planted = leaked
    result = repo.leakguard("ci", "--range", "HEAD~1..HEAD", "--respond", "out", ok=False)
    assert result.status == 1
    assert "Opened LG-" in result.output
    planted.is_not_shown(result.output)
    (case,) = (repo.path / "out").iterdir()
    told = json.loads((case / "record.json").read_text())
    assert told["source"] == "pipeline"
    assert told["severity"]["level"] == 0


def test_a_finding_of_a_pipeline_is_allowed_by_its_report(started: Repo) -> None:
    started.plant("app.py", fake("allowed"))
    report = started.run(
        sys.executable, "-P", "-m", "leakguard", "scan", "--format", "json", ok=False
    ).output  # fmt: skip
    number = json.loads(report)["findings"][0]["id"]
    (started.path / ".git" / "leakguard" / "last.json").unlink()
    path = started.write("leakguard.json", report)
    words = ("allow", number, "--reason", "a sample of the vendor")
    assert started.leakguard(*words, ok=False).status == 2
    started.leakguard(*words, "--report", str(path))
    started.leakguard("scan", "app.py")


def test_the_other_half_reopens_what_was_thought_a_half_only(started: Repo) -> None:
    half = ("respond", "--manual", "--provider", "vsync", "--environment", "production")
    started.leakguard(
        *half, "--class", "cloud-access-key", "--label", "VSYNC_CONFIG", "--channel", "ci-log",
        "--where", "run 12", "--audience", "internal", "--fact", "other-half:vsync=no",
    )  # fmt: skip
    before = record(started)
    started.leakguard(
        *half, "--class", "dek-passphrase", "--label", "VSYNC_PASSPHRASE", "--channel", "chat",
        "--where", "#ops", "--audience", "internal",
    )  # fmt: skip
    told = record(started)
    assert len(started.leakguard("list", "--all").output.splitlines()) == 1
    assert [one["label"] for one in told["secrets"]] == ["VSYNC_CONFIG", "VSYNC_PASSPHRASE"]
    assert told["severity"]["level"] < before["severity"]["level"] or told["severity"]["level"] == 0
    assert any(step["key"] == "vault-inventory" for step in told["steps"])
    assert not any(step["key"] == "vault-inventory" for step in before["steps"])


def test_the_gate_is_installed_as_the_mitigation(leaked: tuple[Repo, Planted]) -> None:
    repo, _ = leaked
    repo.leakguard("respond", finding(repo))
    repo.leakguard("mitigate", "1", "--gate")
    (told,) = record(repo)["mitigations"]
    assert told["state"] == "shipped"
    assert repo.head()[:7] in told["reference"]
    assert (repo.path / ".git" / "hooks" / "pre-commit").exists()


def test_what_a_container_held_leaked_with_it(started: Repo) -> None:
    started.leakguard(
        "respond", "--manual", "--class", "vault-token", "--label", "root", "--channel", "chat",
        "--where", "#ops", "--environment", "production",
    )  # fmt: skip
    listed = started.write(
        "inventory.yml",
        "vault/prod:\n"
        "  - {name: DATABASE_URL, class: database-password, provider: postgresql}\n"
        "  - {name: BACKUP_KEY, class: dek-passphrase, opens: backup/nightly}\n"
        "  - {name: OTHER_KEY, class: dek-passphrase, opens: backup/weekly}\n"
        "backup/nightly:\n"
        "  - {name: old root, class: personal-password, opens: vault/prod}\n",
    )
    words = ("secret", "import", "1", str(listed), "--within", "S1")
    assert "which container?" in started.leakguard(*words, ok=False).output
    shown = started.leakguard(*words, "--container", "vault/prod").output
    assert "Not listed: backup/weekly" in shown
    told = {one["label"]: one for one in record(started)["secrets"]}
    assert told["DATABASE_URL"]["within"] == "S1"
    assert told["old root"]["within"] == told["BACKUP_KEY"]["secret"]
    assert len(told) == 5


def test_shares_of_one_key_count_together_over_incidents(started: Repo) -> None:
    share = (
        "respond", "--manual", "--class", "unseal-share", "--provider", "vault",
        "--environment", "production", "--audience", "internal", "--fact", "other-half=no",
    )  # fmt: skip
    for number, channel in enumerate(("chat", "ticket", "wiki"), 1):
        place = ("--label", f"unseal share {number}", "--channel", channel)
        started.leakguard(*share, *place, "--where", f"place {number}")
    left = started.leakguard("list", "--all").output.splitlines()
    told = record(started)
    assert len(left) == 1  # each joined the first
    assert len(told["secrets"]) == 3
    assert told["severity"]["level"] == 0


def test_two_who_send_at_once_send_once(leaked: tuple[Repo, Planted]) -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    received: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            received.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    repo, _ = leaked
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        repo.leakguard("respond", finding(repo), "--fact", "channel-link=#incident")
        for role, name in (("commander", "mara"), ("fixer", "li")):
            repo.leakguard("assign", "1", "--role", role, "--to", name)
        data = Path(repo.env["HOME"]) / ".local" / "share" / "leakguard"
        (data / "notify.yml").write_text(
            "channels:\n  ops: {kind: webhook, audience: [internal], url: env:HOOK, key: env:KEY}\n"
        )
        (data / "notify.yml").chmod(0o600)
        env = {"HOOK": f"http://127.0.0.1:{server.server_port}/hook", "KEY": "k" * 40}
        words = (sys.executable, "-P", "-m", "leakguard", "notice", "1", "declaration", "--send")
        answers = []
        senders = [
            threading.Thread(target=lambda: answers.append(repo.run(*words, ok=None, **env)))
            for _ in range(2)
        ]
        for one in senders:
            one.start()
        for one in senders:
            one.join()
    finally:
        server.shutdown()
        server.server_close()
    assert len(received) == 1, [one.output for one in answers]
    assert record(repo)["messages"][0]["state"] == "sent"
