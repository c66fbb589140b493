"""process_executor: runs one program, without a shell, where the script has permission."""

from __future__ import annotations

import os
import time
from fnmatch import fnmatchcase
from typing import Any

from respell import processes
from respell.errors import PermissionDenied, UsageError
from respell.security import Permissions
from respell.tools.model import Tool, ToolContext
from respell.tools.parameters import shortened
from respell.tools.plain import text_if_possible
from respell.tools.result import ToolResult, enveloped

TIMEOUT_MS = 30_000
MAX_TIMEOUT_MS = 600_000

# What a script may set for any program that it may run. Others change what a program does, or
# which programs that one runs.
_HARMLESS = ("PATH", "HOME", "USER", "SHELL", "TERM", "LANG", "LC_*", "TZ", "NO_COLOR")

_PARAMETERS = {
    "type": "object",
    "properties": {
        "executable": {
            "type": "string",
            "description": "the program: a name to be found on PATH, or a path",
        },
        "arguments": {
            "type": "array",
            "items": {"type": "string", "contentEncoding": "binary"},
            "default": [],
            "description": "passed as they are; there is no shell that would take them apart",
        },
        "working_directory": {
            "type": "string",
            "description": "where it runs; by default the script's working directory",
        },
        "environment": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "default": {},
            "description": "environment variables to set, of " + " ".join(_HARMLESS) + "; any "
            "where all processes are allowed",
        },
        "timeout_ms": {
            "type": "number",
            "minimum": 1,
            "maximum": MAX_TIMEOUT_MS,
            "default": TIMEOUT_MS,
            "description": "after this it is killed with all that it has started",
        },
    },
    "required": ["executable"],
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    executable = params["executable"]
    if not executable.strip():
        raise UsageError("parameter executable is blank; it is the program to run")
    program = ctx.permissions.check_process(executable)
    if not os.path.isabs(program):
        where = "that can be run" if "/" in executable else "on PATH"
        raise UsageError(f"there is no program {shortened(executable)!r} {where}")
    arguments = params.get("arguments", [])
    most = ctx.config.tools.process_executor
    timeout_s = min(params.get("timeout_ms", TIMEOUT_MS) / 1000, most.timeout_s)
    start = time.monotonic()
    finished = processes.run(
        [program, *(os.fsdecode(argument) for argument in arguments)],
        cwd=_working_directory(params, ctx.permissions),
        env={**ctx.permissions.environment(), **_environment(params, ctx.permissions)},
        limits=processes.Limits(timeout_s, most.max_output_bytes),
        cancel=ctx.cancel,
    )
    ended = not finished.timed_out and finished.status >= 0
    result = {
        "executable": executable,
        "arguments": arguments,
        "exit_code": finished.status if ended else None,
        "signal": None if ended or finished.timed_out else -finished.status,
        "success": ended and finished.status == 0,
        "stdout": text_if_possible(finished.output),
        "stderr": text_if_possible(finished.errors),
        "execution_time_ms": round((time.monotonic() - start) * 1000),
        "timed_out": finished.timed_out,
        "stdout_truncated": finished.output_cut,
        "stderr_truncated": finished.errors_cut,
    }
    return enveloped("execute", result, message=_sentence(result))


def _working_directory(params: dict[str, Any], permissions: Permissions) -> str:
    given = params.get("working_directory")
    if given is None:
        return permissions.cwd
    folder = permissions.check_read(given)
    if not folder.is_dir():
        raise UsageError(f"parameter working_directory: there is no folder {shortened(given)!r}")
    return str(folder)


def _environment(params: dict[str, Any], permissions: Permissions) -> dict[str, str]:
    given = {str(name): value for name, value in params.get("environment", {}).items()}
    for name in given:
        if not name or "=" in name:
            raise UsageError(f"parameter environment: {shortened(name)!r} can't be a name")
        if any(fnmatchcase(name, pattern) for pattern in _HARMLESS):
            continue
        try:
            permissions.silent().check_shell(f"{name}=…")
        except PermissionDenied as denied:
            how = f" To allow it: --allow {denied.flag}" if denied.flag else ""
            raise PermissionDenied(
                f"setting the environment variable {shortened(name)} is not allowed: it may change "
                f"which programs run. Of all, {' '.join(_HARMLESS)} may be set.{how}",
                flag=denied.flag,
            ) from None
    return given


def _sentence(result: dict[str, Any]) -> str:
    name, taken = shortened(result["executable"]), result["execution_time_ms"]
    if result["success"]:
        return f"Process '{name}' executed successfully in {taken}ms"
    if result["timed_out"]:
        return f"Process '{name}' timed out after {taken}ms"
    if result["signal"] is not None:
        return f"Process '{name}' was ended by signal {result['signal']}"
    return f"Process '{name}' failed with exit code {result['exit_code']}"


TOOL = Tool(
    name="process_executor",
    description="Runs a program without a shell, with limits of time and output",
    parameters=_PARAMETERS,
    perform=_perform,
    category="system",
    tags=("process", "command"),
    aliases={"command": "executable", "args": "arguments"},
    ignored=frozenset({"capture_output"}),
    measured=("execution_time_ms",),
)
