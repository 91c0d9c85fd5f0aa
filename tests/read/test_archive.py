"""What is inside archives: every format, in each other, large, hostile, cut and damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leakguard.blob import Blob, Origin, Unread
from leakguard.read import archive
from leakguard.read.archive import Limits, expand, expand_file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"first line\nthe needle\n"
MIB = 1024 * 1024
UNBOUNDED = Limits(ratio=10**9, total=1 << 60)


# What was read


def opened(
    data: bytes, limits: Limits = archive.DEFAULT, path: str = "a.zip"
) -> list[Blob | Unread]:
    return list(expand(Blob(Origin("tree", path), data, blob_id="b1"), limits))


def contents(items: Iterable[Blob | Unread]) -> dict[str, bytes]:
    """Each member's bytes under its name within the outermost archive."""
    found: dict[str, bytes] = {}
    for item in items:
        if isinstance(item, Blob):
            begin, end = item.own
            found[item.origin.inside] = found.get(item.origin.inside, b"") + item.data[begin:end]
    return found


def unread(items: Iterable[Blob | Unread]) -> dict[str, str]:
    return {item.name: item.why for item in items if isinstance(item, Unread)}


# Making archives


def a_zip(
    members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        file.comment = comment
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


class Pipe(io.RawIOBase):
    """Something that neither seeks nor tells."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.largest = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "the whole pipe was asked for"
        self.largest = max(self.largest, size)
        part = bytes(self.data[:size])
        del self.data[:size]
        return part


def piped(data: bytes, limits: Limits = archive.DEFAULT, path: str = "-") -> list[Blob | Unread]:
    return list(expand_file(Pipe(data), Origin("stdin", path), limits))  # type: ignore[arg-type]


def a_piped_zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip whose writer could not seek: lengths stand behind the members."""
    out = Pipe()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return bytes(out.data)


def a_raw_zip(
    method: int, packed: bytes, plain: bytes, copies: int = 1, name: bytes = b"f"
) -> bytes:
    """One local entry, listed `copies` times."""
    crc = zlib.crc32(plain)
    fields = struct.pack("<HHHHHIII", 20, 0, method, 0, 0, crc, len(packed), len(plain))
    local = b"PK\3\4" + fields + struct.pack("<HH", len(name), 0) + name + packed
    entry = b"PK\1\2\x14\0" + fields + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    listed = entry * copies
    count = copies % 65536
    return (
        local
        + listed
        + b"PK\5\6"
        + struct.pack("<HHHHIIH", 0, 0, count, count, len(listed), len(local), 0)
    )


def a_tar(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as file:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def tar_header(name: bytes, size: int, kind: bytes = b"0", tail: bytes = b"") -> bytes:
    """A header of the first tar, without a magic; `tail` is what stands from byte 257."""
    field = b"%011o\0" % size if size >= 0 else (size & (1 << 96) - 1).to_bytes(12, "big")
    head = name.ljust(100, b"\0") + b"0000644\0" * 3 + field + b"%011o\0" % 0
    rest = (kind + bytes(100) + tail).ljust(356, b"\0")
    total = sum(head) + sum(rest) + 8 * 32
    return head + b"%06o\0 " % total + rest


def padded(data: bytes, block: int = 512) -> bytes:
    return data + bytes(-len(data) % block)


def an_ar(members: dict[bytes, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members.items():
        out += b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 0, 0, 0, 0o644, len(data)) + data
        out += b"\n" * (len(data) % 2)
    return out


def a_cpio(members: dict[str, bytes]) -> bytes:
    out = b""
    for number, (name, data) in enumerate((*members.items(), ("TRAILER!!!", b""))):
        raw = name.encode() + b"\0"
        fields = (number, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        out += padded(head, 4) + padded(data, 4)
    return out


def noise(size: int) -> bytes:
    """Bytes that do not compress, with lines in them."""
    return os.urandom(size // 2).hex().encode()[: size - 1] + b"\n"


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zst": zstd.compress,
}
MEMBERS = {"a.txt": TEXT, "dir/b.txt": b"other\n"}
CONTAINERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": a_zip,
    "stored.zip": lambda members: a_zip(members, zipfile.ZIP_STORED),
    "bzip2.zip": lambda members: a_zip(members, zipfile.ZIP_BZIP2),
    "lzma.zip": lambda members: a_zip(members, zipfile.ZIP_LZMA),
    "piped.zip": a_piped_zip,
    "piped-bzip2.zip": lambda members: a_piped_zip(members, zipfile.ZIP_BZIP2),
    "piped-lzma.zip": lambda members: a_piped_zip(members, zipfile.ZIP_LZMA),
    "pax.tar": a_tar,
    "gnu.tar": lambda members: a_tar(members, tarfile.GNU_FORMAT),
    "ustar.tar": lambda members: a_tar(members, tarfile.USTAR_FORMAT),
    "deb": lambda members: an_ar({name.encode(): data for name, data in members.items()}),
    "cpio": a_cpio,
}


# The formats


@pytest.mark.parametrize("form", CONTAINERS)
def test_every_container_gives_its_members_by_name(form: str) -> None:
    items = opened(CONTAINERS[form](MEMBERS))
    assert contents(items) == MEMBERS
    assert unread(items) == {}


@pytest.mark.parametrize("form", COMPRESSORS)
def test_a_compressed_file_gives_its_contents_under_the_name_without_the_ending(form: str) -> None:
    items = opened(COMPRESSORS[form](TEXT), path=f"logs/app.log.{form}")
    assert contents(items) == {"app.log": TEXT}


@pytest.mark.parametrize("form", COMPRESSORS)
@pytest.mark.parametrize("container", ["pax.tar", "cpio"])
def test_a_compressed_tar_or_cpio_is_one_archive(form: str, container: str) -> None:
    data = COMPRESSORS[form](CONTAINERS[container](MEMBERS))
    assert contents(opened(data, Limits(depth=1))) == MEMBERS


def test_a_member_says_where_it_lies_and_which_blob_it_came_from() -> None:
    origin = Origin("commit", "lib/x.jar", commit="c1")
    (member,) = expand(Blob(origin, a_zip({"in/side.xml": TEXT}), blob_id="b1"))
    assert isinstance(member, Blob)
    assert member.origin.name == "lib/x.jar!in/side.xml"
    assert (member.origin.kind, member.origin.commit, member.blob_id) == ("commit", "c1", "b1")


def test_what_is_no_archive_has_no_members() -> None:
    for data in (b"", b"P", TEXT, b"BZhello", b"\x1f\x8b", bytes(4096), b"]" + bytes(600)):
        assert opened(data) == []


def test_a_file_that_is_no_archive_gives_itself_since_a_pipe_cannot_be_read_again() -> None:
    (whole,) = piped(TEXT)
    assert isinstance(whole, Blob)
    assert whole.data == TEXT


def test_an_empty_archive_has_no_members_and_is_not_unread() -> None:
    assert opened(a_zip({})) == []
    assert opened(a_tar({})) == []  # two blocks of zeros look like nothing at all
    assert opened(b"!<arch>\n") == []


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07\1\0", "rar"),
        (b"MSCF\0\0\0\0", "cab"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"LZIP\1", "lzip"),
        (b"\xed\xab\xee\xdb", "rpm"),
        (b"xar!", "xar"),
    ],
)
def test_an_archive_that_we_do_not_open_is_said_to_be_unread(start: bytes, name: str) -> None:
    why = f"{name} archives are not opened, so it was not looked into"
    assert unread(opened(start + bytes(100))) == {"a.zip": why}
    assert unread(opened(a_tar({"x": start + bytes(100)}))) == {"a.zip!x": why}


def test_browser_extensions_and_zipapps_are_zips_behind_something_else() -> None:
    packed = a_zip(MEMBERS)
    assert contents(opened(b"Cr24" + struct.pack("<II", 3, 90) + bytes(90) + packed)) == MEMBERS
    assert contents(opened(b"#!/usr/bin/env python3\n" + packed)) == MEMBERS


def test_a_zip_may_hold_zstd_and_xz_members() -> None:
    two_frames = zstd.compress(b"first line\n") + zstd.compress(b"the needle\n")
    for method, packed in ((93, two_frames), (95, lzma.compress(TEXT))):
        assert contents(opened(a_raw_zip(method, packed, TEXT))) == {"f": TEXT}


def test_a_zip_with_64_bit_fields_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file, file.open("a.txt", "w", force_zip64=True) as member:
        member.write(TEXT)
    data = out.getvalue()
    assert contents(opened(data)) == {"a.txt": TEXT}
    assert contents(piped(data, Limits(held=0))) == {"a.txt": TEXT}


def test_a_zip_with_64_bit_records_is_read() -> None:
    data = a_zip({"a.txt": TEXT})
    end = len(data) - 22
    length, start = struct.unpack_from("<II", data, end + 12)
    wide = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, length, start)
    where = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    last = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    assert contents(opened(data[:end] + wide + where + last)) == {"a.txt": TEXT}


def test_more_members_than_a_zip_can_count_in_16_bits_are_all_read() -> None:
    packed = a_raw_zip(0, b"x", b"x", copies=65_540)
    items = opened(packed, UNBOUNDED)
    assert len(items) == 65_540
    assert unread(items) == {}


def test_comments_of_a_zip_are_read_too() -> None:
    entry = zipfile.ZipInfo("a.txt")
    entry.comment = b"on the member"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(entry, TEXT)
        file.comment = b"on the archive"
    assert contents(opened(out.getvalue())) == {
        "(comment)": b"on the archive",
        "a.txt!(comment)": b"on the member",
        "a.txt": TEXT,
    }


def test_a_zip_whose_comment_is_cut_is_read() -> None:
    data = a_zip(MEMBERS, comment=b"a long comment")[:-4]
    assert contents(opened(data)) == {"(comment)": b"a long com", **MEMBERS}


def test_bytes_behind_the_end_of_a_zip_are_read() -> None:
    assert contents(opened(a_zip({"a": b"x"}) + TEXT)) == {"a": b"x", "(after the end)": TEXT}


def test_gzip_files_that_were_joined_are_one_text() -> None:
    joined = gzip.compress(b"first line\n") + gzip.compress(b"the needle\n") + bytes(512)
    assert contents(opened(joined, path="x.gz")) == {"x": TEXT}


def test_what_follows_compressed_data_does_not_stay_unseen() -> None:
    for compress in COMPRESSORS.values():
        items = opened(compress(b"first line\n") + b"the needle\n", path="x.gz")
        assert b"".join(contents(items).values()) == TEXT
        assert unread(items) == {}


def test_a_zstd_file_may_begin_with_a_frame_to_skip() -> None:
    data = b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstd.compress(TEXT)
    assert contents(opened(data, path="x.zst")) == {"x": TEXT}


def test_a_missing_zstd_names_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, zstd.__name__, None)
    why = "zstd support is missing, so it was not looked into (pip install backports.zstd)"
    assert unread(opened(zstd.compress(TEXT), path="x.zst")) == {"x.zst": why}
    assert unread(opened(a_raw_zip(93, zstd.compress(TEXT), TEXT))) == {"a.zip!f": why}
    tar = a_tar({"x.zst": zstd.compress(TEXT), "b": b"after"})
    assert unread(opened(tar)) == {"a.zip!x.zst": why}
    assert contents(opened(tar)) == {"b": b"after"}


def test_the_names_of_the_example_files_follow_from_their_endings() -> None:
    packed = gzip.compress(TEXT)
    for path, name in (("a.tgz", "a.tar"), ("b.dat", "contents"), (".gz", "contents")):
        assert contents(opened(packed, path=path)) == {name: TEXT}


# tar, ar and cpio in their dialects


def test_the_first_tars_have_no_magic_and_are_known_by_their_checksum() -> None:
    data = tar_header(b"a.txt", len(TEXT), b"\0") + padded(TEXT) + bytes(1024)
    assert contents(opened(data)) == {"a.txt": TEXT}


def test_some_old_tars_add_up_signed_bytes() -> None:
    head = tar_header(b"caf\xe9", len(TEXT))
    signed = head[:148] + b"%06o\0 " % (int(head[148:154], 8) - 256) + head[156:]
    assert list(contents(opened(signed + padded(TEXT)))) == [os.fsdecode(b"caf\xe9")]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_in_a_tar_are_read(form: int) -> None:
    name = "very/" * 40 + "long.txt"
    assert contents(opened(a_tar({name: TEXT, "b": b"b"}, form))) == {name: TEXT, "b": b"b"}


def test_a_ustar_name_is_put_together_from_two_fields() -> None:
    name = "folder/" * 20 + "x.txt"
    assert contents(opened(a_tar({name: TEXT}, tarfile.USTAR_FORMAT))) == {name: TEXT}


def test_a_symbolic_link_in_a_tar_gives_its_target_and_other_specials_nothing() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, kind in (
            ("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE),
            ("device", tarfile.CHRTYPE), ("folder", tarfile.DIRTYPE),
        ):  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "the/needle"
            file.addfile(entry)
        entry = tarfile.TarInfo("far link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "far/" * 50
        file.addfile(entry)
    items = opened(out.getvalue())
    assert contents(items) == {"link": b"the/needle", "far link": b"far/" * 50}
    assert unread(items) == {}


def test_a_hard_link_with_contents_is_read_and_a_folder_that_lies_about_its_size_is_not() -> None:
    data = tar_header(b"hard", len(TEXT), b"1") + padded(TEXT)
    data += tar_header(b"folder", 512, b"5") + tar_header(b"b", 1) + padded(b"b") + bytes(1024)
    assert contents(opened(data)) == {"hard": TEXT, "b": b"b"}


def test_the_holes_of_a_sparse_file_are_not_filled_in() -> None:
    segments = struct.pack("12s12s", b"%011o" % 0, b"%011o" % len(TEXT)).ljust(96, b"\0")
    tail = bytes(129) + segments + b"\1" + b"%011o\0" % (1 << 32)
    data = tar_header(b"disk.img", len(TEXT), b"S", tail)
    data += bytes(512) + padded(TEXT) + tar_header(b"b", 1) + padded(b"b") + bytes(1024)
    assert contents(opened(data)) == {"disk.img": TEXT, "b": b"b"}


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar to write a sparse file")
@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_terabyte_of_hole_written_by_tar_is_read_at_once(tmp_path: Path, form: str) -> None:
    with (tmp_path / "disk.img").open("wb") as file:
        file.write(TEXT)
        file.seek(1 << 40)
        file.write(b"the end\n")
    made = subprocess.run(
        ["tar", "--sparse", f"--format={form}", "-cf", "-", "disk.img"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("this tar or file system has no sparse files")
    items = opened(made.stdout)
    assert unread(items) == {}
    whole = contents(items)["disk.img"]
    assert TEXT in whole
    assert b"the end\n" in whole


def test_tars_that_were_joined_are_read_to_the_end() -> None:
    data = a_tar({"a": TEXT}) + a_tar({"b": b"other"})
    assert contents(opened(data)) == {"a": TEXT, "b": b"other"}


def test_bytes_behind_the_end_of_a_tar_or_cpio_are_read() -> None:
    assert contents(opened(a_tar({"a": b"x"}) + TEXT)) == {"a": b"x", "(after the end)": TEXT}
    ramdisk = a_cpio({"microcode": b"x"}) + bytes(512) + gzip.compress(a_cpio({"init": TEXT}))
    assert contents(opened(ramdisk)) == {"microcode": b"x", "(after the end)!init": TEXT}


def test_a_tar_that_breaks_in_the_middle_is_unread_from_there_but_its_bytes_are_scanned() -> None:
    data = a_tar({"a": b"x", "b": TEXT}, tarfile.USTAR_FORMAT)
    broken = data[:1024] + b"\xff" + data[1025:]
    items = opened(broken)
    assert contents(items)["a"] == b"x"
    assert TEXT in contents(items)["(after the end)"]
    assert list(unread(items)) == ["a.zip"]


def test_sizes_below_zero_stop_a_tar_and_do_not_hang_it() -> None:
    first = tar_header(b"a", 1) + padded(b"a")
    assert list(unread(opened(first + tar_header(b"b", -512)))) == ["a.zip"]
    pax = b"13 size=-512\n"
    bad = tar_header(b"p", len(pax), b"x") + padded(pax) + tar_header(b"b", 0)
    assert list(unread(opened(first + bad))) == ["a.zip"]


def test_long_names_and_bsd_names_in_ar_are_read() -> None:
    table = b"a-name-that-is-long.o/\nanother-name-that-is-long.o/\n"
    gnu = an_ar({b"/": b"symbols", b"//": table, b"/23": TEXT, b"short.o/": b"x"})
    assert contents(opened(gnu)) == {
        "/": b"symbols", "//": table, "another-name-that-is-long.o": TEXT, "short.o": b"x",
    }  # fmt: skip
    go = an_ar({b"odd": b"odd", b"b": TEXT}).replace(b"odd\n", b"odd\0")
    assert contents(opened(go)) == {"odd": b"odd", "b": TEXT}
    bsd = an_ar({b"#1/20": b"a name with blanks\0\0" + TEXT})
    assert contents(opened(bsd)) == {"a name with blanks": TEXT}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
@pytest.mark.parametrize("packing", ["gzip", "xz", "zstd", "none"])
def test_a_package_made_by_debian_is_read(tmp_path: Path, packing: str) -> None:
    control = "Package: p\nVersion: 1\nArchitecture: all\n"
    control += "Maintainer: m <m@localhost>\nDescription: d\n"
    root = tmp_path / "p"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(control)
    (root / "DEBIAN").chmod(0o755)
    (root / "etc").mkdir()
    (root / "etc/app.conf").write_bytes(TEXT)
    command = ["dpkg-deb", f"-Z{packing}", "-b", str(root), str(tmp_path / "p.deb")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this dpkg-deb does not know the packing")
    items = opened((tmp_path / "p.deb").read_bytes())
    found = {name.rpartition("!")[2]: data for name, data in contents(items).items()}
    assert found["./etc/app.conf"] == TEXT
    assert found["./control"] == control.encode()
    assert unread(items) == {}


# Archives in archives


def test_archives_are_opened_in_archives() -> None:
    inner = gzip.compress(a_tar({"etc/app.conf": TEXT}))
    outer = a_zip({"a/layer.tar.gz": inner, "b.txt": b"other\n"})
    assert contents(opened(outer)) == {"a/layer.tar.gz!etc/app.conf": TEXT, "b.txt": b"other\n"}


@pytest.mark.parametrize(("outer", "inner"), list(itertools.product(CONTAINERS, CONTAINERS)))
def test_every_container_is_opened_in_every_other(outer: str, inner: str) -> None:
    data = CONTAINERS[outer]({"x": CONTAINERS[inner](MEMBERS), "y": b"after"})
    items = opened(data)
    assert contents(items) == {"x!a.txt": TEXT, "x!dir/b.txt": b"other\n", "y": b"after"}
    assert unread(items) == {}


def test_an_archive_that_lies_too_deep_is_unread_and_its_neighbours_are_read() -> None:
    data = a_zip({"deepest": TEXT})
    for level in (4, 3, 2):
        data = a_zip({f"{level}.zip": data, f"{level}.txt": TEXT})
    assert len(contents(opened(data))) == 4
    items = opened(data, Limits(depth=3))
    assert set(contents(items)) == {"2.txt", "2.zip!3.txt", "2.zip!3.zip!4.txt"}
    assert unread(items) == {
        "a.zip!2.zip!3.zip!4.zip": "it lies 3 archives deep (a limit), so it was not opened"
    }


def test_a_zip_in_a_pipe_that_is_too_large_to_hold_is_read_from_the_front() -> None:
    members = {"a.txt": TEXT, "noise": noise(300_000), "x.zip": a_zip(MEMBERS)}
    for make in (a_zip, a_piped_zip):
        data = gzip.compress(make(members))
        items = opened(data, Limits(held=1000), path="x.zip.gz")
        found = {name.removeprefix("x.zip!"): data for name, data in contents(items).items()}
        assert found["a.txt"] == TEXT
        assert found["noise"] == members["noise"]
        assert found["x.zip!dir/b.txt"] == b"other\n"
        assert unread(items) == {}


def test_a_stored_member_of_unknown_length_ends_the_reading_from_the_front() -> None:
    data = a_piped_zip({"a": TEXT, "b": TEXT}, zipfile.ZIP_STORED)
    assert contents(opened(data)) == {"a": TEXT, "b": TEXT}  # the list at the end knows
    items = opened(gzip.compress(data), Limits(held=50), path="x.gz")
    assert set(unread(items)) == {"x.gz!x", "x.gz!x!a"}


# Large things


def test_a_member_larger_than_a_chunk_comes_in_pieces_that_cover_it() -> None:
    big = noise(20 * MIB)
    for data in (a_zip({"big": big}), gzip.compress(a_tar({"big": big}), 1)):
        items = opened(data)
        assert len(items) > 1
        assert contents(items) == {"big": big}


def peak(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gibibyte_of_zeros_is_read_in_flat_memory() -> None:
    data = gzip.compress(bytes(16 * MIB)) * 64
    origin = Origin("tree", "zeros.gz")
    sizes = []

    def run() -> None:
        for item in expand_file(io.BytesIO(data), origin, UNBOUNDED):
            assert isinstance(item, Blob)
            sizes.append(item.start + len(item.data))

    assert peak(run) < 96 * MIB
    assert sizes[-1] == 1 << 30


def test_a_large_tar_gz_from_a_pipe_is_read_in_flat_memory() -> None:
    body = bytes(8 * MIB)
    reader, writer = os.pipe()

    def feed() -> None:
        with (
            os.fdopen(writer, "wb") as end,
            gzip.GzipFile(fileobj=end, mode="wb", compresslevel=1) as packed,
            tarfile.open(fileobj=packed, mode="w|") as file,
        ):
            for number in range(32):
                entry = tarfile.TarInfo(f"{number}")
                entry.size = len(body)
                file.addfile(entry, io.BytesIO(body))

    feeder = threading.Thread(target=feed)
    feeder.start()
    count = 0

    def run() -> None:
        nonlocal count
        with os.fdopen(reader, "rb") as file:
            for item in expand_file(file, Origin("stdin", "-"), UNBOUNDED):
                count += isinstance(item, Blob)

    assert peak(run) < 80 * MIB
    feeder.join()
    assert count >= 32


def test_a_file_is_never_asked_for_all_its_bytes() -> None:
    pipe = Pipe(gzip.compress(a_tar({"big": noise(2 * MIB)})))
    list(expand_file(pipe, Origin("stdin", "-")))  # type: ignore[arg-type]
    assert pipe.largest <= MIB


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    nested = a_zip({"../../up": TEXT, "/etc/abs": TEXT, "x.tar": a_tar({"../up": TEXT})})
    assert len(piped(gzip.compress(nested))) == 3
    assert list(tmp_path.iterdir()) == []


# Bombs


def scanned(items: Iterable[Blob | Unread]) -> int:
    return sum(len(item.data) for item in items if isinstance(item, Blob))


RATIO = "it unpacks to more than 200 times its size (a limit); what came before was scanned"


def test_a_file_of_zeros_stops_at_the_ratio_and_says_so() -> None:
    data = gzip.compress(bytes(16 * MIB)) * 16
    items = opened(data, path="zeros.gz")
    assert unread(items) == {"zeros.gz": RATIO}
    assert 16 * MIB <= scanned(items) < 220 * len(data)


def test_a_small_file_may_be_as_repetitive_as_it_likes() -> None:
    assert unread(opened(gzip.compress(bytes(10 * MIB)))) == {}


def test_the_ratio_holds_for_a_pipe_too() -> None:
    items = piped(gzip.compress(bytes(16 * MIB)) * 16)
    assert unread(items) == {"-": RATIO}


def test_zips_of_zips_of_zips_stop_early() -> None:
    data = a_zip({"0": bytes(8 * MIB)})
    for level in range(5):
        data = a_zip({f"{level}-{number}.zip": data for number in range(10)})
    items = opened(data, Limits(depth=10))
    assert unread(items) == {"a.zip": RATIO}
    assert scanned(items) < 64 * MIB


def test_members_that_share_the_same_packed_bytes_count_each_time() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(bytes(MIB)) + deflate.flush()
    items = opened(a_raw_zip(8, packed, bytes(MIB), copies=500))
    assert unread(items) == {"a.zip": RATIO}
    assert scanned(items) < 40 * MIB
    plain = noise(50_000)
    stored = opened(a_raw_zip(0, plain, plain, copies=90_000))
    assert unread(stored) == {"a.zip": RATIO}


def test_more_entries_than_allowed_stop_the_archive() -> None:
    why = "it holds more than 20 entries (a limit); what came before was scanned"
    members = {f"{number:02}": TEXT for number in range(30)}
    for make in CONTAINERS.values():
        items = opened(make(members), Limits(entries=20))
        assert unread(items) == {"a.zip": why}
        assert len(contents(items)) == 20 or make is a_tar
    nested = a_zip({f"{number}.tar": a_tar({"a": TEXT}) for number in range(30)})
    assert unread(opened(nested, Limits(entries=20))) == {"a.zip": why}


def test_more_bytes_than_allowed_stop_the_archive() -> None:
    items = opened(a_zip({"a": noise(3 * MIB), "b": noise(3 * MIB)}), Limits(total=4 * MIB))
    why = "it unpacks to more than 4 MiB (a limit); what came before was scanned"
    assert unread(items) == {"a.zip": why}
    assert 3 * MIB < scanned(items) <= 4 * MIB


def test_a_dictionary_larger_than_memory_is_refused() -> None:
    alone = lzma.compress(TEXT, lzma.FORMAT_ALONE)
    greedy = alone[:1] + struct.pack("<I", 1 << 31) + alone[5:]
    why = "unpacking it takes too much memory (a limit); what came before was scanned"
    assert unread(opened(greedy, path="x.lzma")) == {"x.lzma": why}


# Encrypted, damaged, cut


def test_an_encrypted_member_is_unread_and_its_neighbours_are_read() -> None:
    data = bytearray(a_zip({"a": TEXT, "locked": TEXT, "z": TEXT}))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.index(signature, data.index(signature) + 1)
        data[at + offset] |= 1
    items = opened(bytes(data))
    assert contents(items) == {"a": TEXT, "z": TEXT}
    assert unread(items) == {"a.zip!locked": "it is encrypted, so it was not looked into"}
    in_order = opened(gzip.compress(bytes(data)), Limits(held=0), path="x.zip.gz")
    assert list(unread(in_order)) == ["x.zip.gz!x.zip!locked"]


def test_an_unknown_method_is_named() -> None:
    why = "it is packed by method {} ({}), which is not opened"
    for method, name in ((9, "deflate64"), (98, "ppmd"), (77, "unknown")):
        items = opened(a_raw_zip(method, TEXT, TEXT))
        assert unread(items) == {"a.zip!f": why.format(method, name)}


def test_one_damaged_member_of_a_zip_does_not_hide_the_others() -> None:
    data = bytearray(a_zip({"a": TEXT, "bad": noise(100_000), "z": TEXT}))
    middle = data.index(b"bad") + 20_000
    data[middle : middle + 100] = b"\xff" * 100
    items = opened(bytes(data))
    found = contents(items)
    assert (found["a"], found["z"]) == (TEXT, TEXT)
    assert unread(items) == {"a.zip!bad": "it is damaged; what came before was scanned"}


def test_a_member_that_is_not_where_the_list_says_is_unread() -> None:
    data = bytearray(a_zip({"a": TEXT, "b": TEXT}))
    at = data.index(b"PK\1\2")
    data[at + 42 : at + 46] = struct.pack("<I", 5)
    items = opened(bytes(data))
    assert contents(items) == {"b": TEXT}
    assert list(unread(items)) == ["a.zip!a"]


def test_a_zip_whose_end_is_missing_gives_what_can_be_found_from_the_front() -> None:
    big = noise(200_000)
    data = a_zip({"a": TEXT, "big": big})
    items = opened(data[: len(data) // 2])
    assert contents(items)["a"] == TEXT
    assert big.startswith(contents(items)["big"])
    assert len(contents(items)["big"]) > 50_000
    assert unread(items) == {
        "a.zip": "it ends too early, so it is cut short or damaged; what came before was scanned"
    }


def test_a_zip_with_a_broken_list_gives_what_can_be_found_from_the_front() -> None:
    data = a_zip({"a": TEXT, "b": TEXT}, zipfile.ZIP_STORED)
    at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    items = opened(data[:at] + b"XX" + data[at + 2 :])
    assert set(contents(items)) == {"a", "b"}
    assert list(unread(items)) == ["a.zip"]


def test_a_zip_in_a_cut_archive_gives_what_came_before_the_cut() -> None:
    inner = a_zip({"a": TEXT, "big": noise(200_000)})
    data = gzip.compress(a_tar({"x.zip": inner}))
    items = opened(data[: len(data) // 2], path="x.tgz")
    assert contents(items)["x.zip!a"] == TEXT
    assert len(contents(items)["x.zip!big"]) > 50_000
    assert list(unread(items)) == ["x.tgz"]


def test_the_end_of_a_zip_in_a_cut_zip_is_not_taken_for_its_own() -> None:
    data = a_zip({"a": TEXT, "x.zip": a_zip(MEMBERS), "b": TEXT}, zipfile.ZIP_STORED)
    items = opened(data[: data.index(b"b" + TEXT) + 5])
    assert contents(items)["a"] == TEXT
    assert contents(items)["x.zip!a.txt"] == TEXT
    assert list(unread(items)) == ["a.zip"]


def test_part_of_a_split_zip_is_unread() -> None:
    data = bytearray(a_zip({"a": TEXT}))
    data[-18:-16] = b"\2\0"
    assert "split" in unread(opened(bytes(data)))["a.zip"]


@pytest.mark.parametrize("form", COMPRESSORS)
def test_a_cut_compressed_file_gives_what_came_before_the_cut(form: str) -> None:
    text = noise(2 * MIB)
    data = COMPRESSORS[form](text)
    items = opened(data[: len(data) * 3 // 4], path=f"x.{form}")
    found = contents(items)["x"]
    assert text.startswith(found)
    assert len(found) > MIB // 2
    assert "ends too early" in unread(items)[f"x.{form}"]


def test_a_damaged_gzip_is_unread_even_if_only_its_checksum_is_wrong() -> None:
    data = bytearray(gzip.compress(TEXT))
    data[-5] ^= 0xFF
    items = opened(bytes(data), path="x.gz")
    assert list(unread(items)) == ["x.gz"]


def a_bit_of_everything() -> dict[str, bytes]:
    nested = {**MEMBERS, "x.zip": a_zip(MEMBERS), "y.tar": a_tar(MEMBERS), "z": noise(5000)}
    whole = {name: make(nested) for name, make in CONTAINERS.items()}
    for name, compress in COMPRESSORS.items():
        whole[f"tar.{name}"] = compress(a_tar(nested))
        whole[name] = compress(noise(5000))
    return whole


EVERYTHING = a_bit_of_everything()


@pytest.mark.parametrize("form", EVERYTHING)
def test_a_cut_archive_never_raises_and_a_cut_in_a_member_is_told(form: str) -> None:
    data = EVERYTHING[form]
    complete = contents(opened(data))
    for tenth in range(1, 10):
        part = data[: len(data) * tenth // 10]
        items = opened(part, path="a.gz")
        listed = piped(part)
        assert scanned(listed) >= scanned(items)
        assert unread(items) or len(part) % 512 == 0 or complete == contents(items)


def test_a_file_that_cannot_be_read_is_unread() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 60_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    for data in (a_tar({"a": noise(200_000)}), a_zip({"a": noise(900_000)})):
        items = list(expand_file(Failing(data), Origin("tree", "x")))
        assert set(unread(items).values()) == {"it could not be read: Input/output error"}


# Names


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\x",
        "a\nb\x1b[31m",
        "a!b",
        "-rf",
        "\u00fc.txt",
        "a" * 150,
    ],
)
@pytest.mark.parametrize("form", ["zip", "piped.zip", "pax.tar", "gnu.tar", "cpio"])
def test_names_are_data_and_kept_as_they_are(name: str, form: str) -> None:
    assert contents(opened(CONTAINERS[form]({name: TEXT}))) == {name: TEXT}


def test_members_of_the_same_name_are_all_read() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for text in (TEXT, b"second"):
            entry = tarfile.TarInfo("same")
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text))
    assert contents(opened(out.getvalue())) == {"same": TEXT + b"second"}
    assert len(opened(a_raw_zip(0, TEXT, TEXT, copies=2))) == 2


def test_a_name_that_is_not_utf_8_is_still_a_name() -> None:
    tar = tar_header(b"caf\xe9", len(TEXT)) + padded(TEXT) + bytes(1024)
    assert contents(opened(tar)) == {os.fsdecode(b"caf\xe9"): TEXT}
    packed = a_raw_zip(0, TEXT, TEXT, name=b"caf\x82")
    assert contents(opened(packed)) == {"caf\u00e9": TEXT}


def test_an_endless_name_is_shown_in_part_and_no_name_is_said_so() -> None:
    (name,) = contents(opened(a_tar({"x" * 50_000: TEXT})))
    assert name == "x" * 1000 + "..."
    assert contents(opened(a_raw_zip(0, TEXT, TEXT, name=b""))) == {"(no name)": TEXT}


# Whatever comes

SMALL = Limits(entries=200, total=4 * MIB, ratio=50)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MAGICS = [
    b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd",
    b"!<arch>\n", b"070701", b"Cr24", b"#!PK\3\4", b"\x5d\0\0\x80\0" + b"\xff" * 8 + b"\0",
    b"\x50\x2a\x4d\x18", tar_header(b"t", 600), b"",
]  # fmt: skip


def survives(data: bytes) -> None:
    """No exception, by any way in, within the limits."""
    ways = (
        opened(data, SMALL),
        list(expand_file(io.BytesIO(data), Origin("tree", "x"), SMALL)),
        piped(data, SMALL),
        piped(data, Limits(held=64)),
    )
    for items in ways[:3]:
        assert scanned(items) <= 3 * (SMALL.total + len(data))
        assert all(item.why and item.name for item in items if isinstance(item, Unread))


@RELAXED
@given(st.sampled_from(MAGICS), st.binary(max_size=3000))
def test_arbitrary_bytes_never_raise(start: bytes, data: bytes) -> None:
    survives(start + data)


@RELAXED
@given(
    st.sampled_from(sorted(EVERYTHING)),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), max_size=6),
    st.integers(0, 1 << 20),
)
def test_damaged_archives_never_raise(
    form: str, changes: list[tuple[int, bytes]], cut: int
) -> None:
    data = bytearray(EVERYTHING[form])
    for place, new in changes:
        at = place % len(data)
        data[at : at + len(new)] = new
    survives(bytes(data[: len(data) - cut % len(data) if cut % 3 == 0 else None]))


@RELAXED
@given(
    st.sampled_from(["zip", "piped.zip", "pax.tar", "gnu.tar", "cpio"]),
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300)
        .map(lambda name: name.rstrip("/") + "x"),
        st.binary(min_size=1, max_size=5000),
        max_size=8,
    ),
)  # fmt: skip
def test_whatever_was_packed_comes_out_again(form: str, members: dict[str, bytes]) -> None:
    plain = {name: b"." + data for name, data in members.items()}
    items = opened(CONTAINERS[form](plain))
    assert contents(items) == plain
    assert unread(items) == {}


def test_importing_the_module_costs_nothing() -> None:
    home = str(Path(archive.__file__).parents[2])
    code = f"""
import sys
sys.path.insert(0, {home!r})
before = set(sys.modules)
import leakguard.read.archive
print(*sorted(set(sys.modules) - before))
"""
    run = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert {name for name in loaded if not name.startswith("leakguard")} <= {"__future__"}
    assert not loaded & {"leakguard.read.source", "leakguard.read.zipped"}
