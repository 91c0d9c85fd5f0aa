"""`.leakguard.yml`: what a repository may decide, and every mistake at its place."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from leakguard.errors import ConfigError
from leakguard.load import config
from leakguard.load.config import FILE, Resolved, resolve, sources
from leakguard.policy import DEFAULT_SALT, Policy
from leakguard.rule import Companion, Rule

OWN_RULE = r"""
provider: acme
rules:
  - id: acme-live-key
    name: ACME live API key
    why: whoever holds it can charge your customers
    class: provider-api-key
    severity: high
    confidence: likely
    pattern: '\b(?P<secret>acme_live_[0-9A-Za-z]{32})\b'
    examples: ['acme_live_{{alnum:32}}']
    negatives: ['acme_live_your_key_here']
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A folder with one rule of its own."""
    folder = tmp_path / "repo"
    (folder / ".leakguard" / "rules").mkdir(parents=True)
    (folder / ".leakguard" / "rules" / "acme.yml").write_text(OWN_RULE)
    return folder


def decided(repo: Path, text: str = "") -> Resolved:
    """What a repository ends up with."""
    (repo / FILE).write_text(text)
    return resolve(str(repo), sources(str(repo)))


def problem(repo: Path, text: str) -> ConfigError:
    """What is wrong with its configuration."""
    with pytest.raises(ConfigError) as caught:
        decided(repo, text)
    return caught.value


def by_id(found: Resolved) -> dict[str, Rule]:
    return {rule.id: rule for rule in found.rules}


# ------------------------------------------------------------------------------- what can be said


def test_without_a_configuration_everything_is_as_it_ships(
    tmp_path: Path, rules: list[Rule]
) -> None:
    assert sources(str(tmp_path)) == []
    found = resolve(str(tmp_path), [])
    assert found.policy == Policy()
    assert found.policy.salt == DEFAULT_SALT
    assert found.rules == rules


def test_an_empty_configuration_changes_nothing_but_its_name(repo: Path) -> None:
    assert decided(repo, "# nothing yet\n").policy == Policy(source=FILE)


def test_rules_of_the_repository_are_added(repo: Path, rules: list[Rule]) -> None:
    found = by_id(decided(repo))
    assert len(found) == len(rules) + 1
    assert not found["acme-live-key"].bundled
    assert found["slack-bot-token"].bundled


def test_every_key_has_its_effect(repo: Path) -> None:
    found = decided(
        repo,
        """
        rules:
          disable: [github-fine-grained-pat]
          override:
            slack-bot-token: {severity: critical, confidence: possible, paths: ['**/*.py'], entropy: 3.5}
        paths:
          exclude: ['vendor/**', '*.lock']
        block: {severity: high, confidence: confirmed}
        companions:
          - {rules: [acme-live-key, slack-bot-token], within: 10}
        salt: acme
        """,
    )
    policy, known = found.policy, by_id(found)
    assert policy.exclude == ("vendor/**", "*.lock")
    assert (policy.block_severity, policy.block_confidence) == ("high", "confirmed")
    assert policy.salt == "acme"
    assert "github-fine-grained-pat" not in known
    slack = known["slack-bot-token"]
    assert (slack.severity, slack.confidence) == ("critical", "possible")
    assert (slack.paths, slack.entropy) == (("**/*.py",), 3.5)
    assert Companion("slack-bot-token", 10) in known["acme-live-key"].companions
    assert Companion("acme-live-key", 10) in slack.companions


def test_enabling_keeps_only_what_is_named(repo: Path) -> None:
    found = decided(
        repo, "rules: {enable: [acme-live-key, slack-bot-token], disable: [slack-bot-token]}"
    )
    assert list(by_id(found)) == ["acme-live-key"]


def test_only_yaml_files_of_the_rules_folder_count_in_order(repo: Path) -> None:
    folder = repo / ".leakguard" / "rules"
    (folder / "notes.txt").write_text("not a rule")
    (folder / "aaa.yaml").write_text(OWN_RULE.replace("acme-live-key", "acme-other-key"))
    (repo / FILE).write_text("")
    assert [Path(path).name for path, _ in sources(str(repo))] == [FILE, "aaa.yaml", "acme.yml"]


# ------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(("text", "message", "hint"), [
    ("rule: {}", "unknown key 'rule' in .leakguard.yml", "did you mean 'rules'?"),
    ("rules: {disabled: []}", "unknown key 'disabled' in rules", "did you mean 'disable'?"),
    ("rules: {disable: [slack-bot-tokn]}", "there is no rule 'slack-bot-tokn'", "did you mean 'slack-bot-token'?"),
    ("rules: {enable: [zzz]}", "there is no rule 'zzz'", "leakguard rules list shows them"),
    ("rules: {override: {zzz: {}}}", "there is no rule 'zzz'", "leakguard rules list shows them"),
    ("rules: {override: {slack-bot-token: {patern: x}}}", "unknown key 'patern' in an override", "one of:"),
    ("rules: {override: {slack-bot-token: {severity: worst}}}", "unknown severity 'worst'", "one of:"),
    ("rules: {override: {slack-bot-token: {entropy: high}}}", "entropy must be a number, not 'high'", ""),
    ("rules: {override: [slack-bot-token]}", "override must be a mapping", ""),
    ("rules: {disable: slack-bot-token}", "disable must be a list", ""),
    ("paths: [vendor]", "paths must be a mapping", ""),
    ("paths: {include: [a]}", "unknown key 'include' in paths", "did you mean 'exclude'?"),
    ("block: {severity: hihg}", "unknown severity 'hihg'", "did you mean 'high'?"),
    ("block: {confidence: sure}", "unknown confidence 'sure'", "one of: possible, likely, confirmed"),
    ("block: {entropy: 3}", "unknown key 'entropy' in block", "one of: severity, confidence"),
    ("companions: [{within: 3}]", "a companion set needs 'rules'", ""),
    ("companions: [{rules: [zzz, slack-bot-token]}]", "there is no rule 'zzz'", ""),
    ("companions: [{rules: [slack-bot-token], within: near}]", "within must be a number, not 'near'", ""),
    ("salt: [a]", "salt must be text", ""),
    ("- a", ".leakguard.yml must be a mapping", ""),
    ("extends: shared.yml", "extends must be a mapping", ""),
    ("extends: {file: shared.yml}", "extends needs 'sha256'", "pin what you extend by its hash"),
    ("extends: {sha256: abc}", "extends needs 'file'", "pin what you extend by its hash"),
    ("extends: {file: nowhere.yml, sha256: abc}", "cannot read 'nowhere.yml': No such file", ""),
    ("extends: {file: ., sha256: abc}", "cannot read '.'", ""),
    ('extends: {file: "a\\0b", sha256: abc}', "cannot read", ""),
])  # fmt: skip
def test_a_mistake_is_told_at_its_place(repo: Path, text: str, message: str, hint: str) -> None:
    error = problem(repo, "# decided in review\n" + text)
    assert message in error.message
    assert not hint or any(hint in one for one in error.hints), error.hints
    assert error.place is not None
    assert (error.place.path, error.place.line, error.place.text) == (FILE, 2, text)


def test_a_mistake_in_a_rule_file_names_that_file(repo: Path) -> None:
    path = repo / ".leakguard" / "rules" / "acme.yml"
    path.write_text(OWN_RULE.replace("severity: high", "severity: hihg"))
    error = problem(repo, "")
    assert error.place is not None
    assert Path(error.place.path) == Path(".leakguard/rules/acme.yml")
    assert error.place.line == 8


def test_a_rule_cannot_take_the_id_of_one_that_ships(repo: Path) -> None:
    path = repo / ".leakguard" / "rules" / "acme.yml"
    path.write_text(OWN_RULE.replace("acme-live-key", "slack-bot-token"))
    assert problem(repo, "").message == "two rules have the id 'slack-bot-token'"


# ------------------------------------------------------------------------------------- extending


def extending(repo: Path, text: str, more: str = "", file: str = "shared.yml") -> str:
    (repo / file).write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"extends: {{file: {file}, sha256: {digest.upper()}}}\n{more}"


def test_what_is_extended_counts_and_the_repository_has_the_last_word(repo: Path) -> None:
    shared = "salt: shared\npaths: {exclude: [a]}\nblock: {severity: high}\nrules: {disable: [slack-bot-token]}\n"
    found = decided(repo, extending(repo, shared, "salt: own\npaths: {exclude: [b]}\n"))
    assert found.policy == Policy("high", "likely", ("a", "b"), "own", FILE)
    assert "slack-bot-token" not in by_id(found)


def test_another_hash_is_refused_and_the_right_one_is_told(repo: Path) -> None:
    text = extending(repo, "salt: shared\n")
    (repo / "shared.yml").write_text("salt: changed\n")
    error = problem(repo, text)
    assert error.message == "'shared.yml' is not the file that was pinned"
    digest = hashlib.sha256(b"salt: changed\n").hexdigest()
    assert error.hints == (f"if the change is meant, write sha256: {digest}",)


def test_a_mistake_in_what_is_extended_names_that_file(repo: Path) -> None:
    error = problem(repo, extending(repo, "slat: x\n"))
    assert error.place is not None
    assert error.place.path == "shared.yml"


def test_extending_goes_two_files_deep(repo: Path) -> None:
    second = extending(repo, extending(repo, "salt: first\n", file="a.yml"), file="b.yml")
    assert decided(repo, second).policy.salt == "first"
    third = extending(repo, second, file="c.yml")
    assert problem(repo, third).message == "extends at most two files deep"


def test_a_file_in_the_home_folder_may_be_extended(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    text = extending(tmp_path, "salt: home\n").replace("shared.yml", "~/shared.yml")
    assert decided(repo, text).policy.salt == "home"


# ----------------------------------------------------------------------------- strange repositories


def test_a_link_that_leads_out_is_refused(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.yml").write_text("salt: outside\n")
    (repo / FILE).symlink_to(tmp_path / "outside.yml")
    with pytest.raises(ConfigError, match="leads out of the repository") as caught:
        sources(str(repo))
    assert caught.value.place.path == FILE  # type: ignore[union-attr]


def test_a_linked_rules_folder_outside_is_refused(tmp_path: Path, repo: Path) -> None:
    other = tmp_path / "other"
    (other / ".leakguard").mkdir(parents=True)
    (other / ".leakguard" / "rules").symlink_to(repo / ".leakguard" / "rules")
    with pytest.raises(ConfigError, match="leads out of the repository"):
        sources(str(other))


def test_a_link_that_stays_inside_is_followed(repo: Path) -> None:
    (repo / "conf.yml").write_text("salt: inside\n")
    (repo / FILE).symlink_to("conf.yml")
    assert sources(str(repo))[0] == (FILE, b"salt: inside\n")


def test_a_dangling_link_and_a_folder_are_told(repo: Path) -> None:
    (repo / FILE).symlink_to("nowhere")
    with pytest.raises(ConfigError, match="cannot be read"):
        sources(str(repo))
    (repo / FILE).unlink()
    (repo / FILE).mkdir()
    with pytest.raises(ConfigError, match="is not a file"):
        sources(str(repo))


def test_a_huge_configuration_is_refused(repo: Path) -> None:
    error = problem(repo, "#" + "x" * config.MAX_BYTES)
    assert error.message == "larger than 1048576 bytes"
