"""The response and what strangers give it: reports, repositories, names, words, times."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from hostile.forked import Forked, Said
from hostile.scratch import Repo, environment, holding, is_plain, shows

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schema" / "leakguard-incident-1.json"
EVIL = "\x1b]0;x\x07\x1b[31m<script>alert(1)</script><img src=x>|`x`=cmd()\n# heading\n- [x] \u202edone"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """The program, ready."""
    folder = tmp_path_factory.mktemp("program")
    env = environment(folder / "home", folder / "cache")
    with Forked(folder / "said", folder, env) as running:
        yield running


class Ask:
    """The program, asked in one repository about one record; every answer must be sane."""

    def __init__(self, program: Forked, repo: Repo, data: Path) -> None:
        self.program, self.repo, self.data = program, repo, data

    def __call__(
        self, *words: str, stdin: bytes = b"", cwd: Path | None = None, **env: str
    ) -> Said:
        env = {"LEAKGUARD_DATA": str(self.data), "LEAKGUARD_ACTOR": "mara"} | env
        said = self.program.run(*words, stdin=stdin, cwd=cwd or self.repo.path, **env)
        assert said.status in (0, 1, 2, 3, 4, 6, 7), said
        assert "Traceback" not in said.text
        assert is_plain(said.text), said
        return said

    def report(self, content: object, *words: str) -> Said:
        """`respond` with this report."""
        path = self.data.parent / "report.json"
        raw = content if isinstance(content, str) else json.dumps(content)
        path.write_text(raw, errors="surrogatepass")
        return self("respond", *words, "--report", str(path))

    def record(self, number: str = "1") -> dict:
        """The incident as programs read it, valid by its schema."""
        told = json.loads(self("status", number, "--json").out)
        Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)
        return told


@pytest.fixture
def ask(program: Forked, repo: Repo, tmp_path: Path) -> Ask:
    """The program in a repository with one clean commit, and a record of its own."""
    return Ask(program, repo, tmp_path / "data")


def ours(place: dict | None = None, **changed: object) -> dict:
    """A report in our own format, with one finding that says what a stranger wants."""
    spot = {
        "path": "app.py", "start_line": 1, "start_column": 1, "commit": None, "author_date": None,
    } | (place or {})  # fmt: skip
    found = {
        "fingerprint": secrets.token_hex(8), "rule_id": "digitalocean-pat", "rule_name": "a token",
        "provider": "digitalocean", "class": "provider-api-key", "severity": "critical",
        "confidence": "likely", "validity": "unknown", "exposure": "local", "preview": "dop_v1_",
        "locations": [spot],
    } | changed  # fmt: skip
    return {"schema": "leakguard/1", "findings": [found]}


def foreign(**changed: object) -> list[dict]:
    """A report of gitleaks, with one finding that says what a stranger wants."""
    found = {"RuleID": "some-rule", "File": "app.py", "StartLine": 1, "Secret": "x", "Commit": ""}
    return [found | changed]


BROKEN = {
    "a path that is a number": ours({"path": 5}),
    "a path with NUL": ours({"path": "a\0b"}),
    "a path with half a character": ours({"path": "a\ud800b"}),
    "a line that is a word": ours({"start_line": "x"}),
    "a commit that is an option": ours({"commit": "--output=pwned"}),
    "a fingerprint that is a number": ours(fingerprint=5),
    "a fingerprint that is no hash": ours(fingerprint="../../x"),
    "a name that is a list": ours(rule_name=["x"]),
    "a name with half a character": ours(rule_name="a\udfffb"),
    "a class that is none": ours(**{"class": "<b>"}),
    "an exposure that is none": ours(exposure="everywhere"),
    "a confidence that is none": ours(confidence={}),
    "places that are none": ours(locations=7),
    "findings that are none": {"schema": "leakguard/1", "findings": {"a": "b"}},
    "an infinite line": json.dumps(foreign(StartLine=float("inf"))),
    "a line that is no number": json.dumps(foreign(StartLine=float("nan"))),
    "a number of 5000 digits": '[{"RuleID": "x", "File": "a", "StartLine": ' + "9" * 5000 + "}]",
    "a rule with NUL": foreign(RuleID="a\0b"),
    "a file that is a list": foreign(File=["a"]),
    "no source at all": {"SourceMetadata": {"Data": {}}, "DetectorName": "x", "Raw": "y"},
    "runs that are words": {"runs": ["x"]},
    "vulnerabilities that are words": {"vulnerabilities": ["x"]},
    "nesting without end": "[" * 200_000,
    "nesting inside of a report": '{"schema": "leakguard/1", "findings": [' + '{"a":' * 100_000,
    "bytes of another world": "\x00\x01\x02",
    "nothing": "",
    "an object of nothing": "{}",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_report_that_is_wrong_is_one_clear_error(ask: Ask, name: str) -> None:
    said = ask.report(BROKEN[name])
    assert said.status in (2, 3), said
    assert said.err.count("error: ") == 1
    assert not ask.data.exists(), "something was recorded"


@pytest.mark.parametrize("commit", ["--output=pwned", "HEAD", "$(touch pwned)"])
def test_a_commit_of_a_report_is_never_an_option_of_git(ask: Ask, commit: str) -> None:
    assert ask.report(ours({"commit": commit})).status == 3
    assert ask.report(foreign(Commit=commit)).status == 0
    assert not list(ask.repo.path.glob("*pwned*"))


def test_a_commit_that_is_not_here_may_be_anywhere(ask: Ask) -> None:
    assert ask.report(ours({"commit": secrets.token_hex(20)}, exposure="committed")).status == 0
    told = ask.record()
    assert told["severity"]["level"] == 0
    assert (told["exposures"][0]["channel"], told["exposures"][0]["audience"]) == ("unknown",) * 2


def test_a_thing_that_is_no_commit_is_not_shown(ask: Ask) -> None:
    blob = ask.repo.git("rev-parse", "HEAD:README")
    said = ask.report(ours({"commit": blob}, exposure="committed"))
    assert said.status == 0
    assert "hello" not in said.text + ask("status", "1", "--json").text


def test_a_file_that_is_not_here_may_be_anywhere(ask: Ask) -> None:
    assert ask.report(foreign(File="gone.py")).status == 0
    assert ask.record()["exposures"][0]["channel"] == "unknown"
    assert ask.report(foreign(File="README", RuleID="other")).status == 0
    assert ask.record("2")["exposures"][0]["channel"] == "local-commit"


@pytest.mark.parametrize(
    "way", ["../outside.env", "{}/outside.env", "link.env", "folder/outside.env"]
)
def test_a_report_does_not_lead_out_of_the_repository(ask: Ask, tmp_path: Path, way: str) -> None:
    (tmp_path / "outside.env").write_text('SOMEBODYS_OWN_NAME="1"\n')
    (ask.repo.path / "link.env").symlink_to(tmp_path / "outside.env")
    (ask.repo.path / "folder").symlink_to(tmp_path)
    place = {"path": way.format(tmp_path), "start_column": 21}
    assert ask.report(ours(place)).status == 0
    assert ask.record()["secrets"][0]["label"] == ""


def test_names_of_strangers_stay_names_wherever_they_are_shown(ask: Ask, tmp_path: Path) -> None:
    report = [
        {
            "RuleID": EVIL,
            "File": f"{EVIL}/{number}.py",
            "StartLine": 1,
            "Commit": "",
            "Secret": f"x{number}",
        }
        for number in range(2)
    ]
    said = ask.report(report)  # which one?
    assert said.status == 2
    name = re.findall(r"leakguard respond ([0-9a-f]{6}) ", said.flat)[0]
    assert ask.report(report, name, "--out", str(tmp_path / "out")).status == 0
    ask("note", "1", EVIL)
    ask("assign", "1", "identify", "--to", EVIL)
    ask("consumers", "add", "1", "--name", EVIL, "--where", EVIL)
    for words in (("status", "1"), ("timeline", "1"), ("explain", "1"), ("list",),
                  ("consumers", "list", "1"), ("secret", "list", "1"), ("notice", "1", "--list"),
                  ("notice", "1", "status")):  # fmt: skip
        ask(*words)
    ask("respond", ask.record()["id"], "--out", str(tmp_path / "out"))
    (case,) = (tmp_path / "out").iterdir()
    for path in case.iterdir():
        text = path.read_text()
        assert is_plain(text), path.name
        assert "\u202e" not in text, path.name
        if path.name != "record.json":
            assert "<script" not in text, path.name
            assert "<img" not in text, path.name
    _is_a_page((case / "checklist.html").read_text())
    rows = [one for one in (case / "timeline.md").read_text().splitlines() if one[:1] == "|"]
    assert len(rows) > 4
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 4, row
    for row in (case / "checklist.md").read_text().splitlines():
        assert not row.lstrip().startswith(("# heading", "- [x] done", "="))
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(
        json.loads((case / "record.json").read_text())
    )


def _is_a_page(text: str) -> None:
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ol", "ul", "li",
               "span", "code", "strong"}  # fmt: skip

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag in allowed, tag
            names = {name for name, _ in attrs}
            assert names <= {"class", "lang", "charset", "name", "content", "http-equiv"}, attrs

    Reader().feed(text)


def test_a_report_of_endless_names_and_thousands_of_findings_stays_small(ask: Ask) -> None:
    many = ours(rule_name="x" * 3_000_000)
    one = many["findings"][0]
    many["findings"] += [one | {"fingerprint": secrets.token_hex(8), "rule_name": "y" * 5000}
                         for _ in range(3000)]  # fmt: skip
    said = ask.report(many, one["fingerprint"])
    assert said.status == 0
    assert len(said.out) < 30_000
    assert len(ask("status", "1", "--json").out) < 300_000


def _signed(repo: Repo, secret: str, date: str, *, signed: bool = False) -> str:
    """A commit that `git commit` would not make; it is on main."""
    repo.stage("deploy.py", f'DEPLOY_TOKEN = "{secret}"\n')
    tree, parent = repo.git("write-tree"), repo.head()
    mark = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n"
    text = (
        f"tree {tree}\nparent {parent}\nauthor T <t@example.org> {date}\n"
        f"committer T <t@example.org> 1700000000 +0000\n{mark if signed else ''}\na commit\n"
    )
    made = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=text)
    repo.git("update-ref", "refs/heads/main", made)
    return made


def _leaked(ask: Ask) -> str:
    """The id of the only finding of a scan here."""
    said = ask("scan", "--history", "--all", "--format", "json")
    (found,) = json.loads(said.out)["findings"]
    return str(found["id"])


@pytest.mark.parametrize(
    "date",
    ["99999999999 +9999", "0 +0000", "-100 +0000", "9223372036854775807 +0000",
     "253402300799 -1200", "99999999999999 +0000", "junk", "1700000000 +2400"],
)  # fmt: skip
def test_a_commit_may_claim_any_date(ask: Ask, secret: str, date: str) -> None:
    _signed(ask.repo, secret, date)
    assert ask("respond", _leaked(ask)).status == 0
    assert ask.record()["exposures"][0]["channel"] == "local-commit"


def test_nothing_of_the_repository_runs_when_an_incident_is_opened(
    ask: Ask, secret: str, tmp_path: Path
) -> None:
    ran, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >>{ran}\ncat >/dev/null\nexit 0\n')
    program.chmod(0o755)
    repo = ask.repo
    repo.stage(".gitattributes", "* diff=evil filter=evil merge=evil\n")
    repo.stage("use.py", "print(DEPLOY_TOKEN)\n")
    _signed(repo, secret, "1700000000 +0000", signed=True)
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    for key in ("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "gpg.program",
                "core.alternateRefsCommand", "diff.external", "diff.evil.command", "core.askPass",
                "diff.evil.textconv", "filter.evil.clean", "filter.evil.smudge", "pager.show",
                "filter.evil.process", "credential.helper", "gpg.ssh.program", "pager.log",
                "gpg.openpgp.program", "gpg.x509.program", "grep.extension", "pager.grep",
                "remote.origin.uploadpack", "uploadpack.packObjectsHook"):  # fmt: skip
        repo.git("config", key, str(program))
    for key, value in {
        "log.showSignature": "true", "remote.origin.url": f"ext::{program}", "alias.show": f"!{program}",
        "alias.for-each-ref": f"!{program}", "core.hooksPath": str(tmp_path / "hooks"),
        "remote.origin.promisor": "true", "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
    }.items():  # fmt: skip
        repo.git("config", key, value)
    (tmp_path / "hooks").mkdir()
    for name in ("post-index-change", "reference-transaction", "pre-commit", "post-checkout"):
        (tmp_path / "hooks" / name).symlink_to(program)
    (repo.path / ".git/objects/info/alternates").write_text(f"{tmp_path}/elsewhere\n")
    name = _leaked(ask)
    ran.unlink(missing_ok=True)
    assert ask("respond", name, "--out", str(tmp_path / "out")).status == 0
    assert ask.record()["exposures"][0]["channel"] == "public-repository"
    assert not ran.exists(), ran.read_text()


REFS = (
    "refs/heads/-x", "refs/heads/--output=pwned", "refs/heads/$(touch${IFS}pwned)", "refs/heads/a|b`c",
    "refs/heads/<img/src=x>", "refs/tags/\u202eevil", "refs/remotes/--upload-pack=x/main",
    "refs/heads/" + "/".join("x" * 90 for _ in range(8)),
)  # fmt: skip


def test_names_of_branches_tags_files_and_remotes_do_nothing(
    ask: Ask, secret: str, tmp_path: Path
) -> None:
    repo, password = ask.repo, secrets.token_urlsafe(18)
    name = b"-rf \x1b[2J$(touch pwned)\n=1+1|`x` \xff.py"
    repo.stage(name, holding(secret))
    repo.commit()
    packed = "".join(f"{repo.head()} {ref}\n" for ref in sorted(REFS))
    (repo.path / ".git/packed-refs").write_text(f"# pack-refs with: peeled \n{packed}")
    config = repo.path / ".git/config"
    config.write_text(
        f'{config.read_text()}[remote "ev\x1bil --x"]\n\turl = https://u:{password}@h.invalid/x\n'
        f"\tfetch = +refs/heads/*:refs/remotes/evil/*\n"
    )
    said = ask("respond", _leaked(ask), "--out", str(tmp_path / "out"))
    assert said.status == 0
    told = ask.record()
    assert any("--output=pwned" in ref for ref in told["exposures"][0]["refs"])
    for words in (
        ("status", "1"),
        ("timeline", "1"),
        ("checklist", "1"),
        ("notice", "1", "status"),
    ):
        ask(*words)
    _is_a_page(next((tmp_path / "out").iterdir()).joinpath("checklist.html").read_text())
    assert not list(tmp_path.rglob("*pwned")), "a name was obeyed"
    for path in [*ask.data.rglob("*"), *(tmp_path / "out").rglob("*")]:
        assert not path.is_file() or password.encode() not in path.read_bytes(), path
        assert not path.is_file() or not shows(path.read_text("latin-1"), [secret]), path


def test_playbooks_and_policies_of_a_repository_change_nothing(
    ask: Ask, program: Forked, secret: str, tmp_path: Path
) -> None:
    repo = ask.repo
    repo.commit_file("deploy.py", f'DEPLOY_TOKEN = "{secret}"\n')
    name = _leaked(ask)
    ask("respond", name)
    before = ask.record()
    for folder in (".", ".leakguard", "leakguard", "data"):
        for kind in ("playbooks", "templates", "severity", "companions", "presets"):
            repo.write(f"{folder}/{kind}/evil.yml", "nonsense: [\n")
            repo.write(f"{folder}/{kind}/declaration.md.j2", "{{ 7 * 7 }}\n")
        for file in ("profile.yml", "notify.yml", "keys/signing.key", "incidents.db"):
            repo.write(f"{folder}/{file}", "nonsense: [\n")
    ask("scan")
    again = Ask(program, repo, tmp_path / "other")
    assert again("respond", name).status == 0
    after = again.record()
    for part in ("severity", "steps"):
        assert _timeless(after[part]) == _timeless(before[part])
    assert "49" not in again("notice", "1", "status").out


def _timeless(value: object) -> str:
    return re.sub(r'"(at|by)": [^,}]*', "", json.dumps(value))


def test_a_link_that_waits_in_the_output_folder_is_replaced(ask: Ask, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    ask("respond", "--manual", "--class", "generic", "--label", "x", "--channel", "chat")
    number = ask.record()["id"]
    case = ask.repo.path / "out" / number
    case.mkdir(parents=True)
    for name in ("record.json", "checklist.md", "notice.md"):
        (case / name).symlink_to(victim)
    assert ask("respond", number, "--out", "out").status == 0
    assert victim.read_text() == "mine\n"
    assert not (case / "record.json").is_symlink()
    (ask.repo.path / "other").mkdir()
    (ask.repo.path / "other" / number).symlink_to(tmp_path)
    assert ask("respond", number, "--out", "other").status == 2
    assert not (tmp_path / "record.json").exists()


WORDS = (
    "\x1b[2J\x07",
    "a\nb\r\nc",
    "\udcff\udc80",
    "\u202e",
    "x" * 100_000,
    "",
    " ",
    "-x",
    "{{ 7*7 }}",
    "%s%n",
)


@pytest.mark.parametrize("number", range(len(WORDS)))
def test_odd_words_of_people_are_kept_or_refused_but_do_no_harm(ask: Ask, number: int) -> None:
    word = WORDS[number]
    ask("respond", "--manual", "--class", "generic", "--label", f"x{word}", "--title", word,
        "--where", word, "--channel", "chat")  # fmt: skip
    if ask("status", "1").status:
        return  # refused
    ask("note", "1", "--", word)
    ask("assign", "1", "identify", "--to", word, LEAKGUARD_ACTOR=word)
    ask.record()
    for words in (("timeline", "1"), ("checklist", "1"), ("audit", "verify")):
        assert ask(*words).status in (0, 6)


@pytest.mark.parametrize(
    ("stdin", "status"),
    [(b"", 2), (b" \n\n", 2), (b"x" * 300_000, 2), (b"\0\xff" * 100, 0), (b"\x1b[2J" * 9, 0)],
)
def test_what_is_pasted_may_be_anything(ask: Ask, stdin: bytes, status: int) -> None:
    assert ask("respond", "-", stdin=stdin).status == status


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "0001-01-01T00:00Z",
             "9999-12-31T23:59Z", "2026-02-30T00:00Z"]
)  # fmt: skip
def test_a_time_at_the_edge_of_the_calendar_is_taken_or_refused(ask: Ask, time: str) -> None:
    said = ask("respond", "--manual", "--class", "generic", "--label", "x", "--since", time,
               "--channel", "chat")  # fmt: skip
    if said.status:
        assert said.status == 2
        return
    for words in (("status", "1"), ("notice", "1", "tactical-report"), ("watch", "--once")):
        ask(*words)
