"""The table of docs/rotation.md, from the manifests. Run it after adding a script."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "rotation.md"
BEGIN, END = "<!-- scripts -->", "<!-- end -->"


def rows(kind: str) -> list[str]:
    """One line for each script of a kind."""
    found = []
    for path in sorted((ROOT / "hooks" / "rotate").glob("*/manifest.yml")):
        one = yaml.safe_load(path.read_text(encoding="utf-8"))
        if one["kind"] == kind:
            found.append(row(one))
    return found


def row(one: dict) -> str:
    """Name, what it rotates, overlap, what it needs."""
    needs = one.get("requires", {})
    extra = f"`leakguard[{needs['extra']}]`" if needs.get("extra") else ""
    programs = ", ".join(f"`{name}`" for name in needs.get("programs", []))
    wanted = ", ".join(filter(None, (extra, programs)))
    if one["kind"] == "consumer":
        return f"| `{one['name']}` | {one['title']} | {wanted} |"
    overlap = {"native": "both valid", "alternating": "a second identity", "none": "hard cut"}
    return f"| `{one['name']}` | {one['title']} | {overlap[one['overlap']]} | {wanted} |"


def table() -> str:
    """Both tables."""
    issuers = ["| script | rotates | meanwhile | needs |", "|---|---|---|---|", *rows("issuer")]
    heading = "\nA new value goes to what uses it by these (`--consumer`):\n"
    consumers = ["| script | writes | needs |", "|---|---|---|", *rows("consumer")]
    return "\n".join([*issuers, heading, *consumers])


def page(text: str) -> str:
    """The page with its table as the manifests have it now."""
    between = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return between.sub(lambda _: f"{BEGIN}\n{table()}\n{END}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
