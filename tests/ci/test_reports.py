"""Everything that one run writes, and that nothing in it can speak to the runner."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ci.place import TELLING, Repo, World, fake, pull_event, push_event
from leakguard.cli.outlets import FILES
from leakguard.report.style import defused


@pytest.fixture
def leaky(world: World, dev: Repo) -> tuple[Repo, str, str]:
    """A checkout of a pull request with a leak; base and head."""
    base = dev.head()
    dev.branch("feature")
    dev.leak("new.py")
    dev.push("feature")
    return world.checkout(dev.head()), base, dev.head()


def test_all_reports_come_from_one_run(leaky: tuple[Repo, str, str]) -> None:
    repo, base, head = leaky
    words = [word for name in FILES for word in (f"--{name}", f"out/report.{name}")]
    repo.gh("pull_request", pull_event(base, head), *words).found("new.py")
    texts = {name: (repo.path / "out" / f"report.{name}").read_text() for name in FILES}
    report = json.loads(texts["json"])
    assert report["mode"] == "ci"
    assert report["scanned"]["scope"] == (
        f"pull request 3: {base[:7]}..{head[:7]}; policy of {base[:7]}"
    )
    assert report["findings"][0]["exposure"] == "pushed"
    assert json.loads(texts["sarif"])["version"] == "2.1.0"
    assert json.loads(texts["gitlab"])["vulnerabilities"]
    assert json.loads(texts["code-quality"])[0]["location"]["path"] == "new.py"
    assert ET.fromstring(texts["junit"]).find(".//failure") is not None
    assert texts["csv"].count("\n") == 2
    body = fake("new.py").partition("_v1_")[2]
    for name, text in texts.items():
        assert "new.py" in text, name
        shown = any(body[at : at + TELLING] in text for at in range(len(body) - TELLING))
        assert not shown, f"part of the secret is in {name}"


def test_the_services_own_summary_grows_and_one_that_is_named_is_written_anew(
    leaky: tuple[Repo, str, str],
) -> None:
    repo, base, head = leaky
    event = pull_event(base, head)
    theirs = repo.path.parent / "checkout-summary.md"
    theirs.write_text("of another step\n")
    repo.gh("pull_request", event)
    assert theirs.read_text().startswith("of another step\n### leakguard: 1 secret")
    assert "a change cannot allow its own leak" in theirs.read_text()
    own = repo.path / "own.md"
    own.write_text("old\n")
    repo.gh("pull_request", event, "--summary", "own.md")
    assert own.read_text().startswith("### leakguard: 1 secret")


def test_each_service_gets_annotations_in_its_own_form(leaky: tuple[Repo, str, str]) -> None:
    repo, base, head = leaky
    assert "::error file=new.py,line=1" in repo.gh("pull_request", pull_event(base, head)).out
    azure = {"TF_BUILD": "True", "BUILD_SOURCEVERSION": head, "BUILD_REASON": "PullRequest",
             "SYSTEM_PULLREQUEST_TARGETBRANCH": "main"}  # fmt: skip
    assert "##vso[task.logissue" in repo.ci(**azure).found("new.py").out
    team = {"TEAMCITY_VERSION": "1", "BUILD_VCS_NUMBER": head, "LEAKGUARD_TARGET_BRANCH": "main"}
    assert "##teamcity[" in repo.ci(**team).found("new.py").out
    quiet = repo.gh("pull_request", pull_event(base, head), "--annotations", "none").out
    assert "::error" not in quiet
    by_hand = repo.ci("--base", base, "--annotations", "github").found("new.py").out
    assert "::error file=new.py" in by_hand


@pytest.mark.parametrize(
    ("word", "status"),
    [("never", 0), ("confirmed", 0), ("likely", 1), ("critical", 1), ("possible", 1)],
)
def test_what_fails_the_job_can_be_chosen(
    leaky: tuple[Repo, str, str], word: str, status: int
) -> None:
    repo, base, head = leaky
    answer = repo.gh("pull_request", pull_event(base, head), "--fail-on", word)
    assert answer.status == status, answer.said


def test_never_does_not_hide_that_something_was_not_read(world: World, dev: Repo) -> None:
    base = dev.head()
    after = dev.commit("b", "b\n")
    dev.push("main")
    repo = world.checkout(after, depth=1)
    assert repo.gh("push", push_event(base, after), "--fail-on", "never").status == 4


def test_a_report_that_cannot_be_written_is_an_error(leaky: tuple[Repo, str, str]) -> None:
    repo, base, head = leaky
    answer = repo.gh("pull_request", pull_event(base, head), "--sarif", "new.py/x.sarif")
    assert answer.status == 2
    assert "cannot write" in answer.err


COMMANDS = ("::", "##[", "##vso[", "##teamcity[")


@pytest.mark.parametrize(
    "name", ["::set-env name=A::b", "a ::add-path::b", "##vso[task.setvariable variable=A]b",
             "##teamcity[buildStop]", "##[add-path]b"]
)  # fmt: skip
def test_a_name_in_the_change_cannot_command_the_runner(world: World, dev: Repo, name: str) -> None:
    base = dev.head()
    dev.branch("feature")
    folder = " ".join(["long words that fill the line"] * 3)
    dev.leak(f"{folder}/{name}.py")
    dev.push("feature")
    repo = world.checkout(dev.head())
    answer = repo.gh("pull_request", pull_event(base, dev.head()))
    assert answer.status == 1
    for line in answer.out.splitlines():
        told = line.lstrip()
        assert not told.startswith("::") or told.startswith("::error file=long words"), line
        assert not any(word in line for word in COMMANDS[1:]), line


@pytest.mark.parametrize("start", COMMANDS)
def test_what_looks_like_a_command_is_defused(start: str) -> None:
    text = defused(f"a\n  {start}error\n{start}x\n")
    for line in text.splitlines():
        assert not line.strip().startswith("::")
        assert not any(word in line for word in COMMANDS[1:])
    assert defused("### heading: a::b\n") == "### heading: a::b\n"


def test_a_summary_cannot_be_led_outside_by_the_change(tmp_path: Path) -> None:
    """Where the summary goes is the service's to say, not the event file's."""
    from leakguard.ci.services import SERVICES

    assert {one.summary for one in SERVICES} == {"", "GITHUB_STEP_SUMMARY"}
