"""All tools that scripts can call: by name, checked, timed, and in one form."""

from __future__ import annotations

import difflib
import importlib
import logging
import pkgutil
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from respell import values
from respell.effect import Kind, Manner
from respell.errors import (
    EffectFailed,
    LimitReached,
    PermissionDenied,
    RespellError,
    StoreError,
    UsageError,
)
from respell.schema import fitted, validate
from respell.tools import builtin
from respell.tools.decorator import declared, tool_of
from respell.tools.model import Tool, ToolContext
from respell.tools.result import ToolResult

ENTRY_POINTS = "respell.tools"

_log = logging.getLogger("respell.tools")


class ToolRegistry:
    """Finds and calls tools.

    Built in are the modules of `respell.tools.builtin`, each with a `TOOL`; then come those
    of `register`, of `@respell.tool`, and of installed packages (entry-point group
    `respell.tools`), which are looked at only when a name is none of these, or for a list.
    Any of them may be called from several threads at once.
    """

    def __init__(self) -> None:
        self._own: dict[str, Tool] = {}

    def register(self, tool: Tool) -> None:
        """Add a tool to this registry only.

        Raises:
            UsageError: There is a built-in tool of that name, or one was added before.
        """
        if tool.name in _builtin_names() or tool.name in self._own:
            raise UsageError(f"there is a tool {tool.name!r} already; choose another name")
        self._own[tool.name] = tool

    def names(self) -> list[str]:
        """Return the names of all tools, sorted."""
        return sorted({*_builtin_names(), *self._own, *declared, *_installed()})

    def exists(self, name: str) -> bool:
        """Return whether there is a tool of this name that can be loaded."""
        try:
            return self._get(name) is not None
        except EffectFailed:
            return False

    def find(self, name: str) -> Tool:
        """Return a tool.

        Raises:
            EffectFailed: There is none, or its package can't load it; says what to do.
        """
        found = self._get(name)
        if found is not None:
            return found
        near = difflib.get_close_matches(name, self.names(), n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise EffectFailed(f"Tool '{name}' not found{hint} Tool.list() shows all there are")

    def list(self) -> list[dict[str, Any]]:
        """Return name, description, category, version and tags of all tools, by name."""
        tools = []
        for name in self.names():
            try:
                tools.append(_summary(self.find(name)))
            except EffectFailed as error:
                _log.warning("%s", error)
        return tools

    def describe(self, name: str) -> dict[str, Any]:
        """Return what `list` gives of one tool, and its parameters.

        Returns:
            Also `parameters` (JSON Schema), `idempotent`, and `schema`: name, description
            and an array of parameters, each with name, type, description and required.

        Raises:
            EffectFailed: There is no such tool.
        """
        tool = self.find(name)
        return {
            **_summary(tool),
            "parameters": dict(tool.parameters),
            "idempotent": _idempotent(tool.decide({})),
            "schema": {
                "name": tool.name,
                "description": tool.description,
                "parameters": _parameter_list(tool.parameters),
            },
        }

    def manner(self, name: str, params: object) -> Manner:
        """Return how a call is performed; one that can only fail changes nothing."""
        try:
            return self.decided(name, params)
        except RespellError:
            return Manner(Kind.READ)

    def decided(self, name: str, params: object) -> Manner:
        """Return how a call is performed that nothing is wrong with.

        Raises:
            RespellError: Something is; `check` says what.
        """
        tool = self.find(name)
        return tool.decide(_prepared(tool, params))

    def kind_of(self, name: str, params: object) -> Kind:
        """Return what has to be committed before and after a call."""
        return self.manner(name, params).kind

    def is_idempotent(self, name: str, params: object) -> bool:
        """Return whether making a call twice is the same as once."""
        return _idempotent(self.manner(name, params))

    def check(self, name: str, params: object) -> None:
        """Do nothing if a tool can be called with these parameters.

        Raises:
            EffectFailed: There is no such tool, or a parameter is wrong; says which.
        """
        tool = self.find(name)
        try:
            _prepared(tool, params)
        except UsageError as error:
            raise EffectFailed(f"Tool '{name}': {error}") from None

    def invoke(self, name: str, params: object, ctx: ToolContext) -> dict[str, Any]:
        """Call a tool.

        Args:
            name: Its name.
            params: Named parameters; an empty table or None for none.
            ctx: What it may use.

        Returns:
            success, result, text, metadata, error, duration_s, as plain values.

        Raises:
            EffectFailed: There is no such tool, a parameter is wrong, or it failed.
            PermissionDenied: The script may not do what the tool would.
            StoreError: The store refused.
        """
        tool = self.find(name)
        try:
            prepared = _prepared(tool, params)
        except UsageError as error:
            raise EffectFailed(f"Tool '{name}': {error}") from None
        start = time.monotonic()
        value = _performed(tool, prepared, ctx)
        result = value if isinstance(value, ToolResult) else ToolResult(value)
        try:
            answer = result.as_dict(duration_s=time.monotonic() - start)
            values.encode(answer)
        except (UsageError, TypeError) as error:
            raise EffectFailed(f"Tool '{name}' returned what Lua can't have: {error}") from None
        return answer

    def _get(self, name: str) -> Tool | None:
        if name in _builtin_names():
            return _builtin(name)
        found = self._own.get(name) or declared.get(name)
        if found is None and name in _installed():
            return _from_package(name)
        return found


def _idempotent(manner: Manner) -> bool:
    return manner.idempotent or manner.kind is Kind.READ


def _performed(tool: Tool, params: dict[str, Any], ctx: ToolContext) -> Any:
    try:
        return tool.perform(params, ctx)
    except (LimitReached, PermissionDenied, StoreError):
        raise
    except RespellError as error:
        raise EffectFailed(f"Tool '{tool.name}' failed: {error}") from error
    except OSError as error:
        raise EffectFailed(f"Tool '{tool.name}' failed: {_os_error(error)}") from error
    except Exception as error:  # a tool is somebody else's code
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise EffectFailed(f"Tool '{tool.name}' failed: {text}") from error


def _os_error(error: OSError) -> str:
    """Return the text as C gives it, `PATH: No such file or directory`."""
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _prepared(tool: Tool, params: object) -> dict[str, Any]:
    """Return checked parameters under their own names.

    Raises:
        UsageError: One is wrong; names it.
    """
    if params is None or params == []:
        params = {}
    if not isinstance(params, dict):
        raise UsageError('parameters are a table with named fields, e.g. {input = "…"}')
    named: dict[str, Any] = {}
    for key, value in params.items():
        if key in tool.ignored:
            continue
        name = tool.aliases.get(key, key)
        if name in named or (name != key and name in params):
            raise UsageError(f"parameter {key} is another name of {name}; give one of them")
        named[name] = value
    fitting: dict[str, Any] = fitted(tool.parameters, named)
    validate(tool.parameters, fitting, "parameter", trusted=True)
    return fitting


def _summary(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "category": tool.category,
        "version": tool.version,
        "tags": list(tool.tags),
    }


def _parameter_list(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required") or ()
    return [
        {
            "name": name,
            "type": _type_name(entry),
            "description": entry.get("description", ""),
            "required": name in required,
            "default": entry.get("default"),
        }
        for name, entry in (schema.get("properties") or {}).items()
        if isinstance(entry, Mapping)
    ]


def _type_name(entry: Mapping[str, Any]) -> str:
    kind = entry.get("type", "string" if "enum" in entry else "any")
    if isinstance(kind, list):
        kind = kind[0]
    return "number" if kind == "integer" else str(kind)


@cache
def _builtin_names() -> frozenset[str]:
    modules = pkgutil.iter_modules(builtin.__path__)
    return frozenset(module.name for module in modules if not module.name.startswith("_"))


@cache
def _builtin(name: str) -> Tool:
    module = importlib.import_module(f"{builtin.__name__}.{name}")
    tool: Tool = module.TOOL
    return tool


@cache
def _installed() -> Mapping[str, Any]:
    """Return the entry points of installed packages, by the name of their tool."""
    from importlib.metadata import entry_points  # reads all installed packages' metadata

    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


@cache
def _from_package(name: str) -> Tool:
    point = _installed()[name]
    package = point.dist.name if point.dist else point.value
    try:
        return tool_of(point.load())
    except Exception as error:  # importing a package may raise anything
        raise EffectFailed(
            f"Tool '{name}' of the package {package} can't be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
