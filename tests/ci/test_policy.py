"""A proposed change is judged by the policy of what it would be merged into, and is told so."""

from __future__ import annotations

import json
import os
import re

import pytest

from ci.place import RULE, Answer, Repo, World, fake, pull_event, push_event

HIDING = {
    "excludes its path": (".leakguard.yml", "paths:\n  exclude: ['*.py']\n"),
    "switches the rule off": (".leakguard.yml", f"rules:\n  disable: [{RULE}, generic-secret]\n"),
    "raises the threshold": (".leakguard.yml", "block:\n  confidence: confirmed\n"),
    "weakens the rule": (
        ".leakguard.yml",
        f"rules:\n  override:\n    {RULE}: {{severity: info, confidence: possible}}\n",
    ),
    "breaks the configuration": (".leakguard.yml", "nonsense: [\n"),
    "puts a folder in its place": (".leakguard.yml/x", "x\n"),
}


def fingerprint(repo: Repo, seed: str) -> str:
    """What an allowance of the fake names."""
    file = repo.path.parent / "probe"
    file.write_text(f'token = "{fake(seed)}"\n')
    said = repo.run("leakguard", "scan", "--format", "json", str(file)).out
    return str(json.loads(said)["findings"][0]["fingerprint"])


def proposed(world: World, dev: Repo, base: str, *words: str, name: str = "checkout") -> Answer:
    """What is said of a pull request with all that stands on `feature`."""
    dev.push("--force", "feature")
    repo = world.checkout(dev.head(), name=name)
    return repo.gh("pull_request", pull_event(base, dev.head(), fork=True), *words)


@pytest.mark.parametrize("how", HIDING)
def test_a_change_cannot_hide_its_own_leak(world: World, dev: Repo, how: str) -> None:
    base = dev.head()
    dev.branch("feature")
    dev.leak("new.py")
    dev.commit(*HIDING[how])
    answer = proposed(world, dev, base).found("new.py")
    said = " ".join(answer.out.split())
    assert f"those of the base, {base[:7]}; a change cannot allow its own leak" in said
    assert ".leakguard.yml" in said
    assert "that counts once it is merged" in said


def test_an_allowance_in_the_change_does_not_count(world: World, dev: Repo) -> None:
    base = dev.head()
    dev.branch("feature")
    dev.leak("new.py")
    line = f"{fingerprint(dev, 'new.py')} {RULE} never * sample\n"
    dev.commit(".leakguard/allow", line)
    proposed(world, dev, base).found("new.py")


def test_an_allowance_on_the_base_counts(world: World, dev: Repo) -> None:
    line = f"{fingerprint(dev, 'new.py')} {RULE} never * sample\n"
    base = dev.commit(".leakguard/allow", line)
    dev.push("main")
    dev.branch("feature")
    dev.leak("new.py")
    assert "1 allowed" in proposed(world, dev, base).clean().out


def test_taking_an_allowance_or_a_rule_out_in_the_change_does_not_count_either(
    world: World, dev: Repo
) -> None:
    line = f"{fingerprint(dev, 'new.py')} {RULE} never * sample\n"
    base = dev.commit(".leakguard/allow", line)
    dev.push("main")
    dev.branch("feature")
    dev.git("rm", "-q", ".leakguard/allow")
    dev.leak("new.py")
    answer = proposed(world, dev, base).clean()
    assert "this change edits .leakguard/allow" in " ".join(answer.out.split())


def test_an_allowance_that_was_merged_meanwhile_counts_when_the_job_runs_again(
    world: World, dev: Repo
) -> None:
    base = dev.head()
    dev.branch("feature")
    head = dev.leak("new.py")
    dev.push("feature")
    dev.git("switch", "-q", "main")
    dev.commit(".leakguard/allow", f"{fingerprint(dev, 'new.py')} {RULE} never * sample\n")
    dev.push("main")
    repo = world.checkout(head)
    repo.gh("pull_request", pull_event(base, head)).clean()  # its event file is the old one


def test_a_comment_in_the_change_does_not_count_and_the_report_says_why(
    world: World, dev: Repo
) -> None:
    base = dev.head()
    dev.branch("feature")
    dev.leak("new.py", comment=f"  # leakguard:allow {RULE} sample")
    answer = proposed(world, dev, base).found("new.py")
    assert "it counts once it is merged" in " ".join(answer.out.split())


def test_a_comment_counts_once_it_was_merged(world: World, dev: Repo) -> None:
    before = dev.head()
    after = dev.leak("new.py", comment=f"  # leakguard:allow {RULE} sample")
    dev.push("main")
    world.checkout(after).gh("push", push_event(before, after)).clean()


def test_the_rules_of_the_base_hold(world: World, dev: Repo) -> None:
    rule = (
        "provider: acme\ntitle: ACME\nrules:\n  - id: acme-key\n    name: ACME key\n"
        "    why: it opens the door\n    class: provider-api-key\n    severity: high\n"
        "    confidence: likely\n    pattern: '\\b(?P<secret>acme_[0-9a-f]{32})\\b'\n"
        "    public_prefix: acme_\n    references: ['https://acme.example']\n"
        "    revoke: {url: 'https://acme.example', how: delete it}\n    since: '0.1'\n"
        "    examples: ['{{hex:1}} acme_{{hex:32}}']\n    negatives: ['acme_your_key']\n"
    )
    base = dev.commit(".leakguard/rules/acme.yml", rule)
    dev.push("main")
    dev.branch("feature")
    dev.git("rm", "-q", ".leakguard/rules/acme.yml")
    dev.commit("new.py", f"x = 'acme_{fake('acme')[7:39]}'\n")
    answer = proposed(world, dev, base)
    assert answer.status == 1, answer.said
    assert "acme-key" in answer.out


def test_what_the_base_extends_is_read_from_the_base_too(world: World, dev: Repo) -> None:
    from hashlib import sha256

    shared = "paths:\n  exclude: ['vendor/**']\n"
    digest = sha256(shared.encode()).hexdigest()
    dev.commit("conf/shared.yml", shared)
    base = dev.commit(".leakguard.yml", f"extends: {{file: conf/shared.yml, sha256: {digest}}}\n")
    dev.push("main")
    dev.branch("feature")
    dev.commit("conf/shared.yml", "paths:\n  exclude: ['**']\n")
    dev.leak("vendor/lib.py")
    dev.leak("new.py")
    proposed(world, dev, base).found("new.py")


def test_what_lies_outside_of_the_repository_is_read_where_it_lies(world: World, dev: Repo) -> None:
    from hashlib import sha256

    shared = "paths:\n  exclude: ['vendor/**']\n"
    (world.folder / "shared.yml").write_text(shared)
    digest = sha256(shared.encode()).hexdigest()
    base = dev.commit(".leakguard.yml", f"extends: {{file: ../shared.yml, sha256: {digest}}}\n")
    dev.push("main")
    dev.branch("feature")
    dev.leak("vendor/lib.py")
    proposed(world, dev, base).clean()


def test_a_configuration_that_is_named_is_the_bases_too(world: World, dev: Repo) -> None:
    base = dev.commit("ci/strict.yml", "paths:\n  exclude: ['vendor/**']\n")
    dev.push("main")
    dev.branch("feature")
    dev.leak("vendor/lib.py")
    proposed(world, dev, base, "--config", "ci/strict.yml").clean()
    dev.commit("ci/strict.yml", "paths:\n  exclude: ['**']\n")
    dev.leak("new.py")
    proposed(world, dev, base, "--config", "ci/strict.yml", name="two").found("new.py")
    dev.commit("ci/own.yml", "paths:\n  exclude: ['**']\n")
    answer = proposed(world, dev, base, "--config", "ci/own.yml", name="three")
    assert answer.status == 3
    assert "merge the file first" in answer.err


def test_a_configuration_that_is_named_holds_for_pushes_and_schedules(
    world: World, dev: Repo
) -> None:
    before = dev.head()
    dev.commit("ci/strict.yml", "paths:\n  exclude: ['vendor/**']\n")
    dev.leak("vendor/lib.py")
    dev.leak("new.py")
    dev.push("main")
    repo = world.checkout(dev.head())
    words = ("--config", "ci/strict.yml")
    repo.gh("push", push_event(before, dev.head()), *words).found("new.py")
    payload = {"repository": {"default_branch": "main"}}
    repo.gh("schedule", payload, *words).found("new.py")


def test_a_link_on_the_base_is_refused(world: World, dev: Repo) -> None:
    os.symlink("elsewhere.yml", dev.path / ".leakguard.yml")
    dev.git("add", ".")
    dev.git("commit", "-q", "-m", "link")
    base = dev.head()
    dev.push("main")
    dev.branch("feature")
    dev.leak("new.py")
    answer = proposed(world, dev, base)
    assert answer.status == 3
    assert "no plain file" in answer.err


def test_whose_policy_holds_can_be_chosen(world: World, dev: Repo) -> None:
    base = dev.head()
    dev.branch("feature")
    dev.leak("new.py")
    dev.commit(*HIDING["excludes its path"])
    proposed(world, dev, base, "--policy", "checkout").clean()
    repo = Repo(world.folder / "checkout", world.env)
    assert repo.gh("push", push_event(base, dev.head()), "--policy", "base").status == 2


def test_a_push_is_judged_by_what_it_brings(world: World, dev: Repo) -> None:
    before = dev.head()
    dev.leak("new.py")
    dev.commit(*HIDING["excludes its path"])
    dev.push("main")
    world.checkout(dev.head()).gh("push", push_event(before, dev.head())).clean()


def test_nothing_of_the_base_stays_on_the_disk(world: World, dev: Repo) -> None:
    base = dev.head()
    dev.branch("feature")
    dev.leak("new.py")
    dev.push("feature")
    repo = world.checkout(dev.head())
    scratch = world.folder / "scratch"
    scratch.mkdir()
    repo.gh("pull_request", pull_event(base, dev.head()), TMPDIR=str(scratch)).found("new.py")
    assert not list(scratch.iterdir())
    assert not re.search(re.escape(str(scratch)), repo.git("status", "--porcelain"))
