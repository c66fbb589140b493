"""Files, standard streams and processes as a script sees them, and the effects they cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.lua_harness import Outcome, install, new_lua, plain, run
from respell import values

STORIES = {
    path.stem: path.read_text() for path in (Path(__file__).parent / "plain_lua_io").iterdir()
}
CONTENT = b"hello\nworld\n12 0x1F -3.5e2 abc"


def arguments(outcome: Outcome, name: str) -> list[dict[str, object]]:
    return [values.decode(args) for _, n, args in outcome.effects if n == name]


@pytest.mark.parametrize("story", sorted(STORIES))
def test_files_behave_as_in_plain_lua(story: str, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_bytes(CONTENT)
    source = f"local path = {str(file)!r} " + STORIES[story]
    there = plain(source)
    after = file.read_bytes() if file.exists() else None
    here = run(source, files={str(file): CONTENT})
    assert masked(here) == masked(there)
    assert here.files.get(str(file)) == after


def masked(outcome: Outcome) -> list[str]:
    lines = "\n".join([*outcome.lines, f"error: {outcome.error}"]).split("\n")
    return ["file (…)" if line.startswith("file (0x") else line for line in lines]


def test_reading_a_large_file_is_one_event_and_keeps_one_window_of_it() -> None:
    lua = new_lua(memory_bytes=48 << 20)
    engine, _ = install(lua, {"big.txt": b"".join(b"line %d\n" % i for i in range(700_000))})
    script = b"""
        local n, bytes = 0, 0
        for line in io.lines('big.txt') do n, bytes = n + 1, bytes + #line end
        print(n, bytes)
        local f = io.open('big.txt') f:seek('end', -14) print(f:read('a')) f:close()
    """
    engine[b"compile"](script, b"@script.lua")()
    log = [(entry[1], entry[2], entry[3]) for entry in engine[b"log"].values()]
    assert [name for kind, name, _ in log if kind == b"call"] == [b"file.open"] * 2
    assert log[1][2] == b"700000\t%d" % (sum(len(f"line {i}") for i in range(700_000)))
    assert log[3][2] == b"8\nline 699999\n"
    # Windows of 1 MiB, and one more for the second file's end.
    assert engine[b"blob_reads"] == 8 + 1


def test_lines_longer_than_a_window_are_whole() -> None:
    long = b"x" * (3 << 20)
    outcome = run(
        "for line in io.lines('f') do print(#line) end print(#io.open('f'):read('L'))",
        files={"f": long + b"\nshort\n\n" + long},
    )
    assert outcome.lines == [str(3 << 20), "5", "0", str(3 << 20), str((3 << 20) + 1)]


def test_writes_are_collected_and_go_out_by_position() -> None:
    outcome = run("""
        local f = io.open('out', 'w')
        for i = 1, 10000 do f:write('0123456789') end
        f:flush() f:write('tail') f:seek('set', 5) f:write('X')
        local unclosed = io.open('other', 'a') unclosed:write('kept')
    """)
    writes = arguments(outcome, "file.write")
    assert [(w["path"], w["offset"], len(str(w["data"]))) for w in writes] == [
        ("out", 0, 65540),
        ("out", 65540, 34460),
        ("out", 100000, 4),
        ("out", 5, 1),
        ("other", 0, 4),
    ]
    assert outcome.files["out"][:8] == b"01234X67"
    assert len(outcome.files["out"]) == 100_004


def test_a_write_larger_than_the_host_takes_goes_out_in_pieces() -> None:
    outcome = run("local f = io.open('out', 'w') f:write(('x'):rep(20 << 20)) f:close()")
    offsets = [w["offset"] for w in arguments(outcome, "file.write")]
    assert offsets == [0, 8 << 20, 16 << 20]
    assert len(outcome.files["out"]) == 20 << 20


def test_standard_output_and_error_are_outputs() -> None:
    outcome = run("""
        io.write('a', 1, 2.5, '\\n') io.stdout:write('b'):write('c') io.stderr:write('oops')
        io.write() io.write('') print('line', nil, 1) print()
    """)
    assert outcome.output() == b"a12.5\nbc"
    assert outcome.output("output.error") == b"oops"
    assert outcome.lines == ["line\tnil\t1", ""]
    assert outcome.names() == ["output.text"] * 3 + ["output.error"] + ["output.line"] * 2


def test_standard_input_is_asked_for_format_by_format() -> None:
    outcome = run(
        """
        print(io.read()) print(io.read('n', 'L')) print(io.read(3), io.stdin:read('a'))
        for line in io.lines() do print('line', line) end
        """,
        answers="{['input.read'] = {'one', '42', 'rest\\n', 'abc', 'all', 'x', 'y', nil}}",
    )
    assert outcome.lines == ["one", "42\trest\n", "abc\tall", "line\tx", "line\ty"]
    asked = [a["format"] for a in arguments(outcome, "input.read")]
    assert asked == ["l", "n", "L", 3, "a", "l", "l", "l"]


def test_a_process_is_run_and_its_output_read_or_shown() -> None:
    outcome = run(
        """
        print(os.execute('false')) print(os.execute()) print(os.execute('true'))
        local p = io.popen('ls') print(p:read('a'), io.type(p), p:seek()) print(p:close())
        p = io.popen('cat', 'w') p:write('given ', 1) print(p:close()) print(io.popen('nothing'))
        """,
        files={"listing": b"a\nb\n"},
        answers="""{
          ['process.execute'] = {
            {how = 'exit', code = 1, output = 'said', errors = 'cried'}, true,
            {how = 'exit', code = 0}},
          ['process.open'] = {
            {how = 'signal', code = 9, hash = 'none', size = 0, errors = 'warned'},
            {how = 'exit', code = 0, output = 'given 1'},
            {error = 'No such file or directory', code = 2}},
        }""",
    )
    assert outcome.error is None
    assert outcome.lines == [
        "nil\texit\t1", "true", "true\texit\t0", "\tfile\tnil\tIllegal seek\t29", "nil\tsignal\t9",
        "true\texit\t0", "nil\tnothing: No such file or directory\t2",
    ]  # fmt: skip
    assert outcome.output() == b"saidgiven 1"
    assert outcome.output("output.error") == b"criedwarned"
    assert arguments(outcome, "process.open")[1] == {
        "command": "cat",
        "mode": "w",
        "input": "given 1",
    }


def test_an_error_while_reading_or_writing_is_a_result() -> None:
    outcome = run(
        """
        local f = io.open('f', 'r+') print(f:read('l'))
        f:write('x') print(f:flush()) print(f:write(('x'):rep(70000)))
        print(pcall(function() for line in f:lines() do print(line) end end))
        """,
        files={"f": b"text"},
        answers="""{
          ['file.read'] = {{error = 'f: Input/output error', code = 5},
            {error = 'f: gone', code = 5}},
          ['file.write'] = {{error = 'f: No space left on device', code = 28},
            {error = 'f: File too large', code = 27}},
        }""",
    )
    assert outcome.error is None
    assert outcome.lines == [
        "nil\tf: Input/output error\t5", "nil\tf: No space left on device\t28",
        "nil\tf: File too large\t27", "false\tscript.lua:4: f: gone",
    ]  # fmt: skip


def test_exit_writes_what_was_collected_and_ends_the_script() -> None:
    outcome = run("local f = io.open('out', 'w') f:write('kept') os.exit(3) print('never')")
    assert (outcome.error, outcome.lines) == ("exit 3", [])
    assert outcome.files["out"] == b"kept"
