"""base64_encoder: text, bytes and files, both variants, both ways."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import respell
from respell.effect import Kind
from respell.errors import EffectFailed, PermissionDenied
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.builtin import base64_encoder
from workbench import tool_context

TOOLS = ToolRegistry()


def call(folder: Path, operation: str, **params: Any) -> dict[str, Any]:
    params = {"operation": operation, **params}
    return TOOLS.invoke("base64_encoder", params, tool_context(folder))


def test_text_there_and_back(tmp_path: Path) -> None:
    encoded = call(tmp_path, "encode", input="Hello, World!")
    assert encoded["result"] == {
        "output": "SGVsbG8sIFdvcmxkIQ==",
        "variant": "standard",
        "binary": False,
    }
    assert json.loads(encoded["text"]) == {
        "operation": "encode",
        "success": True,
        "message": "Base64 encode completed",
        "result": encoded["result"],
    }
    decoded = call(tmp_path, "decode", data="SGVsbG8sIFdvcmxkIQ==")
    assert decoded["result"]["output"] == "Hello, World!"


@pytest.mark.parametrize(("variant", "expected"), [("standard", "+/+/"), ("url-safe", "-_-_")])
def test_the_two_variants(tmp_path: Path, variant: str, expected: str) -> None:
    content = base64.b64decode("+/+/")
    assert call(tmp_path, "encode", input=content, variant=variant)["result"]["output"] == expected
    answer = call(tmp_path, "decode", input=expected, variant=variant)
    assert answer["result"] == {"output": content.hex(), "variant": variant, "binary": True}


def test_bytes_as_hexadecimal(tmp_path: Path) -> None:
    encoded = call(tmp_path, "encode", input="00ff", binary_input=True)
    assert encoded["result"]["output"] == "AP8="
    decoded = call(tmp_path, "decode", input="AP8=", binary_input=True)
    assert decoded["result"]["output"] == "00ff"


@pytest.mark.parametrize(
    ("content", "output", "binary"),
    [(b"plain", "plain", False), ("é".encode(), "é", True), (b"\xff\x00", "ff00", True)],
)
def test_what_decoding_gives(tmp_path: Path, content: bytes, output: str, binary: bool) -> None:
    result = call(tmp_path, "decode", input=base64.b64encode(content).decode())["result"]
    assert (result["output"], result["binary"]) == (output, binary)


def test_lines_and_spaces_do_not_matter(tmp_path: Path) -> None:
    assert call(tmp_path, "decode", input="SGVs\r\n bG8=\n")["result"]["output"] == "Hello"


def test_files_in_and_out(tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(bytes(range(256)))
    wrote = call(tmp_path, "encode", input_file="in.bin", output_file="new/out.txt")
    about = {"variant": "standard", "file_path": "new/out.txt", "file_size": 344}
    assert wrote["result"] == about
    assert json.loads(wrote["text"]) == {
        "operation": "encode",
        "success": True,
        "message": "Base64 encode completed successfully",
        "metadata": about,
    }
    call(tmp_path, "decode", input_file="new/out.txt", output_file="back.bin", input="ignored")
    assert (tmp_path / "back.bin").read_bytes() == bytes(range(256))


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"operation": "encode"}, "parameter input is missing; give it, or input_file"),
        ({"operation": "pack", "input": "x"}, "allowed are: encode, decode"),
        ({"operation": "encode", "input": "x", "variant": "url"}, "allowed are: standard, url-s"),
        ({"operation": "encode", "input": "xyz", "binary_input": True}, "is not hexadecimal.*xyz"),
        ({"operation": "encode", "input": b"\xff", "binary_input": True}, "is not hexadecimal"),
        ({"operation": "decode", "input": "a"}, r"input is not standard Base64 \(.*\): 'a'"),
        ({"operation": "decode", "input": "SGVsbG8"}, "Incorrect padding"),
        ({"operation": "decode", "input": "SGVs=bG8="}, "not standard Base64"),
        ({"operation": "decode", "input": "é==="}, "allowed are letters, digits, \\+ and /"),
        ({"operation": "decode", "input": "+/+/", "variant": "url-safe"}, "digits, - and _"),
        ({"operation": "decode", "input": "-_-_"}, r"digits, \+ and /"),
        ({"operation": "decode", "input_file": "bad.txt"}, "parameter input_file is not standard"),
        ({"operation": "encode", "input_file": "gone"}, "gone: No such file or directory"),
        ({"operation": "encode", "input_file": "sub"}, "sub: Is a directory"),
        ({"operation": "encode", "input_file": "pipe"}, "pipe is not a regular file"),
        ({"operation": "encode", "input": "x", "output_file": "sub"}, "sub: Is a directory"),
        ({"operation": "encode", "inptu": "x"}, "did you mean input"),
    ],
)
def test_what_is_wrong(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "bad.txt").write_text("no base64 at all")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EffectFailed, match=says):
        TOOLS.invoke("base64_encoder", params, tool_context(tmp_path))


def test_a_long_input_is_shortened_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(EffectFailed) as caught:
        call(tmp_path, "decode", input="!" * 100_000)
    assert len(str(caught.value)) < 400


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base64_encoder, "MAX_INPUT_BYTES", 10)
    (tmp_path / "big").write_text("x" * 11)
    with pytest.raises(EffectFailed, match="input has 11 bytes; at most 10"):
        call(tmp_path, "encode", input="x" * 11)
    with pytest.raises(EffectFailed, match="big is larger than the 10 bytes"):
        call(tmp_path, "encode", input_file="big")


def test_files_outside_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "out").write_text("outside")
    with pytest.raises(PermissionDenied, match="--allow read="):
        call(folder, "encode", input_file="../out")
    with pytest.raises(PermissionDenied, match="--allow write="):
        call(folder, "encode", input="x", output_file="../out")
    assert (tmp_path / "out").read_text() == "outside"


def test_only_writing_a_file_is_seen_outside() -> None:
    params = {"operation": "encode", "input": "x"}
    assert TOOLS.kind_of("base64_encoder", params) is Kind.READ
    assert TOOLS.kind_of("base64_encoder", {**params, "output_file": "f"}) is Kind.EXTERNAL
    assert TOOLS.is_idempotent("base64_encoder", {**params, "output_file": "f"})


@given(st.binary(max_size=300), st.sampled_from(["standard", "url-safe"]))
def test_whatever_is_encoded_is_decoded(content: bytes, variant: str) -> None:
    encoded = call(Path("/"), "encode", input=content, variant=variant)["result"]["output"]
    decoded = call(Path("/"), "decode", input=encoded, variant=variant)["result"]["output"]
    try:
        assert decoded == content.decode()
    except UnicodeDecodeError:
        assert bytes.fromhex(decoded) == content


@given(st.text(max_size=60))
def test_any_text_decodes_or_is_one_error(text: str) -> None:
    try:
        expected = base64.b64decode(re.sub(r"[ \t\n\r\f\v]", "", text), validate=True)
    except ValueError:
        with pytest.raises(EffectFailed, match="is not standard Base64"):
            call(Path("/"), "decode", input=text)
    else:
        assert call(Path("/"), "decode", input=text)["result"]["binary"] != expected.isascii()


def test_a_script_encodes_and_a_replay_finds_the_same(
    script: Any, store: Store, tmp_path: Path
) -> None:
    done = script(r"""
        local r = Tool.invoke("base64_encoder", {operation = "encode", input = "\0\xff"})
        print(r.result.output, JSON.parse(r.text).result.output)
        Tool.base64_encoder:execute{operation = "encode", input = "hi", output_file = "f"}
        print(Tool.invoke("file_operations", {operation = "read", path = "f"}).text)
    """)
    assert script.lines == ["AP8=\tAP8=", "aGk="]
    (tmp_path / "f").unlink()
    assert respell.replay(done.session, store=store).identical
    assert not (tmp_path / "f").exists()
