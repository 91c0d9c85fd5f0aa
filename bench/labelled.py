"""Labelled assignments: rows of JSON, what they teach, and the files they were taken from.

A row is one place in some repository: a name, a value, what stands around them,
and whether people took it for a credential. `label` and `label_2022` are two
reviews of the same place; where they disagree nobody knows, and the row is left out.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from leakguard.detect.terms import Place

IDENTIFIERS = {
    "UUID", "AWS S3 Bucket", "Firebase Domain", "Tencent WeChat API App ID", "Nonce", "Salt",
}  # fmt: skip
"""Kinds that name something and open nothing."""

CUT = 300
"""Longer values were cut to this, and what is left of a token is none."""

QUOTED_NAMES = {
    ".json", ".har", ".snap", ".golden", ".tfstate", ".ipynb", ".log", ".lock",
}  # fmt: skip
LISTED = {"tokens", "secrets", "passwords", "keys"}
"""Before a comma these say that the row's name is the value before it in a list."""

WRAPS = re.compile(r"(?i)(?:^|\.)(?:from|decode|b64encode|string|byte|generate|\w{1,8}hexstring)$")
"""Calls that make a value of another kind: its name stands before them."""

QUOTES = ("'", '"', "`")

SPACED = {".sh", ".md", ".html", ".xml", ".xaml", ".toml", ".env", ".yml", ".yaml", ".txt", ""}


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled place."""

    id: str
    repo: str
    category: str
    place: Place
    credential: bool


@dataclass(frozen=True, slots=True)
class File:
    """A file rebuilt around a row, and where the value stands in it."""

    path: str
    data: bytes
    start: int
    end: int


def read(path: str) -> list[Row]:
    """The trustworthy rows of a file, in the order of their ids."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        plain = [json.loads(line) for line in file]
    rows = [_row(one, truth) for one in plain if (truth := _truth(one)) is not None]
    return sorted(rows, key=lambda row: (row.repo, len(row.id), row.id))


def _truth(plain: dict[str, Any]) -> bool | None:
    """Whether a row is a credential; None when nobody knows: its reviews disagree, or it is cut."""
    now, then = plain["label"] == "T", plain["label_2022"]
    if then is not None and now != (then == "T"):
        return None
    if len(plain["value"]) >= CUT:
        return None
    return now and not IDENTIFIERS.issuperset(plain["category"].split(":"))


def _row(plain: dict[str, Any], truth: bool) -> Row:
    place = Place(
        name=plain["name"],
        value=plain["value"],
        sep=plain["sep"],
        quote=plain["quote"],
        tail=plain["tail"],
        left=tuple(plain["left"]),
        right=tuple(plain["right"]),
        ext=plain["ext"],
        test=plain["test_dir"],
        comment=plain["comment"],
    )
    return Row(plain["id"], plain["repo"], plain["category"], place, truth)


def folds(rows: list[Row], number: int) -> dict[str, int]:
    """A fold for each repository, each with about as many credentials and other places."""
    weight: Counter[str] = Counter()
    for row in rows:
        weight[row.repo] += 20 if row.credential else 1
    full = [0] * number
    where = {}
    for repo in sorted(weight, key=lambda repo: (-weight[repo], repo)):
        where[repo] = full.index(min(full))
        full[where[repo]] += weight[repo]
    return where


def rebuilt(row: Row) -> File:
    """A file as the row's may have been; what is lost is written in the usual way."""
    place = row.place
    above = " ".join(place.left)
    head, lost = _head(row)
    start = ("# " if place.comment else "") + head
    if above and not lost:
        start = f"{above}\n{start}"
    before, value = start.encode(), place.value.encode()
    after = f"{place.tail}\n{' '.join(place.right)}\n".encode()
    file = f"main{place.ext}" if place.ext else "Dockerfile"
    folder = "tests" if place.test else "src"
    return File(f"{folder}/{file}", before + value + after, len(before), len(before + value))


def _head(row: Row) -> tuple[str, bool]:
    """What stands before the value on its line, and whether the words on its left went into it."""
    place = row.place
    name, quote = place.name, place.quote
    if "URL Cred" in row.category and place.sep == ":" and place.tail.startswith("@"):
        return f"{' '.join(place.left) or 'proto'}://{name}:", True
    if not name and not place.sep:
        opened = quote or place.tail[:1] if place.tail[:1] in QUOTES else quote
        return f"{' '.join(place.left)} {opened}", True
    if place.sep == "(" and place.left and WRAPS.search(name):
        return f"{' '.join(place.left)} = {name}({quote}", True
    said = _command(row)
    if said:
        return said, False
    spelt = f'"{name}"' if place.ext in QUOTED_NAMES else name
    if place.sep == "," and quote and place.left and place.left[-1] in LISTED:
        return f'{" ".join(place.left)}": [{quote}{name}{quote}, {quote}', True
    heads = {
        "": f"{name} {quote}",
        ":": f"{spelt}: {quote}",
        "=": f"{name} = {quote}" if quote and place.ext not in SPACED else f"{name}={quote}",
        "(": f"{name}({quote}",
        "=>": f"'{name}' => {quote}" if place.ext == ".php" else f":{name} => {quote}",
        ",": f"{quote}{name}{quote}, {quote}",
    }
    return heads.get(place.sep, f"{name} {place.sep} {quote}"), False


def _command(row: Row) -> str:
    """The words of a command, of which the row keeps only the last."""
    place, kind = row.place, row.category
    if kind.startswith("CURL"):
        return f"curl -u {place.name}:"
    if kind.startswith("CMD") and not place.sep and "ConvertTo" not in place.name:
        return f"tool --{place.name} {place.quote}"
    if kind.startswith("SQL") and not place.sep:
        by = "by" if place.name.lower() == "identified" else "password"
        return f"{place.name} {by} {place.quote}"
    if place.sep == "=" and not place.quote and place.tail.startswith("&"):
        return f"?{place.name}="
    return ""
