"""Names, contents and people that try to drive the terminal: only escapes come out."""

from __future__ import annotations

import json
import os

import pytest

from hostile.scratch import PROGRAM, ZERO, Repo, fake, holding

NAMES = {
    "newline": b"new\nline",
    "carriage return": b"carriage\rreturn",
    "tab": b"tab\tbed",
    "quotes": b"\"double\" and 'single'",
    "backslash": b"back\\slash\\n\\x41",
    "not UTF-8": b"not-\xff\xfe-text",
    "leading dash": b"-rf",
    "two dashes": b"--output=x",
    "only dashes": b"--",
    "bidi": "\u202egnp.exe\u2066".encode(),
    "invisible": "zero\u200bwidth\ufeff".encode(),
    "line separator": "line\u2028separator\u0085".encode(),
    "escape sequence": b"\x1b[2J\x1b[1;31mred",
    "operating system command": b"\x1b]0;title\x07",
    "8-bit escape sequence": "\u009b2J".encode(),
    "bell and backspace": b"bell\x07\x08\x7f",
    "runner command": b"::error file=a,line=1::b",
    "other runner command": b"##vso[task.setvariable variable=x]y",
    "colon": b"f:1:10",
    "looks like raw output": b":100644 100644 0000000 0000000 M",
    "magic pathspec": b":(exclude)*",
    "glob": b"*[a-z]?{x,y}**",
    "space at the ends": b" space ",
    "percent": b"%s%n%00%H",
    "dollar": b"$(touch x)`touch y`",
    "very long": b"n" * 255,
    "emoji and wide": "\U0001f511\u5bc6\u94a5".encode(),
    "combining": b"e" + "\u0301".encode() * 40,
    "an arrow": b"a => b {c => d}",
    "an archive separator": b"a.zip!b",
}


WORST = ["newline", "not UTF-8", "bidi", "escape sequence", "8-bit escape sequence",
         "runner command"]  # fmt: skip


def test_names_that_can_be_shown_are_shown(repo: Repo) -> None:
    for number, name in enumerate(NAMES.values()):
        repo.stage(name, holding(fake(str(number))))
    said = repo.leakguard("scan", "--staged").out
    for text in map(os.fsdecode, NAMES.values()):
        if text.isprintable() and "##" not in text:
            assert f"--> {text}:1:10\n" in said
    for escaped in (r"new\nline:1:10", r"not-\xff\xfe-text:1:10", r"\u202egnp.exe\u2066:1:10",
                    r"\x1b[2J\x1b[1;31mred:1:10", r"\x9b2J:1:10"):  # fmt: skip
        assert f"--> {escaped}\n" in said


def test_many_odd_names_at_once(repo: Repo) -> None:
    for number, name in enumerate(NAMES.values()):
        repo.write(name, holding(fake(str(number))))
    repo.git("add", "-A")
    looks = [
        ("scan", "--staged"),
        ("scan",),
        ("scan", "."),
    ]
    for look in looks:
        report = repo.leakguard(*look, "--format", "json")
        assert len(json.loads(report.out)["findings"]) == len(NAMES)
        assert repo.leakguard(*look, "--format", "sarif").status == 1
        assert repo.leakguard(*look, "--explain").out.count("-->") == len(NAMES)
    repo.commit()
    for number, name in enumerate(NAMES.values()):
        repo.write(b"renamed/" + name, holding(fake(str(number))) + "more\n")
        (repo.path / os.fsdecode(name)).unlink()
    repo.git("add", "-A")
    repo.gate().is_silent()
    repo.commit()
    line = f"refs/heads/main {repo.head()} refs/heads/main {ZERO}"
    assert f"{len(NAMES)} secrets" in repo.push(line).out
    for words in (("--history", "--all"), ("--range", "HEAD~2..HEAD")):
        report = repo.leakguard("scan", *words, "--format", "json")
        assert len(json.loads(report.out)["findings"]) == len(NAMES)
        assert repo.leakguard("scan", *words).out.count("-->") == len(NAMES)


def test_odd_names_outside_of_a_repository(folder: Repo) -> None:
    for number, name in enumerate(NAMES.values()):
        folder.write(name, holding(fake(str(number))))
    assert folder.leakguard("scan").out.count("-->") == len(NAMES)
    names = [os.fsdecode(name) for name in NAMES.values()]
    assert folder.leakguard("scan", "--", *names).out.count("-->") == len(NAMES)


def test_odd_names_in_an_odd_folder(repo: Repo, secret: str) -> None:
    repo.stage(b"\x1b[31m/\xff\n/-x/f", holding(secret))
    assert repo.gate().status == 1
    assert repo.leakguard("scan").status == 1
    assert repo.leakguard("scan", "--", "\x1b[31m").status == 1


def test_named_files_of_any_name_are_looked_at_by_the_hook(repo: Repo) -> None:
    for number, name in enumerate(NAMES.values()):
        repo.write(name, holding(fake(str(number))))
    said = repo.leakguard("hook", "pre-commit", "--", *map(os.fsdecode, NAMES.values()))
    assert f"{len(NAMES)} secrets" in said.out


def test_a_path_that_is_not_there_is_named_with_escapes(repo: Repo) -> None:
    paths = ["nowhere" + os.fsdecode(NAMES[name]) for name in WORST]
    for _, said in repo.each(("scan", "--", path) for path in paths):
        said.unread("cannot read")
    for _, said in repo.each(("hook", "pre-commit", "--", path) for path in paths):
        said.unread("is not there")


@pytest.mark.parametrize("word", ["\x1b[2J\udcff", "--\u202e\x07\udcff"])
def test_odd_words_on_the_command_line_are_named_with_escapes(repo: Repo, word: str) -> None:
    for words, said in repo.each(((word,), ("hook", word), ("scan", "--format", word), ("scan", "--range", word),
                  ("scan", "--jobs", word), ("allow", word, "--reason", "x"), ("rules", word),
                  ("rules", "show", word), ("hook", "pre-commit", word), ("scan", word),
                  ("allow", "abcdef", "--reason", "x", "--until", word),
                  ("rules", "list", "--provider", word), ("rules", "check", word),
                  ("scan", "--output", f"/nowhere/{word}", "."),
                  ("hook", "commit-msg", word))):  # fmt: skip
        assert said.status in (2, 4), words


CONTENTS = {
    "escape sequences": '\x1b[2J\x1b]0;title\x07 token = "{}" \x1b[31m',
    "bidi": '\u202e\u2066 token = "{}" \u2069',
    "carriage returns": 'hidden\rtoken = "{}"\rclean',
    "runner commands": '::stop-commands::x token = "{}" ##[error]x',
    "line separators": 'a\u2028b\u0085c token = "{}"',
    "nul bytes": 'a\0b token = "{}"\0',
    "form feeds": 'a\x0cb\x0b token = "{}"',
    "invisible": '\u200b\ufeff\u00ad token = "{}"',
    "backspaces": 'x\x08\x08 token = "{}"\x7f',
}


def test_contents_of_any_kind_come_out_escaped(repo: Repo) -> None:
    for name, content in CONTENTS.items():
        repo.write(name, content.format(fake(name)) + "\n")
    repo.git("add", "-A")
    assert f"{len(CONTENTS)} secrets" in repo.gate().out
    assert repo.leakguard("scan", "--staged", "--explain").out.count("-->") == len(CONTENTS)
    for shape in ("json", "sarif"):
        assert repo.leakguard("scan", "--staged", "--format", shape).status == 1
    everything = "\n".join(CONTENTS.values()).replace("{}", fake("everything"))
    assert repo.leakguard("scan", "-", stdin=everything.encode()).status == 1


def test_bytes_that_are_no_text_come_out_escaped(repo: Repo, secret: str) -> None:
    repo.stage("f", b'\xff\xfe\xfd \x9b2J token = "' + secret.encode() + b'" \x80\x81')
    repo.gate().found("f:1:18")


def test_people_and_messages_come_out_escaped(repo: Repo, secret: str) -> None:
    person = {
        "GIT_AUTHOR_NAME": "\x1b[2J\u202eevil\udcff",
        "GIT_AUTHOR_EMAIL": "\x1b]0;t\x07@example.org",
        "GIT_COMMITTER_NAME": "\x9b2J",
    }
    repo.stage("f", holding(secret))
    repo.git("commit", "-q", "-m", f"\x1b[2J {secret} \u202e\x07", "--cleanup=verbatim", **person)
    for words in (("--range", "HEAD~1..HEAD"), ("--history", "--all"), ("--since", "1 day ago")):
        for shape in ("text", "json", "sarif"):
            assert repo.leakguard("scan", *words, "--format", shape).status == 1
    assert repo.push_head().status == 1
    message = repo.write("message", f"\x1b[2J {secret} \u202e\n")
    assert repo.leakguard("hook", "commit-msg", str(message)).status == 1


def test_colour_is_asked_for_and_nothing_else_comes_with_it(repo: Repo, secret: str) -> None:
    """With colour on, every control sequence is one of ours."""
    import re
    import subprocess

    repo.stage(b"\x1b[2J\xff", "\x1b[2J " + holding(secret))
    done = subprocess.run(
        [*PROGRAM, "scan", "--staged", "--color", "always"], cwd=repo.path, env=repo.env,
        capture_output=True, check=False,
    )  # fmt: skip
    rest = re.sub(rb"\x1b\[[0-9]{1,2}m", b"", done.stdout)
    assert done.returncode == 1
    assert b"\x1b" not in rest
    assert b"[2J" in rest


def test_allowing_a_finding_in_an_odd_path_holds(repo: Repo) -> None:
    for number, name in enumerate(WORST):
        repo.write(NAMES[name], holding(fake(str(number))))
    repo.git("add", "-A")
    report = json.loads(repo.leakguard("scan", "--staged", "--format", "json").out)
    for finding in report["findings"]:
        repo.leakguard("allow", finding["fingerprint"], "--reason", "a sample").is_clean()
    repo.gate().is_silent()
