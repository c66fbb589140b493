"""environment_reader and process_executor: what a script may see and run, and no more."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.effect import Kind
from respell.errors import EffectFailed, PermissionDenied
from respell.store import Store
from respell.tools import ToolRegistry
from workbench import tool_context

TOOLS = ToolRegistry()


# The environment ----------------------------------------------------------------------------


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a few, and a secret."""
    for name in list(os.environ):
        if name.startswith("LC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("LC_TIME", os.fsdecode(b"\xff"))
    monkeypatch.setenv("MY_APP", "mine")
    monkeypatch.setenv("MY_TOKEN", "sesame")
    monkeypatch.delenv("OLDPWD", raising=False)


def env(tmp_path: Path, operation: str, allow: tuple[str, ...] = (), **params: Any) -> Any:
    params = {"operation": operation, **params}
    return TOOLS.invoke("environment_reader", params, tool_context(tmp_path, allow=allow))


@pytest.mark.usefixtures("variables")
def test_one_variable_in_v060s_envelope(tmp_path: Path) -> None:
    answer = env(tmp_path, "get", variable_name="TZ")
    assert answer["result"] == {"variable_name": "TZ", "value": "UTC", "found": True}
    envelope = json.loads(answer["text"])
    assert (envelope["operation"], envelope["result"]) == ("get", answer["result"])
    unset = env(tmp_path, "get", variable="OLDPWD")["result"]
    assert unset == {"variable_name": "OLDPWD", "value": None, "found": False}


@pytest.mark.usefixtures("variables")
def test_variables_by_a_pattern(tmp_path: Path) -> None:
    found = env(tmp_path, "pattern", pattern="LC_*")["result"]
    assert found == {
        "pattern": "LC_*",
        "variables": {"LC_ALL": "C", "LC_TIME": b"\xff"},
        "count": 2,
    }
    assert env(tmp_path, "list", pattern="L*ALL")["result"]["variables"] == {"LC_ALL": "C"}
    assert env(tmp_path, "pattern", pattern="[L]C_?LL")["result"]["count"] == 0
    everything = env(tmp_path, "get_all")["result"]
    assert "TZ" in everything["variables"]
    assert not {"MY_APP", "MY_TOKEN"} & everything["variables"].keys()


@pytest.mark.usefixtures("variables")
def test_a_flag_opens_a_variable_and_only_its_whole_name_a_secret(tmp_path: Path) -> None:
    for name in ("MY_APP", "MY_TOKEN", "UNSET_AND_UNKNOWN"):
        with pytest.raises(PermissionDenied, match=f"--allow env={name}") as caught:
            env(tmp_path, "get", key=name)
        assert "sesame" not in str(caught.value)
    assert env(tmp_path, "get", ("env=MY_*",), key="MY_APP")["result"]["value"] == "mine"
    with pytest.raises(PermissionDenied, match="looks like a secret's"):
        env(tmp_path, "get", ("env=MY_*",), key="MY_TOKEN")
    opened = env(tmp_path, "get", ("env=MY_TOKEN",), key="MY_TOKEN")["result"]
    assert opened["value"] == "sesame"


def test_no_more_than_a_hundred_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(150):
        monkeypatch.setenv(f"MANY_{number:03}", "x")
    found = env(tmp_path, "pattern", ("env=MANY_*",), pattern="MANY_*")["result"]
    assert (found["count"], found["total"], len(found["variables"])) == (100, 150, 100)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"operation": "get"}, "parameter variable_name is missing"),
        ({"operation": "gte"}, "did you mean get"),
        ({"operation": "pattern"}, "parameter pattern is missing"),
        ({"operation": "pattern", "pattern": "*" * 5000}, "parameter pattern has 5000 bytes"),
        ({"operation": "set", "variable_name": "X", "value": "1"}, "can't be set"),
        ({}, "parameter operation is missing"),
    ],
)
def test_what_is_wrong_with_a_look(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        TOOLS.invoke("environment_reader", params, tool_context(tmp_path))


# Programs -----------------------------------------------------------------------------------


def run(
    folder: Path,
    executable: str,
    *arguments: str,
    allow: tuple[str, ...] = ("process",),
    **more: Any,
) -> Any:
    params = {"executable": executable, "arguments": list(arguments), **more}
    return TOOLS.invoke("process_executor", params, tool_context(folder, allow=allow))["result"]


def test_nothing_runs_unless_a_flag_allows_it(tmp_path: Path) -> None:
    with pytest.raises(PermissionDenied, match="--allow process=echo"):
        run(tmp_path, "echo", allow=())
    assert run(tmp_path, "echo", "a", allow=("process=echo",))["stdout"] == "a\n"
    with pytest.raises(PermissionDenied, match="--allow process=id"):
        run(tmp_path, "id", allow=("process=echo",))


def test_a_result_in_v060s_envelope(tmp_path: Path) -> None:
    params = {"command": "echo", "args": ["$HOME; `id` | cat > f", "*"], "capture_output": True}
    answer = TOOLS.invoke("process_executor", params, tool_context(tmp_path, allow=["process"]))
    taken = answer["result"].pop("execution_time_ms")
    assert 0 <= taken < 10_000
    assert answer["result"] == {
        "executable": "echo",
        "arguments": ["$HOME; `id` | cat > f", "*"],
        "exit_code": 0,
        "signal": None,
        "success": True,
        "stdout": "$HOME; `id` | cat > f *\n",
        "stderr": "",
        "timed_out": False,
        "stdout_truncated": False,
        "stderr_truncated": False,
    }
    envelope = json.loads(answer["text"])
    assert (envelope["operation"], envelope["success"]) == ("execute", True)
    assert envelope["message"] == f"Process 'echo' executed successfully in {taken}ms"
    assert os.listdir(tmp_path) == []


def test_codes_and_signals_are_results(tmp_path: Path) -> None:
    failed = run(tmp_path, "sh", "-c", "echo oops >&2; exit 3")
    assert (failed["exit_code"], failed["success"], failed["stderr"]) == (3, False, "oops\n")
    killed = run(tmp_path, "sh", "-c", "kill -TERM $$")
    assert (killed["exit_code"], killed["signal"]) == (None, signal.SIGTERM)
    raw = run(tmp_path, "printf", "a\\377b")
    assert raw["stdout"] == b"a\xffb"


def test_it_runs_where_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert run(tmp_path, "pwd")["stdout"] == f"{tmp_path}\n"
    assert run(tmp_path, "pwd", working_directory="sub")["stdout"] == f"{tmp_path}/sub\n"
    with pytest.raises(PermissionDenied, match="--allow read=/etc"):
        run(tmp_path, "pwd", working_directory="/etc")
    with pytest.raises(EffectFailed, match="there is no folder 'gone'"):
        run(tmp_path, "pwd", working_directory="gone")


def test_a_program_sees_no_secrets_and_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    given = {"LANG": "tlh", "MINE": "1"}
    seen = run(tmp_path, "env", environment=given)["stdout"].splitlines()
    assert {"LANG=tlh", "MINE=1"} <= set(seen)
    assert "sesame" not in "".join(seen)
    only = ("process=env",)
    assert "LANG=tlh\n" in run(tmp_path, "env", allow=only, environment={"LANG": "tlh"})["stdout"]
    with pytest.raises(PermissionDenied, match=r"variable LD_PRELOAD is not allowed.*--allow proc"):
        run(tmp_path, "env", allow=only, environment={"LD_PRELOAD": "evil.so"})


def test_time_is_limited_for_all_that_it_has_started(tmp_path: Path) -> None:
    start = time.monotonic()
    found = run(
        tmp_path, "sh", "-c", "echo begun; setsid sleep 600 & echo $! > pid; wait", timeout_ms=500
    )
    assert time.monotonic() - start < 10
    assert (found["timed_out"], found["exit_code"], found["success"]) == (True, None, False)
    assert found["stdout"] == "begun\n"
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_output_is_limited_and_the_program_goes_on(tmp_path: Path) -> None:
    found = run(tmp_path, "sh", "-c", "head -c 5000000 /dev/zero; echo done >&2; exit 5")
    assert (len(found["stdout"]), found["stdout_truncated"]) == (1 << 20, True)
    assert (found["stderr"], found["stderr_truncated"], found["exit_code"]) == ("done\n", False, 5)


def test_a_cancelled_call_ends_the_program(tmp_path: Path) -> None:
    ctx = tool_context(tmp_path, allow=["process"])
    threading.Timer(0.2, ctx.cancel.set).start()
    with pytest.raises(EffectFailed, match="the call was cancelled"):
        TOOLS.invoke("process_executor", {"executable": "sleep", "arguments": ["600"]}, ctx)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "parameter executable is missing"),
        ({"executable": " "}, "parameter executable is blank"),
        ({"executable": "no-such-program"}, "there is no program 'no-such-program' on PATH"),
        ({"executable": "./nothing"}, "there is no program './nothing' that can be run"),
        ({"executable": "./script"}, "Exec format error"),
        ({"executable": "echo", "arguments": [1]}, r"arguments\[1\] must be a string"),
        ({"executable": "echo", "arguments": "a"}, "arguments must be an array"),
        ({"executable": "echo", "arguments": ["a\0b"]}, "can't have a NUL byte"),
        ({"executable": "echo", "arguments": ["x" * 200_000] * 30}, "Argument list too long"),
        ({"executable": "echo", "environment": {"LANG": 1}}, r"environment\.LANG must be a string"),
        ({"executable": "echo", "environment": {"A=B": "1"}}, "'A=B' can't be a name"),
        ({"executable": "echo", "timeout_ms": 0}, "timeout_ms"),
        ({"executable": "echo", "timeout_ms": 10**9}, "timeout_ms"),
    ],
)
def test_what_is_wrong_with_a_call(tmp_path: Path, params: dict[str, Any], says: str) -> None:
    (tmp_path / "script").write_bytes(b"\x7fnot a program")
    (tmp_path / "script").chmod(0o755)
    with pytest.raises(EffectFailed, match=says):
        TOOLS.invoke("process_executor", params, tool_context(tmp_path, allow=["process"]))


def test_a_program_is_run_once_and_a_look_as_often_as_you_like() -> None:
    assert TOOLS.kind_of("process_executor", {"executable": "true"}) is Kind.EXTERNAL
    assert not TOOLS.is_idempotent("process_executor", {"executable": "true"})
    assert TOOLS.kind_of("environment_reader", {"operation": "list"}) is Kind.READ


def test_a_replay_starts_no_process(script: Any, store: Store, tmp_path: Path) -> None:
    text = """
        local params = {executable = "sh", arguments = {"-c", "echo . >> log"}}
        print(Tool.invoke("process_executor", params).result.exit_code)
        print(Tool.environment_reader:execute{operation = "get", key = "HOME"}.success)
        """
    result = script(text, allow=["process"])
    assert [line.strip() for line in script.lines] == ["0", "true"]
    assert respell.replay(result.session, store=store).identical
    assert (tmp_path / "log").read_text() == ".\n"
