"""Source maps and build outputs: each source is a file of its own, with its name and lines."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from leakguard.blob import Blob, Origin, Unread
from leakguard.read.archive import Limits, expand, expand_file

SOURCES = {
    "webpack://shop/./src/config.ts": "// settings\nexport const a = 1;\n",
    "../lib/b.js": "b\n",
}


def a_map(sources: dict[str, str] | None = None) -> bytes:
    sources = SOURCES if sources is None else sources
    found = {"version": 3, "file": "app.js", "sources": list(sources),
             "sourcesContent": list(sources.values()), "names": ["a"], "mappings": "AAAA"}  # fmt: skip
    return json.dumps(found).encode()


def opened(data: bytes, **limits: int) -> list[Blob | Unread]:
    return list(expand(Blob(Origin("tree", "app.js.map"), data), Limits(**limits)))


def contents(items: list[Blob | Unread]) -> dict[str, bytes]:
    return {one.origin.inside: one.data for one in items if isinstance(one, Blob)}


def test_each_source_is_a_file_of_its_own() -> None:
    assert contents(opened(a_map())) == {
        "shop/src/config.ts": b"// settings\nexport const a = 1;\n",
        "../lib/b.js": b"b\n",
    }


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_however_the_map_is_written(indent: int | str | None) -> None:
    assert len(opened(json.dumps(json.loads(a_map()), indent=indent).encode())) == 2


def test_a_source_without_a_name_or_without_a_text() -> None:
    odd = (
        a_map({})
        .replace(b'"sources": []', b'"sources": [null, "b.js", 7]')
        .replace(b'"sourcesContent": []', b'"sourcesContent": ["one", null, "three", "four"]')
    )
    assert contents(opened(odd)) == {"source 1": b"one", "source 3": b"three", "source 4": b"four"}


def test_a_map_of_sections() -> None:
    parts = [{"offset": {"line": 0, "column": 0}, "map": json.loads(a_map({"x.js": "x\n"}))}]
    data = json.dumps({"version": 3, "sections": parts}).encode()
    assert contents(opened(data)) == {"x.js": b"x\n"}


def test_a_map_in_an_archive_gives_its_sources_and_what_else_it_says() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("dist/app.js.map", a_map())
    found = contents(list(expand(Blob(Origin("tree", "x.whl"), out.getvalue()))))
    assert found["dist/app.js.map!shop/src/config.ts"].startswith(b"// settings")
    assert json.loads(found["dist/app.js.map"])["file"] == "app.js"


@pytest.mark.parametrize(
    "data",
    [b'{"version":3', b'{"version":3,"a":[', b'{"version":3,"lockfile":true}',
     b'{"version":3,"mappings":"","sourcesContent":{"a":1}}',
     b'{"version":3,"mappings":' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_map_has_no_members_and_in_an_archive_is_read_as_it_is(data: bytes) -> None:
    assert contents(opened(data)) == {}
    found = contents(list(expand(Blob(Origin("tree", "x.gz"), gzip.compress(data)))))
    assert len(found) == 1


def test_a_map_too_large_to_be_held_is_read_as_text() -> None:
    file = io.BytesIO(a_map())
    items = list(expand_file(file, Origin("tree", "app.js.map"), Limits(held=50)))
    assert contents(items) == {"": a_map()}


def test_limits_hold_for_sources_too() -> None:
    many = a_map({f"{number}.js": "x" for number in range(50)})
    told = [one.why for one in opened(many, entries=20) if isinstance(one, Unread)]
    assert told == ["it holds more than 20 entries (a limit); what came before was scanned"]


# Build outputs, as they are uploaded


@pytest.fixture
def line(fake: Callable[..., str]) -> str:
    return f'API_TOKEN = "{fake("{{alnum:40}}")}"\n'


def scanned(path: Path) -> list[tuple[str, int]]:
    words = [sys.executable, "-m", "leakguard", "scan", "--format", "json", path.name]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=path.parent, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return [(place["path"], place["start_line"]) for one in json.loads(ran.stdout)["findings"]
            for place in one["locations"]]  # fmt: skip


def test_a_secret_in_a_map_is_found_once_at_its_own_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "app.js.map"
    path.write_bytes(a_map({"webpack:///./src/keys.py": "# one\n# two\n" + line}))
    assert scanned(path) == [("app.js.map!src/keys.py", 3)]


def test_a_wheel(tmp_path: Path, line: str) -> None:
    path = tmp_path / "shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("shop/__init__.py", "")
        file.writestr("shop/settings.py", "\n" + line)
        file.writestr("shop-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop\n")
    assert scanned(path) == [(f"{path.name}!shop/settings.py", 2)]


def test_an_npm_pack_with_a_map_in_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "shop-1.0.0.tgz"
    data = a_map({"webpack:///src/a.py": line})
    with tarfile.open(path, "w:gz") as file:
        member = tarfile.TarInfo("package/dist/a.js.map")
        member.size = len(data)
        file.addfile(member, io.BytesIO(data))
    assert scanned(path) == [(f"{path.name}!package/dist/a.js.map!src/a.py", 1)]
