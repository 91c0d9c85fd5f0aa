"""Blobs read from packs that git made, as they are stored there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from leakguard.read import history, pack_file
from leakguard.read.pack_file import BrokenPackError, PackFile, Version
from leakguard.rule import Rule

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()  # noqa: SIM905


class Repo:
    """A repository whose files have many versions."""

    def __init__(self, path: Path, rng: Random, *init: str, versions: int = 12) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", *init)
        texts = {f"file{n}.txt": self._lines(rng, 200 * n) for n in range(1, 5)}
        for _ in range(versions):
            for name, lines in texts.items():
                for _ in range(rng.randrange(4)):
                    at = rng.randrange(len(lines))
                    lines[at : at + rng.randrange(6)] = self._lines(rng, rng.randrange(6))
                (path / name).write_text("".join(lines))
            self.git("add", "-A")
            self.git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "v")

    def _lines(self, rng: Random, count: int) -> list[str]:
        return [" ".join(rng.choices(WORDS, k=rng.randrange(9))) + "\n" for _ in range(count)]

    def git(self, *words: str, stdin: bytes = b"") -> bytes:
        """What git answers."""
        command = ["git", "-c", "gc.auto=0", *words]
        return subprocess.run(
            command, cwd=self.path, check=True, input=stdin, capture_output=True
        ).stdout

    def blobs(self) -> dict[str, bytes]:
        """All blobs and their contents, as git says."""
        listed = self.git(
            "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"
        )
        names = [line[5:] for line in listed.decode().splitlines() if line.startswith("blob")]
        return {name: self.git("cat-file", "blob", name) for name in names}

    def indexes(self) -> list[str]:
        """The index of each pack."""
        return sorted(str(path) for path in self.path.glob(".git/objects/pack/*.idx"))


@pytest.fixture
def repo(tmp_path: Path, rng: Random) -> Repo:
    """One whose objects are packed by git's own choice."""
    made = Repo(tmp_path / "repo", rng)
    made.git("repack", "-qadf")
    return made


def wanted(blobs: dict[str, bytes]) -> set[bytes]:
    return {bytes.fromhex(name) for name in blobs}


def read(pack: PackFile, left: list[bytes]) -> Iterator[Version]:
    return pack.read([family.root for family in pack.families()], left)


def assert_all_are_read(repo: Repo) -> int:
    """Each blob once, its copies true; how many are stored as deltas."""
    blobs = repo.blobs()
    (index,) = repo.indexes()
    seen: dict[str, bytes] = {}
    left: list[bytes] = []
    above: list[bytes] = []
    for version in read(PackFile(index, wanted(blobs)), left):
        seen[version.name] = version.data
        del above[version.depth :]
        for start, source, count in version.copies:
            assert version.data[start : start + count] == above[-1][source : source + count]
        above.append(version.data)
    assert (seen, left) == (blobs, [])
    return len(blobs) - len(PackFile(index, wanted(blobs)).families())


def test_every_blob_is_read_after_the_one_it_takes_from(repo: Repo) -> None:
    assert assert_all_are_read(repo) > 20


@pytest.mark.parametrize(
    "how",
    [
        ("-c", "repack.useDeltaBaseOffset=false", "repack", "-qadf"),  # bases by their names
        ("repack", "-qadf", "--depth=200", "--window=60"),
        ("repack", "-qadf", "--depth=0"),
        ("-c", "pack.compression=0", "repack", "-qadF"),
    ],
    ids=["by-name", "deep", "no-deltas", "uncompressed"],
)
def test_other_ways_to_pack(tmp_path: Path, rng: Random, how: tuple[str, ...]) -> None:
    repo = Repo(tmp_path / "repo", rng, versions=30)
    repo.git(*how)
    assert (assert_all_are_read(repo) > 20) == ("--depth=0" not in how)


def test_names_of_sha256(tmp_path: Path, rng: Random) -> None:
    repo = Repo(tmp_path / "repo", rng, "--object-format=sha256")
    repo.git("repack", "-qadf")
    assert_all_are_read(repo)


def test_offsets_that_need_a_table_of_their_own(repo: Repo) -> None:
    (index,) = repo.indexes()
    Path(index).unlink()
    repo.git("index-pack", "--index-version=2,0x100", "-o", index, index[:-4] + ".pack")
    assert_all_are_read(repo)


def test_an_index_of_the_first_version_is_left_to_git(repo: Repo) -> None:
    (index,) = repo.indexes()
    Path(index).unlink()
    repo.git("index-pack", "--index-version=1", "-o", index, index[:-4] + ".pack")
    with pytest.raises(BrokenPackError):
        PackFile(index, wanted(repo.blobs()))


def everything(repo: Repo) -> dict[str, bytes]:
    """The contents of all blobs, by way of the pieces of a history."""
    found: dict[str, bytes] = {}
    for piece in history.store(str(repo.path), 2).pieces:
        if isinstance(piece, history.Families):
            left: list[bytes] = []
            found.update((version.name, version.data) for version in piece.read(left))
            found.update(by_git(repo, history.Piece("blob", left)) if left else {})
        elif piece.kind == "blob":
            found.update(by_git(repo, piece))
    return found


def by_git(repo: Repo, piece: history.Piece) -> dict[str, bytes]:
    return {blob.blob_id: blob.data for blob in history.read(piece, str(repo.path))}


def test_loose_objects_several_packs_and_alternates_are_all_read(
    tmp_path: Path, rng: Random
) -> None:
    repo = Repo(tmp_path / "repo", rng)
    repo.git("repack", "-qd")
    (repo.path / "file1.txt").write_text("another pack\n")
    repo.git("add", "-A")
    repo.git("repack", "-qd")
    repo.git("repack", "-q", "-a")  # and all of it once more
    clone = Repo(tmp_path / "clone", rng, versions=1)
    (clone.path / ".git/objects/info/alternates").write_text(f"{repo.path}/.git/objects\n")
    assert len(repo.indexes()) > 1
    for one in (repo, clone):
        assert everything(one) == one.blobs()


def test_a_pack_that_git_replaced_meanwhile_is_left_to_git(repo: Repo) -> None:
    (index,) = repo.indexes()
    pack = PackFile(index, wanted(repo.blobs()))
    Path(index[:-4] + ".pack").unlink()
    left: list[bytes] = []
    assert not list(read(pack, left))
    assert sorted(name.decode() for name in left) == sorted(pack_names(pack))


def pack_names(pack: PackFile) -> list[str]:
    return [name.hex() for name in pack.names()]


def test_a_family_too_large_to_hold_is_left_to_git(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_file, "HELD", 20_000)
    (index,) = repo.indexes()
    left: list[bytes] = []
    seen = {version.name for version in read(PackFile(index, wanted(repo.blobs())), left)}
    assert seen
    assert left
    assert seen | {name.decode() for name in left} == set(repo.blobs())
    assert everything(repo) == repo.blobs()


@pytest.mark.parametrize("part", [".pack", ".idx"])
def test_a_damaged_pack_never_breaks_the_reader_nor_passes_for_another_content(
    repo: Repo, rng: Random, part: str
) -> None:
    blobs = repo.blobs()
    (index,) = repo.indexes()
    file = Path(index).with_suffix(part)
    file.chmod(0o600)
    whole = file.read_bytes()
    broken = 0
    for _ in range(150):
        at = rng.randrange(len(whole))
        length = rng.choice((1, 1, 4, 4000))
        file.write_bytes(whole[:at] + rng.randbytes(length) + whole[at + length :])
        if rng.random() < 0.2:
            file.write_bytes(whole[:at])
        left: list[bytes] = []
        try:
            for version in read(PackFile(index, wanted(blobs)), left):
                if part == ".pack":  # a damaged index may swap two names, as it does for git
                    assert version.data == blobs[version.name]
        except BrokenPackError:
            broken += 1
        broken += len(left)
    assert broken


def test_a_delta_that_copies_beyond_its_base_is_none(tmp_path: Path) -> None:
    base = b"a" * 40
    for delta in (
        b"\x28\x0a\x91\x23\x0a",  # ten bytes from offset 35
        b"\x28\x0a\x91\x00\x09",  # nine bytes where ten are told
        b"\x27\x0a\x91\x00\x0a",  # of another base
        b"\x28\x0a\x00",  # an instruction that is reserved
        b"\x28\x0a\x0aabc",  # an insertion that breaks off
        b"\x28\x0a" + b"\x91\x00\x28" * 1000,  # far more than is told
        b"\x80" * 100_000,  # a number without an end
    ):
        with pytest.raises(BrokenPackError):
            pack_file._applied([base], delta)
    assert pack_file._applied([base], b"\x28\x0a\x91\x00\x0a") == (base[:10], [])


def findings(repo: Repo) -> list[tuple[str, list[tuple[str, int, str]]]]:
    """What a scan of the whole history reports: rules, and where and since which commit."""
    command = [sys.executable, "-m", "leakguard", "scan", "--history", "--all", "--format", "json"]
    done = subprocess.run(command, cwd=repo.path, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return sorted(
        (
            one["rule_id"],
            sorted((at["path"], at["start_line"], at["commit"]) for at in one["locations"]),
        )
        for one in json.loads(done.stdout)["findings"]
    )


def test_a_history_has_the_same_findings_however_it_is_stored(
    tmp_path: Path, rng: Random, fake: Callable[..., str], rules: list[Rule]
) -> None:
    repo = Repo(tmp_path / "repo", rng, versions=4)
    path = repo.path / "file4.txt"
    github = next(rule for rule in rules if rule.public_prefix == "ghp_")
    token = fake("ghp_{{alnum:30}}{{checksum}}", github)
    for line in (
        f"token = {token[:20]}", f"token = {token[:20]}\n{token[20:]}", f"token = {token}",
        "nothing", f"other = {fake('AKIA{{base32:16}}')}", "nothing again",
        f'password = "{fake("{{alnum:18}}")}"', 'password = "changeme"',
    ):  # fmt: skip
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:300], line, *lines[300:]]) + "\n")
        repo.git("add", "-A")
        repo.git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "v")
    loose = findings(repo)
    repo.git("repack", "-qadf")
    assert findings(repo) == loose
    assert github.id in {rule for rule, _ in loose}
