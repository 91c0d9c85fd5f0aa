"""`leakguard install` and `leakguard uninstall`, with real git and a stand-in for leakguard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leakguard.cli import main
from leakguard.install import everywhere, managers, place
from leakguard.install.script import Kind, kind, make, quote

HOOKS = Path(__file__).parents[2] / "hooks" / "git"
CHAINED = ".leakguard-chained"
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]

STAND_IN = """#!/bin/sh
echo "leakguard $*" >> "$SEEN"
case $2 in pre-push | pre-receive) sed 's/^/stdin /' >> "$SEEN" ;; esac
exit "${GIVES:-0}"
"""
BEFORE = """#!/bin/sh
echo "before $*" >> "$SEEN"
exit "${BEFORE_GIVES:-0}"
"""


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, git without anybody's configuration, and a stand-in on PATH."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": home,
        "GIT_CONFIG_GLOBAL": home / ".gitconfig",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LEAKGUARD_CACHE": tmp_path / "cache",
        "SEEN": tmp_path / "seen",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("LEAKGUARD", raising=False)
    program(tmp_path / "bin" / "leakguard", STAND_IN)
    without = [
        part
        for part in os.environ["PATH"].split(os.pathsep)
        if not shutil.which("leakguard", path=part)
    ]
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), *without]))
    for key, value in {"user.name": "T", "user.email": "t@example.org"}.items():
        git("config", "--global", key, value)
    git("config", "--global", "init.defaultBranch", "main")
    git("config", "--global", "protocol.file.allow", "always")
    return tmp_path


@pytest.fixture
def repo(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an awkward name; we stand in it."""
    top = world / """it's a "repo" $HOME"""
    git("init", "-q", str(top))
    monkeypatch.chdir(top)
    return top


@pytest.fixture
def bare(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bare repository; we stand in it."""
    folder = world / "bare.git"
    git("init", "-q", "--bare", str(folder))
    monkeypatch.chdir(folder)
    return folder


def git(*args: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git here; with `ok` a failure fails the test."""
    done = subprocess.run(["git", *args], capture_output=True, text=True, check=False)
    assert not ok or done.returncode == 0, done.stderr
    return done


def program(path: Path, text: str) -> Path:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def seen(world: Path) -> list[str]:
    """What ran, in order, since the last time."""
    file = world / "seen"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def commit(message: str = "m", ok: bool = True) -> subprocess.CompletedProcess[str]:
    """An empty commit with all hooks."""
    return git("commit", "-q", "--allow-empty", "-m", message, ok=ok)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Both streams, as a person sees them."""
    streams = capsys.readouterr()
    return streams.out + streams.err


# The scripts


def scripts(name: str) -> bytes:
    return (HOOKS / name).read_bytes()


def test_the_four_scripts_differ_only_in_what_they_are_about() -> None:
    def plain(name: str) -> list[str]:
        text = scripts(name).decode().replace(name, "HOOK").replace("give | ", "")
        for word in ("commit", "push", "message"):
            text = text.replace(f"{word} ", "THING ")
        return [
            line for line in text.splitlines()
            if not line.startswith(("# Stops", "# Refuses", "refs=", "give()"))
        ]  # fmt: skip

    texts = [plain(name) for name in ("pre-commit", "commit-msg", "pre-push", "pre-receive")]
    assert all(text == texts[0] for text in texts)


@pytest.mark.parametrize("name", sorted(os.listdir(HOOKS)))
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_can_read_every_script(shell: str, name: str) -> None:
    words = [shell, "sh"] if shell == "busybox" else [shell]
    subprocess.run([*words, "-n", str(HOOKS / name)], check=True)


@pytest.mark.parametrize("name", sorted(os.listdir(HOOKS)))
def test_scripts_are_executable_and_use_no_eval(name: str) -> None:
    assert os.access(HOOKS / name, os.X_OK)
    assert b"eval" not in scripts(name)


@pytest.mark.parametrize("path", ["/plain", "/a b/py", "/it's/py", '/"q"/$HOME/`id`/\\py', "/n\nl"])
@pytest.mark.parametrize("shell", SHELLS)
def test_any_interpreter_path_survives_the_shell(shell: str, path: str) -> None:
    words = [shell, "sh"] if shell == "busybox" else [shell]
    words += ["-c", f"printf %s {quote(path)}"]
    out = subprocess.run(words, capture_output=True, text=True, check=True)
    assert out.stdout == path


def test_a_script_knows_that_it_is_ours_until_it_is_edited() -> None:
    script = make(scripts("pre-commit"), "/usr/bin/python3")
    assert kind(script) is Kind.OURS
    assert kind(script.replace(b"status=4", b"status=0")) is Kind.EDITED
    assert kind(scripts("pre-commit")) is Kind.EDITED  # no seal: copied by hand
    assert kind(b"#!/bin/sh\nexit 0\n") is Kind.FOREIGN


def run_script(
    world: Path, shell: str, name: str, *args: str, python: str = "", stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """A filled-in script under one shell, without git around it."""
    path = world / "hooks folder" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(make(scripts(name), python))
    words = [shell, "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*words, str(path), *args], input=stdin, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("shell", SHELLS)
class TestAScriptUnderEachShell:
    def test_it_runs_leakguard_with_the_arguments_and_gives_its_status(
        self, world: Path, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for status in ("0", "1", "4", "70", "130"):
            monkeypatch.setenv("GIVES", status)
            done = run_script(world, shell, "commit-msg", "a b", "c")
            assert done.returncode == int(status)
            assert seen(world) == ["leakguard hook commit-msg a b c"]

    def test_lines_on_stdin_reach_both_the_old_hook_and_leakguard(
        self, world: Path, shell: str
    ) -> None:
        old = BEFORE.replace("exit", "sed 's/^/before-stdin /' >> \"$SEEN\"\nexit", 1)
        program(world / "hooks folder" / f"pre-push{CHAINED}", old)
        done = run_script(world, shell, "pre-push", "origin", "url", stdin="a b c d\n\\n e %s f\n")
        assert done.returncode == 0
        assert seen(world) == [
            "before origin url", "before-stdin a b c d", "before-stdin \\n e %s f",
            "leakguard hook pre-push origin url", "stdin a b c d", "stdin \\n e %s f",
        ]  # fmt: skip

    def test_nothing_on_stdin_stays_nothing(self, world: Path, shell: str) -> None:
        run_script(world, shell, "pre-receive")
        assert seen(world) == ["leakguard hook pre-receive"]

    def test_the_old_hook_stops_it(
        self, world: Path, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BEFORE_GIVES", "7")
        program(world / "hooks folder" / f"pre-commit{CHAINED}", BEFORE)
        assert run_script(world, shell, "pre-commit").returncode == 7
        assert seen(world) == ["before "]

    def test_an_old_hook_that_git_would_not_run_is_not_run(self, world: Path, shell: str) -> None:
        program(world / "hooks folder" / f"pre-commit{CHAINED}", BEFORE).chmod(0o644)
        assert run_script(world, shell, "pre-commit").returncode == 0
        assert seen(world) == ["leakguard hook pre-commit"]

    def test_it_fails_closed_when_nothing_can_run(
        self, world: Path, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEAKGUARD", "no-such-leakguard")
        for name in ("pre-commit", "pre-push", "commit-msg", "pre-receive"):
            for python in ("", "/no/such/python", "/etc/passwd"):
                done = run_script(world, shell, name, python=python)
                assert done.returncode == 4
                assert "not scanned: leakguard cannot be run" in done.stderr
                assert "uninstall" in done.stderr or "take this hook away" in done.stderr
                assert "no-verify" not in done.stderr

    def test_a_launcher_whose_interpreter_is_gone_falls_back(self, world: Path, shell: str) -> None:
        program(world / "bin" / "leakguard", "#!/no/such/interpreter\n")
        python = program(world / "it's py" / "python", '#!/bin/sh\necho "python $*" >> "$SEEN"\n')
        assert run_script(world, shell, "pre-commit", python=str(python)).returncode == 0
        assert seen(world) == ["python -P -m leakguard hook pre-commit"]

    def test_an_interpreter_that_lost_leakguard_does_not_look_like_a_leak(
        self, world: Path, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEAKGUARD", "no-such-leakguard")
        python = program(
            world / "python", '#!/bin/sh\necho "No module named leakguard" >&2; exit 1\n'
        )
        done = run_script(world, shell, "pre-commit", python=str(python))
        assert done.returncode == 4
        assert "No module named leakguard" in done.stderr

    def test_the_repository_cannot_put_its_own_code_in_our_place(
        self, world: Path, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (world / "leakguard").mkdir()
        (world / "leakguard" / "__init__.py").write_text("print('taken over')")
        (world / "leakguard" / "__main__.py").write_text("print('taken over')")
        monkeypatch.chdir(world)
        monkeypatch.setenv("LEAKGUARD", "no-such-leakguard")
        done = run_script(world, shell, "pre-commit", python=sys.executable)
        assert "taken over" not in done.stdout


# One repository


def test_install_writes_pre_commit_and_pre_push(repo: Path, world: Path) -> None:
    assert main(["install"]) == 0
    written = [name for name in os.listdir(".git/hooks") if not name.endswith(".sample")]
    assert sorted(written) == ["pre-commit", "pre-push"]
    commit()
    assert seen(world) == ["leakguard hook pre-commit"]
    git("init", "-q", "--bare", "../to.git")
    git("push", "-q", "../to.git", "main")
    ran = seen(world)
    assert ran[0] == "leakguard hook pre-push ../to.git ../to.git"
    assert ran[1].startswith("stdin refs/heads/main ")


def test_a_non_zero_status_stops_the_commit(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["install"])
    for status in ("1", "4", "70"):
        monkeypatch.setenv("GIVES", status)
        assert commit(ok=False).returncode != 0
    assert git("rev-parse", "--verify", "HEAD", ok=False).returncode != 0


def test_installing_twice_changes_nothing(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["install"])
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in repo.glob(".git/hooks/*")
    }
    capsys.readouterr()
    assert main(["install"]) == 0
    assert said(capsys).count("already there") == 2
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in repo.glob(".git/hooks/*")
    }


def test_uninstall_removes_ours_and_only_ours(repo: Path) -> None:
    before = sorted(os.listdir(".git/hooks"))
    program(repo / ".git/hooks/commit-msg", BEFORE)
    main(["install"])
    assert main(["uninstall"]) == 0
    assert sorted(os.listdir(".git/hooks")) == sorted([*before, "commit-msg"])
    assert main(["uninstall"]) == 0


def test_a_hook_that_was_there_runs_first_and_comes_back(repo: Path, world: Path) -> None:
    old = program(repo / ".git/hooks/pre-commit", BEFORE)
    old.chmod(0o750)
    main(["install"])
    assert (repo / f".git/hooks/pre-commit{CHAINED}").stat().st_mode & 0o777 == 0o750
    commit()
    assert seen(world) == ["before ", "leakguard hook pre-commit"]
    main(["uninstall"])
    assert old.read_text() == BEFORE
    assert old.stat().st_mode & 0o777 == 0o750
    assert not list(repo.glob(f".git/hooks/*{CHAINED}"))


def test_a_hook_that_is_a_link_stays_a_link(repo: Path, world: Path) -> None:
    program(repo / "tools/check.sh", BEFORE)
    link = repo / ".git/hooks/pre-commit"
    link.symlink_to("../../tools/check.sh")
    main(["install"])
    assert (repo / "tools/check.sh").read_text() == BEFORE
    commit()
    assert seen(world) == ["before ", "leakguard hook pre-commit"]
    main(["uninstall"])
    assert link.is_symlink()


def test_an_edited_hook_is_left_alone_unless_forced(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["install"])
    hook = repo / ".git/hooks/pre-commit"
    edited = hook.read_text() + "# mine\n"
    hook.write_text(edited)
    for verb in ("install", "uninstall"):
        assert main([verb]) == 6
        words = said(capsys)
        assert "edited" in words
        assert f"leakguard {verb} --force" in words
        assert hook.read_text() == edited
        assert (repo / ".git/hooks/pre-push").exists()
    assert main(["install", "--force"]) == 0
    assert "# mine" not in hook.read_text()
    hook.write_text(edited)
    assert main(["uninstall", "--force"]) == 0
    assert not hook.exists()


def test_an_older_script_of_ours_is_brought_up_to_date(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = program(repo / ".git/hooks/pre-commit", "")
    hook.write_bytes(make(scripts("pre-commit"), "/old/python"))
    assert main(["install"]) == 0
    assert "brought up to date" in said(capsys)
    assert b"/old/python" not in hook.read_bytes()
    assert not (repo / f".git/hooks/pre-commit{CHAINED}").exists()


def test_two_hooks_that_both_claim_the_name_are_for_a_person_to_sort_out(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(repo / ".git/hooks/pre-commit", BEFORE)
    program(repo / f".git/hooks/pre-commit{CHAINED}", BEFORE)
    assert main(["install"]) == 6
    assert "moved aside before" in said(capsys)
    assert not (repo / ".git/hooks/pre-push").exists()


def test_a_hook_that_acts_by_its_name_is_not_renamed(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = program(repo / ".git/hooks/pre-commit", '#!/bin/sh\nexec dispatch "$(basename "$0")"\n')
    assert main(["install"]) == 6
    assert 'leakguard hook pre-commit "$@" || exit' in said(capsys)
    assert "dispatch" in hook.read_text()


def test_the_hook_names_choose(repo: Path) -> None:
    assert main(["install", "--hook", "commit-msg", "--hook", "pre-receive"]) == 0
    assert (repo / ".git/hooks/commit-msg").exists()
    assert (repo / ".git/hooks/pre-receive").exists()
    assert not (repo / ".git/hooks/pre-commit").exists()
    assert main(["uninstall", "--hook", "commit-msg"]) == 0
    assert not (repo / ".git/hooks/commit-msg").exists()
    assert (repo / ".git/hooks/pre-receive").exists()
    assert main(["install", "--hook", "post-commit"]) == 2


def test_outside_of_a_repository_it_says_so(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(world)
    for verb in ("install", "uninstall"):
        assert main([verb]) == 2
        assert "not a git repository" in said(capsys)


def test_a_subfolder_is_as_good_as_the_top(
    repo: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(repo / "deep" / "er")
    assert main(["install"]) == 0
    assert (repo / ".git/hooks/pre-commit").exists()


def test_a_worktree_shares_the_hooks_of_its_repository(
    repo: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit()
    git("worktree", "add", "-q", "../tree")
    monkeypatch.chdir(world / "tree")
    assert main(["install"]) == 0
    assert (repo / ".git/hooks/pre-commit").exists()
    commit()
    assert seen(world) == ["leakguard hook pre-commit"]


def test_a_submodule_has_hooks_of_its_own(
    repo: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("init", "-q", str(world / "part"))
    git("-C", str(world / "part"), "commit", "-q", "--allow-empty", "-m", "m")
    git("submodule", "--quiet", "add", str(world / "part"), "part")
    monkeypatch.chdir(repo / "part")
    assert main(["install"]) == 0
    assert (repo / ".git/modules/part/hooks/pre-commit").exists()
    assert not (repo / ".git/hooks/pre-commit").exists()


def test_a_bare_repository_gets_pre_receive(
    bare: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install"]) == 0
    assert (bare / "hooks/pre-receive").exists()
    assert not (bare / "hooks/pre-commit").exists()
    assert main(["install", "--hook", "pre-commit"]) == 2
    assert "--hook pre-receive" in said(capsys)


def test_everybody_who_pushes_may_execute_the_hook(bare: Path) -> None:
    before = os.umask(0o077)
    try:
        main(["install"])
    finally:
        os.umask(before)
    assert (bare / "hooks/pre-receive").stat().st_mode & 0o777 == 0o755


# core.hooksPath


def test_a_hooks_folder_in_the_repository_is_used(repo: Path, world: Path) -> None:
    git("config", "core.hooksPath", "tools/git hooks")
    assert main(["install"]) == 0
    script = (repo / "tools/git hooks/pre-commit").read_text()
    assert "python=''" in script  # others get this file: no interpreter of this machine
    commit()
    assert seen(world) == ["leakguard hook pre-commit"]
    assert main(["uninstall"]) == 0
    assert not (repo / "tools/git hooks/pre-commit").exists()


def test_a_relative_hooks_folder_counts_from_the_top(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("config", "core.hooksPath", "githooks")
    (repo / "sub").mkdir()
    monkeypatch.chdir(repo / "sub")
    assert main(["install"]) == 0
    assert (repo / "githooks/pre-commit").exists()


@pytest.mark.parametrize("scope", ["global", "local"])
def test_a_hooks_folder_elsewhere_is_named_and_left_alone(
    repo: Path, world: Path, scope: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = world / "theirs"
    git("config", f"--{scope}", "core.hooksPath", str(theirs))
    assert main(["install"]) == 6
    words = said(capsys)
    assert str(theirs) in words
    assert ("home/.gitconfig" if scope == "global" else ".git/config") in words
    assert 'leakguard hook pre-push "$@" || exit' in words
    assert not theirs.exists()
    assert not (repo / ".git/hooks/pre-commit").exists()


def test_a_hooks_folder_of_the_whole_machine_is_named(
    repo: Path, world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(world / "machine"))
    git("config", "--file", str(world / "machine"), "core.hooksPath", "/opt/hooks")
    for words in (["install"], ["install", "--global"]):
        assert main(words) == 6
        answer = said(capsys)
        assert "/opt/hooks" in answer
        assert str(world / "machine") in answer


def test_uninstall_finds_a_hook_that_a_later_hooks_folder_hides(repo: Path) -> None:
    main(["install"])
    git("config", "core.hooksPath", ".other")
    assert main(["uninstall"]) == 0
    assert not (repo / ".git/hooks/pre-commit").exists()


# Other tools that write hooks


def refused(capsys: pytest.CaptureFixture[str], repo: Path, *words: str) -> str:
    """The advice; checks that nothing was written."""
    assert main(["install", *words]) == 6
    assert not (repo / ".git/hooks/pre-push").exists()
    assert not (repo / ".git/hooks/commit-msg").exists()
    streams = capsys.readouterr()
    assert "hint: add the lines above" in streams.err
    return streams.out


def test_husky_gets_lines_for_its_files(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / ".husky").mkdir()
    advice = refused(capsys, repo)
    assert '# .husky/pre-commit\nleakguard hook pre-commit "$@"\n' in advice
    assert '# .husky/pre-push\nleakguard hook pre-push "$@"\n' in advice


@pytest.mark.parametrize("value", [".husky", ".husky/_"])
def test_husky_is_known_by_its_hooks_folder(
    repo: Path, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    git("config", "core.hooksPath", value)
    assert "# .husky/commit-msg\n" in refused(capsys, repo, "--hook", "commit-msg")


@pytest.mark.parametrize("file", ["lefthook.yml", ".lefthook.yaml", ".config/lefthook.toml"])
def test_lefthook_gets_yaml(repo: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    (repo / file).parent.mkdir(exist_ok=True)
    (repo / file).write_text("")
    advice = refused(capsys, repo, "--hook", "pre-push", "--hook", "commit-msg")
    assert advice.startswith(f"# {file}\n")
    config, *scripts = advice.split("\n# .lefthook/")
    entries = yaml.safe_load(config)
    script = entries["pre-push"]["scripts"]["leakguard.sh"]
    assert script == {"runner": "sh", "use_stdin": True}
    assert scripts == [
        'pre-push/leakguard.sh\nexec leakguard hook pre-push "$@"\n',
        'commit-msg/leakguard.sh\nexec leakguard hook commit-msg "$@"\n',
    ]


def test_the_pre_commit_framework_gets_an_entry_that_it_accepts(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clientlib = pytest.importorskip("pre_commit.clientlib")
    (repo / ".pre-commit-config.yaml").write_text("repos: []\n")
    advice = refused(
        capsys, repo, "--hook", "pre-commit", "--hook", "pre-push", "--hook", "commit-msg"
    )
    (repo / ".pre-commit-config.yaml").write_text(advice)
    config = clientlib.load_config(str(repo / ".pre-commit-config.yaml"))
    assert [hook["id"] for hook in config["repos"][0]["hooks"]] == [
        "leakguard", "leakguard-push", "leakguard-msg",
    ]  # fmt: skip


def test_hook_files_tell_who_wrote_them(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hook = program(
        repo / ".git/hooks/pre-commit",
        "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\n",
    )
    assert "# .pre-commit-config.yaml\n" in refused(capsys, repo)
    hook.write_text('#!/bin/sh\ncall_lefthook() { :; }\ncall_lefthook run "pre-commit" "$@"\n')
    assert "# lefthook.yml\n" in refused(capsys, repo)


def test_pre_receive_is_none_of_their_business(repo: Path) -> None:
    (repo / ".pre-commit-config.yaml").write_text("repos: []\n")
    assert main(["install", "--hook", "pre-receive"]) == 0


def test_every_client_hook_has_advice_for_every_manager(repo: Path) -> None:
    here = place.find()
    for sign in (".husky", "lefthook.yml", ".pre-commit-config.yaml"):
        path = repo / sign
        if sign == ".husky":
            path.mkdir()
        else:
            path.write_text("")
        for hook in managers.CLIENT:
            refusal = managers.refuse(here, (hook,))
            assert refusal is not None
            assert f"leakguard hook {hook}" in refusal.paste
        shutil.rmtree(path) if path.is_dir() else path.unlink()


# All repositories


@pytest.fixture
def hooks_folder(world: Path) -> Path:
    """Where the hooks for all repositories live."""
    return world / "home/.config/leakguard/hooks"


def test_global_runs_in_every_repository(repo: Path, world: Path, hooks_folder: Path) -> None:
    assert main(["install", "--global"]) == 0
    assert git("config", "--global", "core.hooksPath").stdout.strip() == str(hooks_folder)
    commit()
    assert seen(world) == ["leakguard hook pre-commit"]


def test_global_keeps_every_hook_of_a_repository_alive(
    repo: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in everywhere.NAMES:
        if name not in ("reference-transaction", "proc-receive"):
            program(repo / ".git/hooks" / name, f'#!/bin/sh\necho "own {name}" >> "$SEEN"\n')
    commit("zero")
    seen(world)
    commit("one")
    alone = seen(world)
    assert len(alone) >= 4
    main(["install", "--global"])
    commit("two")
    together = [line for line in seen(world) if line != "leakguard hook pre-commit"]
    assert together == alone
    git("worktree", "add", "-q", "../tree")
    seen(world)
    monkeypatch.chdir(world / "tree")
    commit("three")
    ran = seen(world)
    assert ran[:2] == ["own pre-commit", "leakguard hook pre-commit"]
    assert "own commit-msg" in ran


def test_global_passes_on_the_status_of_a_repository_hook(repo: Path, world: Path) -> None:
    main(["install", "--global"])
    program(repo / ".git/hooks/commit-msg", "#!/bin/sh\nexit 3\n")
    assert commit(ok=False).returncode != 0
    program(repo / ".git/hooks/commit-msg", "#!/bin/sh\nexit 0\n")
    commit()


def test_global_does_not_disturb_making_and_cloning_repositories(
    repo: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["install", "--global"])
    commit()
    git("init", "-q", "../new")
    git("init", "-q", "--bare", "../new.git")
    git("push", "-q", "../new.git", "main")
    git("clone", "-q", "../new.git", "../copy")
    git("clone", "-q", "--mirror", "../new.git", "../mirror.git")
    assert git("-C", "../copy", "log", "--oneline").stdout


def test_global_keeps_pushing_into_a_checked_out_branch_working(repo: Path, world: Path) -> None:
    """git leaves the working tree to the push-to-checkout hook as soon as there is one."""
    commit("one")
    git("clone", "-q", ".", "../copy")
    git("-C", "../copy", "config", "receive.denyCurrentBranch", "updateInstead")
    main(["install", "--global"])
    (repo / "f").write_text("new\n")
    git("add", "f")
    commit("two")
    git("push", "-q", "../copy", "main")
    assert (world / "copy/f").read_text() == "new\n"
    assert git("-C", "../copy", "status", "--porcelain").stdout == ""
    (world / "copy/f").write_text("edited\n")
    (repo / "f").write_text("newer\n")
    git("add", "f")
    commit("three")
    assert git("push", "-q", "../copy", "main", ok=False).returncode != 0
    assert (world / "copy/f").read_text() == "edited\n"
    git("init", "-q", "../empty")
    git("-C", "../empty", "config", "receive.denyCurrentBranch", "updateInstead")
    git("push", "-q", "../empty", "main")
    assert (world / "empty/f").read_text() == "newer\n"


def test_global_refuses_a_hooks_folder_of_someone_else(
    repo: Path, world: Path, hooks_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git("config", "--global", "core.hooksPath", "~/dotfiles/hooks")
    assert main(["install", "--global"]) == 6
    words = said(capsys)
    assert str(world / "home/dotfiles/hooks") in words
    assert "home/.gitconfig" in words
    assert not hooks_folder.exists()


def test_global_twice_changes_nothing_and_adds_what_is_new(
    repo: Path, hooks_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["install", "--global"])
    capsys.readouterr()
    assert main(["install", "--global"]) == 0
    assert said(capsys).count("already there") == 2
    assert main(["install", "--global", "--hook", "commit-msg"]) == 0
    assert everywhere.turned_on() == {"pre-commit", "pre-push", "commit-msg"}
    assert len(git("config", "--global", "--get-all", "core.hooksPath").stdout.splitlines()) == 1


def test_global_uninstall_leaves_nothing_behind(
    repo: Path, world: Path, hooks_folder: Path
) -> None:
    before = (world / "home/.gitconfig").read_text()
    main(["install", "--global"])
    assert main(["uninstall", "--global", "--hook", "pre-push"]) == 0
    assert everywhere.turned_on() == {"pre-commit"}
    assert hooks_folder.exists()
    assert main(["uninstall", "--global"]) == 0
    assert not hooks_folder.parent.exists()
    assert "hookspath" not in (world / "home/.gitconfig").read_text().lower()
    assert before.splitlines()[0] in (world / "home/.gitconfig").read_text()
    assert main(["uninstall", "--global"]) == 0
    commit()
    assert seen(world) == []


def test_global_uninstall_keeps_a_hooks_folder_that_is_not_ours(repo: Path) -> None:
    git("config", "--global", "core.hooksPath", "/opt/hooks")
    assert main(["uninstall", "--global"]) == 0
    assert git("config", "--global", "core.hooksPath").stdout.strip() == "/opt/hooks"


def test_a_repository_needs_no_install_when_all_have_one(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["install", "--global"])
    capsys.readouterr()
    assert main(["install"]) == 0
    assert "runs already" in said(capsys)
    assert not (repo / ".git/hooks/pre-commit").exists()
    assert main(["install", "--hook", "commit-msg"]) == 6
    assert "leakguard install --global --hook commit-msg" in said(capsys)


def test_a_foreign_hook_in_our_folder_is_not_lost(repo: Path, hooks_folder: Path) -> None:
    main(["install", "--global"])
    program(hooks_folder / "post-commit", BEFORE)
    assert main(["install", "--global"]) == 6
    assert main(["uninstall", "--global"]) == 0
    assert (hooks_folder / "post-commit").read_text() == BEFORE
