"""Writes docs/rules/ from the rules: `make rule-pages`.

A page for each provider, an index, the rules by class, and `ids.txt`, which keeps
every id that was ever published: allowances and reports name them, so none may go.
"""

from __future__ import annotations

from pathlib import Path

from leakguard import __version__
from leakguard.load.rules import read_bundled, titles
from leakguard.report.rule_page import pages
from leakguard.rule import Rule

FOLDER = Path(__file__).parent / "rules"
IDS = "ids.txt"


def wanted(rules: list[Rule], published: str) -> dict[str, str]:
    """Name and text of every file; `published` is what `ids.txt` says now."""
    return {**pages(rules, titles()), IDS: ids(rules, published)}


def ids(rules: list[Rule], published: str) -> str:
    """Every id with the release that brought it; one that is gone stays if it was released."""
    known = dict(line.split() for line in published.splitlines())
    kept = {name: since for name, since in known.items() if _released(since)}
    kept |= {rule.id: rule.since for rule in rules}
    return "".join(f"{name} {since}\n" for name, since in sorted(kept.items()))


def _released(since: str) -> bool:
    return _numbers(since) <= _numbers(__version__)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def current() -> dict[str, str]:
    """Name and text of every file that is there."""
    return {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.*")}


def main() -> None:
    """Write what is wanted, remove what is not."""
    FOLDER.mkdir(exist_ok=True)
    there = current()
    files = wanted(read_bundled(), there.get(IDS, ""))
    for name in there.keys() - files.keys():
        (FOLDER / name).unlink()
    for name, text in files.items():
        if there.get(name) != text:
            (FOLDER / name).write_text(text, "utf-8", newline="\n")
    print(f"{len(files)} files in docs/rules")


if __name__ == "__main__":
    main()
