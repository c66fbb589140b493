"""Tools: what scripts call by name, built in or written in Python.

The names below are imported when first used: processes that only compute (see
`respell.tools.confinement`) import modules of this package and should start at once.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from respell.tools.decorator import make_tool, tool
    from respell.tools.model import Tool, ToolContext
    from respell.tools.registry import ToolRegistry
    from respell.tools.result import ToolResult

_HOME = {
    "Tool": "model",
    "ToolContext": "model",
    "ToolRegistry": "registry",
    "ToolResult": "result",
    "make_tool": "decorator",
    "tool": "decorator",
}

__all__ = ["Tool", "ToolContext", "ToolRegistry", "ToolResult", "make_tool", "tool"]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
