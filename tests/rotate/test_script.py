"""A script is run with as little as it needs, and believed as far as it keeps to the protocol."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from leakguard.errors import ConfigError, UsageError
from leakguard.load.rules import read_bundled
from leakguard.rotate import manifest, process
from leakguard.rotate.script import Call, Script, catalogue, folder_hash, named
from leakguard.secret import Secret

MANIFEST = """\
protocol: 1
name: acme
kind: issuer
title: ACME token
classes: [provider-api-key]
run: ["{python}", rotate.py]
phases: [describe, plan, create, verify_new, disable_old, probe, observe]
slots:
  admin: {help: password, required: true}
  spare: {help: another one, required: false}
needs:
  create: [admin, new]
  verify_new: [new]
timeouts: {probe: 0.7, observe: 0.7}
"""

Make = Callable[..., Script]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A script whose program is the given Python."""

    def made(body: str, *, name: str = "acme", text: str = MANIFEST) -> Script:
        folder = tmp_path / "scripts" / name
        folder.mkdir(parents=True, mode=0o755)
        (folder / "manifest.yml").write_text(text.replace("name: acme", f"name: {name}"))
        (folder / "rotate.py").write_text("import json, os, sys, time\n" + textwrap.dedent(body))
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755)
        return Script(str(folder), manifest.read(str(folder)))

    return made


def secret() -> Secret:
    return Secret(secrets.token_urlsafe(30).encode())


SAYS = "print(json.dumps({'ok': True, 'observed': [%s]}))"


def test_a_phase_gets_the_slots_that_the_manifest_names_and_no_other(make: Make) -> None:
    script = make("ask = json.load(sys.stdin)\n" + SAYS % "','.join(sorted(ask['secrets']))")
    have = {"admin": secret(), "spare": secret(), "old": secret(), "new": secret()}
    assert script.call(Call("create", secrets=have)).observed == ("admin,new",)
    assert script.call(Call("verify_new", secrets=have)).observed == ("new",)
    assert script.call(Call("disable_old", secrets=have)).observed == ("",)


def test_a_required_slot_that_is_missing_is_told_before_anything_runs(make: Make) -> None:
    reply = make("raise SystemExit('was run')").call(Call("create"))
    assert (reply.error, reply.lost) == ("missing", False)
    assert "admin" in reply.message


def test_the_environment_holds_three_names_and_argv_nothing_of_the_request(make: Make) -> None:
    script = make(SAYS % "' '.join(sorted(os.environ)), *sys.argv, os.getcwd(), os.environ['HOME']")
    names, program, folder, home = script.call(Call("describe_no")).observed
    assert set(names.split()) <= {"PATH", "LANG", "HOME", "LC_CTYPE"}
    assert program.endswith("rotate.py")
    assert os.path.realpath(folder) == os.path.realpath(home)
    assert not os.path.exists(home)  # removed when it had ended


def test_its_folder_is_its_own_and_no_core_is_dumped(make: Make) -> None:
    body = "import resource\nmode = oct(os.stat('.').st_mode & 0o777)\n"
    script = make(body + SAYS % "mode, str(resource.getrlimit(resource.RLIMIT_CORE)[0])")
    assert script.call(Call("create_no")).observed == ("0o700", "0")


GARBAGE = {
    "nothing": "",
    "no json": "print('done')",
    "half an object": "print('{\"ok\": tr')",
    "two objects": 'print(\'{"ok": true}{"ok": true}\')',
    "a list": "print('[]')",
    "not UTF-8": "sys.stdout.buffer.write(b'{\"ok\": \\xff}')",
    "an unknown status": "print(json.dumps({'ok': True, 'status': 'perhaps'}))",
    "an unknown class of error": "print(json.dumps({'ok': False, 'error': {'class': 'bad luck'}}))",
    "no error": "print(json.dumps({'ok': False}))",
    "a key twice": 'print(\'{"ok": false, "ok": true}\')',
    "not a number": 'print(\'{"ok": true, "x": NaN}\')',
    "secrets that are no texts": "print(json.dumps({'ok': True, 'secrets': {'new': 1}}))",
    "the old one as a new secret": "print(json.dumps({'ok': True, 'secrets': {'old': 'x'}}))",
    "too deep": "print('{\"ok\": true, \"x\": ' + '[' * 5000 + ']' * 5000 + '}')",
    "too much": "print('{\"ok\": true, \"x\": \"' + 'y' * 3_000_000 + '\"}')",
    "a yes and a failure": "print(json.dumps({'ok': True}))\nsys.exit(3)",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_an_answer_that_breaks_the_protocol_is_a_bug_with_an_unknown_outcome(
    make: Make, what: str
) -> None:
    reply = make(GARBAGE[what]).call(Call("disable_old"))
    assert (reply.ok, reply.error, reply.lost, reply.uncertain) == (False, "bug", True, True)


@pytest.mark.parametrize("phase", ["probe", "observe"])
def test_a_probe_that_says_nothing_of_both_is_garbage(make: Make, phase: str) -> None:
    assert make(SAYS % "").call(Call(phase)).error == "bug"


def test_a_script_that_takes_too_long_is_ended_with_all_it_started(make: Make) -> None:
    script = make(
        """
        import subprocess
        child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
        print(child.pid, file=sys.stderr, flush=True)
        time.sleep(600)
        """
    )
    began = time.monotonic()
    reply = script.call(Call("probe"))
    assert (reply.error, reply.lost) == ("timeout", True)
    assert time.monotonic() - began < 10
    _wait_until_gone(int(reply.stderr))


def test_a_process_left_behind_that_holds_the_pipes_is_ended_too(make: Make) -> None:
    script = make(
        """
        import subprocess
        child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
        print(json.dumps({'ok': True, 'observed': [str(child.pid)]}))
        """
    )
    began = time.monotonic()
    reply = script.call(Call("disable_old"))
    assert reply.ok
    assert time.monotonic() - began < 10
    _wait_until_gone(int(reply.observed[0]))


def _wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":  # ended; whoever inherited it has not looked yet
            return
        time.sleep(0.01)
    raise AssertionError("a process was left behind")


DRESSES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in base64": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
    "in a URL": lambda value: quote(value + "/!", safe=""),
    "in JSON": lambda value: json.dumps({"password": value}),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_a_value_is_starred_out_of_whatever_a_script_says(make: Make, dress: str) -> None:
    script = make(
        """
        said = json.load(sys.stdin)['target']['say']
        print('trace:', said, file=sys.stderr)
        print(json.dumps({'ok': True, 'observed': [said], 'evidence': [{'x': said}],
                          'new': {'id': said}, 'snapshot': {said: [said]}}))
        """
    )
    value = secret()
    said = DRESSES[dress](value.reveal().decode())
    reply = script.call(Call("disable_old", target={"say": said}, secrets={"new": value}))
    kept = json.dumps(reply.public())
    assert reply.ok
    assert kept.count("*****") >= 6
    assert (said in kept) is False
    assert (value.reveal().decode() in kept) is False


def test_a_new_value_may_stand_in_secrets_and_nowhere_else(make: Make) -> None:
    script = make(
        """
        value = 'n3w' + 'A1b2' * 8
        print(json.dumps({'ok': True, 'secrets': {'new': value}, 'observed': ['made ' + value]}))
        """
    )
    reply = script.call(Call("disable_old"))
    assert reply.observed == ("made *****",)
    assert reply.secrets["new"].reveal().startswith(b"n3w")
    assert "n3w" not in repr(reply)


def test_what_our_rules_know_as_a_secret_is_starred_out_of_words(
    make: Make, fake: Callable[..., str]
) -> None:
    rule = next(one for one in read_bundled() if one.id == "slack-bot-token")
    other = fake(rule.examples[0], rule)
    script = make(f"print({other!r}, file=sys.stderr)\n" + SAYS % f"'used ' + {other!r}")
    reply = script.call(Call("disable_old"))
    assert "xoxb-*" in reply.observed[0]
    assert (other in json.dumps(reply.public())) is False


def test_a_program_that_is_not_there_is_an_error_with_its_name(make: Make) -> None:
    text = MANIFEST.replace('["{python}", rotate.py]', "[no-such-program]")
    with pytest.raises(UsageError, match="no-such-program"):
        make("", text=text).call(Call("disable_old"))


def test_a_request_is_never_cut_however_large(make: Make) -> None:
    script = make(SAYS % "str(len(json.load(sys.stdin)['target']['x']))")
    reply = script.call(Call("disable_old", target={"x": "y" * 900_000}))
    assert reply.observed == ("900000",)


def test_a_script_that_does_not_listen_may_still_answer(make: Make) -> None:
    reply = make(SAYS % "'deaf'").call(Call("disable_old", target={"x": "y" * 900_000}))
    assert reply.observed == ("deaf",)


def test_the_end_of_a_long_story_on_standard_error_is_kept() -> None:
    body = "import sys; sys.stderr.write('x' * 3_000_000 + 'the end'); print('{}')"
    ended = process.call([sys.executable, "-c", body], b"", 20)
    assert ended.err.endswith(b"the end")
    assert len(ended.err) < 2 * process.MAX_ERR


# Where scripts come from


def pinned(tmp_path: Path, script: Script, sha256: str) -> dict[str, str]:
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    text = f"scripts:\n  - {{folder: {script.folder}, sha256: {sha256}}}\n"
    (config / "rotate.yml").write_text(text)
    (config / "rotate.yml").chmod(0o600)
    return {"LEAKGUARD_CONFIG": str(config)}


def test_a_users_own_script_is_found_when_it_is_what_was_pinned(tmp_path: Path, make: Make) -> None:
    script = make(SAYS % "")
    environ = pinned(tmp_path, script, folder_hash(script.folder))
    assert named(catalogue(environ), "acme").folder == script.folder


@pytest.mark.parametrize("change", ["a line more", "a file more", "another mode"])
def test_a_script_that_changed_since_is_refused(tmp_path: Path, make: Make, change: str) -> None:
    script = make(SAYS % "")
    environ = pinned(tmp_path, script, folder_hash(script.folder))
    program = Path(script.folder) / "rotate.py"
    if change == "a line more":
        program.write_text(program.read_text() + "# more\n")
    elif change == "a file more":
        (Path(script.folder) / "json.py").write_text("")
    else:
        program.chmod(0o600)
    with pytest.raises(ConfigError, match="not what was pinned"):
        catalogue(environ)


def test_a_folder_in_which_others_may_write_cannot_be_pinned(make: Make) -> None:
    script = make(SAYS % "")
    (Path(script.folder) / "rotate.py").chmod(0o775)
    with pytest.raises(ConfigError, match="others may write"):
        folder_hash(script.folder)


def test_a_link_cannot_be_pinned(tmp_path: Path, make: Make) -> None:
    script = make(SAYS % "")
    (Path(script.folder) / "more.py").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="link"):
        folder_hash(script.folder)


def test_compiled_files_cannot_be_pinned_and_a_run_leaves_none(make: Make) -> None:
    script = make("import helper\n" + SAYS % "helper.WORD")
    (Path(script.folder) / "helper.py").write_text("WORD = 'help'\n")
    script.call(Call("disable_old"))
    folder_hash(script.folder)
    (Path(script.folder) / "__pycache__").mkdir()
    with pytest.raises(ConfigError, match="compiled"):
        folder_hash(script.folder)


def test_a_user_cannot_replace_a_script_of_ours(tmp_path: Path, make: Make) -> None:
    script = make(SAYS % "", name="generic")
    with pytest.raises(ConfigError, match="two scripts"):
        catalogue(pinned(tmp_path, script, folder_hash(script.folder)))


def test_nothing_is_taken_from_a_repository_that_is_scanned(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(SAYS % "")
    top = tmp_path / "repository"
    (top / "hooks").mkdir(parents=True)
    (tmp_path / "scripts").rename(top / "hooks" / "rotate")
    (top / ".leakguard").mkdir()
    (top / ".leakguard" / "rotate.yml").write_text("scripts: []\n")
    monkeypatch.chdir(top)
    assert "acme" not in catalogue({"LEAKGUARD_CONFIG": str(tmp_path / "none")})


def test_an_unknown_script_comes_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="no rotation script") as caught:
        named(catalogue({"LEAKGUARD_CONFIG": "/nonexistent"}), "postgres")
    assert any("postgresql" in hint for hint in caught.value.hints)
