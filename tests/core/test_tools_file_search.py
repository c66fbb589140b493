"""file_search: what is found where, what is left out, and folders made to trap it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.errors import EffectFailed, PermissionDenied
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.builtin import _searching
from workbench import tool_context

TOOLS = ToolRegistry()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with texts, folders, and what is no text."""
    for name, text in {
        "a.txt": "first\nfind ME here, find me\nlast\n",
        "b.log": "nothing\r\nto find me\r\n",
        "noend": "find me",
        "deep/c.md": "find me é find me",
        "deep/deeper/d.py": "find me",
        ".git/e.txt": "find me",
        "data.bin": "find me",
        "zero.txt": "find me\0",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return tmp_path


def search(folder: Path, **params: Any) -> dict[str, Any]:
    params = {"pattern": "find me", "path": ".", **params}
    return TOOLS.invoke("file_search", params, tool_context(folder))


def places(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (match["file_path"].removeprefix("./"), match["line_number"], match["column_number"])
        for match in answer["result"]["matches"]
    ]


def test_a_match_in_v060s_shape(tree: Path) -> None:
    answer = search(tree, path="a.txt", context_lines=1)
    assert answer["text"] == "Found 1 matches across 1 files. Search pattern: 'find me'"
    assert answer["result"] == {
        "matches": [
            {
                "file_path": "a.txt",
                "line_number": 2,
                "column_number": 15,
                "line_content": "find ME here, find me",
                "matched_text": "find me",
                "context_before": ["first"],
                "context_after": ["last"],
            }
        ],
        "summary": {
            "total_matches": 1,
            "files_searched": 1,
            "files_skipped": 0,
            "has_matches": True,
            "truncated": False,
        },
        "skipped_files": [],
    }
    assert answer["metadata"] == {
        "operation": "search",
        "response": {"operation": "search", "success": True, "result": answer["result"]},
    }


A, B, C1, C2 = ("a.txt", 2, 15), ("b.log", 2, 4), ("deep/c.md", 1, 1), ("deep/c.md", 1, 12)
D, BIN, PLAIN, GIT = (
    (name, 1, 1) for name in ("deep/deeper/d.py", "data.bin", "noend", ".git/e.txt")
)
ALL = {"recursive": True}
IN_A = {"path": "a.txt", "use_regex": True}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [A, B]),
        (ALL, [A, B, C1, C2, D]),
        ({**ALL, "max_depth": 2, "extensions": "md,.PY"}, [C1, C2]),
        ({**ALL, "max_depth": 0, "include_extensions": ["py"]}, [D]),
        ({"include_extensions": []}, [A, B, PLAIN]),
        ({"include_extensions": {}, "exclude_extensions": "txt, log"}, [BIN, PLAIN]),
        ({**ALL, "exclude_dirs": ["DEEP"]}, [GIT, A, B]),
        ({"path": "a.txt", "case_sensitive": False}, [("a.txt", 2, 1), A]),
        ({"path": "a.txt", "case_sensitive": False, "max_matches_per_file": 1}, [("a.txt", 2, 1)]),
        (
            {**IN_A, "pattern": "^f|t$"},
            [("a.txt", 1, 1), ("a.txt", 1, 5), ("a.txt", 2, 1), ("a.txt", 3, 4)],
        ),
        ({**IN_A, "pattern": "^"}, [("a.txt", line, 1) for line in (1, 2, 3)]),
        ({**IN_A, "path": "b.log", "pattern": "me$"}, [("b.log", 2, 9)]),
        ({"path": "a.txt", "pattern": "."}, []),
        ({"path": "data.bin"}, [BIN]),
        ({"path": "deep/c.md", "pattern": "É", "case_sensitive": False}, [("deep/c.md", 1, 9)]),
        ({"max_file_size": 25}, [B]),
        ({"operation": "search", "path": "b.log"}, [B]),
    ],
)
def test_where_it_looks(tree: Path, params: dict[str, Any], expected: list[Any]) -> None:
    answer = search(tree, **params)
    assert sorted(places(answer)) == expected


def test_what_is_skipped_is_said_with_its_reason(tree: Path) -> None:
    os.mkfifo(tree / "pipe.txt")
    (tree / "gone.txt").symlink_to(tree / "nothing")
    (tree / "out.txt").symlink_to("/etc/passwd")
    (tree / "big.txt").write_text("x" * 200)
    answer = search(tree, max_file_size=100)
    skipped = {one["file_path"]: one["reason"] for one in answer["result"]["skipped_files"]}
    assert skipped == {
        "./big.txt": "it has more than 100 bytes, see max_file_size",
        "./gone.txt": "No such file or directory",
        "./out.txt": "reading it is not allowed",
        "./pipe.txt": "it is not a regular file",
        "./zero.txt": "it is not text",
    }
    assert answer["result"]["summary"]["files_skipped"] == 5


def test_loops_of_links_and_deep_folders_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    deep = tmp_path / "/".join("d" * 60)
    deep.mkdir(parents=True)
    (deep / "x.txt").write_text("find me")
    assert places(search(tmp_path, recursive=True, max_depth=100))[0][1:] == (1, 1)
    assert places(search(tmp_path, recursive=True)) == []


def test_what_a_rule_closes_is_not_looked_into(tree: Path) -> None:
    ctx = tool_context(tree, deny=["read=deep/deeper"])
    params = {"pattern": "find me", "path": ".", "recursive": True}
    answer = TOOLS.invoke("file_search", params, ctx)
    assert "deep/deeper/d.py" not in [place[0] for place in places(answer)]
    assert answer["result"]["skipped_files"][-1]["reason"] == "reading it is not allowed"
    with pytest.raises(PermissionDenied, match="--allow read=/etc"):
        search(tree, path="/etc")


def test_text_that_is_not_utf8_is_found_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 find me\n")
    match = search(tmp_path)["result"]["matches"][0]
    assert (match["line_content"], match["column_number"]) == (b"caf\xe9 find me", 6)


def test_a_pattern_may_be_called_a_query(tree: Path) -> None:
    answer = TOOLS.invoke("file_search", {"query": "find me", "path": "b.log"}, tool_context(tree))
    assert places(answer) == [B]


def test_long_lines_are_shortened_between_characters(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("é" * 5000 + "find me")
    match = search(tmp_path)["result"]["matches"][0]
    assert match["column_number"] == 10_001
    assert match["line_content"].lstrip("é") == "…"
    assert len(match["line_content"].encode()) <= 4100


@pytest.mark.parametrize(
    ("limit", "most", "says"),
    [
        ("MAX_MATCHES", 3, "stopped after 3 matches"),
        ("MAX_ENTRIES", 3, "stopped after 3 files and folders"),
        ("MAX_READ_BYTES", 20, "stopped after 20 bytes"),
        ("MAX_RESULT_BYTES", 100, "stopped after 100 bytes of matches"),
    ],
)
def test_every_limit_leaves_what_was_found_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, says: str
) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("find me, find me\n")
    monkeypatch.setattr(_searching, limit, most)
    answer = search(tmp_path)
    assert says in answer["text"]
    assert answer["result"]["summary"]["truncated"] is True
    assert answer["result"]["summary"]["total_matches"] < 10


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"pattern": " "}, "parameter pattern is blank"),
        ({"path": "gone"}, "gone: No such file or directory"),
        ({"path": "zero.txt"}, "zero.txt can't be searched: it is not text"),
        ({"pattern": "(", "use_regex": True}, "no regular expression"),
        ({"context_lines": 51}, "parameter context_lines"),
        ({"max_depth": 101}, "parameter max_depth"),
        ({"max_file_size": 10**12}, "parameter max_file_size"),
        ({"include_extensions": 5}, "include_extensions must be an array of strings"),
        ({"exclude_dirs": [1]}, "exclude_dirs must be an array of strings"),
        ({"include_extensions": ["a"] * 2000}, "has 2000 names; at most 1000"),
        ({"recursiv": True}, "did you mean recursive"),
    ],
)
def test_what_is_wrong_with_a_call(tree: Path, params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        search(tree, **params)


def test_no_pattern_takes_for_ever(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 1_000_000 + "!\n")
    start = time.monotonic()
    answer = search(tmp_path, pattern="(a+)+$|(a*)*b", use_regex=True)
    assert places(answer) == []
    assert time.monotonic() - start < 10


def test_a_cancelled_search_ends(tree: Path) -> None:
    ctx = tool_context(tree)
    ctx.cancel.set()
    with pytest.raises(EffectFailed, match="the call was cancelled"):
        TOOLS.invoke("file_search", {"pattern": "x", "path": "."}, ctx)


def test_a_replay_finds_what_is_no_longer_there(script: Any, store: Store, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("one\ntwo\n")
    result = script(
        """
        local found = Tool.file_search:execute{pattern = "two", path = "."}
        print(found.text, found.metadata.response.result.matches[1].line_number)
        """
    )
    assert script.lines[0].endswith("2")
    (tmp_path / "notes.txt").unlink()
    assert respell.replay(result.session, store=store).identical


def test_the_text_of_bytes_is_json_all_the_same(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("find me")
    answer = search(tmp_path)
    assert answer["result"]["matches"][0]["file_path"] == b"./caf\xe9.txt"
    assert json.dumps(answer["text"])
