"""The action's own steps, run as the runner runs them, for each kind of event."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.place import (
    ZERO,
    Answer,
    Repo,
    World,
    fake,
    github,
    merge_group_event,
    pull_event,
    push_event,
)

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""What `shell: bash` stands for."""


@dataclass(frozen=True)
class Job:
    """What a job saw of the action."""

    answer: Answer
    outputs: dict[str, str]


def filled(text: str, inputs: dict[str, str]) -> str:
    """A value of `env:` with its expressions replaced, as the runner does."""

    def value(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name == "github.action_path":
            return str(ROOT)
        room, _, rest = name.partition(".")
        assert room == "inputs", name
        return inputs[rest]

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def step(repo: Repo, name: str, inputs: dict[str, str], **env: str) -> Job:
    """Run one step of the action in a checkout."""
    known = {key: entry.get("default", "") for key, entry in ACTION["inputs"].items()}
    assert set(inputs) <= set(known)
    one = STEPS[name]
    script = repo.path.parent / "step.sh"
    script.write_text(one["run"])
    output = repo.path.parent / "output"
    output.write_text("")
    given = {key: filled(text, known | inputs) for key, text in one["env"].items()}
    temp = repo.path.parent / "temp"
    temp.mkdir(exist_ok=True)
    answer = repo.run(*SHELL, str(script), **env, **given, RUNNER_TEMP=str(temp),
                      GITHUB_OUTPUT=str(output))  # fmt: skip
    pairs = [line.partition("=") for line in output.read_text().splitlines()]
    return Job(answer, {key: text for key, _, text in pairs})


def installed(repo: Repo) -> None:
    """As the first step leaves it, with the leakguard that is being tested."""
    bin_folder = repo.path.parent / "temp" / "leakguard" / "venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name, words in {"leakguard": "-P -m leakguard", "python": ""}.items():
        file = bin_folder / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        file.chmod(0o755)


def job(repo: Repo, event: str, payload: dict[str, Any], **inputs: str) -> Job:
    """The second step, for an event."""
    if not (repo.path.parent / "temp").exists():
        installed(repo)
    named = {name.replace("_", "-"): value for name, value in inputs.items()}
    return step(repo, "Look for secrets", named, **github(repo.path, event, payload))


# What it is made of


def test_no_input_reaches_a_shell_as_text() -> None:
    for one in STEPS.values():
        assert "${{" not in one["run"], one["name"]
        assert one["shell"] == "bash"


def test_it_uses_no_other_action_and_asks_for_no_token() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert all("uses" not in one for one in STEPS.values())
    assert "secrets." not in text
    assert "github.token" not in text


def test_every_input_is_used_and_every_output_is_written() -> None:
    text = json.dumps(ACTION["runs"])
    for name in ACTION["inputs"]:
        assert f"inputs.{name} " in text, name
    for name, entry in ACTION["outputs"].items():
        assert entry["value"] == f"${{{{ steps.scan.outputs.{name} }}}}"
        assert f"{name}=" in STEPS["Look for secrets"]["run"]


# Each kind of event


@pytest.fixture
def head(dev: Repo) -> str:
    """A branch whose first commit leaks and whose second takes it out; the second."""
    dev.branch("feature")
    dev.leak("new.py")
    head = dev.commit("new.py", "clean\n")
    dev.push("feature")
    return head


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize(
    "event", ["push", "first push", "forced push", "tag", "pull_request", "fork", "merge_group",
              "schedule", "workflow_dispatch"]
)  # fmt: skip
def test_a_leak_is_found_for_every_event_however_deep_the_checkout(
    world: World, dev: Repo, head: str, event: str, depth: int
) -> None:
    base = dev.git("rev-parse", "main")
    ref = "refs/heads/feature"
    dev.git("tag", "v1")
    dev.push("v1", f"{head}:refs/pull/3/head", f"{head}:refs/heads/gh-readonly-queue/main/pr-3")
    name, payload = {
        "push": ("push", push_event(base, head, ref)),
        "first push": ("push", push_event(ZERO, head, ref)),
        "forced push": ("push", push_event("12" * 20, head, ref, forced=True)),
        "tag": ("push", push_event(ZERO, head, "refs/tags/v1")),
        "pull_request": ("pull_request", pull_event(base, head)),
        "fork": ("pull_request", pull_event(base, head, fork=True)),
        "merge_group": ("merge_group", merge_group_event(base, head)),
        "schedule": ("schedule", {"repository": {"default_branch": "main"}}),
        "workflow_dispatch": ("workflow_dispatch", {"repository": {"default_branch": "main"}}),
    }[event]
    repo = world.checkout(head, depth=depth)
    done = job(repo, name, payload)
    done.answer.found("new.py")
    assert done.outputs["findings"] == "1"
    assert json.loads(Path(done.outputs["report"]).read_text())["outcome"] == "found"
    assert "::error file=new.py" in done.answer.out
    assert "1 secret" in (repo.path.parent / "checkout-summary.md").read_text()


def test_a_clean_push_is_green(world: World, dev: Repo) -> None:
    before, after = dev.head(), dev.commit("b.py", "b\n")
    dev.push("main")
    done = job(world.checkout(after), "push", push_event(before, after))
    assert done.answer.clean()
    assert done.outputs["findings"] == "0"
    assert "sarif" not in done.outputs


def test_a_deleted_branch_is_green(world: World, dev: Repo) -> None:
    done = job(world.checkout(dev.head()), "push", push_event(dev.head(), ZERO, "refs/heads/f"))
    assert done.answer.clean()


def test_missing_history_is_red_when_it_must_not_be_fetched(world: World, head: str) -> None:
    repo = world.checkout(head, depth=1)
    done = job(repo, "push", push_event("ab" * 20, head), deepen="false")
    done.answer.unread("fetch-depth: 0")
    assert json.loads(Path(done.outputs["report"]).read_text())["outcome"] == "unread"


# Inputs


def test_an_incident_is_opened_and_its_folder_told(world: World, dev: Repo, head: str) -> None:
    base = dev.git("rev-parse", "main")
    done = job(world.checkout(head), "pull_request", pull_event(base, head), respond="true")
    done.answer.found("new.py")
    (case,) = [one for one in Path(done.outputs["incident"]).iterdir() if one.is_dir()]
    told = json.loads((case / "record.json").read_text())
    assert told["source"] == "pipeline"
    assert (case / "checklist.html").exists()


def test_formats_paths_and_sarif(world: World, dev: Repo, head: str) -> None:
    base = dev.git("rev-parse", "main")
    repo = world.checkout(head)
    (repo.path / "build out").mkdir()
    (repo.path / "build out" / "app.js").write_text(f'token = "{fake("dist")}"\n')
    done = job(
        repo, "pull_request", pull_event(base, head), sarif="true",
        formats="gitlab, junit\nhtml csv code-quality", paths="build out\r\n\n",
    )  # fmt: skip
    done.answer.found("new.py", "build out/app.js")
    assert done.outputs["findings"] == "2"
    assert json.loads(Path(done.outputs["sarif"]).read_text())["version"] == "2.1.0"
    written = {path.name for path in Path(done.outputs["report"]).parent.iterdir()}
    assert written >= {"leakguard.json", "leakguard.sarif", "leakguard-gitlab.json",
                       "leakguard-junit.xml", "leakguard.html", "leakguard.csv",
                       "leakguard-code-quality.json"}  # fmt: skip


def test_range_config_and_fail_on(world: World, dev: Repo, head: str) -> None:
    base = dev.git("rev-parse", "main")
    repo = world.checkout(head)
    event = pull_event(base, head)
    assert job(repo, "pull_request", event, range=f"{head}~1..{head}").answer.clean()
    done = job(repo, "pull_request", event, fail_on="never")
    assert done.answer.status == 0
    assert done.outputs["findings"] == "1"
    assert job(repo, "pull_request", event, config="none.yml").answer.status == 3
    assert job(repo, "pull_request", event, formats="pdf").answer.status == 2


@pytest.mark.parametrize("text", ['"; touch ran; "', "$(touch ran)", "`touch ran`", "--help"])
def test_an_input_is_only_ever_a_value(world: World, dev: Repo, text: str) -> None:
    before, after = dev.head(), dev.commit("b.py", "b\n")
    dev.push("main")
    repo = world.checkout(after)
    for name in ("paths", "range", "config", "formats", "fail_on", "logs", "sarif", "deepen"):
        job(repo, "push", push_event(before, after), **{name: text})
    assert not (repo.path / "ran").exists()


def test_a_log_is_looked_at_too(world: World, dev: Repo) -> None:
    before, after = dev.head(), dev.commit("b.py", "b\n")
    dev.push("main")
    repo = world.checkout(after)
    (repo.path.parent / "build.log").write_text(f'+ TOKEN="{fake("log")}"\n')
    done = job(
        repo, "push", push_event(before, after), logs="../build.log", sarif="true",
        formats="html, gitlab",
    )  # fmt: skip
    assert done.answer.status == 1, done.answer.said
    assert done.outputs["findings"] == "1"
    assert done.answer.out.count("\n::error ") == 1
    written = {path.name for path in Path(done.outputs["report"]).parent.glob("leakguard-logs*")}
    assert written == {"leakguard-logs.json", "leakguard-logs.sarif", "leakguard-logs.html"}
    assert "1 secret" in (repo.path.parent / "checkout-summary.md").read_text()


def test_a_change_cannot_allow_what_its_own_log_shows(world: World, dev: Repo) -> None:
    base = dev.head()
    dev.branch("feature")
    head = dev.commit(".leakguard.yml", "paths:\n  exclude: ['**']\n")
    dev.push("feature")
    repo = world.checkout(head)
    (repo.path.parent / "build.log").write_text(f'+ TOKEN="{fake("log")}"\n')
    done = job(repo, "pull_request", pull_event(base, head), logs="../build.log")
    assert done.answer.status == 1, done.answer.said
    assert f"those of the base, {base[:7]}" in done.answer.said


# Installing


def test_a_file_of_the_change_is_not_imported_while_it_installs(world: World, dev: Repo) -> None:
    for name in ("venv.py", "pip.py", "ensurepip.py", "sitecustomize.py", "leakguard.py"):
        dev.commit(name, f"open({str(world.folder / 'ran')!r}, 'w')\nraise SystemExit(9)\n")
    dev.push("main")
    repo = world.checkout(dev.head())
    shim = world.folder / "shim"
    shim.mkdir()
    # Everything but the download: the real venv, without what pip would fetch.
    made = repo.path.parent / "temp" / "leakguard" / "venv" / "bin"
    (shim / "python3").write_text(
        f'#!/bin/sh\ncase "$*" in *"-m venv"*) mkdir -p "{made}"\n'
        f'"{sys.executable}" "$@" --without-pip\n'
        f'for name in python leakguard; do printf \'#!/bin/sh\\nexec "{sys.executable}" -P '
        f'-m leakguard --version\\n\' >"{made}/tool"; rm -f "{made}/$name"; '
        f'cp "{made}/tool" "{made}/$name"; chmod +x "{made}/$name"; done; exit ;; esac\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    (shim / "python3").chmod(0o755)
    path = f"{shim}:{repo.env['PATH']}"
    done = step(repo, "Install leakguard", {}, PATH=path)
    assert done.answer.status == 0, done.answer.said
    assert not (world.folder / "ran").exists()
    shutil.rmtree(made.parent)
    wrong = step(repo, "Install leakguard", {"version": "99.0"}, PATH=path)
    assert wrong.answer.status == 2
    assert "another version" in wrong.answer.out


def test_a_python_that_is_too_old_is_said(world: World, dev: Repo) -> None:
    repo = world.checkout(dev.head())
    shim = world.folder / "shim"
    shim.mkdir()
    (shim / "python3").write_text("#!/bin/sh\nexit 1\n")
    (shim / "python3").chmod(0o755)
    done = step(repo, "Install leakguard", {}, PATH=f"{shim}:{repo.env['PATH']}")
    assert done.answer.status == 4
    assert "3.11" in done.answer.out


@pytest.mark.registry
def test_it_installs_and_runs_from_its_own_checkout(world: World, dev: Repo) -> None:
    before, after = dev.head(), dev.leak("new.py")
    dev.push("main")
    repo = world.checkout(after)
    keep = {name: value for name, value in __import__("os").environ.items() if "PIP" in name}
    home = subprocess.run([sys.executable, "-c", "import os; print(os.path.expanduser('~'))"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    done = step(repo, "Install leakguard", {}, **keep, HOME=home)
    assert done.answer.status == 0, done.answer.said
    job(repo, "push", push_event(before, after)).answer.found("new.py")
