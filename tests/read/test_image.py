"""Images saved as a tar: layer and file are named, and what was deleted later is still found."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from leakguard.blob import Blob, Origin, Unread
from leakguard.read import spool
from leakguard.read.archive import Limits, expand, expand_file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Files = dict[str, bytes]


def a_tar(files: Files) -> bytes:
    """Names that end in a slash are folders."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in files.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            if name.endswith("/"):
                member.type = tarfile.DIRTYPE
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CONFIG = json.dumps({"config": {"Env": ["PATH=/bin"]}, "history": []}).encode()


def docker(*layers: bytes, tag: str = "shop:1") -> bytes:
    """What `docker save` wrote for years: a folder for each layer, lowest first."""
    named = {f"{digest(layer)}/layer.tar": layer for layer in layers}
    config = f"{digest(CONFIG)}.json"
    listed = [{"Config": config, "RepoTags": [tag], "Layers": list(named)}]
    return a_tar({**named, config: CONFIG, "manifest.json": json.dumps(listed).encode()})


def oci(*layers: bytes, wrapped: bool = False) -> bytes:
    """An OCI layout; `wrapped` puts an index between the index and the manifest."""
    blobs = {digest(data): data for data in (*layers, CONFIG)}

    def add(data: object) -> dict[str, str]:
        raw = json.dumps(data).encode()
        blobs[digest(raw)] = raw
        return {"digest": f"sha256:{digest(raw)}"}

    named = [{"digest": f"sha256:{digest(layer)}"} for layer in layers]
    top = add({"config": {"digest": f"sha256:{digest(CONFIG)}"}, "layers": named})
    if wrapped:
        top = add({"manifests": [top]})
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    files |= {f"blobs/sha256/{name}": data for name, data in blobs.items()}
    return a_tar({**files, "index.json": json.dumps({"manifests": [top]}).encode()})


def opened(data: bytes, **limits: int) -> list[Blob | Unread]:
    return list(expand(Blob(Origin("tree", "image.tar"), data), Limits(**limits)))


def names(items: Iterable[Blob | Unread]) -> list[str]:
    """Members by name, digests left out."""
    found = [one.origin.inside for one in items if isinstance(one, Blob)]
    return [" ".join(_plain(name)) for name in found]


def _plain(name: str) -> Iterable[str]:
    for word in name.split(" "):
        start, bracket, rest = word.partition("(")
        yield start + (bracket and "(" + rest[12:])


def inside_layers(items: Iterable[Blob | Unread]) -> list[str]:
    return [name for name in names(items) if name.startswith("layer")]


BASE = a_tar({"etc/": b"", "etc/motd": b"hello\n", "app/.env": b"A=1\n"})


@pytest.mark.parametrize("save", [docker, oci], ids=["docker", "oci"])
def test_layer_and_file_are_named_and_the_top_layer_comes_first(
    save: Callable[..., bytes],
) -> None:
    found = inside_layers(opened(save(BASE, a_tar({"srv/run.sh": b"run\n"}))))
    assert found == [
        "layer 2 of 2 ()!/srv/run.sh",
        "layer 1 of 2 ()!/etc/motd",
        "layer 1 of 2 ()!/app/.env",
    ]


def test_a_name_has_the_digest_that_docker_shows() -> None:
    found = [one.origin.inside for one in opened(docker(BASE)) if isinstance(one, Blob)]
    assert f"layer 1 of 1 ({digest(BASE)[:12]})!/etc/motd" in found


def test_an_index_may_name_an_index() -> None:
    assert inside_layers(opened(oci(BASE, wrapped=True)))[0] == "layer 1 of 1 ()!/etc/motd"


def test_compressed_layers_are_opened() -> None:
    assert len(inside_layers(opened(oci(gzip.compress(BASE))))) == 2


@pytest.mark.parametrize("marker", ["app/.wh..env", ".wh.app", "app/.wh..wh..opq"])
def test_a_file_that_a_later_layer_deletes_is_read_and_said_to_be_deleted(marker: str) -> None:
    nothing = a_tar({"tmp/x": b"x"})
    found = inside_layers(opened(docker(BASE, nothing, a_tar({marker: b""}))))
    assert "layer 1 of 3 (, deleted in layer 3)!/app/.env" in found
    assert "layer 1 of 3 ()!/etc/motd" in found


def test_a_file_that_is_written_again_is_said_to_be_replaced() -> None:
    found = inside_layers(opened(docker(BASE, a_tar({"./app/.env": b"A=2\n"}))))
    assert found[0] == "layer 2 of 2 ()!/app/.env"
    assert "layer 1 of 2 (, replaced in layer 2)!/app/.env" in found


AGAIN = a_tar({"app/.env": b"A=3\n"})


def test_the_first_change_counts() -> None:
    found = inside_layers(opened(docker(BASE, a_tar({"app/.wh..env": b""}), AGAIN)))
    assert "layer 1 of 3 (, deleted in layer 2)!/app/.env" in found


def test_a_marker_hides_nothing_of_its_own_layer() -> None:
    layer = a_tar({"app/.wh..wh..opq": b"", "app/new": b"new\n"})
    assert "layer 2 of 2 ()!/app/new" in inside_layers(opened(docker(BASE, layer)))


def test_the_configuration_is_read_since_it_keeps_variables_and_build_steps() -> None:
    assert "config ().json" in names(opened(docker(BASE)))
    assert "config ().json" in names(opened(oci(BASE)))


def test_a_damaged_layer_is_told_and_the_others_are_read() -> None:
    broken = gzip.compress(BASE)[:-30]
    items = opened(oci(BASE, broken, a_tar({"z": b"z"})))
    told = [one for one in items if isinstance(one, Unread)]
    assert [one.name.partition(" (")[0] for one in told] == ["image.tar!layer 2 of 3"]
    assert "layer 3 of 3 ()!/z" in names(items)
    assert any(name.startswith("layer 1 of 3 (") for name in names(items))


def test_an_archive_in_a_layer_is_opened() -> None:
    layer = a_tar({"opt/app.tar": a_tar({"inner": b"text\n"})})
    assert "layer 1 of 1 ()!/opt/app.tar!inner" in names(opened(docker(layer)))


def test_limits_hold_for_images_too() -> None:
    told = [one.why for one in opened(docker(BASE, BASE), entries=3) if isinstance(one, Unread)]
    assert told == ["it holds more than 3 entries (a limit); what came before was scanned"]


@pytest.mark.parametrize(
    "manifest", [b"{", b"[]", b"[1]", b'[{"Layers": 3}]', b"[" * 100_000, b'{"a": 1}']
)
def test_what_only_looks_like_an_image_is_read_as_a_tar(manifest: bytes) -> None:
    data = a_tar({"manifest.json": manifest, "blobs/x": b"text\n"})
    assert "blobs/x" in names(opened(data))


class Pipe(io.BytesIO):
    """Bytes that come once."""

    def seekable(self) -> bool:
        return False


def piped(data: bytes, **limits: int) -> list[Blob | Unread]:
    return list(expand_file(Pipe(data), Origin("stdin", "-"), Limits(**limits)))


LAYERS = (BASE, gzip.compress(a_tar({"app/.wh..env": b"", "srv/a": b"a\n"})), AGAIN)
WAYS: dict[str, Callable[[bytes], list[Blob | Unread]]] = {
    "from a pipe": piped,
    "as gzip": lambda data: opened(gzip.compress(data)),
    "as zstd": lambda data: opened(zstd.compress(data)),
    "as gzip from a pipe": lambda data: piped(gzip.compress(data)),
    "in a tar": lambda data: [
        one for one in opened(a_tar({"out/image.tar": data})) if isinstance(one, Blob)
    ],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("save", [docker, oci], ids=["docker", "oci"])
def test_however_an_image_comes_its_layers_and_deletions_are_named(
    save: Callable[..., bytes], way: str
) -> None:
    found = [name.rpartition("image.tar!")[2] for name in names(WAYS[way](save(*LAYERS)))]
    assert found == names(opened(save(*LAYERS)))
    assert "layer 1 of 3 (, deleted in layer 2)!/app/.env" in found


@pytest.mark.parametrize("save", [docker, oci], ids=["docker", "oci"])
def test_an_image_that_is_cut_short_on_its_way_is_read_as_far_as_it_goes(
    save: Callable[..., bytes],
) -> None:
    items = piped(gzip.compress(save(*LAYERS))[:-40])
    assert [one.why for one in items if isinstance(one, Unread)]
    assert any(name.endswith("etc/motd") for name in names(items))


def test_an_image_for_which_there_is_no_room_is_read_as_a_tar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool.shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    large = docker(a_tar({"large": bytes(range(256)) * 1000}), *LAYERS)
    items = piped(large)
    assert not [one for one in items if isinstance(one, Unread)]
    found = [one.origin.inside for one in items if isinstance(one, Blob)]
    assert f"{digest(BASE)}/layer.tar!app/.env" in found
    assert len(found) == len(names(opened(large)))


def test_what_only_begins_like_an_image_is_read_as_a_tar_from_a_pipe_too() -> None:
    data = a_tar({"blobs/x": b"text\n", "y": b"y\n"})
    assert [one.origin.inside for one in piped(data) if isinstance(one, Blob)] == ["blobs/x", "y"]


def test_nothing_of_an_image_from_a_pipe_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    items = expand_file(Pipe(docker(*LAYERS)), Origin("stdin", "-"), Limits())
    assert isinstance(next(items), Blob)
    assert not list(tmp_path.iterdir()), "it has a name"
    items.close()


def test_a_scan_names_the_layer_of_a_deleted_secret(
    tmp_path: Path, fake: Callable[..., str]
) -> None:
    token = fake("{{alnum:40}}")
    secret = a_tar({"app/config.py": f'API_TOKEN = "{token}"\n'.encode()})
    image = tmp_path / "image.tar"
    image.write_bytes(docker(secret, a_tar({"app/.wh.config.py": b""})))
    words = [sys.executable, "-m", "leakguard", "scan", "--format", "json", str(image)]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    places = [place["path"] for one in json.loads(ran.stdout)["findings"]
              for place in one["locations"]]  # fmt: skip
    assert any("deleted in layer 2)!/app/config.py" in path for path in places), places
    assert token not in ran.stdout
