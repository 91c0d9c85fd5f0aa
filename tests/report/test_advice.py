"""Advice follows exposure, and speaks the language of the file."""

from __future__ import annotations

import pytest

from leakguard.finding import Exposure
from leakguard.report.advice import advise, example, names

from .builders import COMMIT, NPM, SLACK, SSH_KEY, finding, in_commit, place


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("app/notify.py", ['SLACK_TOKEN = os.environ["SLACK_TOKEN"]']),
        ("web/notify.ts", ["const SLACK_TOKEN = process.env.SLACK_TOKEN"]),
        ("main.go", ['SLACK_TOKEN := os.Getenv("SLACK_TOKEN")']),
        ("deploy.sh", ['SLACK_TOKEN="${SLACK_TOKEN:?is not set}"']),
        ("A.java", ['String SLACK_TOKEN = System.getenv("SLACK_TOKEN");']),
        ("a.kt", ['val SLACK_TOKEN = System.getenv("SLACK_TOKEN")']),
        ("a.rb", ['SLACK_TOKEN = ENV.fetch("SLACK_TOKEN")']),
        ("A.cs", ['var SLACK_TOKEN = Environment.GetEnvironmentVariable("SLACK_TOKEN");']),
        ("a.php", ["$SLACK_TOKEN = getenv('SLACK_TOKEN');"]),
        ("a.rs", ['let SLACK_TOKEN = std::env::var("SLACK_TOKEN")?;']),
        ("a.ps1", ["$SLACK_TOKEN = $env:SLACK_TOKEN"]),
        (
            "main.tf",
            ['variable "slack_token" { sensitive = true }', "SLACK_TOKEN = var.slack_token"],
        ),
        ("docker/Dockerfile", ["RUN --mount=type=secret,id=slack_token,env=SLACK_TOKEN ..."]),
        (".github/workflows/ci.yml", ["SLACK_TOKEN: ${{ secrets.SLACK_TOKEN }}"]),
        (".gitlab-ci.yml", ["SLACK_TOKEN: $SLACK_TOKEN   # a masked CI/CD variable"]),
        ("compose.yaml", ["SLACK_TOKEN: ${SLACK_TOKEN}   # filled in when it is deployed"]),
        (".npmrc", ["_authToken=${SLACK_TOKEN}"]),
        ("site.zip!in/app.py", ['SLACK_TOKEN = os.environ["SLACK_TOKEN"]']),
        ("notes.txt", []),
    ],
)
def test_the_example_is_in_the_language_of_the_file(path: str, lines: list[str]) -> None:
    assert list(example(finding(SLACK, place(path)))) == lines


@pytest.mark.parametrize(
    ("excerpt", "var", "env"),
    [
        ('SLACK_TOKEN = "xoxb-*****"', "SLACK_TOKEN", "SLACK_TOKEN"),
        ('const slackToken: string = "xoxb-*****"', "slackToken", "SLACK_TOKEN"),
        ("  x-api-key: xoxb-*****", "x_api_key", "X_API_KEY"),
        ('"apiKey": "xoxb-*****",', "apiKey", "API_KEY"),
        ('settings.slack.token = "xoxb-*****"', "token", "SLACK_BOT_TOKEN"),
        ("token := `xoxb-*****`", "token", "SLACK_BOT_TOKEN"),
        ('var token string = "xoxb-*****"', "slack_bot_token", "SLACK_BOT_TOKEN"),
        ("postgres://acme:xoxb-*****", "slack_bot_token", "SLACK_BOT_TOKEN"),
        ('connect("xoxb-*****")', "slack_bot_token", "SLACK_BOT_TOKEN"),
        ('...EN = "xoxb-*****"', "slack_bot_token", "SLACK_BOT_TOKEN"),
        ("", "slack_bot_token", "SLACK_BOT_TOKEN"),
    ],
)
def test_the_variable_is_named_as_the_line_names_it(excerpt: str, var: str, env: str) -> None:
    assert names(finding(excerpt=excerpt)) == (var, env)


def test_staged_move_it_out_and_stage_again() -> None:
    assert advise(finding(), "staged").text == (
        "load it when the program runs, then stage the file again"
    )


def test_a_file_of_variables_stays_out_of_git() -> None:
    advice = advise(finding(SLACK, place("my app/.env")), "staged")
    assert advice.text == "keep this file out of git and list it in .gitignore"
    assert advice.lines == ("git rm --cached -- 'my app/.env'",)


def test_no_command_is_printed_for_a_name_that_nobody_can_type() -> None:
    assert advise(finding(SLACK, place("\x1b[2J/.env")), "staged").lines == ()


def test_a_private_key_belongs_in_an_agent_or_a_store() -> None:
    advice = advise(finding(SSH_KEY, place("id")), "staged")
    assert advice.text.startswith("keep it in an agent or a secret store")


def test_a_private_key_of_tests_is_made_by_them_or_allowed() -> None:
    advice = advise(finding(SSH_KEY, place("tests/data/id")), "staged")
    assert advice.text.startswith("make it when the tests run, then stage the file again; if")


def test_a_rule_knows_better_what_fits_its_kind() -> None:
    rule = SLACK._replace(fix="use the workspace's own variable")
    assert advise(finding(rule), "staged").text == "use the workspace's own variable"


def test_committed_rewrite_before_the_push() -> None:
    advice = advise(in_commit(), "push")
    assert advice.text.startswith("take it out, rewrite the commit, then push again")
    assert advice.lines[0].startswith("git commit --amend ")
    assert advice.lines[1].startswith(f"git rebase -i {COMMIT[:8]}~ ")


def test_the_rewrite_begins_at_the_oldest_commit() -> None:
    late = place("b.py", commit="f" * 40, author_date="2026-11-21")
    early = place("c.py", commit="1" * 40, author_date="2026-01-02")
    advice = advise(finding(SLACK, late, early, exposure=Exposure.COMMITTED), "push")
    assert "git rebase -i 11111111~" in advice.lines[1]


@pytest.mark.parametrize("exposure", [Exposure.PUSHED, Exposure.LOGGED])
def test_out_of_our_hands_rotate_first(exposure: Exposure) -> None:
    advice = advise(finding(NPM, exposure=exposure), "history")
    assert advice.text.startswith("rotate it ")
    assert "to rotate: replace the token, then delete it" in advice.text
    assert advice.lines == ()
