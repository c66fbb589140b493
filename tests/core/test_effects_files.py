"""Files as effects: snapshots, positioned writes, C's errors, and no way out of the folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from respell.effect import Kind
from respell.engine.effects import lookup
from respell.engine.effects.confined import make_temporary_folder, temporary_folder
from respell.engine.effects.files import MAX_TRANSFER
from respell.errors import EffectFailed, PermissionDenied, UsageError
from workbench import Workbench, workbench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with workbench(tmp_path) as opened:
        yield opened


def test_opening_for_reading_takes_a_snapshot_that_outlives_the_file(bench: Workbench) -> None:
    (bench.cwd / "data.txt").write_bytes(b"first\xff")
    opened = bench.perform("file.open", path="data.txt", mode="r")
    (bench.cwd / "data.txt").unlink()
    assert opened["size"] == 6
    assert bench.store.blobs.get(opened["hash"]) == b"first\xff"


def test_a_missing_file_is_an_outcome_with_cs_text_and_number(bench: Workbench) -> None:
    assert bench.perform("file.open", path="nowhere.txt", mode="rb") == {
        "error": "nowhere.txt: No such file or directory",
        "code": errno.ENOENT,
    }


def test_a_file_outside_is_refused_and_the_flag_named(bench: Workbench) -> None:
    with pytest.raises(PermissionDenied, match="--allow read=/etc/passwd"):
        bench.perform("file.open", path="/etc/passwd", mode="r")
    with pytest.raises(PermissionDenied, match="--allow write="):
        bench.perform("file.open", path="../secret/x", mode="w")
    assert not (bench.cwd.parent / "secret" / "x").exists()


def test_a_script_reads_its_own_folder_but_does_not_write_there(bench: Workbench) -> None:
    (bench.scripts / "template").write_text("hello")
    path = str(bench.scripts / "template")
    assert bench.perform("file.open", path=path, mode="r")["size"] == 5
    for mode in ("w", "a", "r+"):
        with pytest.raises(PermissionDenied):
            bench.perform("file.open", path=path, mode=mode)
    assert (bench.scripts / "template").read_text() == "hello"


def test_the_store_in_the_working_directory_is_out_of_reach(bench: Workbench) -> None:
    for mode in ("r", "w"):
        with pytest.raises(PermissionDenied, match="session store"):
            bench.perform("file.open", path="store/store.db", mode=mode)
    with pytest.raises(PermissionDenied):
        bench.perform("file.rename", **{"from": "store", "to": "elsewhere"})


def test_modes_create_truncate_and_append_as_in_c(bench: Workbench) -> None:
    file = bench.cwd / "f"
    assert bench.perform("file.open", path="f", mode="r+")["code"] == errno.ENOENT
    assert bench.perform("file.open", path="f", mode="a") == {"size": 0}
    file.write_text("abc")
    assert bench.perform("file.open", path="f", mode="a+b") == {"size": 3}
    assert bench.perform("file.open", path="f", mode="r+") == {"size": 3}
    assert file.read_text() == "abc"
    assert bench.perform("file.open", path="f", mode="w+") == {"size": 0}
    assert file.read_text() == ""


def test_an_invalid_mode_is_explained(bench: Workbench) -> None:
    with pytest.raises(UsageError, match="invalid mode 'rw'"):
        bench.perform("file.open", path="f", mode="rw")


def test_writing_twice_at_a_position_is_the_same_as_once(bench: Workbench) -> None:
    bench.perform("file.open", path="log", mode="w")
    for _ in range(2):
        bench.perform("file.write", path="log", offset=0, data="one\n")
        bench.perform("file.write", path="log", offset=4, data=b"\xfftwo\n")
    assert (bench.cwd / "log").read_bytes() == b"one\n\xfftwo\n"
    assert bench.perform("file.read", path="log", offset=2, size=4) == b"e\n\xfft"
    assert bench.perform("file.read", path="log", offset=99, size=4) == ""


def test_what_is_committed_when(bench: Workbench) -> None:
    def manner(effect: str, **args: str) -> tuple[Kind, bool]:
        found = bench.manner(effect, **args)
        return found.kind, found.idempotent

    assert manner("file.open", path="f", mode="r") == (Kind.READ, False)
    assert manner("file.open", path="f", mode="r+") == (Kind.READ, False)
    assert manner("file.open", path="f", mode="w") == (Kind.EXTERNAL, True)
    assert manner("file.write") == (Kind.EXTERNAL, True)
    assert manner("file.remove") == (Kind.EXTERNAL, False)
    assert manner("file.read") == (Kind.READ, False)


def test_folders_pipes_and_devices_are_no_files(bench: Workbench) -> None:
    (bench.cwd / "sub").mkdir()
    os.mkfifo(bench.cwd / "pipe")
    assert bench.perform("file.open", path="sub", mode="r") == {
        "error": "sub: Is a directory",
        "code": errno.EISDIR,
    }
    assert bench.perform("file.open", path="sub", mode="w")["code"] == errno.EISDIR
    assert "Not a regular file" in bench.perform("file.open", path="pipe", mode="r")["error"]
    # Nobody reads from it, so opening it for writing would otherwise wait for ever.
    assert "error" in bench.perform("file.open", path="pipe", mode="w")


def test_removing_takes_files_links_and_empty_folders(bench: Workbench) -> None:
    (bench.cwd / "target").write_text("kept")
    (bench.cwd / "link").symlink_to("target")
    (bench.cwd / "empty").mkdir()
    (bench.cwd / "full").mkdir()
    (bench.cwd / "full" / "x").touch()
    assert bench.perform("file.remove", path="link") == {"removed": True}
    assert bench.perform("file.remove", path="empty") == {"removed": True}
    assert bench.perform("file.remove", path="full")["code"] == errno.ENOTEMPTY
    assert bench.perform("file.remove", path="gone") == {
        "error": "gone: No such file or directory",
        "code": errno.ENOENT,
    }
    assert (bench.cwd / "target").read_text() == "kept"


def test_renaming(bench: Workbench) -> None:
    (bench.cwd / "a").write_text("x")
    assert bench.perform("file.rename", **{"from": "a", "to": "b"}) == {"renamed": True}
    assert (bench.cwd / "b").read_text() == "x"
    missing = bench.perform("file.rename", **{"from": "a", "to": "c"})
    assert missing["error"] == "a: No such file or directory"
    with pytest.raises(PermissionDenied):
        bench.perform("file.rename", **{"from": "b", "to": "../secret/b"})


def test_a_link_put_in_the_way_is_not_followed(bench: Workbench) -> None:
    secret = bench.cwd.parent / "secret" / "key"
    secret.write_text("sk-1")
    (bench.cwd / "innocent").symlink_to(secret)
    for effect, args in (
        ("file.open", {"mode": "r"}),
        ("file.open", {"mode": "a"}),
        ("file.read", {"offset": 0, "size": 9}),
        ("file.write", {"offset": 0, "data": "x"}),
    ):
        with pytest.raises(PermissionDenied):
            bench.perform(effect, path="innocent", **args)
    assert secret.read_text() == "sk-1"


def test_names_of_any_bytes_work(bench: Workbench) -> None:
    name = b"caf\xe9"
    bench.perform("file.write", path=name, offset=0, data="x")
    assert bench.perform("file.open", path=name, mode="r")["size"] == 1
    assert bench.perform("file.open", path=b"\xff", mode="r")["error"] == (
        b"\xff: No such file or directory"
    )


def test_a_temporary_file_belongs_to_the_session_and_is_open_to_it(bench: Workbench) -> None:
    path = bench.perform("file.temporary")["path"]
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert bench.perform("file.write", path=path, offset=0, data="scratch") == {"written": 7}
    assert bench.perform("file.open", path=path, mode="r")["size"] == 7
    assert bench.perform("file.remove", path=path) == {"removed": True}
    other = temporary_folder("another-session") / "x"
    with pytest.raises(PermissionDenied):
        bench.perform("file.open", path=str(other), mode="w")


def test_a_temporary_folder_that_others_can_enter_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"respell-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"respell-{os.getuid()}").chmod(0o777)
    with pytest.raises(EffectFailed, match="TMPDIR"):
        make_temporary_folder("some-session")


@pytest.mark.parametrize(
    ("effect", "args", "says"),
    [
        ("file.open", {}, "path must be a path, not nil"),
        ("file.open", {"path": "a\0b"}, "NUL"),
        ("file.read", {"path": "f", "offset": -1, "size": 1}, "offset must be an integer from 0"),
        ("file.read", {"path": "f", "offset": 0, "size": MAX_TRANSFER + 1}, "size must be"),
        ("file.write", {"path": "f", "offset": 0, "data": 7}, "data must be a string, not 7"),
    ],
)
def test_arguments_that_no_lua_side_would_send_are_refused(
    bench: Workbench, effect: str, args: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        bench.perform(effect, **args)


@pytest.mark.parametrize(
    "name", ["file.opne", "nothing.at_all", "..os.x", "os.path", "", "__init__.x"]
)
def test_an_unknown_effect_is_an_error_the_script_can_read(name: str) -> None:
    with pytest.raises(EffectFailed, match="there is no effect"):
        lookup(name)


def test_the_nearest_effect_is_named() -> None:
    with pytest.raises(EffectFailed, match=r"the nearest is file\.open"):
        lookup("file.opne")


def test_a_module_is_found_beside_the_script(bench: Workbench) -> None:
    (bench.scripts / "lib" / "deep").mkdir(parents=True)
    (bench.scripts / "lib" / "util.lua").write_text("return 1")
    (bench.scripts / "lib" / "deep" / "init.lua").write_text("return 2")
    assert bench.perform("module.load", name="lib.util") == {
        "path": "lib/util.lua",
        "source": "return 1",
    }
    assert bench.perform("module.load", name="lib.deep")["path"] == "lib/deep/init.lua"


def test_a_missing_module_lists_where_it_was_looked_for(bench: Workbench) -> None:
    error = bench.perform("module.load", name="no.such")["error"]
    assert error == (
        f"\n\tno file '{bench.scripts}/no/such.lua'\n\tno file '{bench.scripts}/no/such/init.lua'"
    )


@pytest.mark.parametrize("name", ["../secret/m", "/etc/m", "....secret.m"])
def test_a_module_name_does_not_lead_out_of_the_folder(bench: Workbench, name: str) -> None:
    (bench.cwd.parent / "secret" / "m.lua").write_text("return 'secret'")
    assert "error" in bench.perform("module.load", name=name)


def test_a_module_that_is_a_link_to_outside_is_refused(bench: Workbench) -> None:
    outside = bench.cwd.parent / "secret" / "m.lua"
    outside.write_text("return 'secret'")
    (bench.scripts / "m.lua").symlink_to(outside)
    with pytest.raises(PermissionDenied, match="--allow read="):
        bench.perform("module.load", name="m")
