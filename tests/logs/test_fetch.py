"""Fetching from a service that fails as real ones do, and deleting what leaked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from leakguard import cli, exits
from leakguard.connect import http
from leakguard.connect.address import bare
from leakguard.connect.http import Client
from leakguard.errors import UnreadError, UsageError
from leakguard.secret import Secret

from .conftest import stamped, zipped
from .server import Answer, Host

Pat = Callable[[], str]
RUN = "/repos/acme/shop/actions/runs/7"
TOKEN = "a token of the tests"


@pytest.fixture
def github(
    api: Host, storage: Host, monkeypatch: pytest.MonkeyPatch, pat: Pat, waits: list[float]
) -> Host:
    """A run whose log leaks; the API leads to a signed address at another host."""
    monkeypatch.setenv("GITHUB_API_URL", api.url)
    monkeypatch.setenv("GITHUB_SERVER_URL", api.url)
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    archive = zipped(**{"0_build.txt": stamped("a", pat()), "build/1_Deploy.txt": stamped("a")})
    api.say_json(RUN, {"status": "completed", "run_attempt": 1})
    api.say(
        f"{RUN}/attempts/1/logs",
        Answer(302, headers={"Location": f"{storage.url}/signed?sig=very-secret"}),
    )
    storage.say("/signed", Answer(body=archive, ranged=True))
    api.say(f"{RUN}/logs", Answer(204), method="DELETE")
    return api


def run(*words: str) -> int:
    return cli.main(["logs", "--github", "7", "--repo", "acme/shop", *words])


def test_a_run_is_fetched_and_its_leak_found(
    github: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run() == exits.FOUND
    shown = capfd.readouterr()
    assert "run-7-attempt-1.zip!0_build.txt:2:1" in shown.out
    assert "evidence: run-7-attempt-1.zip (" in shown.err
    assert "  sha256 " in shown.err
    assert TOKEN not in shown.out + shown.err
    assert github.asked(RUN)[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_signed_address_at_another_host_gets_no_token(
    github: Host, storage: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {TOKEN[-5:]}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    run()
    asked = storage.asked("/signed")
    assert asked
    assert all("authorization" not in one.headers for one in asked)


def test_a_rate_limit_is_waited_for(github: Host, storage: Host, waits: list[float]) -> None:
    archive = storage.answers["GET /signed"]
    storage.answers["GET /signed"] = [
        Answer(429, headers={"Retry-After": "17"}),
        Answer(503),
        *archive,
    ]
    assert run() == exits.FOUND
    assert waits == [17.0, 2.0]


def test_a_rate_limit_that_is_too_far_away_is_told(
    github: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    github.say(
        RUN, Answer(403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"})
    )
    assert run() == exits.UNREAD
    assert "asks to wait" in capfd.readouterr().err


def test_reports_say_that_nothing_could_be_fetched(github: Host, tmp_path: Path) -> None:
    """Not missing, and not those of yesterday."""
    (tmp_path / "r.json").write_text("{}")
    assert run("--repo", "acme/other", "--json", "r.json") == exits.UNREAD
    assert json.loads((tmp_path / "r.json").read_text())["outcome"] == "unread"


def test_a_service_that_stays_broken_is_unread(github: Host, waits: list[float]) -> None:
    github.say(RUN, Answer(502))
    assert run() == exits.UNREAD
    assert len(github.asked(RUN)) == http.TRIES
    assert waits == [1, 2, 4, 8, 16]


def test_a_download_goes_on_where_it_broke_off(
    github: Host, storage: Host, rng: Random, pat: Pat
) -> None:
    body = zipped(**{"0_build.txt": stamped(pat()), "1_more.txt": rng.randbytes(60_000).hex()})
    storage.say(
        "/signed", Answer(body=body, ranged=True, cut=50_000), Answer(body=body, ranged=True)
    )
    assert run("--keep", "kept") == exits.FOUND
    first, second = (one.headers.get("range") for one in storage.asked("/signed"))
    assert first is None
    assert second is not None
    assert 30_000 < int(second[6:-1]) <= 50_000
    assert Path("kept/run-7-attempt-1.zip").read_bytes() == body
    assert len(github.asked(f"{RUN}/attempts/1/logs")) == 2  # signed addresses do not last


def test_a_file_that_changed_meanwhile_is_fetched_anew(github: Host, storage: Host) -> None:
    whole = storage.answers["GET /signed"][0]
    storage.say("/signed", Answer(body=b"x" * 500, ranged=True, cut=100), whole)
    assert run("--keep", "kept") == exits.FOUND
    assert Path("kept/run-7-attempt-1.zip").read_bytes() == whole.body


def test_a_truncated_archive_of_unknown_length_is_unread_not_clean(
    github: Host, storage: Host
) -> None:
    whole = storage.answers["GET /signed"][0]
    storage.say("/signed", Answer(body=whole.body[:-40], unsized=True))
    assert run("--format", "json", "--output", "r.json") in (exits.FOUND, exits.UNREAD)
    assert json.loads(Path("r.json").read_text())["unread"]


def test_an_oversized_log_is_unread(
    github: Host, storage: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    storage.say("/signed", Answer(body=b"x" * (1024 * 1024 + 1), unsized=True))
    assert run("--max-size", "1") == exits.UNREAD
    assert "--max-size" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "GH_TOKEN"), (403, "may not"), (404, "may not see"), (410, "its time is over")],
)
def test_a_refusal_names_the_way_out(
    status: int, hint: str, github: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    github.say(RUN, Answer(status, b"{}"))
    assert run() == exits.UNREAD
    assert hint in " ".join(capfd.readouterr().err.split())


def test_artifacts_come_page_by_page(github: Host, storage: Host, pat: Pat) -> None:
    path = f"{RUN}/artifacts"
    github.say_json(
        path,
        {"artifacts": [{"id": 1, "name": "old", "expired": True}]},
        Link=f'<{github.url}{path}?page=2>; rel="next"',
    )
    github.say_json(f"{path}?page=2", {"artifacts": [{"id": 2, "name": "site", "expired": False}]})
    github.say(
        "/repos/acme/shop/actions/artifacts/2/zip",
        Answer(302, headers={"Location": f"{storage.url}/a2"}),
    )
    storage.say("/a2", Answer(body=zipped(**{"dist/app.js": f'const key = "{pat()}";'})))
    assert run("--artifacts", "--format", "json", "--output", "r.json") == exits.FOUND
    report = json.loads(Path("r.json").read_text())
    paths = {place["path"] for one in report["findings"] for place in one["locations"]}
    assert "artifact-2-site.zip!dist/app.js" in paths
    assert any("expired" in note for note in report["log"]["notes"])


def test_a_next_page_at_another_host_is_not_asked(github: Host, storage: Host) -> None:
    github.say_json(f"{RUN}/artifacts", {"artifacts": []}, Link=f'<{storage.url}/more>; rel="next"')
    assert run("--artifacts") == exits.UNREAD
    assert not storage.asked("/more")


def test_all_attempts_are_fetched(github: Host) -> None:
    github.say_json(RUN, {"status": "completed", "run_attempt": 2})
    github.say(f"{RUN}/attempts/2/logs", Answer(body=zipped(**{"0_build.txt": stamped("fine")})))
    assert run() == exits.FOUND
    assert len(github.asked(f"{RUN}/attempts/1/logs")) == 1


def deleted(host: Host) -> int:
    return sum(one.method in ("DELETE", "POST") for one in host.seen)


def test_delete_wants_to_be_confirmed(github: Host) -> None:
    assert run("--delete") == exits.REFUSED
    assert not deleted(github)


def test_delete_keeps_the_evidence(github: Host, storage: Host) -> None:
    assert run("--delete", "--yes", "--format", "json", "--output", "r.json") == exits.FOUND
    log = json.loads(Path("r.json").read_text())["log"]
    body = storage.answers["GET /signed"][0].body
    assert log["evidence"] == [
        {
            "name": "run-7-attempt-1.zip",
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
    ]
    assert [(one["what"], one["done"]) for one in log["deleted"]] == [("the logs of run 7", True)]
    assert deleted(github) == 1


@pytest.mark.parametrize(
    ("status", "state"), [(204, "removed-claimed"), (403, "found")], ids=["deleted", "kept"]
)
def test_an_incident_learns_what_became_of_the_log(
    github: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, state: str
) -> None:
    monkeypatch.setenv("LEAKGUARD_DATA", str(tmp_path / "data"))
    github.say(f"{RUN}/logs", Answer(status), method="DELETE")
    run("--delete", "--yes", "--respond", "out")
    (path,) = Path("out").rglob("*record*.json")
    record = json.loads(path.read_text())
    assert [one["state"] for one in record["exposures"]] == [state]
    assert [one["name"] for one in record["evidence"]] == ["run-7-attempt-1.zip"]


def test_nothing_is_deleted_without_a_finding(github: Host, storage: Host) -> None:
    storage.say("/signed", Answer(body=zipped(**{"0_build.txt": stamped("fine")})))
    assert run("--delete", "--yes") == exits.CLEAN
    assert not deleted(github)


def test_nothing_is_deleted_that_was_not_fetched(github: Host, storage: Host) -> None:
    github.say_json(RUN, {"status": "completed", "run_attempt": 2})
    github.say(f"{RUN}/attempts/2/logs", Answer(410))
    assert run("--delete", "--yes") == exits.REFUSED
    assert not deleted(github)


def test_a_deletion_that_fails_is_an_outcome_of_its_own(
    github: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    github.say(f"{RUN}/logs", Answer(403), method="DELETE")
    assert run("--delete", "--yes") == exits.OUTCOME
    assert "NOT deleted: the logs of run 7" in capfd.readouterr().err


def test_gitlab_reads_every_job_of_a_pipeline_and_erases(
    api: Host, pat: Pat, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setenv("GITLAB_URL", api.url)
    monkeypatch.setenv("GITLAB_TOKEN", TOKEN)
    base = "/api/v4/projects/acme%2Fshop"
    api.say_json(
        f"{base}/pipelines/5/jobs",
        [{"id": 11, "status": "success"}],
        Link=f'<{api.url}{base}/pipelines/5/jobs?page=2>; rel="next"',
    )
    api.say_json(f"{base}/pipelines/5/jobs?page=2", [{"id": 12, "status": "skipped"}])
    api.say(f"{base}/jobs/11/trace", Answer(body=f"$ deploy\n{pat()}\n".encode()))
    api.say(f"{base}/jobs/11/erase", Answer(201, b"{}"), method="POST")
    assert (
        cli.main(["logs", "--gitlab", f"{api.url}/acme/shop/-/pipelines/5", "--delete", "--yes"])
        == exits.FOUND
    )
    assert deleted(api) == 1
    assert all(one.headers["private-token"] == TOKEN for one in api.seen)


def test_jenkins_sends_its_token_only_to_its_own_server(
    api: Host, pat: Pat, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    build = f"{api.url}/job/shop/7"
    monkeypatch.setenv("JENKINS_USER", "mara")
    monkeypatch.setenv("JENKINS_TOKEN", TOKEN)
    assert cli.main(["logs", "--jenkins", build]) == exits.USAGE
    assert not api.seen
    monkeypatch.setenv("JENKINS_URL", api.url)
    api.say_json(
        "/job/shop/7/api/json",
        {"number": 7, "building": False, "artifacts": [{"relativePath": "out/a.txt"}]},
    )
    api.say("/job/shop/7/consoleText", Answer(body=f"[Pipeline] {{ (Deploy)\n{pat()}\n".encode()))
    api.say("/job/shop/7/artifact/out/a.txt", Answer(body=b"fine\n"))
    assert cli.main(["logs", "--jenkins", f"{build}/console", "--artifacts"]) == exits.FOUND
    assert all(one.headers["authorization"].startswith("Basic ") for one in api.seen)
    assert api.asked("/job/shop/7/artifact/out/a.txt")


@pytest.mark.parametrize(
    ("afterwards", "code", "said"),
    [
        (404, exits.FOUND, "\ndeleted: build 7, its log and artifacts\n"),
        (200, exits.OUTCOME, "NOT deleted: build 7, its log and artifacts (it is still there)"),
    ],
)
def test_jenkins_answers_a_deletion_by_leading_to_the_job(
    afterwards: int, code: int, said: str, api: Host, pat: Pat, waits: list[float],
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """So whether the build is gone is looked at: a login page is a redirect too."""
    for name, value in (("URL", api.url), ("USER", "mara"), ("TOKEN", TOKEN)):
        monkeypatch.setenv(f"JENKINS_{name}", value)
    build = "/job/shop/7"
    here = Answer(body=b'{"number": 7}')
    api.say(f"{build}/api/json", here, Answer(afterwards, body=b"{}"))
    api.say(f"{build}/consoleText", Answer(body=f"token {pat()}\n".encode()))
    api.say(f"{build}/doDelete", Answer(302, headers={"Location": "/job/shop/"}), method="POST")
    assert cli.main(["logs", "--jenkins", f"{api.url}{build}", "--delete", "--yes"]) == code
    assert said in capfd.readouterr().err
    assert not api.asked("/job/shop/")


def test_a_deletion_that_leads_elsewhere_is_not_done(
    github: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    """A repository that was renamed: the answer names another address, and nothing is gone."""
    moved = Answer(307, headers={"Location": f"{github.url}/repositories/1/actions/runs/7/logs"})
    github.say(f"{RUN}/logs", moved, method="DELETE")
    assert run("--delete", "--yes") == exits.OUTCOME
    assert "NOT deleted" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--github", "https://evil.example/acme/shop/actions/runs/7"],
        ["--gitlab", "https://evil.example/acme/shop/-/jobs/7"],
        ["--github", "7"],
        ["--github", "7", "--repo", "acme/shop/../other"],
        ["--gitlab", "x", "--repo", "1"],
        ["--jenkins", "file:///etc/passwd"],
    ],
)
def test_an_address_that_the_token_does_not_belong_to(words: list[str]) -> None:
    assert cli.main(["logs", *words]) == exits.USAGE


def test_a_token_does_not_travel_over_plain_http() -> None:
    with pytest.raises(UsageError, match="plain http"):
        Client("http://ci.example", "Authorization", Secret(b"x"))


def test_a_redirect_to_plain_http_is_not_followed(github: Host) -> None:
    github.say(RUN, Answer(302, headers={"Location": "http://ci.example/x"}))
    client = Client(github.url)
    with pytest.raises(UnreadError, match="plain http"):
        client.json(github.url + RUN)
    client.close()


def test_an_error_never_quotes_a_signature() -> None:
    assert bare("https://me:pw@host/path?sig=secret#x") == "https://host/path"
