"""Where a store may be: a private place of this user, outside of what gets committed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from keep.builders import Somewhere, declared, noted
from leakguard.errors import UsageError
from leakguard.keep import keys as keyring
from leakguard.keep.errors import StoreError
from leakguard.keep.place import data_folder, place
from leakguard.keep.store import open_store

LINUX = sys.platform.startswith("linux")


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_without_a_word_it_is_in_the_data_folder(data: Path) -> None:
    with open_store() as store:
        declared(store)
        assert store.name == str(data / "incidents.db")
    assert (data / "incidents.db").is_file()


def test_an_address_in_the_environment_comes_before_the_data_folder(
    sqlite: Somewhere, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKGUARD_STORE", str(data / "team.db"))
    with open_store() as store:
        assert store.name == str(data / "team.db")


@pytest.mark.skipif(not LINUX, reason="the folders of Linux")
def test_the_data_folder_follows_the_system() -> None:
    assert data_folder({"XDG_DATA_HOME": "/x"}) == "/x/leakguard"
    assert data_folder({"XDG_DATA_HOME": "relative"}).endswith("/.local/share/leakguard")
    assert data_folder({"LEAKGUARD_DATA": "/y", "XDG_DATA_HOME": "/x"}) == "/y"


def test_the_keys_are_beside_the_file_or_where_the_environment_says(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    assert place(path, {}).keys == str(tmp_path / "keys")
    assert place(path, {"LEAKGUARD_KEY_DIR": "/k"}).keys == "/k"
    assert place("postgresql://h/d", {"LEAKGUARD_DATA": "/d"}).keys == "/d/keys"


def test_nothing_is_readable_by_others_whatever_the_umask(data: Path) -> None:
    before = os.umask(0)
    try:
        with open_store() as store:
            declared(store)
            assert mode(data) == mode(data / "keys") == 0o700
            files = [path for path in data.rglob("*") if path.is_file()]
            assert {path.name for path in files} >= {"incidents.db", "incidents.db-wal"}
            assert {path.name: mode(path) for path in files if mode(path) != 0o600} == {}
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    "name", [".", "incidents.db", "keys", "keys/pepper.key", "keys/signing.key"]
)
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_what_others_can_write_is_refused(data: Path, name: str, bits: int) -> None:
    with open_store() as store:
        declared(store)
    path = data / name
    path.chmod(mode(path) | bits)
    with pytest.raises(StoreError, match="others can write") as caught, open_store() as store:
        noted(store, "LG-2026-0001", "x")
    assert caught.value.hints[0].startswith("run: chmod go-w ")
    path.chmod(mode(path) & ~bits)
    with open_store() as store:
        noted(store, "LG-2026-0001", "x")


def test_a_write_ahead_log_that_others_can_write_is_refused(data: Path) -> None:
    with open_store() as store:
        declared(store)
        (data / "incidents.db-wal").chmod(0o666)
        with pytest.raises(StoreError, match="others can write to the file"):
            open_store()


@pytest.mark.parametrize("name", ["incidents.db", "keys/pepper.key"])
def test_a_link_in_place_of_a_file_is_refused(data: Path, name: str) -> None:
    with open_store() as store:
        declared(store)
    path = data / name
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))
    with pytest.raises(StoreError, match="is a link"):
        open_store()


def test_a_link_in_place_of_the_folder_is_refused(data: Path) -> None:
    data.with_name("elsewhere").mkdir(mode=0o700)
    data.symlink_to(data.with_name("elsewhere"))
    with pytest.raises(StoreError, match="is a link"):
        open_store()


def test_a_link_that_leads_nowhere_makes_no_file(data: Path) -> None:
    data.mkdir(mode=0o700)
    (data / "incidents.db").symlink_to(data / "target")
    with pytest.raises(StoreError, match="is a link"):
        open_store()
    assert not (data / "target").exists()


def test_a_folder_below_one_that_everybody_may_change_is_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.mkdir(mode=0o700)
    data.chmod(0o777)
    monkeypatch.setenv("LEAKGUARD_DATA", str(data / "mine"))
    with pytest.raises(StoreError, match="others can exchange"):
        open_store()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user_is_refused(data: Path) -> None:
    with open_store() as store:
        declared(store)
    os.chown(data / "incidents.db", 65534, 65534)
    with pytest.raises(StoreError, match="belongs to another user"):
        open_store()


@pytest.mark.parametrize("below", ["", "deep/er"])
def test_a_git_work_tree_is_refused_unless_it_is_meant(data: Path, below: str) -> None:
    subprocess.run(["git", "init", "--quiet", str(data)], check=True)
    path = str(data / below / "incidents.db")
    with pytest.raises(UsageError, match="inside a git work tree") as caught:
        open_store(path)
    assert caught.value.hints == ("use another place: LEAKGUARD_DATA=FOLDER",)
    assert not os.path.exists(path)
    with open_store(path, inside_repository=True) as store:
        declared(store)
    with open_store(str(data / ".git" / "leakguard" / "incidents.db")) as store:
        declared(store)


def test_keys_in_a_git_work_tree_are_refused_too(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setenv("LEAKGUARD_KEY_DIR", str(tmp_path / "keys"))
    with pytest.raises(UsageError, match=r"signing\.key is inside a git work tree"):
        open_store()
    assert not (tmp_path / "keys").exists()
    assert not data.exists()


def test_a_linked_work_tree_is_one_too(data: Path) -> None:
    data.mkdir(mode=0o700)
    (data / ".git").write_text("gitdir: /somewhere\n")
    with pytest.raises(UsageError, match="inside a git work tree"):
        open_store()


def test_the_seal_key_can_be_elsewhere(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKGUARD_SEAL_KEY_FILE", str(tmp_path / "seal"))
    with open_store() as store:
        declared(store)
    assert (tmp_path / "seal").stat().st_size == keyring.SIZE
    assert mode(tmp_path / "seal") == 0o600
    assert not (data / "keys" / "seal.key").exists()


def test_a_damaged_key_is_called_so(data: Path) -> None:
    open_store().close()
    (data / "keys" / "seal.key").write_bytes(b"short")
    with pytest.raises(StoreError, match="is damaged"):
        open_store()


def test_keys_do_not_show_themselves(data: Path) -> None:
    with open_store() as store:
        raw = (data / "keys" / "pepper.key").read_bytes()
        assert repr(raw) not in repr(store.keys)
        assert raw.hex() not in repr(store.keys)


def test_an_address_does_not_show_its_password() -> None:
    word = os.urandom(8).hex()
    assert word not in repr(place(f"postgresql://ada:{word}@h/d", {}))


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", None), ("localhost", None), ("db.example.com", "require")]
)
def test_a_server_elsewhere_is_only_spoken_to_encrypted(host: str, expected: str | None) -> None:
    from leakguard.keep.database import _url

    assert _url(f"postgresql://ada@{host}/d").query.get("sslmode") == expected
    assert _url(f"postgresql://ada@{host}/d?sslmode=verify-full").query["sslmode"] == "verify-full"
