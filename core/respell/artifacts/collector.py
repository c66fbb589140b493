"""Which outcomes become artifacts by themselves: what tools return and what agents answer.

A collected artifact belongs to the effect that made it: same session, same event, and it is
committed with the effect's outcome.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from respell import values
from respell.artifacts.naming import MAX_NAME_BYTES

TAG = "auto-collected"

_UNFIT = re.compile(r"[^\w.+ -]+|\.{2,}")
_ROOM_FOR_THE_REST = 64
_FRACTIONS = 2**32


@dataclass(frozen=True, slots=True)
class Collection:
    """What is collected.

    Attributes:
        tool_results: What tools return.
        agent_outputs: What agents answer.
        min_bytes: Nothing smaller.
        max_bytes: Nothing larger.
        sampling: The share of outcomes that is collected, 0 to 1; which ones depends on
            session and event only.
        tags: Tags of what is collected.
    """

    tool_results: bool = True
    agent_outputs: bool = True
    min_bytes: int = 0
    max_bytes: int = 10 * 1024 * 1024
    sampling: float = 1.0
    tags: tuple[str, ...] = (TAG,)


NOTHING = Collection(tool_results=False, agent_outputs=False)


@dataclass(frozen=True, slots=True)
class Collected:
    """An outcome as an artifact.

    Attributes:
        name: The artifact's name.
        content: Its bytes.
        kind: Its type.
        mime: Its MIME type.
        is_value: Whether the bytes are JSON that stands for a table.
        custom: Its other fields.
    """

    name: str
    content: bytes
    kind: str
    mime: str
    is_value: bool
    custom: dict[str, Any]


def collected(
    settings: Collection, session_id: str, number: int, effect: str, args: Any, outcome: Any
) -> Collected | None:
    """Return what an outcome is collected as; None where it is not.

    Args:
        settings: What is collected.
        session_id: Id of the session in whose history the effect is.
        number: The effect's event number.
        effect: The effect's name, e.g. `tool.invoke`.
        args: Its arguments.
        outcome: What it came to; a plain value.
    """
    if not is_collected(settings, effect) or not _is_drawn(settings, session_id, number):
        return None
    found = _SHAPES[effect](args if isinstance(args, dict) else {}, outcome, number)
    if found is None or not settings.min_bytes <= len(found.content) <= settings.max_bytes:
        return None
    return found


def is_collected(settings: Collection, effect: str) -> bool:
    """Return whether outcomes of an effect are collected at all."""
    if effect == "tool.invoke":
        return settings.tool_results
    return effect == "agent.request" and settings.agent_outputs


def _is_drawn(settings: Collection, session_id: str, number: int) -> bool:
    if settings.sampling >= 1:
        return True
    drawn = int.from_bytes(blake3(f"{session_id}:{number}".encode()).digest()[:4], "little")
    return drawn < settings.sampling * _FRACTIONS


def _tool_result(args: dict[str, Any], outcome: Any, number: int) -> Collected | None:
    result = outcome.get("result") if isinstance(outcome, dict) else None
    if result is None:
        return None
    tool = _text(args.get("name"))
    stem, custom = f"{_fit(tool)}_result_{number}", {"tool": tool}
    return _of_value(stem, result, "tool_result", custom)


def _agent_output(args: dict[str, Any], outcome: Any, number: int) -> Collected | None:
    text = outcome.get("text") if isinstance(outcome, dict) else None
    if not text:
        return None
    agent = _text(args.get("agent") or args.get("name") or "agent")
    custom = {"agent": agent}
    if model := args.get("model"):
        custom["model"] = _text(model)
    return _of_value(f"{_fit(agent)}_output_{number}", text, "agent_output", custom)


_SHAPES: dict[str, Callable[[dict[str, Any], Any, int], Collected | None]] = {
    "agent.request": _agent_output,
    "tool.invoke": _tool_result,
}


def _of_value(stem: str, value: Any, kind: str, custom: dict[str, Any]) -> Collected:
    if isinstance(value, str):
        return Collected(f"{stem}.txt", value.encode(), kind, "text/plain", False, custom)
    if isinstance(value, bytes):
        return Collected(
            f"{stem}.bin", value, kind, "application/octet-stream", False, custom
        )  # fmt: skip
    content = json.dumps(values.to_json(value), ensure_ascii=False, separators=(",", ":")).encode()
    is_table = isinstance(value, dict | list)
    return Collected(f"{stem}.json", content, kind, "application/json", is_table, custom)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _fit(name: str) -> str:
    """Return a name that an artifact may have, with room for what follows."""
    fit = _UNFIT.sub("_", name).strip(" .") or "unnamed"
    raw = fit.encode()[: MAX_NAME_BYTES - _ROOM_FOR_THE_REST]
    return raw.decode(errors="ignore")
