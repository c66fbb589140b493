"""hash_calculator and file_operations, with v0.6.0's parameters and shapes."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from respell.effect import Kind
from respell.errors import EffectFailed, PermissionDenied
from respell.tools import ToolRegistry
from respell.tools.builtin import file_operations
from workbench import tool_context

TOOLS = ToolRegistry()
ABC = {
    "md5": "900150983cd24fb0d6963f7d28e17f72",
    "SHA-1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "blake3": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
}


def hashed(tmp_path: Path, **params: Any) -> dict[str, Any]:
    return TOOLS.invoke("hash_calculator", params, tool_context(tmp_path))


@pytest.mark.parametrize(("algorithm", "expected"), ABC.items())
def test_hashes_of_text(tmp_path: Path, algorithm: str, expected: str) -> None:
    answer = hashed(tmp_path, operation="hash", algorithm=algorithm, input="abc")
    assert answer["result"]["hash"] == expected
    assert json.loads(answer["text"]) == {
        "operation": "hash",
        "success": True,
        "result": answer["result"],
    }
    assert answer["metadata"] == {}


def test_sha512_in_base64_and_sha256_by_default(tmp_path: Path) -> None:
    answer = hashed(tmp_path, operation="hash", algorithm="sha512", data="abc", format="base64")
    assert answer["result"]["algorithm"] == "SHA-512"
    assert len(base64.b64decode(answer["result"]["hash"])) == 64
    usual = hashed(tmp_path, operation="hash", input="abc")
    assert usual["result"] == {"algorithm": "SHA-256", "hash": ABC["sha256"], "format": "hex"}


def test_a_file_is_hashed_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    for params in ({"file": "f"}, {"file": "f", "input_type": "file"}):
        assert hashed(tmp_path, operation="hash", **params)["result"]["hash"] == ABC["sha256"]
    with pytest.raises(PermissionDenied, match="--allow read=/etc/passwd"):
        hashed(tmp_path, operation="hash", file="/etc/passwd")
    with pytest.raises(EffectFailed, match="gone: No such file or directory"):
        hashed(tmp_path, operation="hash", file="gone")


def test_verifying(tmp_path: Path) -> None:
    right = {"operation": "verify", "input": b"abc", "algorithm": "md5"}
    good = hashed(tmp_path, **right, expected_hash=ABC["md5"].upper())
    assert good["result"] == {"verified": True, "algorithm": "MD5"}
    bad = hashed(tmp_path, **right, expected_hash="00")
    assert bad["success"] is True
    assert bad["result"] == {
        "verified": False,
        "algorithm": "MD5",
        "expected": "00",
        "actual": ABC["md5"],
    }


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"operation": "hash", "input": "x", "algorithm": "sha265"}, "did you mean sha256"),
        ({"operation": "hash", "input": "x", "algorithm": "crc"}, "md5, sha1, sha256, sha512, bla"),
        ({"operation": "sum", "input": "x"}, "allowed are: hash, verify"),
        ({"operation": "hash"}, "parameter input is missing"),
        ({"operation": "verify", "input": "x"}, "parameter expected_hash is missing"),
        ({"operation": "verify", "input": "x", "expected_hash": "zz"}, "is not hex"),
        ({"operation": "hash", "input": "x", "data": "y"}, "data is another name of input"),
    ],
)
def test_what_is_wrong_with_a_hash_call(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        hashed(tmp_path, **params)


# file_operations ----------------------------------------------------------------------------


def files(folder: Path, operation: str, **params: Any) -> dict[str, Any]:
    params = {"operation": operation, **params}
    return TOOLS.invoke("file_operations", params, tool_context(folder))


def test_writing_and_reading_in_v060s_words(tmp_path: Path) -> None:
    wrote = files(tmp_path, "write", path="new/dir/f.txt", content="héllo")
    assert wrote["text"] == "Wrote 6 bytes to new/dir/f.txt"
    assert wrote["metadata"] == {
        "operation": "write",
        "response": {
            "operation": "write",
            "success": True,
            "metadata": {"file_path": "new/dir/f.txt", "file_size": 6},
        },
    }
    read = files(tmp_path, "READ", path="new/dir/f.txt")
    assert read["text"] == read["result"] == "héllo"
    assert read["metadata"]["response"]["result"] == {"input": "héllo", "size": 6}


def test_bytes_go_in_and_come_out(tmp_path: Path) -> None:
    files(tmp_path, "write", path="b", input=b"\x00\xff")
    files(tmp_path, "append", path="b", input=b"\xfe")
    assert files(tmp_path, "read", path="b")["text"] == b"\x00\xff\xfe"


def test_overwriting_keeps_the_files_mode_and_goes_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    files(tmp_path, "write", path="link", input="new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    from respell.tools.atomic import write_atomically

    def chunks() -> Any:
        yield b"half"
        raise KeyboardInterrupt

    (tmp_path / "f").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "f", chunks())
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_text() == "old"


def test_listing_copying_moving_and_deleting(tmp_path: Path) -> None:
    files(tmp_path, "mkdir", path="a/b", recursive=True)
    files(tmp_path, "mkdir", path="a/b")
    files(tmp_path, "write", path="a/one", input="1")
    copied = files(tmp_path, "cp", source_path="a/one", target_path="a/b/two")
    assert copied["result"] == {"source": "a/one", "target": "a/b/two"}
    files(tmp_path, "mv", source_path="a/b/two", target_path="a/three")
    (tmp_path / "a" / "link").symlink_to("nowhere")
    listed = files(tmp_path, "list", path="a")
    assert listed["text"] == "Found 4 entries in a"
    entries = {entry["name"]: entry for entry in listed["result"]["entries"]}
    assert {name: entry["type"] for name, entry in entries.items()} == {
        "b": "directory",
        "link": "symlink",
        "one": "file",
        "three": "file",
    }
    assert entries["one"]["path"] == "a/one"
    assert entries["one"]["size"] == 1
    assert entries["one"]["modified"].endswith("Z")
    files(tmp_path, "delete", path="a/link")
    files(tmp_path, "delete", path="a/one")
    assert files(tmp_path, "exists", path="a/one")["result"] == {"exists": False}
    assert files(tmp_path, "exists", path="a")["text"] == "Path a exists"


def test_metadata(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("abc")
    found = files(tmp_path, "stat", path="f")["result"]
    assert (found["type"], found["size"], found["readonly"]) == ("file", 3, False)
    assert {"created", "modified", "accessed"} <= set(found)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"operation": "raed", "path": "f"}, "did you mean read"),
        ({"operation": "read"}, "parameter path is missing; read needs it"),
        ({"operation": "write", "path": "f"}, "parameter input is missing"),
        ({"operation": "read", "path": "gone"}, "gone: No such file or directory"),
        ({"operation": "read", "path": "sub"}, "sub: Is a directory"),
        ({"operation": "write", "path": "sub", "input": ""}, "sub: Is a directory"),
        ({"operation": "read", "path": "pipe"}, "not a regular file"),
        ({"operation": "append", "path": "pipe", "input": "x"}, "not a regular file"),
        ({"operation": "delete", "path": "sub"}, "is a folder"),
        ({"operation": "create_dir", "path": "x/y"}, "No such file"),
        ({"operation": "move", "source_path": "gone", "target_path": "g"}, "No such file"),
        ({"operation": "read", "path": "f", "pth": 1}, "pth is unknown; did you mean path"),
    ],
)
def test_what_is_wrong_with_a_file_call(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EffectFailed, match=says):
        TOOLS.invoke("file_operations", params, tool_context(tmp_path))


def test_a_file_too_large_to_read_at_once_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_operations, "MAX_READ_BYTES", 10)
    (tmp_path / "big").write_text("x" * 11)
    with pytest.raises(EffectFailed, match=r"io\.lines"):
        files(tmp_path, "read", path="big")


@pytest.mark.parametrize(
    "params",
    [
        {"operation": "read", "path": "../out"},
        {"operation": "write", "path": "../out", "input": "x"},
        {"operation": "delete", "path": "../out"},
        {"operation": "list", "path": ".."},
        {"operation": "copy", "source_path": "../out", "target_path": "in"},
        {"operation": "copy", "source_path": "f", "target_path": "../new"},
        {"operation": "move", "source_path": "../out", "target_path": "in"},
        {"operation": "write", "path": "link", "input": "x"},
        {"operation": "exists", "path": "../out"},
    ],
)
def test_nothing_outside_is_touched(tmp_path: Path, params: dict[str, Any]) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "f").write_text("inside")
    (tmp_path / "out").write_text("outside")
    (folder / "link").symlink_to(tmp_path / "out")
    with pytest.raises(PermissionDenied, match=r"--allow (read|write)="):
        TOOLS.invoke("file_operations", params, tool_context(folder))
    assert sorted(os.listdir(tmp_path)) == ["out", "work"]
    assert (tmp_path / "out").read_text() == "outside"


def test_what_is_committed_for_each_operation() -> None:
    def kind(operation: str) -> tuple[Kind, bool]:
        params = {"operation": operation, "path": "x"}
        return (
            TOOLS.kind_of("file_operations", params),
            TOOLS.is_idempotent("file_operations", params),
        )

    for operation in ("read", "ls", "stat", "exists"):
        assert kind(operation) == (Kind.READ, True)
    for operation in ("write", "mkdir"):
        assert kind(operation) == (Kind.EXTERNAL, True)
    for operation in ("append", "delete", "copy", "mv", "nonsense"):
        assert kind(operation) == (Kind.EXTERNAL, False)
    assert TOOLS.kind_of("http_request", {"url": "http://x"}) is Kind.EXTERNAL
    assert not TOOLS.is_idempotent("http_request", {"url": "http://x"})
    assert TOOLS.kind_of("hash_calculator", {"operation": "hash", "input": ""}) is Kind.READ
