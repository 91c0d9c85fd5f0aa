"""Make the repositories that the benchmark reads: the same ones for the same seed.

Started as `python bench/make_repos.py --folder DIR --scale 1 10 100`.

A repository of scale 1 holds about 8 MB of text in about 570 different blobs,
scale 100 a hundred times that. The blobs are versions of files that change
over many commits on two branches, packed by git as a long-lived clone is.
`--plant N` adds N fake secrets, made up when it runs; without it there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sample_plan import Branches, FilePlan, Recipe, plan_files, planted_line, with_plants
from sample_text import KINDS, Writer, encode, png

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random
    from typing import IO

START = 1_577_836_800  # the first commit: 2020-01-01
TAGS = 12

Mark = int


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository that is ready to be read."""

    path: Path
    head: str
    commits: int
    blobs: int
    blob_bytes: int
    tree_files: int
    tree_bytes: int


@dataclass(frozen=True, slots=True)
class Staged:
    """A repository with one staged file."""

    path: Path
    file: str


class Import:
    """Speaks to `git fast-import`: first all blobs, file by file, then the commits.

    Blobs of one file follow each other, so git keeps the later ones as
    differences at once, and no more than one file is ever in memory.
    """

    def __init__(self, pipe: IO[bytes], recipe: Recipe, branches: Branches) -> None:
        """Start with nothing written."""
        self._pipe = pipe
        self._recipe = recipe
        self._branches = branches
        self._writer = Writer(recipe.seed)
        self._mark: Mark = 0
        self._changes: dict[int, list[bytes]] = defaultdict(list)
        self._merged: dict[str, Mark] = {}
        self._plants = 0

    def file(self, plan: FilePlan) -> None:
        """Write all versions of a file and note which commit brings which."""
        rng = self._recipe.rng(f"file:{plan.path}")
        for commit, data in zip(plan.commits, self._versions(plan, rng), strict=True):
            mark = self._blob(data)
            self._changes[commit].append(b"M 100644 :%d %s\n" % (mark, plan.path.encode()))
            if plan.feature and commit < self._branches.merge:
                self._merged[plan.path] = mark
        if plan.removed is not None:
            self._changes[plan.removed].append(b"D %s\n" % plan.path.encode())
        if plan.moved is not None:
            new = plan.path.replace("/", "/old/", 1)
            self._changes[plan.moved].append(b"R %s %s\n" % (plan.path.encode(), new.encode()))

    def _versions(self, plan: FilePlan, rng: Random) -> Iterator[bytes]:
        if plan.kind.name == "image":
            yield from (png(rng, plan.size) for _ in plan.commits)
            return
        planted = ""
        if plan.planted:
            planted = planted_line(self._plants, rng)
            self._plants += 1
        blocks = self._writer.blocks(plan.kind, rng, plan.size)
        for number in range(len(plan.commits)):
            if number:
                self._writer.edit(plan.kind, rng, blocks)
            here = plan.planted and plan.planted[0] <= number < plan.planted[1]
            yield encode(plan.kind, [*blocks, planted] if here else blocks)

    def _blob(self, data: bytes) -> Mark:
        self._mark += 1
        self._pipe.write(b"blob\nmark :%d\ndata %d\n%s\n" % (self._mark, len(data), data))
        return self._mark

    def commits(self) -> None:
        """Write the commits of both branches, the merge and the tags."""
        rng = self._recipe.rng("commits")
        branches = self._branches
        last = {"main": 0, "next": 0}
        when = START
        for number in range(branches.total):
            when += rng.randint(60, 7200)
            branch = "next" if branches.is_feature(number) else "main"
            parents = [last[branch] or last["main"]]
            changes = self._changes.pop(number, [])
            if number == branches.merge:
                parents.append(last["next"])
                changes += [b"M 100644 :%d %s\n" % (m, p.encode()) for p, m in self._merged.items()]
            if not changes:
                continue
            last[branch] = self._commit(branch, parents, when, rng.randrange(5), changes)
            if branch == "main" and number % max(1, branches.total // TAGS) == 0:
                self._tag(f"v0.{number}", last[branch], when)

    def _commit(
        self, branch: str, parents: Sequence[Mark], when: int, author: int, changes: Sequence[bytes]
    ) -> Mark:
        self._mark += 1
        person = f"bench {author} <bench-{author}@example.org> {when} +0000"
        words = f"Change {len(changes)} files\n\nStep {self._mark}.\n"
        lines = [
            f"commit refs/heads/{branch}\nmark :{self._mark}\n",
            f"author {person}\ncommitter {person}\ndata {len(words)}\n{words}",
            *(f"from :{parent}\n" for parent in parents[:1] if parent),
            *(f"merge :{parent}\n" for parent in parents[1:]),
        ]
        self._pipe.write("".join(lines).encode() + b"".join(changes) + b"\n")
        return self._mark

    def _tag(self, name: str, mark: Mark, when: int) -> None:
        words = f"Release {name}\n"
        tagger = f"bench 0 <bench-0@example.org> {when} +0000"
        text = f"tag {name}\nfrom :{mark}\ntagger {tagger}\ndata {len(words)}\n{words}\n"
        self._pipe.write(text.encode())


def start_git(folder: Path, *arguments: str, send: bool = False) -> subprocess.Popen[bytes]:
    """Start git as nobody in particular: no settings of the user or the machine."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.Popen(  # our own arguments
        command,
        env=environment,
        stdin=subprocess.PIPE if send else subprocess.DEVNULL,
        stdout=None if send else subprocess.PIPE,
    )


def end_git(process: subprocess.Popen[bytes]) -> None:
    """Wait for git and do not go on when it failed."""
    if process.wait():
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")


def git(folder: Path, *arguments: str) -> None:
    """Run a git command that says nothing."""
    for line in git_lines(folder, *arguments):
        print(line, file=sys.stderr)


def git_lines(folder: Path, *arguments: str) -> Iterator[str]:
    """Run a git command and give its lines as they come."""
    with start_git(folder, *arguments) as process:
        yield from (line.decode().rstrip("\n") for line in process.stdout or ())
        end_git(process)


def fill(folder: Path, recipe: Recipe) -> None:
    """Write the history into an empty repository."""
    branches = Branches.of(recipe)
    plans = with_plants(list(plan_files(recipe, branches)), recipe.plant)
    with start_git(folder, "fast-import", "--quiet", "--done", send=True) as process:
        if process.stdin is None:
            raise RuntimeError("git fast-import was started without a pipe")
        stream = Import(process.stdin, recipe, branches)
        for plan in plans:
            stream.file(plan)
        stream.commits()
        process.stdin.write(b"done\n")
        process.stdin.close()
        end_git(process)


def describe(path: Path) -> Repo:
    """Count what is in a repository."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    check = "--batch-check=%(objecttype) %(objectsize)"
    for line in git_lines(path, "cat-file", "--batch-all-objects", "--unordered", check):
        kind, _, length = line.partition(" ")
        count[kind] += 1
        size[kind] += int(length)
    for line in git_lines(path, "ls-tree", "-rl", "HEAD"):
        count["file"] += 1
        size["file"] += int(line.split()[3])
    return Repo(
        path=path,
        head=next(git_lines(path, "rev-parse", "HEAD")),
        commits=count["commit"],
        blobs=count["blob"],
        blob_bytes=size["blob"],
        tree_files=count["file"],
        tree_bytes=size["file"],
    )


def build(path: Path, recipe: Recipe) -> Repo:
    """Make a repository beside its place and move it there when it is complete."""
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    git(partial, "init", "--quiet", "--initial-branch=main")
    fill(partial, recipe)
    git(partial, "repack", "-adfq")
    git(partial, "pack-refs", "--all")
    git(partial, "checkout", "--quiet", "--force", "main")
    partial.rename(path)
    return describe(path)


def ensure(folder: Path, recipe: Recipe) -> Repo:
    """Give the repository of a recipe: the one that is there, or a new one."""
    folder = folder.resolve()
    path, note = folder / recipe.name, folder / f"{recipe.name}.json"
    if note.exists() and path.exists():
        known = json.loads(note.read_text("utf-8"))
        if known["recipe"] == asdict(recipe):
            return Repo(**{**known["repo"], "path": path})
    if path.exists():
        raise SystemExit(
            f"{path} was made by another version of the benchmark: remove it, "
            "or choose another --folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    repo = build(path, recipe)
    facts = {"recipe": asdict(recipe), "repo": {**asdict(repo), "path": path.name}}
    note.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    return repo


def ensure_staged(repo: Repo, *, planted: bool = False) -> Staged:
    """Give a clone of a repository in which one small new file is staged."""
    name = repo.path.name.replace("repo", "staged") + "-planted" * planted
    path = repo.path.with_name(f"{name}-{repo.head[:8]}")
    staged = Staged(path, "lib/common0/staged_sample.py")
    if path.exists():
        return staged
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    git(repo.path, "clone", "--quiet", "--local", ".", str(partial))
    file = partial / staged.file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(staged_text(planted=planted))
    git(partial, "add", staged.file)
    partial.rename(path)
    return staged


def staged_text(*, planted: bool) -> bytes:
    """Make a Python file of about two kilobytes."""
    rng, kind = Recipe(1).rng("staged"), KINDS["python"]
    extra = [planted_line(0, rng)] if planted else []
    return encode(kind, Writer(1).blocks(kind, rng, 2000) + extra)


def default_folder() -> Path:
    """Say where the repositories go when nobody says it."""
    return Path(tempfile.gettempdir()) / "leakguard-bench"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the repositories that were asked for and say where they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="default: %(default)s"
    )
    parser.add_argument("--scale", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plant", type=int, default=0, metavar="N", help="add N fake secrets")
    options = parser.parse_args(arguments)
    for scale in options.scale:
        repo = ensure(options.folder, Recipe(scale, options.seed, options.plant))
        print(
            f"{repo.path}: {repo.commits} commits, {repo.blobs} blobs, "
            f"{repo.blob_bytes / 1e6:.1f} MB; checked out {repo.tree_files} files, "
            f"{repo.tree_bytes / 1e6:.1f} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
