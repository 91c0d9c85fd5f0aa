"""Measure leakguard beside what a user would pick instead; README.md tells how to read it.

Started as `python bench/run.py [--quick] [--case NAME] [--runs N] [--json FILE]`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import make_log
import make_repos
import measure
import peers
import real_source
import tables
from measure import Command, Sample
from peers import Job, Tool
from sample_plan import Recipe
from tables import Line, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from make_repos import Repo

CASES = ("hook", "commit", "tree", "source", "history", "logs", "first", "growth")
RUNS = {
    "hook": 15, "commit": 15, "tree": 5, "source": 5, "history": 3, "logs": 5, "first": 5,
    "growth": 3,
}  # fmt: skip
QUICK_RUNS = {
    "hook": 5, "commit": 5, "tree": 2, "source": 2, "history": 2, "logs": 2, "first": 2, "growth": 1
}  # fmt: skip
SLOW_SECONDS = 20  # a tool that takes longer is run less often
SLOW_RUNS = 2
GROWTH_TOOLS = (peers.LEAKGUARD.name, peers.FLOOR, peers.FLOOR_UNORDERED)


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of a table in the making."""

    label: str
    tool: Tool
    command: Callable[[], Command]  # called before each run, outside the measured time
    megabytes: float = 0.0
    proof: str = "-"


@dataclass(slots=True)
class Bench:
    """What was asked for, and the repositories it needs."""

    folder: Path
    tools: Sequence[Tool]
    picked: bool  # the user named the tools
    quick: bool
    runs: int | None
    timeout: float
    _repos: dict[int, Repo] = field(default_factory=dict)
    _proofs: dict[tuple[str, Job], str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """Say where the tools keep their compiled rules."""
        return self.folder / "cache"

    def repo(self, scale: int) -> Repo:
        """Give the repository of a scale, made when it is not there."""
        if scale not in self._repos:
            say(f"repository {scale}x")
            self._repos[scale] = make_repos.ensure(self.folder, Recipe(scale))
        return self._repos[scale]

    def large(self) -> int:
        """Say how large the largest repository is."""
        return 10 if self.quick else 100

    def rounds(self, case: str) -> int:
        """Say how often each tool runs."""
        return self.runs or (QUICK_RUNS if self.quick else RUNS)[case]

    # ---- the commands

    def command(self, tool: Tool, job: Job, scale: int) -> Command | None:
        """Give the command of a tool for a job on a repository."""
        if job is Job.HOOK:
            staged = make_repos.ensure_staged(self.repo(scale))
            return order(tool, job, staged.path, staged.file)
        return order(tool, job, self.repo(scale).path)

    def proof(self, tool: Tool, job: Job) -> str:
        """Tell whether a tool finds the fake secret that was planted for a job.

        A tool that reads nothing is fast; this shows that each one did its job.
        """
        known = self._proofs.get((tool.name, job))
        if known is not None:
            return known
        answer = "-"
        if tool.spec.proves:
            command = self._planted(tool, job)
            if command is not None:
                code = measure.run(command, self.timeout).code
                answer = "yes" if code in tool.spec.found else "NO" if code == 0 else f"exit {code}"
        self._proofs[tool.name, job] = answer
        return answer

    def _planted(self, tool: Tool, job: Job) -> Command | None:
        # The first planted secret is in the history only, the second in the tree.
        recipe = Recipe(1, plant=2 if job is Job.TREE else 1)
        if job is Job.HOOK:
            staged = make_repos.ensure_staged(self.repo(1), planted=True)
            return order(tool, job, staged.path, staged.file)
        return order(tool, job, make_repos.ensure(self.folder, recipe).path)

    def contenders(self, job: Job, scale: int) -> Iterator[Contender]:
        """List who takes part in a job."""
        for tool in self.tools:
            command = self.command(tool, job, scale)
            if command is not None:
                yield Contender(
                    tool.name,
                    tool,
                    lambda command=command: command,  # type: ignore[misc]  # bound now
                    self.megabytes(job, scale),
                    self.proof(tool, job),
                )

    def megabytes(self, job: Job, scale: int) -> float:
        """Say how much a job has to read, nothing for the hook."""
        repo = self.repo(scale)
        size = {Job.HOOK: 0, Job.TREE: repo.tree_bytes, Job.HISTORY: repo.blob_bytes}
        return size[job] / 1e6

    # ---- the cases

    def hook(self) -> Table:
        """Measure a commit of one small file."""
        title = "hook: a commit of one file of 2 KB"
        return Table("hook", title, self.race("hook", list(self.contenders(Job.HOOK, 1))))

    def commit(self) -> Table:
        """Measure a commit of a file that somebody wrote, with words that secrets stand near."""
        staged = real_source.ensure_staged(self.folder)
        entrants = []
        for tool in self.tools:
            command = order(tool, Job.HOOK, staged, real_source.COMMITTED)
            if command is not None:
                given = lambda command=command: command  # noqa: E731 - bound now
                proof = self.proof(tool, Job.HOOK)
                entrants.append(Contender(tool.name, tool, given, 0, proof))
        title = f"commit: {real_source.COMMITTED} of Python's library"
        return Table("commit", title, self.race("commit", entrants))

    def tree(self) -> Table:
        """Measure the checked-out files."""
        repo = self.repo(10)
        title = f"tree: {repo.tree_files} files, {repo.tree_bytes / 1e6:.1f} MB"
        return Table("tree", title, self.race("tree", list(self.contenders(Job.TREE, 10))))

    def source(self) -> Table:
        """Measure source that people wrote."""
        source = real_source.ensure(self.folder)
        entrants = []
        for tool in self.tools:
            command = order(tool, Job.TREE, source.path)
            if command is not None:
                given = lambda command=command: command  # noqa: E731 - bound now
                proof = self.proof(tool, Job.TREE)
                entrants.append(Contender(tool.name, tool, given, source.bytes / 1e6, proof))
        title = f"source: Python's library, {source.files} files, {source.bytes / 1e6:.1f} MB"
        return Table("source", title, self.race("source", entrants))

    def history(self) -> Table:
        """Measure every version of every file."""
        repo = self.repo(self.large())
        title = (
            f"history: {repo.commits} commits, {repo.blobs} blobs, {repo.blob_bytes / 1e6:.0f} MB"
        )
        lines = self.race("history", list(self.contenders(Job.HISTORY, self.large())))
        return Table("history", title, lines)

    def logs(self) -> Table:
        """Measure a finished log of a job."""
        size = 20 if self.quick else 200
        log, leaky = make_log.ensure(self.folder, size), make_log.ensure(self.folder, 1, leak=True)
        entrants = []
        for tool in self.tools:
            command = order(tool, Job.LOG, self.folder, str(log))
            planted = order(tool, Job.LOG, self.folder, str(leaky))
            if command and planted:
                code = measure.run(planted, self.timeout).code
                proof = "yes" if code in tool.spec.found else "NO"
                given = lambda command=command: command  # noqa: E731 - bound now
                entrants.append(Contender(tool.name, tool, given, log.stat().st_size / 1e6, proof))
        return Table("logs", f"logs: the log of a job, {size} MB", self.race("logs", entrants))

    def first(self) -> Table:
        """Measure the hook with an empty cache, as after an install."""
        warm = [one for one in self.contenders(Job.HOOK, 1) if one.tool.spec.cache]
        with tempfile.TemporaryDirectory(prefix="fresh-", dir=self.folder) as fresh:
            cold = [
                Contender(one.label, one.tool, emptied(one, Path(fresh) / str(place)), 0, one.proof)
                for place, one in enumerate(warm)
            ]
            wheel = installed_wheel(Path(fresh) / "wheel")
            cold += [
                Contender(f"{one.label}, from a wheel", one.tool,
                          from_wheel(one, wheel, Path(fresh) / "none"), 0, one.proof)
                for one in warm
                if wheel and one.tool.name == peers.LEAKGUARD.name
            ]  # fmt: skip
            lines = self.race("first", cold, warm_up=False)
        return Table("first", "first: the same commit with an empty cache folder", lines)

    def growth(self) -> Table:
        """Measure the same jobs on repositories of growing size."""
        scales = (1, 10) if self.quick else (1, 10, 100)
        wanted = [one.name for one in self.tools] if self.picked else list(GROWTH_TOOLS)
        entrants = [
            Contender(f"{one.label}, {job.value} {scale}x", one.tool, one.command, one.megabytes)
            for job in (Job.HOOK, Job.TREE, Job.HISTORY)
            for scale in scales
            for one in self.contenders(job, scale)
            if one.tool.name in wanted
        ]
        return Table(
            "growth", "growth: the same job on larger repositories", self.race("growth", entrants)
        )

    # ---- the race

    def race(self, case: str, entrants: Sequence[Contender], *, warm_up: bool = True) -> list[Line]:
        """Run the contenders in turn, A B A B, so that a noisy minute hits all of them alike."""
        lines = [Line(one.label, one.tool.name, one.megabytes, one.proof) for one in entrants]
        if warm_up:
            for one, line in zip(entrants, lines, strict=True):
                self.warm_up(case, one, line)
        for number in range(self.rounds(case)):
            for one, line in zip(entrants, lines, strict=True):
                if not line.failure and number < line.most_runs:
                    say(f"{case}: {one.label}, run {number + 1}")
                    line.add(self.once(one), succeeded=one.tool.succeeded)
        for one, line in zip(entrants, lines, strict=True):
            if not line.failure and (line.most_runs > 1 or not self.quick):
                say(f"{case}: {one.label}, memory")
                line.memory = measure.memory(one.command(), self.timeout)
        return lines

    def warm_up(self, case: str, one: Contender, line: Line) -> None:
        """Run once to fill the caches, and see whether the tool is slow or fails."""
        say(f"{case}: {one.label}, warm-up")
        sample = self.once(one)
        line.add(sample, succeeded=one.tool.succeeded)
        if sample.wall > SLOW_SECONDS:
            line.most_runs = 1 if self.quick else SLOW_RUNS
        if line.most_runs > 1:
            line.samples.clear()
        else:
            line.most_runs = 0  # the warm-up has to do as its only run

    def once(self, one: Contender) -> Sample:
        """Run a contender one time."""
        return measure.run(one.command(), self.timeout)


def order(tool: Tool, job: Job, repo: Path, file: str = "") -> Command | None:
    """Make the command of a tool, to be run inside the repository."""
    arguments = tool.arguments(job, repo, file)
    return None if arguments is None else Command(arguments, repo, tool.environment)


def emptied(one: Contender, cache: Path) -> Callable[[], Command]:
    """Change a contender's command so that it starts with an empty cache each time."""
    command = one.command()

    def prepare() -> Command:
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        return Command(command.arguments, command.folder, {one.tool.spec.cache: str(cache)})

    return prepare


def installed_wheel(folder: Path) -> Path | None:
    """A wheel of this checkout, unpacked as an installer does it, compiled for this Python; None
    where it cannot be built.
    """
    root = Path(__file__).resolve().parent.parent
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*pip, str(root)], check=False)
    return None if done.returncode else folder


def from_wheel(one: Contender, wheel: Path, cache: Path) -> Callable[[], Command]:
    """The same command by the package in `wheel`, with an empty cache."""
    command = one.command()
    arguments = (sys.executable, "-m", "leakguard", *command.arguments[1:])
    environment = {"PYTHONPATH": str(wheel), one.tool.spec.cache: str(cache)}

    def prepare() -> Command:
        shutil.rmtree(cache, ignore_errors=True)
        return Command(arguments, command.folder, environment)

    return prepare


def say(words: str) -> None:
    """Tell how far we are."""
    print(f"bench: {words}", file=sys.stderr, flush=True)


# ---- the machine and the tools


def machine() -> dict[str, str]:
    """Describe the machine without naming it."""
    model = platform.processor() or platform.machine()
    for line in measure.read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": str(os.cpu_count()),
        "processor": model,
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "git": peers.version_of(("git", "--version")),
        "load at the start": f"{os.getloadavg()[0]:.2f}",
    }


def look_for_tools(options: argparse.Namespace, cache: Path) -> tuple[list[Tool], list[str]]:
    """Find the tools that are here and name those that are not."""
    here: list[Tool] = []
    missing: list[str] = []
    for spec in peers.SPECS:
        if options.tools and spec.name not in options.tools:
            continue
        if spec is peers.LEAKGUARD and options.leakguard:
            here.append(peers.own_leakguard(shlex.split(options.leakguard), cache))
        elif tool := peers.find(spec, cache):
            here.append(tool)
        else:
            missing.append(spec.name)
    return here, missing


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [spec.name for spec in peers.SPECS]
    add = parser.add_argument
    add("--quick", action="store_true", help="only 1x and 10x, fewer runs")
    add("--case", action="append", choices=CASES, help="only this case; may be given again")
    add("--runs", type=int, metavar="N", help="runs of each tool, after one to warm up")
    add("--timeout", type=float, default=900, metavar="SECONDS", help="default: %(default)s")
    add("--folder", type=Path, default=make_repos.default_folder(), help="default: %(default)s")
    add("--tools", nargs="+", choices=names, metavar="TOOL", help=f"of: {', '.join(names)}")
    add("--leakguard", metavar="COMMAND", help="how to start leakguard")
    add("--json", type=Path, metavar="FILE", help="write every sample here")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases and print a table for each."""
    options = parse(arguments)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    measure.adopt_orphans()
    here, missing = look_for_tools(options, folder / "cache")
    bench = Bench(folder, here, bool(options.tools), options.quick, options.runs, options.timeout)
    about = machine()
    versions = {tool.name: tool.version for tool in here}
    print(tables.heading(about, versions, missing), flush=True)
    done: list[Table] = []
    for case in options.case or CASES:
        table: Table = getattr(bench, case)()
        done.append(table)
        print(tables.render(table), flush=True)
    if options.json:
        report = {
            "machine": about,
            "tools": versions,
            "missing": missing,
            "cases": [asdict(table) for table in done],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return int(any(line.failure for table in done for line in table.lines))


if __name__ == "__main__":
    sys.exit(main())
