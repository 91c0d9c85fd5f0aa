"""The pack: made once, loaded ever after, and never trusted when it is not ours.

Each test runs a small installation (this package with one rule) in processes of
its own, as commits do.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import leakguard
from leakguard.load import cache
from leakguard.load.pack import SHIPPED

Fake = Callable[..., str]

RULES = r"""
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

OPEN = """
import sys
from leakguard.detect import prefilter
from leakguard.load import body
from leakguard.load.pack import open_pack
how, build, compile_ = ["loaded"], body.build, prefilter.compile_database
body.build = lambda *given: how.append("adapted") or build(*given)
prefilter.compile_database = lambda *given: how.append("built") or compile_(*given)
opened = open_pack(sys.argv[1] or None)
from leakguard.blob import Blob, Origin
from leakguard.detect.scanner import Scanner
blob = Blob(Origin("tree", "a.py"), sys.argv[2].encode())
found = Scanner(opened.book, opened.prefilter.scan).look(blob)
print(how[-1], *[one.rule.id for one in found])
"""

SMALL_DISK = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
"""
KILLED_THERE = "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"

posix = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes are those of POSIX")
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)
nobody = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere"
)


@dataclass
class Installation:
    """A copy of the package, its cache and a token that its rule finds."""

    folder: Path
    cache: Path
    token: str
    path: str = ""
    sound: bytes = b""

    @property
    def rules(self) -> Path:
        return self.folder / "rules" / "acme.yml"

    def command(self, top: str, script: str) -> list[str]:
        return [sys.executable, "-P", "-c", script, top, f"key = {self.token}"]

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = os.pathsep.join(filter(None, [self.path, str(self.folder)]))
        return kept | {"PYTHONPATH": path, "LEAKGUARD_CACHE": str(self.cache)}

    def open(self, top: str = "", script: str = OPEN) -> str:
        """What a process says that opens the pack and scans the token."""
        done = subprocess.run(
            self.command(top, script), env=self.env(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def packs(self) -> list[Path]:
        return sorted(self.cache.glob("*.pack"))

    def is_rebuilt(self) -> None:
        """What is stored is not used; a sound pack takes its place."""
        assert self.open() == "built acme-live-key"
        assert self.sound in [path.read_bytes() for path in self.packs()]


def copy(folder: Path) -> Path:
    source = Path(leakguard.__file__).parent
    shutil.copytree(
        source, folder / "leakguard", ignore=shutil.ignore_patterns("__pycache__", "_bundled")
    )
    (folder / "rules").mkdir()
    (folder / "rules" / "acme.yml").write_text(RULES)
    return folder


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for the tests that do not change it."""
    return copy(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="session")
def sound(shared: Path) -> tuple[str, bytes]:
    """The name and the content of its pack."""
    once = Installation(shared, shared / "cache", "")
    once.open()
    (path,) = once.packs()
    return path.name, path.read_bytes()


@pytest.fixture
def installed(shared: Path, sound: tuple[str, bytes], tmp_path: Path, fake: Fake) -> Installation:
    """A copy that was never used."""
    return Installation(shared, tmp_path / "cache", fake("acme_live_{{alnum:32}}"), sound=sound[1])


@pytest.fixture
def stored(installed: Installation, sound: tuple[str, bytes]) -> Path:
    """The pack of an installation that was used once."""
    installed.cache.mkdir(mode=0o700)
    path = installed.cache / sound[0]
    path.touch(mode=0o600)
    path.write_bytes(sound[1])
    return path


def test_it_is_built_once_and_loaded_after(installed: Installation) -> None:
    assert installed.open() == "built acme-live-key"
    assert installed.open() == "loaded acme-live-key"
    assert len(installed.packs()) == 1


@posix
def test_what_it_stores_is_only_ours_to_write(installed: Installation) -> None:
    installed.open()
    for path in (installed.cache, *installed.cache.iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_a_changed_rule_makes_it_stale(tmp_path: Path, fake: Fake) -> None:
    own = Installation(copy(tmp_path / "own"), tmp_path / "cache", fake("acme_live_{{alnum:32}}"))
    assert own.open() == "built acme-live-key"
    own.rules.write_text(RULES.replace("id: acme-live-key", "id: acme-other-key"))
    assert own.open() == "built acme-other-key"
    assert own.open() == "loaded acme-other-key"
    before = own.rules.stat()
    own.rules.write_text(RULES.replace("id: acme-live-key", "id: acme-third-key"))
    os.utime(own.rules, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert own.open() == "built acme-third-key"


def test_a_repository_has_a_pack_of_its_own(installed: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "repo" / ".leakguard" / "rules"
    folder.mkdir(parents=True)
    top = str(tmp_path / "repo")
    assert installed.open() == "built acme-live-key"
    assert installed.open(top) == "loaded acme-live-key"  # an empty folder changes nothing
    (folder / "own.yml").write_text(
        RULES.replace("acme-live-key", "acme-own-key").replace("provider: acme", "provider: own")
        .replace("severity: high", "severity: high\n    supersedes: [acme-live-key]")
    )  # fmt: skip
    assert installed.open(top) == "built acme-own-key"
    assert installed.open(top) == "loaded acme-own-key"
    assert installed.open() == "loaded acme-live-key"


# --------------------------------------------------------------------------------- in the wheel


SHIP = """
from leakguard.detect import prefilter
from leakguard.load import body, bundled, cache, pack
from pathlib import Path
parts = body.build(prefilter.extension(), None, [])
Path(bundled.folder("rules")).with_name(pack.SHIPPED).write_bytes(cache.frame(parts))
"""


@pytest.fixture
def wheel(installed: Installation, tmp_path: Path) -> Installation:
    """An installation whose rules came compiled, as `hatch_build.py` makes it."""
    folder = copy(tmp_path / "wheel")
    (folder / "leakguard" / "_bundled").mkdir()
    (folder / "rules").rename(folder / "leakguard" / "_bundled" / "rules")
    own = Installation(folder, tmp_path / "cache", installed.token, sound=installed.sound)
    own.open(script=SHIP)
    return own


def shipped(wheel: Installation) -> Path:
    return wheel.folder / "leakguard" / "_bundled" / SHIPPED


def test_what_a_wheel_brings_is_used_and_needs_no_cache(wheel: Installation) -> None:
    assert wheel.open() == "loaded acme-live-key"
    assert not wheel.cache.exists()


@posix
def test_an_installer_may_link_to_it(wheel: Installation) -> None:
    path = shipped(wheel)
    elsewhere = wheel.folder / "store"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert wheel.open() == "loaded acme-live-key"


@pytest.mark.parametrize("damage", ["empty", "of another machine", "databases of another machine"])
def test_a_wheel_of_another_machine_is_built_once_like_a_checkout(
    damage: str, wheel: Installation
) -> None:
    shipped(wheel).write_bytes(DAMAGES[damage](shipped(wheel).read_bytes()))
    assert wheel.open() == "built acme-live-key"
    assert wheel.open() == "loaded acme-live-key"


def test_rules_damaged_in_a_wheel_are_read_again(wheel: Installation) -> None:
    path = shipped(wheel)
    path.write_bytes(DAMAGES["a flipped bit in the rules"](path.read_bytes()))
    assert wheel.open() == "built acme-live-key"


def test_a_repository_that_only_decides_something_compiles_nothing(
    wheel: Installation, tmp_path: Path
) -> None:
    (tmp_path / ".leakguard.yml").write_text("paths:\n  exclude: [vendor/**]\n")
    assert wheel.open(str(tmp_path)) == "adapted acme-live-key"
    assert wheel.open(str(tmp_path)) == "loaded acme-live-key"
    (tmp_path / ".leakguard.yml").write_text("rules:\n  disable: [acme-live-key]\n")
    assert wheel.open(str(tmp_path)) == "built"


def test_its_databases_are_not_taken_over_where_they_cannot_be_loaded(
    wheel: Installation, tmp_path: Path
) -> None:
    path = shipped(wheel)
    path.write_bytes(DAMAGES["a flipped bit in the second database"](path.read_bytes()))
    (tmp_path / ".leakguard.yml").write_text("paths:\n  exclude: [vendor/**]\n")
    assert wheel.open(str(tmp_path)) == "built acme-live-key"


# --------------------------------------------------------------------------------------- damaged


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


DATABASE = b"\xdb\xdb\xdb\xdb"
"""What Hyperscan begins a database with, see its `database.h`."""


def framed(constants: bytes, others: bytes) -> bytes:
    return cache.frame(cache.Parts(constants, others, b"\n", b"{}"))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda raw: raw[:-1],
    "cut in the database": lambda raw: raw[:200],
    "longer": lambda raw: raw + b"x",
    "a flipped bit in the first database": lambda raw: flipped(raw, 400),
    "a flipped bit between the databases": lambda raw: flipped(raw, raw.rindex(DATABASE)),
    "a flipped bit in the second database": lambda raw: flipped(raw, raw.rindex(DATABASE) + 400),
    "a flipped bit in the head": lambda raw: flipped(raw, raw.index(b'\n{"policy"')),
    "a flipped bit in the rules": lambda raw: flipped(raw, len(raw) - 10),
    "another version": lambda raw: raw.replace(b"pack 2", b"pack 3", 1),
    "no sizes": lambda raw: raw[: len(cache.MAGIC)] + b"many\n" + raw[len(cache.MAGIC) :],
    "no line": lambda _: cache.MAGIC + b"1 2 3",
    "huge sizes": lambda _: framed(b"", b"").replace(b" 0 0 ", b" 0 " + b"9" * 5000 + b" ", 1),
    "huge and small sizes": lambda _: framed(b"", b"").replace(b" 0 0 ", b" 9 -9 ", 1),
    "of another machine": lambda raw: raw.replace(sys.platform.encode(), b"amiga", 1),
    "databases of another machine": lambda _: framed(b"hs database " * 50, b"hs database"),
    "old databases": lambda _: framed(DATABASE + bytes(500), b""),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_one_is_built_anew(damage: str, installed: Installation, stored: Path) -> None:
    stored.write_bytes(DAMAGES[damage](stored.read_bytes()))
    installed.is_rebuilt()


@posix
def test_something_else_in_its_place_is_no_pack(installed: Installation, stored: Path) -> None:
    raw = stored.read_bytes()
    stored.unlink()
    elsewhere = stored.parent / "elsewhere"
    elsewhere.write_bytes(raw)
    stored.symlink_to(elsewhere)
    installed.is_rebuilt()
    stored.unlink()
    stored.mkdir()
    assert installed.open() == "built acme-live-key"  # and it cannot be stored
    assert list(installed.cache.glob("*.new")) == []


# --------------------------------------------------------------------------------------- foreign


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_built_anew(
    mode: int, installed: Installation, stored: Path
) -> None:
    stored.chmod(mode)
    installed.is_rebuilt()
    assert stored.stat().st_mode & 0o022 == 0


@posix
@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_folder_that_others_may_write_is_not_used(
    mode: int, installed: Installation, stored: Path
) -> None:
    before = stored.read_bytes()
    installed.cache.chmod(mode)
    assert installed.open() == "built acme-live-key"
    assert stored.read_bytes() == before
    assert installed.packs() == [stored]


@root
def test_a_file_or_folder_of_somebody_else_is_not_used(
    installed: Installation, stored: Path
) -> None:
    os.chown(stored, 65534, 65534)
    installed.is_rebuilt()
    os.chown(installed.cache, 65534, 65534)
    assert installed.open() == "built acme-live-key"
    assert installed.open() == "built acme-live-key"


# ------------------------------------------------------------------------------ no room to store it


def test_without_a_place_for_it_everything_works(installed: Installation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    installed.cache = tmp_path / "file" / "below"
    assert installed.open() == "built acme-live-key"
    assert installed.open() == "built acme-live-key"


@posix
@nobody
def test_a_folder_that_cannot_be_written_is_no_error(installed: Installation) -> None:
    installed.cache.mkdir(mode=0o500)
    assert installed.open() == "built acme-live-key"
    assert list(installed.cache.iterdir()) == []


@posix
def test_a_full_disk_is_no_error_and_leaves_nothing_behind(installed: Installation) -> None:
    assert installed.open(script=SMALL_DISK + OPEN) == "built acme-live-key"
    assert list(installed.cache.iterdir()) == []
    installed.is_rebuilt()


@posix
def test_a_process_that_dies_while_it_writes_leaves_a_usable_cache(installed: Installation) -> None:
    killed = subprocess.run(
        installed.command("", SMALL_DISK + KILLED_THERE + OPEN),
        env=installed.env(), capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGXFSZ
    (left,) = installed.cache.iterdir()
    assert left.suffix == ".new"
    installed.is_rebuilt()
    assert left.exists()  # it may be another process at work
    (path,) = installed.packs()
    long_ago = time.time() - cache.ABANDONED_SECONDS - 60
    os.utime(left, (long_ago, long_ago))
    path.unlink()
    installed.is_rebuilt()
    assert not left.exists()


def test_two_processes_at_once_both_get_it(installed: Installation) -> None:
    started = [
        subprocess.Popen(
            installed.command("", OPEN), env=installed.env(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [process.communicate()[0].strip() for process in started]
    assert {line.split()[1] for line in said} == {"acme-live-key"}
    assert [path.suffix for path in installed.cache.iterdir()] == [".pack"]
    assert installed.open() == "loaded acme-live-key"


def test_old_packs_make_room(installed: Installation) -> None:
    installed.cache.mkdir(mode=0o700)
    for number in range(cache.KEEP + 5):
        old = installed.cache / f"{number:02}.pack"
        old.write_bytes(b"")
        os.utime(old, (1000 + number, 1000 + number))
    installed.is_rebuilt()
    left = {path.stem for path in installed.packs()}
    assert len(left) == cache.KEEP
    assert left >= {f"{number:02}" for number in range(6, cache.KEEP + 5)}


# ------------------------------------------------------------------------------- without Hyperscan


def test_without_hyperscan_it_finds_the_same(installed: Installation, tmp_path: Path) -> None:
    broken = tmp_path / "path" / "hyperscan"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ModuleNotFoundError(__name__)\n")
    installed.path = str(tmp_path / "path")
    assert installed.open().split()[1:] == ["acme-live-key"]
    assert installed.open().split()[1:] == ["acme-live-key"]
    (path,) = installed.packs()
    installed.path = ""
    assert installed.open() == "built acme-live-key"  # with it, the pack is another one
    assert len(installed.packs()) == 2
    assert path in installed.packs()


# ----------------------------------------------------------------------------- where the cache lies


def test_the_cache_lies_where_the_platform_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEAKGUARD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.folder() == str(tmp_path / "leakguard")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.folder() == str(tmp_path / "home" / ".cache" / "leakguard")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.folder() == str(tmp_path / "home" / "Library" / "Caches" / "leakguard")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder() is None
