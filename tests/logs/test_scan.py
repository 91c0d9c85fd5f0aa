"""Finished logs of every kind: the value is found once, at its line, with its step."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from leakguard import cli, exits
from leakguard.cli.logs import Wanted, scan
from leakguard.finding import Exposure, Finding, Outcome
from leakguard.read import ci_log_views

from .conftest import stamped, zipped

Pat = Callable[[], str]
Fake = Callable[..., str]


def look(name: str, data: str | bytes) -> Outcome:
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return scan([(name, name)], Wanted())


def only(outcome: Outcome) -> Finding:
    assert len(outcome.findings) == 1, [(one.rule_id, one.locations) for one in outcome.findings]
    assert not outcome.unread
    return outcome.findings[0]


def said(found: Finding, term: str) -> str:
    return next((one.detail for one in found.evidence if one.term == term), "")


def lines(outcome: Outcome) -> list[int]:
    return sorted(place.start_line for one in outcome.findings for place in one.locations)


def test_a_coloured_token_in_a_step(pat: Pat) -> None:
    value = pat()
    text = stamped(
        "##[group]Run npm publish",
        "hello",
        f"found \x1b[01;31m\x1b[K{value[:30]}\x1b[m\x1b[K{value[30:]}",
    )
    found = only(look("build.log", text))
    assert found.rule_id == "digitalocean-pat"
    assert found.exposure is Exposure.LOGGED
    assert (found.locations[0].path, found.locations[0].start_line) == ("build.log", 3)
    assert said(found, "log") == 'step "Run npm publish", line 3'


def test_the_value_never_shows(pat: Pat, capfd: pytest.CaptureFixture[str]) -> None:
    value = pat()
    Path("x.log").write_text(
        stamped("##[group]Deploy", f"Bearer {value}", value[:40] + "\n" + value[40:])
    )
    for shape in ("text", "json", "sarif"):
        assert cli.main(["logs", "x.log", "--format", shape, "--explain"]) == exits.FOUND
        shown = capfd.readouterr()
        assert value[7:19] not in shown.out + shown.err
        assert shape == "sarif" or "Deploy" in shown.out


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD={}",
        "+ export DB_PASSWORD={}",
        "++ DB_PASSWORD={}",
        'declare -x DB_PASSWORD="{}"',
        "  DB_PASSWORD: {}",
        "DB_PASSWORD                    {}",
        "+ docker run -e DB_PASSWORD={} image",
        "$ DB_PASSWORD={} ./deploy",
    ],
)
def test_dumps_and_traces_are_read_as_settings(line: str, fake: Fake) -> None:
    outcome = look("job.log", "one\ntwo\n" + line.format(fake("{{alnum:20}}")) + "\nfour\n")
    assert lines(outcome) == [3]
    only(outcome)


def test_what_stands_in_one_dump_is_told_together(fake: Fake) -> None:
    filler = [f"VAR_{number}=value" for number in range(120)]
    dump = [
        "AWS_ACCESS_KEY_ID=AKIA" + fake("{{base32:16}}"),
        *filler,
        "AWS_SECRET_ACCESS_KEY=" + fake("{{base64:40}}"),
    ]
    outcome = look("env.log", "start of the job\n\n" + "\n".join(dump) + "\n\nend\n")
    assert lines(outcome) == [3, 124]
    for found in outcome.findings:
        assert found.confidence == "confirmed"
        assert "environment (lines 3 to 124) with 1 other secret" in said(found, "dump")
        assert said(found, "pair").startswith("complete with aws-")


def test_halves_of_different_dumps_are_no_pair(fake: Fake) -> None:
    first = ["A=1", "AWS_ACCESS_KEY_ID=AKIA" + fake("{{base32:16}}"), "B=2"]
    second = ["A=1", "AWS_SECRET_ACCESS_KEY=" + fake("{{base64:40}}"), "B=2"]
    gap = ["some words, as a build prints them"] * 300
    outcome = look("two.log", "\n".join([*first, *gap, *second]) + "\n")
    assert not [one for one in outcome.findings if said(one, "pair").startswith("complete")]


@pytest.mark.parametrize("width", [64, 80])
def test_a_value_that_was_broken_at_a_width(width: int, pat: Pat) -> None:
    line = "the token is " + "x" * (width - 40) + " " + pat() + " and more"
    broken = "\n".join(line[at : at + width] for at in range(0, len(line), width))
    found = only(look("wrapped.log", f"first\n{broken}\nlast\n"))
    assert (found.locations[0].start_line, found.locations[0].end_line) in ((2, 3), (2, 4))
    assert said(found, "view").startswith("broken over lines 2 to")


def test_a_value_that_was_broken_where_the_lines_are_split_in_parts(
    pat: Pat, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "the token is " + "x" * 24 + " " + pat() + " and more"
    broken = "\n".join(line[at : at + 64] for at in range(0, len(line), 64))
    text = f"first\n{broken}\nlast\n"
    for part in range(1, len(text) + 2):
        monkeypatch.setattr(ci_log_views, "PART", part)
        assert only(look("wrapped.log", text)).locations[0].start_line == 2


def test_a_line_that_gitlab_cut_in_two(pat: Pat) -> None:
    value = pat()
    stamp = "2026-11-21T14:02:11.123456Z 00O"
    found = only(look("trace", f"{stamp} hello\n{stamp} key {value[:20]}\n{stamp}+{value[20:]}\n"))
    assert found.locations[0].start_line == 2


@pytest.mark.parametrize(
    "encode",
    [
        lambda value: base64.b64encode(value.encode()).decode(),
        lambda value: base64.b64encode(f"{value}\n".encode()).decode(),
        lambda value: value.encode().hex(),
        lambda value: quote(value + "#/?", safe=""),
    ],
    ids=["base64", "base64 with line end", "hex", "percent"],
)
def test_a_masked_value_in_another_form(encode: Callable[[str], str], fake: Fake) -> None:
    value = fake("{{alnum:8}}") + "#" + fake("{{alnum:8}}")
    outcome = look("masked.log", f"one\nDB_PASSWORD=***\nencoded: {encode(value)}\n")
    assert lines(outcome) == [3]


def test_encoded_text_without_a_mask_is_left_to_the_rules(fake: Fake) -> None:
    value = base64.b64encode(fake("{{alnum:12}}").encode()).decode()
    assert not look("calm.log", f"one\nobject {value}\n").findings


def test_json_escapes_and_base64_echoes(pat: Pat) -> None:
    text = (
        json.dumps({"env": f"A\n{pat()}\n"})
        + "\n"
        + base64.b64encode(f"token: {pat()} end".encode()).decode()
        + "\n"
    )
    assert lines(look("echo.log", text)) == [1, 2]


def test_an_archive_of_github_tells_nothing_twice(pat: Pat) -> None:
    step = stamped("hello", f"token {pat()}")
    alone = stamped(f"only here {pat()}")
    archive = zipped(
        **{
            "0_build (3.11).txt": stamped(*["set up"] * 5) + step,
            "build (3.11)/1_Set up job.txt": stamped(*["set up"] * 5),
            "build (3.11)/2_Run deploy.txt": step,
            "1_lint.txt": alone,
        }
    )
    outcome = look("logs.zip", archive)
    places = sorted(
        (one.locations[0].path, one.locations[0].start_line) for one in outcome.findings
    )
    assert places == [("logs.zip!1_lint.txt", 1), ("logs.zip!build (3.11)/2_Run deploy.txt", 2)]
    assert all(len(one.locations) == 1 for one in outcome.findings)
    notes = sorted(said(one, "log") for one in outcome.findings)
    assert notes == ['job build (3.11), step "Run deploy", line 2', "job lint, line 1"]


def test_what_only_the_whole_log_of_a_job_has_is_told(pat: Pat) -> None:
    archive = zipped(**{"0_build.txt": stamped("a", pat()), "build/1_Set up.txt": stamped("a")})
    assert only(look("logs.zip", archive)).locations[0].path == "logs.zip!0_build.txt"


def test_a_truncated_archive_is_unread_and_its_beginning_is_scanned(pat: Pat) -> None:
    archive = zipped(**{"0_a.txt": stamped(pat()), "1_b.txt": stamped(*["x"] * 10)})
    outcome = look("cut.zip", archive[: len(archive) - 60])
    assert outcome.unread
    assert len(outcome.findings) == 1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: [
            {"message": "hello\r\n", "type": "out"},
            {"message": text + "\r\n", "type": "out"},
        ],
        lambda text: [{"pos": 0, "out": "hello", "time": 0}, {"pos": 1, "out": text, "time": 1}],
        lambda text: {
            "url": "u",
            "content": f"\x1b_bk;t=1\x07hello\r\n\x1b_bk;t=2\x07{text}\r\n",
            "size": 9,
        },
        lambda text: {
            "steps": [
                {
                    "name": "Deploy",
                    "actions": [{"name": "Deploy", "output": [{"message": f"hello\n{text}\n"}]}],
                }
            ]
        },
    ],
    ids=["circleci", "drone", "buildkite", "circleci build"],
)
def test_logs_in_json(wrap: Callable[[str], object], pat: Pat) -> None:
    outcome = look("log.json", json.dumps(wrap(f"TOKEN {pat()}")))
    assert lines(outcome) == [2]


def test_other_json_is_read_as_text(pat: Pat) -> None:
    assert len(look("x.json", json.dumps({"a": [pat()]})).findings) == 1
    assert len(look("y.json", '[{"message": 1}, ' + pat()).findings) == 1


def test_the_largest_piece_border_hides_nothing(pat: Pat) -> None:
    """A log of several blobs: each token once, at its line."""
    text = io.StringIO()
    wanted = []
    for number in range(1, 200_001):
        if number % 25_000 == 0:
            wanted.append(number)
            text.write(stamped(f"+ export API_TOKEN={pat()}"))
        else:
            text.write(stamped(f"line {number} of a build that says a lot of words about itself"))
    assert lines(look("large.log", text.getvalue())) == wanted


def test_a_log_cannot_allow_its_own_leak(pat: Pat) -> None:
    found = only(look("x.log", f"token {pat()} # leakguard:allow digitalocean-pat it is fine\n"))
    assert found.suppression is None


def test_commands_and_escapes_of_a_log_do_not_come_out_alive(
    pat: Pat, capfd: pytest.CaptureFixture[str]
) -> None:
    name = "::error::own \x1b[31m##vso[task.setvariable]"
    Path("x.log").write_text(f"##[group]{name}\n##vso[x] \x1b]0;t\x07 {pat()}\n")
    cli.main(["logs", "x.log", "--explain"])
    shown = capfd.readouterr().out
    assert "\x1b" not in shown
    assert "##vso[" not in shown
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 5000,
        b"\xff\xfe",
        b"[" * 100_000,
        b"\x1e\n\x1e",
        b"{",
        b"\n" * 5000,
        b"\x1b]" * 5000,
    ],
)
def test_hostile_or_empty_logs_are_clean(data: bytes) -> None:
    outcome = look("odd.log", data)
    assert not outcome.findings


def test_a_reader_is_told_how_a_value_stands_there_that_he_would_not_see(
    fake: Fake, capfd: pytest.CaptureFixture[str]
) -> None:
    value = base64.b64encode(fake("{{password:18}}").encode()).decode()
    Path("masked.log").write_text(f"password: ***\n{value}\n")
    cli.main(["logs", "masked.log"])
    assert ": stands encoded beside a masked value\n" in capfd.readouterr().out


def test_standard_input(pat: Pat, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "leakguard", "logs", "-"], input=stamped("a", pat()).encode(),
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == exits.FOUND
    assert b"(standard input):2:1" in done.stdout


@pytest.mark.parametrize(
    "words",
    [[], ["x.log", "--github", "1"], ["x.log", "--delete"], ["--github", "1", "--yes"], ["."]],
)
def test_what_cannot_be_asked(words: list[str]) -> None:
    Path("x.log").touch()
    assert cli.main(["logs", *words]) == exits.USAGE


def test_a_file_that_is_not_there_is_unread() -> None:
    assert cli.main(["logs", "missing.log"]) == exits.UNREAD


def test_reading_files_loads_nothing_that_could_phone_out() -> None:
    Path("x.log").write_text("one\n")
    program = (
        "import sys; from leakguard import cli; code = cli.main(['logs', 'x.log']);"
        "bad = {'requests', 'urllib3', 'leakguard.connect'} & set(sys.modules); sys.exit(len(bad) + code)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_what_a_calm_build_prints_is_no_secret(fake: Fake) -> None:
    text = stamped(
        "##[group]Run actions/cache@v4",
        "with:",
        "  key: Linux-node-" + fake("{{hex:64}}"),
        "  path: ~/.npm",
        "env:",
        "  GITHUB_TOKEN: ***",
        "  DB_PASSWORD: ${{ secrets.DB }}",
        "  SSH_KEY_PATH: /home/runner/.ssh/id",
        "  CACHE_KEY: node-cache-Linux-npm-" + fake("{{hex:64}}"),
        "##[endgroup]",
        "+ TOKEN=$(cat token.txt)",
        "+ export PASSWORD=$DB_PASSWORD",
        "AUTHORIZATION: basic ***",
        "commit " + fake("{{hex:40}}"),
        "Digest: sha256:" + fake("{{hex:64}}"),
        "id " + fake("{{uuid}}"),
        "integrity sha512-" + fake("{{base64:86}}") + "==",
        "the key fingerprint is SHA256:" + fake("{{base64:43}}"),
        "remote: Enumerating objects: 12, done.",
        "Cache restored from key: " + fake("{{hex:40}}"),
        "KEY_COUNT=12",
        "TOKEN_URL=https://login.example/token",
        "PASSWORD_FILE=/run/secrets/db",
        "AUTH_TYPE=basic",
        "PUBLIC_KEY=none",
    )
    assert [
        (one.rule_id, one.excerpt, one.confidence) for one in look("calm.log", text).findings
    ] == []
