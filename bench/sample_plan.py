"""What happens in a made-up repository: which file is made, edited, moved and removed when."""

from __future__ import annotations

import string
import zlib
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from sample_text import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMAT = 1  # raise it when the same seed no longer gives the same repository
BLOBS = 570
VERSIONS = 3.1  # changes of a text file after it was made, on average
GOLDEN = 0.6180339887498949  # its multiples spread evenly over 0..1
CHANGES = 4  # files in a commit, on average

PLANT_VERSIONS = 3  # a file with a fake secret has more
# Parts of all files.
AT_ONCE = 0.1  # there from the first commit on
ON_FEATURE = 0.05
REMOVED = 0.08
MOVED = 0.04
DEEPER = 0.5  # one folder deeper than the others

# How many files of each kind there are in a thousand.
SHARES = {
    "python": 200,
    "go": 160,
    "javascript": 170,
    "json": 95,
    "yaml": 90,
    "markdown": 90,
    "css": 50,
    "csv": 22,
    "minified": 13,
    "npm-lock": 12,
    "go-sum": 13,
    "image": 85,
}
AREAS = ("services", "lib", "web", "cmd", "deploy", "docs", "data", "tools")
ROOMS = ("api", "model", "store", "view", "queue", "report", "common", "sync", "client", "admin")
STEMS = ("main", "index", "handler", "reader", "table", "config", "client", "worker", "format")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the benchmark makes up the facts of one repository."""

    scale: int
    seed: int = 1
    plant: int = 0
    format: int = FORMAT

    @property
    def name(self) -> str:
        """Name the folder of the repository."""
        extras = (
            f"-seed{self.seed}" * (self.seed != 1),
            f"-planted{self.plant}" * (self.plant > 0),
        )
        return f"repo-{self.scale}x" + "".join(extras)

    def rng(self, purpose: str) -> Random:
        """Give a generator of its own to each purpose, so that one change does not move all."""
        return Random(f"{self.seed}:{self.scale}:{purpose}")  # repeatable, not secret


@dataclass(frozen=True, slots=True)
class FilePlan:
    """When one file is made, edited, moved and removed."""

    path: str
    kind: Kind
    size: int
    commits: tuple[int, ...]  # one for each version
    feature: bool  # made on the second branch
    removed: int | None = None
    moved: int | None = None
    # A fake secret stands in the versions from this one on, up to (not including) the other.
    planted: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Branches:
    """Which commit belongs to which branch, and where the second one is merged."""

    total: int

    @classmethod
    def of(cls, recipe: Recipe) -> Branches:
        """Give the branches of a repository."""
        return cls(BLOBS * recipe.scale // CHANGES)

    @property
    def fork(self) -> int:
        """Tell the commit of main that the second branch starts from."""
        return self.total * 6 // 10

    @property
    def merge(self) -> int:
        """Tell the commit of main that brings in the second branch."""
        place = self.total * 85 // 100
        return place if not self.is_feature(place) else place + 1

    def is_feature(self, commit: int) -> bool:
        """Tell whether a commit is on the second branch."""
        return commit > self.fork and commit % 6 == 0

    def sides(self) -> tuple[list[int], list[int]]:
        """List the commits of main and those of the second branch."""
        feature = [n for n in range(self.total) if self.is_feature(n)]
        main = [n for n in range(self.total) if not self.is_feature(n)]
        return main, feature


def kind_of(number: int) -> Kind:
    """Deal out the kinds evenly, so that a small repository has its share of large files, too."""
    place = number * GOLDEN % 1 * sum(SHARES.values())
    for name, end in zip(SHARES, accumulate(SHARES.values()), strict=True):
        if place < end:
            return KINDS[name]
    raise AssertionError(place)


def version_count(kind: Kind, rng: Random) -> int:
    """Say how often a file changes: most hardly ever, some all the time."""
    if kind.name == "image":
        return rng.choice((1, 1, 2))
    return 1 + min(40, int(rng.expovariate(1 / VERSIONS)))


def file_path(kind: Kind, taken: set[str], files: int, rng: Random) -> str:
    """Find a free path; the number of folders grows with the number of files."""
    while True:
        area = rng.choice(AREAS)
        part = f"{rng.choice(ROOMS)}{rng.randrange(1 + files // 300)}"
        deeper = f"/{rng.choice(ROOMS)}" if rng.random() < DEEPER else ""
        stem = f"{rng.choice(STEMS)}_{rng.choice(ROOMS)}{rng.randrange(1 + files // 50)}"
        name = stem + kind.suffix if kind.suffix.startswith(".") else kind.suffix
        path = f"{area}/{part}{deeper}/{name}"
        if name == kind.suffix:
            path = f"{area}/{part}/{stem}/{name}"
        if path not in taken:
            taken.add(path)
            return path


def file_size(kind: Kind, rng: Random) -> int:
    """Draw a size: many small files, a few large ones."""
    return int(kind.mean_bytes * min(4.0, rng.lognormvariate(-0.07, 0.6)))


def commits_of_file(versions: int, side: Sequence[int], rng: Random) -> tuple[int, ...]:
    """Choose the commits that make and change a file; a tenth of all files are there at once."""
    versions = min(versions, len(side))
    last_start = len(side) - versions
    start = 0 if rng.random() < AT_ONCE else int(rng.triangular(0, last_start, 0))
    later = rng.sample(range(start + 1, len(side)), versions - 1)
    return tuple(side[place] for place in (start, *sorted(later)))


def plan_files(recipe: Recipe, branches: Branches) -> Iterator[FilePlan]:
    """Decide the life of every file, until there are enough versions."""
    rng = recipe.rng("plan")
    sides = branches.sides()
    taken: set[str] = set()
    left = BLOBS * recipe.scale
    while left > 0:
        kind = kind_of(len(taken))
        path = file_path(kind, taken, BLOBS * recipe.scale // 4, rng)
        versions = min(left, version_count(kind, rng))
        feature = rng.random() < ON_FEATURE
        commits = commits_of_file(versions, sides[feature], rng)
        removed, moved = (None, None) if feature else fate(commits[-1], branches, rng)
        yield FilePlan(path, kind, file_size(kind, rng), commits, feature, removed, moved)
        left -= len(commits)


def fate(last: int, branches: Branches, rng: Random) -> tuple[int | None, int | None]:
    """Choose the commits that remove or move a file of main, for the few that have one."""
    end = rng.randrange(last + 1, branches.total + 1)
    draw = rng.random()
    if end == branches.total or branches.is_feature(end) or draw > REMOVED + MOVED:
        return None, None
    return (end, None) if draw < REMOVED else (None, end)


def with_plants(plans: Sequence[FilePlan], count: int) -> list[FilePlan]:
    """Choose files for the fake secrets: one only in the history, the next still in the tree."""
    chosen = list(plans)
    fit = [
        n
        for n, plan in enumerate(plans)
        if plan.kind.name in ("python", "go", "javascript", "yaml")
        and len(plan.commits) > PLANT_VERSIONS
        and not plan.feature
        and plan.removed is None
        and plan.moved is None
    ]
    step = max(1, len(fit) // max(1, count))
    for turn, place in enumerate(fit[::step][:count]):
        plan = plans[place]
        span = (1, 2) if turn % 2 == 0 else (1, len(plan.commits))
        chosen[place] = replace(plan, planted=span)
    return chosen


# ---- fake secrets, made up at run time


def fake_secret(turn: int, rng: Random) -> str:
    """Make a value that looks like a credential of a well-known service and opens nothing."""
    alnum = string.digits + string.ascii_uppercase + string.ascii_lowercase
    draw = "".join(rng.choices(alnum, k=30))
    makers = (
        lambda: "gh" + "p_" + draw + crc_tail(draw, alnum),
        lambda: "gl" + "pat-" + draw[:20],
        lambda: "sk_" + "live_" + draw[:24],
    )
    return makers[turn % len(makers)]()


def planted_line(turn: int, rng: Random) -> str:
    """Make a line of code that holds a fake secret."""
    return f'connect("{fake_secret(turn, rng)}")\n'


def crc_tail(body: str, alphabet: str) -> str:
    """Compute the six characters with which some tokens prove that they are well-formed."""
    number = zlib.crc32(body.encode("ascii"))
    tail = ""
    while number:
        number, digit = divmod(number, len(alphabet))
        tail = alphabet[digit] + tail
    return tail.rjust(6, alphabet[0])
