"""One run over logs writes every report, with the flags and words of `leakguard ci`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from leakguard import cli, exits
from leakguard.cli.ci import command as ci
from leakguard.cli.logs import command as logs
from leakguard.cli.outlets import FILES

Pat = Callable[[], str]

NAMES = [name for name in FILES if name != "gitlab"]
"""`--gitlab` is the job to fetch here; `--format gitlab --output FILE` writes that report."""


@pytest.fixture
def value(pat: Pat) -> str:
    """What leaks in `build.log`."""
    value = pat()
    Path("build.log").write_text(f"##[group]Deploy\n+ export API_TOKEN={value}\n")
    return value


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A step of GitHub Actions, and the file of its summary."""
    path = tmp_path / "summary.md"
    path.write_text("of another step\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def test_the_options_and_their_words_are_those_of_ci() -> None:
    theirs = {one.name: one for one in ci.params}
    for option in (*NAMES, "summary", "annotations", "fail-on", "jobs", "respond", "explain"):
        name = option.replace("-", "_")
        (mine,) = [one for one in logs.params if one.name == name]
        assert mine.to_info_dict() == theirs[name].to_info_dict(), name


def test_all_reports_come_from_one_run(value: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = [word for name in NAMES for word in (f"--{name}", f"out/report.{name}")]
    assert cli.main(["logs", "build.log", *words, "--summary", "out/report.md"]) == exits.FOUND
    texts = {path.suffix[1:]: path.read_text() for path in Path("out").iterdir()}
    assert set(texts) == {*NAMES, "md"}
    assert json.loads(texts["json"])["mode"] == "logs"
    assert json.loads(texts["sarif"])["runs"][0]["results"]
    assert json.loads(texts["code-quality"])[0]["location"]["path"] == "build.log"
    assert ET.fromstring(texts["junit"]).find(".//failure") is not None
    assert texts["md"].startswith("### leakguard: 1 secret")
    shown = capfd.readouterr()
    for name, text in {**texts, "text": shown.out + shown.err}.items():
        assert "build.log" in text, name
        assert value[7:19] not in text, name


def test_the_service_gets_annotations_and_its_summary(
    value: str, summary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["logs", "build.log"]) == exits.FOUND
    shown = capfd.readouterr().out
    assert shown.count("\n::error ") == 1
    assert "error[digitalocean-pat]" in shown
    assert summary.read_text().startswith("of another step\n### leakguard: 1 secret")


def test_a_report_for_programs_stays_one_on_standard_output(
    value: str, summary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["logs", "build.log", "--format", "json"]) == exits.FOUND
    assert json.loads(capfd.readouterr().out)["outcome"] == "found"
    assert "1 secret" in summary.read_text()


@pytest.mark.parametrize(
    ("word", "code"), [("never", 0), ("confirmed", 0), ("likely", 1), ("critical", 1)]
)
def test_what_fails_the_job_can_be_chosen(value: str, word: str, code: int) -> None:
    assert cli.main(["logs", "build.log", "--fail-on", word]) == code


def test_a_log_that_is_missing_is_told_and_the_others_are_looked_at(
    value: str, summary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["logs", "gone.log", "build.log", "--json", "r.json"]
    assert cli.main(words) == exits.FOUND
    told = json.loads(Path("r.json").read_text())
    assert told["unread"] == [
        {
            "name": "gone.log",
            "reason": "it could not be read: No such file or directory; is its name right?",
        }
    ]
    assert len(told["findings"]) == 1
    assert "gone.log" in summary.read_text()
    Path("build.log").write_text("calm\n")
    assert cli.main(words) == exits.UNREAD
    assert "::error" in capfd.readouterr().out


def test_a_report_that_cannot_be_written_is_an_error(value: str) -> None:
    assert cli.main(["logs", "build.log", "--sarif", "build.log/x"]) == exits.USAGE
