"""`leakguard exec` as a shell runs it: output, order, exit codes, signals, terminals."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leakguard.cli import child
from leakguard.cli.mask_commands import AZURE, GITHUB, service
from leakguard.load.pack import open_pack
from leakguard.secret import Secret

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and terminals")


@pytest.fixture
def secret(fake: Callable[..., str]) -> str:
    return fake("{{alnum:40}}")


Ran = Callable[..., "subprocess.CompletedProcess[str]"]


def words(*given: str) -> list[str]:
    return [sys.executable, "-m", "leakguard", "exec", *given]


def surroundings(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("GITHUB_ACTIONS", "TF_BUILD")}
    return {**kept, **more}


@pytest.fixture
def run(tmp_path: Path) -> Ran:
    def ran(*given: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words(*given), capture_output=True, text=True, cwd=tmp_path, check=False,
            env=surroundings(**more), timeout=60,
        )  # fmt: skip

    return ran


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-c", code]


PRINTS = "import os; print('API_TOKEN=' + repr(os.environ['V']))"


def test_output_passes_and_nothing_is_said_when_nothing_was_found(run: Ran) -> None:
    ran = run(*python("import sys; print('out'); print('err', file=sys.stderr)"))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "out\n", "err\n")


def test_a_secret_is_masked_and_told_at_the_end(run: Ran, secret: str) -> None:
    ran = run(*python(PRINTS), V=secret)
    assert (ran.returncode, ran.stdout) == (0, "API_TOKEN='*****'\n")
    assert "(stdout):1:12" in ran.stderr
    assert secret not in ran.stderr


def test_with_fail_a_secret_fails_a_command_that_succeeds(run: Ran, secret: str) -> None:
    assert run("--fail", *python(PRINTS), V=secret).returncode == 1
    assert run("--fail", *python(PRINTS + "; raise SystemExit(9)"), V=secret).returncode == 9
    assert run("--fail", *python("print(1)")).returncode == 0


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_commands(code: int, run: Ran) -> None:
    assert run(*python(f"raise SystemExit({code})")).returncode == code


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT"])
def test_a_signal_that_ends_the_command_ends_us(name: str, run: Ran) -> None:
    number = getattr(signal, name)
    code = f"import os, signal; signal.signal({int(number)}, signal.SIG_DFL)" if (
        name != "SIGKILL") else "import os"  # fmt: skip
    assert run(*python(f"{code}; os.kill(os.getpid(), {int(number)})")).returncode == -number


def test_a_command_that_is_not_there(run: Ran) -> None:
    ran = run("--", "no-such-command-here")
    assert ran.returncode == 127
    assert "was not found" in ran.stderr


@posix
def test_a_command_that_cannot_be_run(run: Ran, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("text")
    assert run("--", "./note.txt").returncode == 126


def test_no_command_is_a_matter_of_usage(run: Ran) -> None:
    assert run().returncode == 2


def test_options_of_the_command_are_its_own(run: Ran) -> None:
    assert run("--", sys.executable, "--version").stdout.startswith("Python")


def test_named_variables_are_masked_in_every_form(run: Ran) -> None:
    code = (
        "import os, base64; v = os.environ['DEPLOY_WORD']; print(v, v.encode().hex(),"
        " base64.b64encode(b'x' + v.encode()).decode())"
    )
    ran = run("--mask-env", "DEPLOY_*", *python(code), DEPLOY_WORD="correct-horse")
    assert ran.stdout.startswith("***** ***** ")
    assert ran.stdout.count("*****") == 3


def test_a_value_too_short_to_mask_is_told_of(run: Ran) -> None:
    ran = run("--mask-env", "PIN", *python("print(1)"), PIN="123")
    assert "warning: PIN has less than 4 bytes" in ran.stderr
    assert "123" not in ran.stderr


def test_a_name_that_no_variable_has_is_told_of(run: Ran) -> None:
    """A slip in a name would leave the value in the open, and nobody would know."""
    ran = run("--mask-env", "DEPLYO_*", "--mask-env", "PIN", "--", "true", PIN="12345", EMPTY="")
    assert ran.stderr == "warning: no variable DEPLYO_* is set, so nothing of it is masked\n"


def test_the_report(run: Ran, secret: str, tmp_path: Path) -> None:
    run("--report", "r.json", "--format", "json", *python(PRINTS), V=secret)
    text = (tmp_path / "r.json").read_text()
    assert json.loads(text)["findings"][0]["locations"][0]["path"] == "(stdout)"
    assert secret not in text


def test_a_report_that_cannot_be_written_stops_before_the_command_runs(
    run: Ran, tmp_path: Path
) -> None:
    ran = run("--report", "no/where", *python("open('ran', 'w')"))
    assert ran.returncode == 2
    assert not (tmp_path / "ran").exists()


def test_a_wrong_configuration_stops_before_the_command_runs(run: Ran, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".leakguard.yml").write_text("no-such-key: 1\n")
    ran = run(*python("open('ran', 'w')"))
    assert ran.returncode == 3
    assert not (tmp_path / "ran").exists()


# The service around us


def test_the_service_is_told_first(run: Ran) -> None:
    ran = run("--mask-env", "W", "--ci-mask", *python("print('W' * 0 + 'go')"),
              W="ten%horses\nand one", GITHUB_ACTIONS="true")  # fmt: skip
    assert ran.stdout == (
        "::add-mask::ten%25horses%0Aand one\n::add-mask::ten%25horses\n::add-mask::and one\ngo\n"
    )


def test_nobody_is_told_where_nobody_listens(run: Ran) -> None:
    ran = run("--mask-env", "W", "--ci-mask", *python("print('go')"), W="ten-horses")
    assert ran.stdout == "go\n"
    assert "no CI service" in ran.stderr


def test_how_azure_is_told() -> None:
    escaped = b"a%bcde"
    assert AZURE.tell(Secret(escaped)) == b"##vso[task.setsecret]a%AZP25bcde\n"


def test_services_are_known_by_their_variables() -> None:
    assert service({"GITHUB_ACTIONS": "true"}) is GITHUB
    assert service({"TF_BUILD": "True"}) is AZURE
    assert service({"CI": "true"}) is None


# Live


def test_a_line_comes_before_the_command_ends(tmp_path: Path) -> None:
    code = "import sys, time; print('first', flush=True); sys.stdin.read(); print('last')"
    process = subprocess.Popen(
        words(*python(code)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"first"
    assert process.poll() is None
    rest, _ = process.communicate()
    assert rest.strip() == b"last"


@posix
def test_both_outputs_into_one_pipe_keep_their_order(tmp_path: Path) -> None:
    code = "import os\nfor n in range(300): os.write(1 + n % 2, b'%d\\n' % n)"
    ran = subprocess.run(
        words(*python(code)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path,
        check=True,
    )  # fmt: skip
    assert ran.stdout.split() == [b"%d" % n for n in range(300)]


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGHUP"])
def test_signals_reach_the_command(name: str, tmp_path: Path) -> None:
    number = int(getattr(signal, name))
    code = (
        f"import signal, sys\nsignal.signal({number}, lambda *_: sys.exit(42))\n"
        "print('ready', flush=True)\nsignal.pause()"
    )
    process = subprocess.Popen(words(*python(code)), stdout=subprocess.PIPE, cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.wait(20) == 42
    process.stdout.close()


@posix
def test_a_reader_that_leaves_stops_the_command_as_it_would_without_us(tmp_path: Path) -> None:
    code = "import signal, sys\nsignal.signal(13, signal.SIG_DFL)\nwhile True: print('y' * 500)"
    process = subprocess.Popen(words(*python(code)), stdout=subprocess.PIPE, cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.read(100)
    process.stdout.close()
    assert process.wait(20) == -signal.SIGPIPE


@posix
def test_a_child_left_running_does_not_hold_us(tmp_path: Path) -> None:
    began = time.monotonic()
    subprocess.run(
        words("--", "sh", "-c", "sleep 30 & echo done"), capture_output=True, cwd=tmp_path,
        check=True,
    )  # fmt: skip
    assert time.monotonic() - began < 15


@posix
def test_when_masking_fails_nothing_more_comes_out_and_the_command_goes_on() -> None:
    class Broken:
        def feed(self, data: bytes, now: float) -> bytes:
            raise RuntimeError

        def due(self) -> None:
            return None

        def tick(self, now: float) -> bytes:
            return b""

        finish = tick

    code = "import os; os.write(1, b'x' * 3000000); raise SystemExit(5)"
    status, failure = child.run([sys.executable, "-c", code], lambda _: Broken(), terminal=False)  # type: ignore[arg-type, return-value]
    assert status == 5
    assert isinstance(failure, RuntimeError)


# At a terminal


class Terminal:
    """A person's terminal."""

    def __init__(self, folder: Path, *given: str, errors: int | None = None, **more: str) -> None:
        self.master, slave = os.openpty()
        self.process = subprocess.Popen(
            words(*given), stdin=slave, stdout=slave, stderr=slave if errors is None else errors,
            cwd=folder, env=surroundings(**more), start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),  # noqa: PLW1509 - no threads
        )  # fmt: skip
        os.close(slave)
        self.seen = b""

    def until(self, text: bytes) -> None:
        end = time.monotonic() + 30
        while text not in self.seen and time.monotonic() < end and self._more():
            pass
        assert text in self.seen, self.seen

    def _more(self) -> bool:
        if not select.select([self.master], [], [], 30)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def end(self) -> int:
        while self._more():
            pass
        return self.process.wait(20)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def make(*given: str, **more: str) -> Terminal:
        made.append(Terminal(tmp_path, *given, **more))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        os.close(one.master)


@posix
def test_at_a_terminal_the_command_has_one_and_keeps_its_colours(
    terminal: Callable[..., Terminal], secret: str
) -> None:
    code = (
        "import os, sys; print([os.isatty(n) for n in range(3)]);"
        " print('\\033[32mTOKEN=\\033[1m' + repr(os.environ['V']) + '\\033[0m')"
    )
    shown = terminal(*python(code), V=secret)
    assert shown.end() == 0
    assert b"[True, True, True]\r\n" in shown.seen
    assert b"\x1b[32mTOKEN=\x1b[1m'*****'\x1b[0m\r\n" in shown.seen
    assert secret.encode() not in shown.seen


@posix
def test_what_is_typed_reaches_the_command(terminal: Callable[..., Terminal]) -> None:
    shown = terminal(*python("print('got ' + input('Name: ').upper())"))
    shown.until(b"Name: ")
    os.write(shown.master, b"ada\r")
    shown.until(b"got ADA")
    assert shown.end() == 0


@posix
def test_the_key_for_interrupting_reaches_the_command(terminal: Callable[..., Terminal]) -> None:
    code = (
        "import signal, sys, time\nsignal.signal(2, lambda *_: sys.exit(43))\n"
        "print('ready', flush=True)\ntime.sleep(30)"
    )
    shown = terminal(*python(code))
    shown.until(b"ready")
    os.write(shown.master, b"\x03")
    assert shown.end() == 43


@posix
def test_the_key_for_interrupting_reaches_a_command_with_pipes_once(
    terminal: Callable[..., Terminal],
) -> None:
    code = (
        "import signal, sys, time\nseen = []\nsignal.signal(2, lambda *_: seen.append(1))\n"
        "print('ready', flush=True)\nend = time.time() + 1.5\n"
        "while time.time() < end: time.sleep(0.05)\nsys.exit(60 + len(seen))"
    )
    shown = terminal("--no-tty", *python(code))
    shown.until(b"ready")
    os.write(shown.master, b"\x03")
    assert shown.end() == 61


@posix
def test_values_are_never_told_to_a_terminal(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("--mask-env", "W", "--ci-mask", *python("print(1)"),
                     W="ten-horses", GITHUB_ACTIONS="true")  # fmt: skip
    assert shown.end() == 2
    assert b"ten-horses" not in shown.seen


def test_the_pack_knows_all_public_prefixes() -> None:
    pack = open_pack(None)
    assert set(pack.prefixes) == {rule.public_prefix for rule in pack.book.rules} - {""}
