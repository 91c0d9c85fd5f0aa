"""What was measured, and how it is shown: one Markdown table for each case."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import peers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from measure import Memory, Sample

OWN = peers.LEAKGUARD.name
NOTEWORTHY = 0.001  # seconds
COLUMNS = (
    "tool",
    "runs",
    "wall s",
    "CPU s",
    "MB/s",
    "MB process",
    "MB child",
    "MB all",
    "wall ratio",
    "CPU ratio",
    "exit",
    "finds",
)


@dataclass(slots=True)
class Line:
    """What was measured of one tool in one case."""

    label: str
    tool: str
    megabytes: float
    proof: str
    samples: list[Sample] = field(default_factory=list)
    memory: Memory | None = None
    failure: str = ""
    most_runs: int = 10**6

    def add(self, sample: Sample, succeeded: Callable[[int], bool]) -> None:
        """Keep a sample, or the reason why there is none."""
        if sample.timed_out:
            self.failure = f"no end after {sample.wall:.0f} s"
        elif not succeeded(sample.code):
            self.failure = f"exit {sample.code}: {sample.words}".rstrip(": ")
        else:
            self.samples.append(sample)

    def figures(self, name: str) -> list[float]:
        """Collect one figure of all samples."""
        return [float(getattr(sample, name)) for sample in self.samples]


@dataclass(frozen=True, slots=True)
class Table:
    """One case."""

    case: str
    title: str
    lines: Sequence[Line]


def heading(about: Mapping[str, str], versions: Mapping[str, str], missing: Sequence[str]) -> str:
    """Say on what and with what it was measured."""
    lines = [
        "# leakguard benchmark",
        "",
        *(f"* {name}: {value}" for name, value in about.items()),
        "* tools: " + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    if missing:
        lines.append("* skipped, not on this machine: " + ", ".join(missing))
    return "\n".join(lines) + "\n"


def render(table: Table) -> str:
    """Draw the table of a case."""
    own = next((line for line in table.lines if line.tool == OWN), None)
    if table.case == "growth":
        own = None  # a ratio between sizes would say nothing
    rows = [cells(line, own) for line in table.lines]
    lines = [f"## {table.title}", "", row(COLUMNS), "|" + "---|" * len(COLUMNS), *map(row, rows)]
    return "\n".join([*lines, *remarks(table), ""])


def row(words: Sequence[str]) -> str:
    """Draw one row."""
    return "| " + " | ".join(word.replace("|", "/") for word in words) + " |"


def cells(line: Line, own: Line | None) -> tuple[str, ...]:
    """Fill the cells of one tool. A failed one has its reason in the place of figures."""
    if line.failure or not line.samples:
        blank = ("-",) * (len(COLUMNS) - 4)
        return (line.label, "0", f"failed: {line.failure}", *blank, line.proof)
    rival = own if own is not line and own is not None and not own.failure else None
    speed = line.megabytes / median(line.figures("wall"))
    return (
        line.label,
        str(len(line.samples)),
        spread(line.figures("wall")),
        spread(line.figures("cpu")),
        f"{speed:.3g}" if line.megabytes else "-",
        *memory_cells(line),
        ratio(rival, line, "wall"),
        ratio(rival, line, "cpu"),
        "/".join(sorted({str(sample.code) for sample in line.samples})),
        line.proof,
    )


def memory_cells(line: Line) -> tuple[str, str, str]:
    """Show the memory; without a look into the run only the largest process is known."""
    if line.memory is None:
        return (megabytes(int(max(line.figures("rss")))), "?", "?")
    seen = line.memory
    return (megabytes(seen.process), megabytes(seen.child), megabytes(seen.together))


def megabytes(size: int) -> str:
    """Show a size."""
    return f"{size / 1e6:.0f}" if size else "-"


def spread(values: Sequence[float]) -> str:
    """Show the median, the least and the most."""
    low, middle, high = (brief(value) for value in (min(values), median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}-{high})"


def brief(seconds: float) -> str:
    """Show seconds with as many digits as mean something."""
    return f"{seconds:.3f}" if seconds < 1 else f"{seconds:.2f}"


def ratio(own: Line | None, other: Line, name: str) -> str:
    """Divide leakguard's figure by the other's, round by round, and take the median.

    Two runs of one round are neighbours in time, so a busy machine slows both.
    """
    if own is None:
        return "-"
    pairs = zip(own.figures(name), other.figures(name), strict=False)
    return f"{median(mine / max(theirs, 1e-6) for mine, theirs in pairs):.2g}"


def remarks(table: Table) -> list[str]:
    """Name what the columns do not show."""
    late = {line.label: max(line.figures("late_cpu"), default=0.0) for line in table.lines}
    return [
        f"\n{label} left work behind that took up to {brief(cpu)} s of CPU after it had ended."
        for label, cpu in late.items()
        if cpu >= NOTEWORTHY
    ]
