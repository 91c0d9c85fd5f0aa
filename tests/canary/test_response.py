"""No fake secret comes out of the response, whatever it is given and however it is misused."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from hostile.forked import Forked
from hostile.scratch import Repo, environment

from canary.leaks import Fake, Watch, make
from leakguard.cli.rules_check import scanner
from leakguard.load.rules import read_bundled
from leakguard.load.templates import templates
from leakguard.recipe import expand

GIT = """#!/bin/sh
{{
    printf '%s\\n' "$@"; env
    tr '\\0' '\\n' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/environ
}} >>{log} 2>&1
exec {git} "$@"
"""

IN_FILES = (
    "github-pat", "slack-bot-token", "stripe-live-secret-key", "generic-password-config",
    "generic-database-password", "aws-access-key-id",
)  # fmt: skip
"""A fake of each of these is committed and pushed."""

IN_REPORTS = ("gitlab-pat", "npm-token")
"""And of these in each report of another scanner, with one more that no rule of ours knows."""


PROFILE = """organisation: Example
security_address: security@example.com
on_call: [ops on duty]
channel: https://chat.example.com/incidents
status_page: https://status.example.com
contacts: {legal: legal@example.com, support: help@example.com, vendors: v@example.com}
"""


@dataclass
class Case:
    """Everything that was said, by what was asked; and where it was written."""

    folder: Path
    repo: Repo
    program: Forked
    said: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)

    def run(self, *words: str, ok: tuple[int, ...] = (0,), name: str = "", **env: str) -> str:
        """Run a command that must end in one of these ways; what it said."""
        return self.fed(b"", *words, ok=ok, name=name, **env)

    def fed(
        self, stdin: bytes, *words: str, ok: tuple[int, ...] = (0,), name: str = "", **env: str
    ) -> str:
        """The same with something on standard input."""
        got = self.program.run(*words, stdin=stdin, **env)
        key = f"{len(self.said)}: {name or ' '.join(words)}"
        self.said[key], self.status[key] = got.text, got.status
        assert got.status in ok, f"{key}: {got.status}"
        return got.out

    def file(self, name: str, text: str) -> str:
        """A file that a person keeps outside of the repository."""
        path = self.folder / "given" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def written(self) -> dict[str, str]:
        """Name and contents of everything that leakguard wrote, and of its temporary files."""
        places = [self.folder / name for name in ("home", "data", "out", "tmp", "cache")]
        places += [self.repo.path / ".git/leakguard", self.repo.path / ".git/hooks"]
        files = [file for place in places for file in [place, *place.rglob("*")] if file.is_file()]
        return {str(file): f"{file}\n{file.read_bytes().decode('latin-1')}" for file in files}


@dataclass(frozen=True)
class Fakes:
    """What must not show, by where it is put."""

    files: tuple[Fake, ...]
    reports: tuple[Fake, ...]
    strange: Fake
    typed: Fake
    address: Fake

    @property
    def every(self) -> tuple[Fake, ...]:
        """All of them."""
        return (*self.files, *self.reports, self.strange, self.typed, self.address)


@pytest.fixture(scope="session")
def kept() -> Fakes:
    """Fakes of many kinds, and one that no rule of ours would know."""
    rules = {rule.id: rule for rule in read_bundled()}
    look = scanner(tuple(rules.values()))
    files, reports = (
        tuple(
            fake
            for one in names
            if one in rules and (fake := make(rules[one], rules[one].examples[0], look, one)).values
        )
        for names in (IN_FILES, IN_REPORTS)
    )
    assert len(files) > 5
    assert len(reports) == len(IN_REPORTS)
    return Fakes(
        files, reports, _bare("strange", "{{alnum:28}}"), _bare("typed", "dop_v1_{{hex:64}}"),
        _bare("address", "{{alnum:24}}"),
    )  # fmt: skip


def _bare(name: str, recipe: str) -> Fake:
    text, known = (expand(recipe, Random(f"{name} {number}")) for number in range(2))
    return Fake(name, "", text, (text.removeprefix("dop_v1_"),), known)


@pytest.fixture(scope="session")
def watch(kept: Fakes) -> Watch:
    """Looks for all of them."""
    return Watch(kept.every)


@pytest.fixture(scope="session")
def driven(tmp_path_factory: pytest.TempPathFactory, kept: Fakes) -> Iterator[Case]:
    """Every command of the response, over leaks of every kind."""
    folder = tmp_path_factory.mktemp("response")
    for name in ("repo", "server", "out", "bin", "cache", "tmp", "data"):
        (folder / name).mkdir(mode=0o700)
    git = folder / "bin/git"
    git.write_text(GIT.format(log=folder / "children", git=shutil.which("git")))
    git.chmod(0o755)
    env = environment(folder / "home", folder / "cache")
    (folder / "data/profile.yml").write_text(PROFILE)
    plain = Repo(folder / "repo", env)
    _committed(plain, folder / "server", kept)
    env |= {
        "PATH": f"{folder}/bin:{env['PATH']}", "TMPDIR": str(folder / "tmp"),
        "LEAKGUARD_DATA": str(folder / "data"), "LEAKGUARD_ACTOR": "mara",
    }  # fmt: skip
    with Forked(folder / "said", plain.path, env) as program:
        program.env["GIT_TRACE"] = str(folder / "out/trace")
        case = Case(folder, plain, program)
        _every_way_in(case, kept)
        _every_command(case, kept)
        _every_message(case)
        _in_a_pipeline(case, kept)
        yield case


def _committed(repo: Repo, server: Path, kept: Fakes) -> None:
    """All fakes in one commit, which a remote has whose address holds a password."""
    repo.git("init", "-q")
    repo.commit_file("README", "hello\n")
    for number, one in enumerate(kept.files):
        folder, name = os.path.split(one.path)
        repo.stage(os.path.join(folder, f"n{number}", name), f"{one.text}\n")
    repo.stage("use.py", f'TOKEN_OF_DEPLOY = "{kept.typed.text}"\n')
    repo.stage("other.py", "from use import TOKEN_OF_DEPLOY\n")
    repo.commit("all of them")
    password = kept.address.text
    repo.git("remote", "add", "origin", f"https://ci:{password}@git.example.invalid/x.git")
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repo.git("-c", "init.defaultBranch=main", "init", "-q", "--bare", str(server))
    repo.git("remote", "add", "backup", str(server))


def _every_way_in(case: Case, kept: Fakes) -> None:
    """Findings, reports, pasted values, words."""
    case.run("scan", ok=(1,))
    case.run("scan", "--format", "json", "--output", f"{case.folder}/out/ours.json", ok=(1,))
    found = json.loads((case.folder / "out/ours.json").read_text())["findings"]
    ids = list(dict.fromkeys(one["id"] for one in found))
    assert len(ids) > 5
    known = next(one["id"] for one in found if one["locations"][0]["path"] == "use.py")
    case.run("respond", known, "--out", f"{case.folder}/out/first")
    for name in ids[:3]:
        case.run("respond", name)
    case.run("respond", ids[3], "--report", f"{case.folder}/out/ours.json", "--no-search")
    case.run("respond", "--report", f"{case.folder}/out/ours.json", ok=(2,))
    for name, report in _reports(case, kept).items():
        path = case.file(f"{name}.json", report)
        case.run("respond", "--report", path, ok=(2,))  # which one? all are told
        for one in _numbers(path):
            case.run("respond", one, "--report", path, name=f"{name} {one}")
    for fake in (*kept.files, kept.strange):
        case.fed(fake.text.encode(), "respond", "-", "--channel", "chat", name=fake.rule_id)
    case.fed(kept.strange.text.encode(), "respond", "-", "--class", "generic", "--label", "ops")
    case.run("respond", "--manual", "--class", "database-password", "--label", "billing_rw",
             "--channel", "chat", "--where", "#ops")  # fmt: skip


def _numbers(path: str) -> list[str]:
    """The ids of a foreign report, as its reader gives them when nothing of ours knows better."""
    from leakguard.cli import intake

    return [one.id[:12] for one in intake.of_report(path, None)]


def _reports(case: Case, kept: Fakes) -> dict[str, str]:
    """What scanners that print raw values would write about the same files."""
    rows = []
    for number, one in enumerate((*kept.reports, kept.strange), 1):
        value = one.values[0] if one is kept.strange else one.text
        rows.append((one.rule_id, f"app/{one.rule_id}.txt", number, value))
    return {
        "gitleaks": json.dumps([
            {"RuleID": rule, "File": path, "StartLine": line, "StartColumn": 1, "Commit": "",
             "Secret": value, "Match": f"x = {value}", "Description": "a key", "Line": value,
             "Fingerprint": f"{path}:{rule}:{line}"}
            for rule, path, line, value in rows
        ]),
        "trufflehog": "\n".join(
            json.dumps({
                "SourceMetadata": {"Data": {"Git": {"file": path, "line": line, "commit": "0" * 40,
                                                    "repository": f"https://x:{value}@h.invalid"}}},
                "DetectorName": rule, "Verified": True, "Raw": value, "RawV2": value,
                "Redacted": "", "ExtraData": {"token": value},
            })
            for rule, path, line, value in rows
        ),
        "kingfisher": json.dumps({"findings": [
            {"rule": {"id": rule, "name": rule},
             "finding": {"path": path, "line": line, "snippet": value,
                         "validation": {"status": "Active Credential", "response": value}}}
            for rule, path, line, value in rows
        ]}),
        "gitlab": json.dumps({"version": "15.0.0", "vulnerabilities": [
            {"id": rule, "name": rule, "description": f"{value} was found",
             "scanner": {"id": "scanner"}, "raw_source_code_extract": value,
             "location": {"file": path, "start_line": line, "commit": {"sha": "0" * 40}},
             "identifiers": [{"type": "rule", "name": rule, "value": rule}]}
            for rule, path, line, value in rows
        ]}),
    }  # fmt: skip


def _every_command(case: Case, kept: Fakes) -> None:
    """The life of the first incident, as people type it."""
    log = case.file("access.log", f"GET /?key={kept.typed.text}\n{kept.files[0].text}\n")
    for words in (
        ("evidence", "add", "1", log, "--how", "export of the console"), ("evidence", "list", "1"),
        ("assign", "1", "--role", "commander", "--to", "li"),
        ("assign", "1", "--role", "fixer", "--to", "kim"),
        ("assign", "1", "revoke:S1", "--to", "li"), ("note", "1", "the vendor called back"),
        ("done", "1", "identify", "--note", "it is ours"),
        ("exposure", "add", "1", "--channel", "ticket", "--where", "OPS-9"),
        ("consumers", "add", "1", "--name", "billing", "--where", "k8s/prod"),
        ("consumers", "list", "1"), ("consumers", "complete", "1", "S1"),
        ("secret", "add", "1", "--class", "oauth-client-secret", "--label", "checkout"),
        ("secret", "move", "1", "S1", "revoked", "--why", "deleted in the console"),
        ("secret", "list", "1"),
        ("evidence", "add", "1", log, "--proves", "dead", "--of", "S1", "--method", "probe"),
        ("exposure", "close", "1", "X1", "--state", "persists", "--detail", "in forks"),
        ("review", "add", "1", "S1", "--source", "trail", "--verdict", "cannot-determine"),
        ("review", "anomaly", "1", "an export at 03:04 UTC", "--secret", "S1"),
        ("review", "decide", "1", "A1", "--as", "benign", "--why", "our own backup"),
        ("consumers", "confirm", "1", "C1", "--method", "health", "--detail", "generation 7"),
        ("consumers", "except", "1", "C2", "--reason", "off since May", "--approver", "li"),
        ("mitigate", "1", "--vector", "source-code"), ("mitigate", "1", "--gate"),
        ("mitigate", "1", "--vector", "chat", "--with", "training", "--tracked", "TEAM-7"),
        ("post-mortem", "1", "--drafted", "https://wiki.example.com/1"),
        ("hold", "1", "--reason", "the vendor"), ("hold", "1", "--off"),
        ("respond", "LG-2026-0001", "--fact", "customer-data=no"), ("merge", "3", "--into", "2",
        "--reason", "one pair"), ("reopen", "2", "--reason", "used again"),
        ("skip", "1", "spread", "--reason", "one job only", "--approver", "li"),
        ("dismiss", "4", "--reason", "a sample", "--approver", "li"),
        ("lower", "5", "--to", "3", "--reason", "nobody read it", "--approver", "li"),
        ("advance", "1"), ("watch", "--once"), ("audit", "verify"), ("doctor",),
        ("list",), ("list", "--all", "--json"), ("status",), ("status", "--json"),
    ):  # fmt: skip
        case.run(*words, ok=(0, 2, 3, 6, 7))
    for number in ("1", "2", "5"):
        for words in (("status",), ("status", "--json"), ("timeline",), ("explain",),
                      ("checklist",), ("checklist", "--format", "json"),
                      ("checklist", "--format", "html")):  # fmt: skip
            case.run(words[0], number, *words[1:])
    case.run("explain", "1", "revoke:S1")
    year = json.loads(case.run("status", "1", "--json"))["id"]
    case.run("respond", year, "--out", f"{case.folder}/out/later")


def _every_message(case: Case) -> None:
    """Each template, filled for the worst incident, recorded, approved, settled."""
    first = len(case.said)
    case.run("notice", "1", "--list")
    for one in templates():
        asked = ("notice", "1", one.id)
        case.run(*asked, ok=(0, 2, 6))
        about = re.search(r"which\?.*one of: (\w+)", " ".join(list(case.said.values())[-1].split()))
        if about:
            case.run(*asked, "--about", about[1], ok=(0, 6))
    filled = [key for key in list(case.said)[first:] if case.status[key] == 0]
    assert len(filled) > 4, filled
    case.run("notice", "1", "declaration", "--by-hand", "read out in #ops", ok=(0, 6))
    case.run("notice", "1", "--approve", "M1", ok=(0, 2, 6))
    case.run("notice", "1", "--settle", "M1", "--sent", ok=(0, 2))
    case.run("notice", "1", "declaration", "--send", "--dry-run", ok=(2, 3, 6))


def _in_a_pipeline(case: Case, kept: Fakes) -> None:
    """The gate's own two commands that open incidents, in a store of their own."""
    out = case.folder / "out"
    apart = {"LEAKGUARD_DATA": str(case.folder / "data/pipeline")}
    case.run("ci", "--range", "HEAD~1..HEAD", "--respond", f"{out}/ci", ok=(1,), **apart)
    text = "\n".join(one.text for one in (*kept.files, *kept.reports, kept.typed))
    case.fed(text.encode(), "logs", "-", "--respond", f"{out}/logs", ok=(1,), **apart)
    assert len(list((out / "ci").iterdir())) > 3
    assert len(list((out / "logs").iterdir())) > 0


FREE = (
    "note 1 V", "note 1 kV", "done 1 explain-it --note V", "done 1 identify --note V",
    "skip 1 spread --reason V", "skip 1 spread --reason x --approver V",
    "assign 1 --role scribe --to V", "assign 1 identify --to V",
    "evidence add 1 FILE --how V", "evidence add 1 FILE --kept V", "evidence add 1 VFILE",
    "evidence add 1 FILE --proves gone --of X1 --detail V",
    "exposure add 1 --channel chat --where V --secret S1",
    "exposure close 1 X1 --state persists --detail V",
    "consumers add 1 --name V --secret S1", "consumers add 1 --name x --kind V --secret S1",
    "consumers add 1 --name x --where V --secret S1",
    "consumers confirm 1 C1 --method usage --detail V",
    "consumers except 1 C1 --reason V --approver x", "consumers except 1 C1 --reason x --approver V",
    "consumers complete 1 S1 --unknown V", "secret add 1 --class generic --label V",
    "secret add 1 --class generic --label x --provider V", "secret move 1 S2 revoked --why V",
    "review add 1 S1 --source V --verdict cannot-determine",
    "review add 1 S1 --source x --verdict cannot-determine --note V",
    "review add 1 S1 --source x --verdict cannot-determine --cross-checked-with V",
    "review anomaly 1 V --secret S1", "review decide 1 A1 --as benign --why V",
    "mitigate 1 --vector chat --with V --tracked x", "mitigate 1 --vector chat --with x --tracked V",
    "post-mortem 1 --published V", "hold 1 --reason V", "reopen 2 --reason V",
    "merge 6 --into 2 --reason V", "dismiss 6 --reason V --approver x",
    "dismiss 6 --reason x --approver V", "lower 2 --to 3 --reason V --approver x",
    "lower 2 --to 3 --reason x --approver V",
    "respond --manual --class generic --label V --channel chat",
    "respond --manual --class generic --label x --provider V",
    "respond --manual --class generic --label x --title V",
    "respond --manual --class generic --label x --channel chat --where V",
    "respond LG --fact code-name=V", "respond LG --fact known-audience=yes --subject V",
    "notice 1 declaration --by-hand V",
)  # fmt: skip
"""Where words go into the record: V is the value; what holds it is refused."""

NAMES = (
    "respond V", "respond --report V", "respond V --report OURS", "status V", "timeline V",
    "explain V", "explain 1 V", "checklist V", "done V x", "done 1 V", "done 1 identify --evidence V",
    "skip 1 V --reason x", "assign 1 V --to x", "note V x", "evidence add V FILE",
    "evidence add 1 V", "evidence add 1 FILE --proves dead --of V", "exposure close 1 V --state persists",
    "exposure add 1 --channel chat --where x --secret V", "consumers confirm 1 V --method usage --detail x",
    "secret move 1 V revoked --why x", "secret add 1 --class generic --label x --within V",
    "review decide 1 V --as benign --why x", "merge V --into 1 --reason x",
    "merge 6 --into V --reason x", "notice 1 V", "notice 1 --approve V", "notice 1 --settle V --sent",
    "notice 1 --send --through V", "respond LG --fact V", "respond LG --fact V=yes",
    "respond LG --fact customer-data=V", "respond --manual --class generic --label x --since V",
    "respond --manual --class generic --label x --preset V",
    "V", "respond --manual --class V", "respond --manual --channel V", "checklist 1 --format V",
    "secret move 1 S1 V --why x", "lower 1 --to V --reason x", "watch --every V", "advance 1 --to V",
    "mitigate 1 --vector V", "review V", "status 1 V", "status --V", "rotate V", "rotate 1 --script V",
)  # fmt: skip
"""Where a name, a number or a choice belongs and the value was pasted."""


def _words(case: Case, line: str, value: str) -> list[str]:
    named = case.folder / "given" / f"{value}.log"
    named.write_text("x")
    known = {
        "V": value, "kV": f"the key {value}, call me", "FILE": case.file("plain.log", "x"),
        "VFILE": str(named), "V=yes": f"{value}=yes", "customer-data=V": f"customer-data={value}",
        "--V": f"--{value}", "code-name=V": f"code-name={value}",
        "OURS": f"{case.folder}/out/ours.json",
        "LG": next(iter(sorted(os.listdir(case.folder / "out/first")))),
    }  # fmt: skip
    return [known.get(word, word) for word in line.split()]


@pytest.mark.parametrize("line", FREE)
def test_a_value_among_the_words_is_refused_and_not_repeated(
    driven: Case, kept: Fakes, watch: Watch, line: str
) -> None:
    words = _words(driven, line, kept.typed.text)
    got = driven.program.run(*words)
    assert not watch.leaks(got.text), "the value is shown"
    assert got.status in (2, 6), line
    assert got.status == 2 or "[G-" in got.flat


@pytest.mark.parametrize("line", NAMES)
def test_a_value_where_a_name_belongs_is_not_repeated(
    driven: Case, kept: Fakes, watch: Watch, line: str
) -> None:
    got = driven.program.run(*_words(driven, line, kept.typed.text))
    assert not watch.leaks(got.text), "the value is shown"
    assert got.status in (2, 3, 4, 6), line


def test_a_value_as_the_one_who_acts_is_refused(driven: Case, kept: Fakes, watch: Watch) -> None:
    path = os.environ.get("PATH", os.defpath)  # not our watching git: its environment is the user's
    for words in (("note", "1", "hello"), ("respond", "--manual", "--class", "generic",
                                           "--label", "x")):  # fmt: skip
        got = driven.program.run(*words, LEAKGUARD_ACTOR=kept.typed.text, PATH=path)
        assert not watch.leaks(got.text), "the value is shown"
        assert got.status in (2, 6)


def test_the_password_of_a_store_is_not_shown(driven: Case, kept: Fakes, watch: Watch) -> None:
    address = f"postgresql://leak:{kept.typed.text}@127.0.0.1:1/none"
    path = os.environ.get("PATH", os.defpath)
    for words in (("list",), ("doctor",), ("audit", "verify")):
        got = driven.program.run(*words, LEAKGUARD_STORE=address, PATH=path)
        assert not watch.leaks(got.text), "the value is shown"
        assert got.status in (3, 4)


def test_nothing_that_was_said_holds_a_secret(driven: Case, watch: Watch) -> None:
    assert len(driven.said) > 120
    leaks = {asked: found for asked, text in driven.said.items() if (found := watch.leaks(text))}
    assert not leaks


def test_nothing_that_was_written_holds_a_secret(driven: Case, watch: Watch) -> None:
    written = driven.written()
    for ending in ("incidents.db", "signing.key", "record.json", "checklist.html", "notice.md"):
        assert any(name.endswith(ending) for name in written), ending
    leaks = {name: found for name, text in written.items() if (found := watch.leaks(text))}
    assert not leaks


def test_no_child_was_given_a_secret(driven: Case, watch: Watch) -> None:
    told = (driven.folder / "children").read_text(errors="replace")
    assert "for-each-ref" in told
    assert "LEAKGUARD_DATA" in told
    assert not watch.leaks(told)
    assert not (driven.folder / "out/trace").exists()


def test_the_record_is_still_whole(driven: Case) -> None:
    assert driven.program.run("audit", "verify").status == 0


def test_the_search_would_see_it_in_the_record_whatever_its_form(
    driven: Case, kept: Fakes, watch: Watch
) -> None:
    """The store is a file whose texts can be searched: a note shows, so would a value."""
    raw = "".join(text for name, text in driven.written().items() if "incidents.db" in name)
    assert "the vendor called back" in raw
    value = kept.typed.text
    for form in (value, base64.b64encode(value.encode()).decode(), value.encode().hex()):
        assert watch.leaks(f"{raw[:50_000]}{form}") == {"typed"}
