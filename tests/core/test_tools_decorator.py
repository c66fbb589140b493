"""`@respell.tool`: a Python function becomes a tool by its hints and docstring."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from respell.effect import Kind
from respell.errors import EffectFailed, UsageError
from respell.tools import Tool, ToolContext, ToolRegistry, ToolResult, make_tool, tool
from workbench import tool_context, workbench


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(TypedDict):
    x: int
    y: NotRequired[int]


@dataclass
class Box:
    name: str
    corner: Point
    sizes: list[float]
    colour: Colour = Colour.RED


def call(name: str, tmp_path: Path, **params: Any) -> Any:
    return ToolRegistry().invoke(name, params, tool_context(tmp_path))["result"]


def test_a_plain_decorator_makes_a_tool_of_hints_and_docstring(tmp_path: Path) -> None:
    @tool
    def weather(city: str, days: int = 3, *, units: Literal["C", "F"] = "C") -> str:
        """Says what the weather
        will be.

        More that only people read.

        Args:
            city: Where, by its
                English name.
            days: How far ahead.

        Returns:
            units: not a parameter's description.
        """
        return f"{city} {days} {units}"

    described = ToolRegistry().describe("weather")
    assert described["description"] == "Says what the weather will be."
    assert described["category"] == "custom"
    assert described["parameters"] == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where, by its English name."},
            "days": {"type": "integer", "description": "How far ahead.", "default": 3},
            "units": {"enum": ["C", "F"], "default": "C"},
        },
        "additionalProperties": False,
        "required": ["city"],
    }
    assert weather("Oslo") == "Oslo 3 C"  # still the function it was
    assert call("weather", tmp_path, city="Oslo", days=4.0) == "Oslo 4 C"


def test_the_schema_as_v060_listed_parameters() -> None:
    @tool(name="adder", description="Adds", category="maths", tags=["sum"], idempotent=True)
    def add(a: float, b: float = 1) -> float:
        return a + b

    described = ToolRegistry().describe("adder")
    assert (described["description"], described["category"]) == ("Adds", "maths")
    assert (described["tags"], described["idempotent"]) == (["sum"], True)
    assert described["schema"]["parameters"] == [
        {"name": "a", "type": "number", "description": "", "required": True, "default": None},
        {"name": "b", "type": "number", "description": "", "required": False, "default": 1},
    ]


def test_values_arrive_as_the_types_that_were_asked_for(tmp_path: Path) -> None:
    seen: list[Any] = []

    @tool
    def take(
        box: Box,
        raw: bytes,
        where: Path,
        pair: tuple[int, ...],
        either: int | str,
        colours: dict[str, Colour],
        missing: str | None,
        ratio: float = 0,
        note: Annotated[str | None, "what to write on it"] = None,
        **rest: int,
    ) -> None:
        seen.extend([box, raw, where, pair, either, colours, missing, ratio, note, rest])

    call(
        "take", tmp_path,
        box={"name": "b", "corner": {"x": 1}, "sizes": [1, 2], "colour": "blue"},
        raw="é", where="a/b", pair={}, either="x", colours={"sky": "blue"}, ratio=2, more=5,
    )  # fmt: skip
    assert seen == [
        Box("b", {"x": 1}, [1.0, 2.0], Colour.BLUE), "é".encode(), Path("a/b"), (), "x",
        {"sky": Colour.BLUE}, None, 2.0, None, {"more": 5},
    ]  # fmt: skip
    schema = ToolRegistry().describe("take")["parameters"]
    assert schema["required"] == ["box", "raw", "where", "pair", "either", "colours"]
    assert schema["properties"]["box"]["required"] == ["name", "corner", "sizes"]
    assert schema["properties"]["box"]["properties"]["corner"]["required"] == ["x"]
    assert schema["properties"]["note"]["description"] == "what to write on it"
    assert schema["additionalProperties"] == {"type": "integer"}


def test_a_wrong_parameter_is_named_before_the_function_runs(tmp_path: Path) -> None:
    @tool
    def careful(size: int) -> None:
        raise AssertionError("must not run")

    with pytest.raises(EffectFailed, match="Tool 'careful': parameter size must be an integer"):
        call("careful", tmp_path, size="big")
    with pytest.raises(EffectFailed, match="parameter siez is unknown; did you mean size"):
        call("careful", tmp_path, size=1, siez=2)
    with pytest.raises(EffectFailed, match="parameters are a table with named fields"):
        ToolRegistry().invoke("careful", [1, 2], tool_context(tmp_path))


def test_what_a_function_returns_becomes_plain_data(tmp_path: Path) -> None:
    @tool
    def give() -> Any:
        return {
            "when": datetime(2026, 11, 22, 10, tzinfo=UTC), "path": Path("a"), "big": 2**70,
            "set": {"b", "a"}, "tuple": (1, b"\xff"), "box": Box("b", {"x": 1}, []),
            "half": "\ud800",
        }  # fmt: skip

    assert call("give", tmp_path) == {
        "when": "2026-11-22T10:00:00Z",
        "path": "a",
        "big": float(2**70),
        "set": ["a", "b"],
        "tuple": [1, b"\xff"],
        "box": {"name": "b", "corner": {"x": 1}, "sizes": [], "colour": "red"},
        "half": b"\xed\xa0\x80",
    }


def test_a_result_that_lua_can_not_have_is_an_error(tmp_path: Path) -> None:
    @tool
    def lock() -> Any:
        return {"lock": threading.Lock()}

    with pytest.raises(EffectFailed, match="Tool 'lock' returned what Lua can't have"):
        call("lock", tmp_path)


def test_an_exception_becomes_an_error_that_says_which(tmp_path: Path) -> None:
    @tool
    def broken() -> None:
        raise ZeroDivisionError("by nought")

    @tool
    def missing() -> str:
        return Path("no-such-file").read_text()

    with pytest.raises(EffectFailed, match="Tool 'broken' failed: ZeroDivisionError: by nought"):
        call("broken", tmp_path)
    with pytest.raises(EffectFailed, match="failed: no-such-file: No such file or directory"):
        call("missing", tmp_path)


def test_a_function_may_ask_for_the_context_and_be_a_coroutine(tmp_path: Path) -> None:
    @tool
    async def who(ctx: ToolContext, greeting: str) -> str:
        return f"{greeting} {ctx.session_id[:8]} in {ctx.cwd.name}"

    @tool(parameters={"type": "object"})
    def raw(ctx: ToolContext, **params: Any) -> Any:
        """Takes anything."""
        return [ctx.session_id[:4], params]

    assert call("who", tmp_path, greeting="hi") == f"hi 5b2c0f5e in {tmp_path.name}"
    assert call("raw", tmp_path, a=1) == ["5b2c", {"a": 1}]
    assert ToolRegistry().describe("raw")["description"] == "Takes anything."


def test_a_tool_can_fail_with_a_value(tmp_path: Path) -> None:
    @tool
    def half() -> ToolResult:
        return ToolResult({"done": 1}, text="half done", success=False, error="out of paper")

    answer = ToolRegistry().invoke("half", {}, tool_context(tmp_path))
    assert answer.pop("duration_s") >= 0
    assert answer == {
        "success": False,
        "result": {"done": 1},
        "text": "half done",
        "metadata": {},
        "error": "out of paper",
    }


def test_two_functions_can_not_share_a_name_but_one_may_be_defined_again() -> None:
    def define() -> None:
        @tool
        def twice() -> None: ...

    define()
    define()

    def other() -> None: ...

    with pytest.raises(UsageError, match="there is a tool 'twice' already"):
        tool(name="twice")(other)
    with pytest.raises(UsageError, match="no name for a tool"):
        tool(name="two words")(other)


@pytest.mark.parametrize("hint", [complex, threading.Lock, "NoSuchType"])
def test_a_type_without_json_form_is_refused_with_what_to_do(hint: Any) -> None:
    def strange(value: Any) -> None: ...

    strange.__annotations__["value"] = hint
    with pytest.raises(UsageError, match=r"strange.*(has no JSON form|can't be read)"):
        make_tool(strange)


def test_positional_parameters_are_refused() -> None:
    def positional(a: int, /, *more: int) -> None: ...

    with pytest.raises(UsageError, match="can't be given by name"):
        make_tool(positional)


def test_what_is_committed_for_a_python_tool(tmp_path: Path) -> None:
    registry = ToolRegistry()
    registry.register(make_tool(lambda: 1, name="once"))
    registry.register(make_tool(lambda: 1, name="again", idempotent=True))
    assert registry.kind_of("once", {}) is registry.kind_of("again", {}) is Kind.EXTERNAL
    assert not registry.is_idempotent("once", {})
    assert registry.is_idempotent("again", {})
    # Calls that can only fail need no intent.
    assert registry.kind_of("once", {"unknown": 1}) is Kind.READ
    assert registry.kind_of("no_such_tool", {}) is Kind.READ


# The registry -------------------------------------------------------------------------------


def test_the_built_in_tools_are_there() -> None:
    names = ToolRegistry().names()
    assert {"file_operations", "hash_calculator", "http_request"} <= set(names)
    assert names == sorted(names)
    listed = {entry["name"]: entry for entry in ToolRegistry().list()}
    assert listed["http_request"]["category"] == "api"
    for name in names:
        assert ToolRegistry().describe(name)["schema"]["name"] == name


def test_an_unknown_tool_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(EffectFailed, match=r"Tool 'htp_request' not found; did you mean http_req"):
        ToolRegistry().invoke("htp_request", {}, tool_context(tmp_path))


def test_a_registered_tool_is_known_to_its_registry_only() -> None:
    one, other = ToolRegistry(), ToolRegistry()
    one.register(make_tool(lambda: 1, name="mine"))
    assert one.exists("mine")
    assert not other.exists("mine")
    for taken in ("mine", "http_request"):
        with pytest.raises(UsageError, match="already"):
            one.register(make_tool(lambda: 2, name=taken))


def test_tools_of_installed_packages_are_found_and_a_broken_one_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package = tmp_path / "site"
    (package / "extra_tools-1.0.dist-info").mkdir(parents=True)
    (package / "extra_tools-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: extra-tools\nVersion: 1.0\n"
    )
    (package / "extra_tools-1.0.dist-info" / "entry_points.txt").write_text(
        "[respell.tools]\nshout = extra_tools_module:shout\n"
        "absent = extra_tools_module:absent\nhttp_request = extra_tools_module:shout\n"
    )
    (package / "extra_tools_module.py").write_text(
        'def shout(text: str) -> str:\n    """Shouts."""\n    return text.upper()\n'
    )
    monkeypatch.syspath_prepend(str(package))
    from respell.tools import registry as module

    module._installed.cache_clear()
    registry = ToolRegistry()
    try:
        answer = registry.invoke("shout", {"text": "hey"}, tool_context(tmp_path))
        assert answer["result"] == answer["text"] == "HEY"
        assert registry.find("http_request").category == "api"  # the built-in one
        with pytest.raises(EffectFailed, match="package extra-tools can't be loaded: Attribute"):
            registry.find("absent")
        assert not registry.exists("absent")
        listed = [entry["name"] for entry in registry.list()]
    finally:
        module._installed.cache_clear()
        module._from_package.cache_clear()
    assert "shout" in listed
    assert "absent" not in listed
    assert "absent" in caplog.text


# As effects ---------------------------------------------------------------------------------


def test_a_script_calls_tools_as_effects(tmp_path: Path) -> None:
    with workbench(tmp_path) as bench:
        params = {"operation": "hash", "input": "abc", "algorithm": "md5"}
        answer = bench.perform("tool.invoke", name="hash_calculator", params=params)
        assert answer["result"]["hash"] == "900150983cd24fb0d6963f7d28e17f72"
        assert bench.manner("tool.invoke", name="hash_calculator", params=params).kind is Kind.READ
        assert bench.perform("tool.exists", name="hash_calculator") is True
        assert bench.perform("tool.get", name="nothing") is None
        got = bench.perform("tool.get", name="http_request")
        assert got["schema"]["parameters"][0]["name"] == "input"
        assert "file_operations" in [entry["name"] for entry in bench.perform("tool.list")]


def test_the_parameters_of_a_lua_tool_are_checked_by_its_schema(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    with workbench(tmp_path) as bench:
        checked = {"name": "mine", "parameters": schema}
        assert bench.perform("tool.check", **checked, params={"n": 1}) is True
        with pytest.raises(UsageError, match="Tool 'mine': parameter n is missing"):
            bench.perform("tool.check", **checked, params={})


def test_a_tool_object_is_plain_data_about_a_tool() -> None:
    made = make_tool(lambda: 1, name="x")
    assert isinstance(made, Tool)
    assert made.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
