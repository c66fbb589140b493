"""Processes and the environment: closed by default, bounded, and without secrets."""

from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from respell.engine.effects import processes
from respell.errors import EffectFailed, PermissionDenied, UsageError
from workbench import workbench


def test_processes_are_refused_until_a_flag_allows_them(tmp_path: Path) -> None:
    with workbench(tmp_path) as bench:
        with pytest.raises(PermissionDenied, match="--allow process=echo"):
            bench.perform("process.execute", command="echo hi")
        with pytest.raises(PermissionDenied, match="--allow process"):
            bench.perform("process.open", command="echo hi | cat", mode="r")
        assert bench.perform("process.execute") is False


def test_a_command_runs_in_a_shell_in_the_working_directory(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process"]) as bench:
        assert bench.perform("process.execute") is True
        done = bench.perform("process.execute", command="pwd | tr a-z A-Z; echo oops >&2; exit 3")
        assert done == {
            "how": "exit",
            "code": 3,
            "output": f"{bench.cwd}\n".upper(),
            "errors": "oops\n",
        }


def test_a_command_that_dies_of_a_signal_says_which(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process"]) as bench:
        done = bench.perform("process.execute", command="kill -TERM $$")
        assert (done["how"], done["code"]) == ("signal", signal.SIGTERM)


def test_one_allowed_program_runs_without_a_shell(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process=echo"]) as bench:
        assert bench.perform("process.execute", command="echo 'a  b'")["output"] == "a  b\n"
        for command in ("echo a; id", "echo $(id)", "echo `id`", "echo a > f", "echo a\nid", ""):
            with pytest.raises(PermissionDenied, match="--allow process"):
                bench.perform("process.execute", command=command)
        with pytest.raises(PermissionDenied, match="--allow process=id"):
            bench.perform("process.execute", command="id")


def test_a_program_that_is_not_there_is_code_127(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process=no-such-program"]) as bench:
        done = bench.perform("process.execute", command="no-such-program -x")
        assert (done["how"], done["code"]) == ("exit", 127)
        assert "No such file" in done["errors"]


def test_a_pipe_to_a_command_gives_it_what_was_written(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process"]) as bench:
        text = "line\n" * 100_000
        done = bench.perform("process.open", command="wc -c", mode="w", input=text)
        assert done["output"].strip() == str(len(text))
        deaf = bench.perform("process.open", command="exit 0", mode="w", input=text)
        assert deaf["code"] == 0
        with pytest.raises(UsageError, match="invalid mode 'x'"):
            bench.perform("process.open", command="true", mode="x")


def test_what_a_command_writes_into_a_pipe_is_kept_as_a_blob(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process"]) as bench:
        done = bench.perform("process.open", command="printf 'a\\377b'", mode="r")
        assert bench.store.blobs.get(done.pop("hash")) == b"a\xffb"
        assert done == {"how": "exit", "code": 0, "size": 3, "errors": ""}


def test_a_command_sees_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("LC_ALL", "C")
    with workbench(tmp_path, allow=["process", "env"]) as bench:
        seen = bench.perform("process.execute", command="env")["output"]
    assert "LC_ALL=C" in seen
    assert "sk-1" not in seen


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LIMIT_S", 0.2)
    with workbench(tmp_path, allow=["process"]) as bench:
        with pytest.raises(EffectFailed, match="ran longer than"):
            bench.perform("process.execute", command="sleep 600 & echo $! > pid; wait")
        pid = int((bench.cwd / "pid").read_text())
        assert _is_gone(pid)


def test_a_command_that_closes_its_output_is_still_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LIMIT_S", 0.2)
    with (
        workbench(tmp_path, allow=["process"]) as bench,
        pytest.raises(EffectFailed, match="ran longer than"),
    ):
        bench.perform("process.execute", command="exec >&- 2>&- <&-; sleep 600")


def test_output_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MAX_OUTPUT", 100_000)
    with (
        workbench(tmp_path, allow=["process"]) as bench,
        pytest.raises(EffectFailed, match="wrote more than 100000 bytes"),
    ):
        bench.perform("process.execute", command="yes")


def test_what_is_left_in_the_background_does_not_hold_the_call_up(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process"]) as bench:
        done = bench.perform("process.execute", command="sleep 600 & echo $!")
        assert done["code"] == 0
        assert _is_gone(int(done["output"]))


def test_cancelling_ends_a_command(tmp_path: Path) -> None:
    with workbench(tmp_path, allow=["process"]) as bench:
        timer = threading.Timer(0.1, bench.ctx.cancel.set)
        timer.start()
        with pytest.raises(EffectFailed, match="cancelled"):
            bench.perform("process.execute", command="sleep 600")
        timer.join()


def _is_gone(pid: int) -> bool:
    """Wait until a killed process is dead; it may be a zombie that nobody reaps here."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        import select

        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


# The environment ----------------------------------------------------------------------------


def test_environment_variables_by_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("MYAPP", "x")
    monkeypatch.setenv("MY_TOKEN", "secret")
    monkeypatch.delenv("UNSET", raising=False)
    with workbench(tmp_path) as bench:
        assert bench.perform("env.get", name="TZ") == "UTC"
        assert bench.perform("env.get", name="UNSET") is None
        with pytest.raises(PermissionDenied, match="--allow env=MYAPP"):
            bench.perform("env.get", name="MYAPP")
        with pytest.raises(PermissionDenied, match="secret's") as caught:
            bench.perform("env.get", name="MY_TOKEN")
    assert "secret" not in str(caught.value).replace("a secret's", "")


# Standard input -----------------------------------------------------------------------------


@pytest.mark.parametrize("peekable", [True, False])
def test_reading_standard_input_in_every_format(tmp_path: Path, peekable: bool) -> None:
    data = b"first\nsecond\n  42 0x1F -1.5e2 rest\xff\nlast"
    stream: BinaryIO = io.BytesIO(data)
    if peekable:
        stream = io.BufferedReader(io.BytesIO(data))  # type: ignore[assignment]
    with workbench(tmp_path) as bench, stream:
        bench.ctx.stdin = stream
        assert bench.perform("input.read", format="l") == "first"
        assert bench.perform("input.read", format="*L") == "second\n"
        numbers = [bench.perform("input.read", format="n") for _ in range(3)]
        assert numbers == [42, 31, -150.0]
        assert [type(number) for number in numbers] == [int, int, float]
        assert bench.perform("input.read", format="n") is None
        assert bench.perform("input.read", format=3) == "res"
        assert bench.perform("input.read", format=0) == ""
        assert bench.perform("input.read", format="a") == b"t\xff\nlast"
        assert bench.perform("input.read", format="a") == ""
        for wanted in ("l", "L", "n", 0, 5):
            assert bench.perform("input.read", format=wanted) is None


def test_without_standard_input_everything_is_at_its_end(tmp_path: Path) -> None:
    with workbench(tmp_path) as bench:
        assert bench.perform("input.read", format="l") is None
        assert bench.perform("input.read", format="a") == ""
        with pytest.raises(UsageError, match="invalid format 'x'"):
            bench.perform("input.read", format="x")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", 2.0**63),
        (b"0xffffffffffffffff", -1),
        (b"0x.8p1", 1.0),
        (b"+.5", 0.5),
        (b"-0x10", -16),
        (b"1e", None),
        (b"0x", None),
        (b"nan", None),
        (b"1" * 300, None),
    ],
)
def test_numbers_are_read_as_lua_reads_them(
    tmp_path: Path, text: bytes, number: int | float | None
) -> None:
    with workbench(tmp_path) as bench:
        bench.ctx.stdin = io.BytesIO(text)
        read = bench.perform("input.read", format="n")
        assert read == number
        assert type(read) is type(number)
