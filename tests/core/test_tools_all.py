"""All tools: that they are there, described and documented, and how scripts find and call them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.errors import EffectFailed
from respell.schema import check_schema
from respell.store import Store
from respell.tools import ToolRegistry, registry
from stories import CountingServer, counting_server
from workbench import tool_context

DOCS = (Path(__file__).parents[2] / "docs" / "tools.md").read_text()
SHOWN = re.findall(r"^```lua\n(.*?)^```\n\n```text\n(.*?)^```", DOCS, flags=re.M | re.S)

CATEGORIES = {
    "base64_encoder": "utility",
    "calculator": "utility",
    "csv_analyzer": "data",
    "data_validation": "utility",
    "date_time_handler": "utility",
    "diff_calculator": "utility",
    "environment_reader": "system",
    "file_operations": "filesystem",
    "file_search": "filesystem",
    "hash_calculator": "utility",
    "http_request": "api",
    "json_processor": "data",
    "process_executor": "system",
    "template_engine": "utility",
    "text_manipulator": "utility",
    "uuid_generator": "utility",
}
TOOLS = ToolRegistry()
each_tool = pytest.mark.parametrize("name", CATEGORIES)


@pytest.fixture(scope="module")
def server() -> Iterator[CountingServer]:
    with counting_server() as running:
        yield running


# What there is ------------------------------------------------------------------------------


def test_these_are_built_in() -> None:
    listed = {tool["name"]: tool["category"] for tool in TOOLS.list()}
    assert listed == CATEGORIES


@each_tool
def test_every_tool_is_described_with_all_its_parameters(name: str) -> None:
    described = TOOLS.describe(name)
    assert described["name"] == described["schema"]["name"] == name
    assert len(described["description"]) > 20
    assert described["tags"]
    schema = described["parameters"]
    check_schema(schema)
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    listed = described["schema"]["parameters"]
    assert [entry["name"] for entry in listed] == list(schema["properties"])
    assert all(entry["description"] for entry in listed), "a parameter without description"
    assert {entry["name"] for entry in listed if entry["required"]} == set(
        schema.get("required", ())
    )


@each_tool
def test_other_names_lead_to_parameters_and_stand_for_nothing_else(name: str) -> None:
    tool = TOOLS.find(name)
    known = tool.parameters["properties"].keys()
    assert set(tool.aliases.values()) <= known
    assert not (set(tool.aliases) | tool.ignored) & known


@each_tool
def test_what_is_wrong_is_said_before_anything_is_done(name: str, tmp_path: Path) -> None:
    ctx = tool_context(tmp_path, allow=["process"])
    for params in ({"no_such_parameter": 1}, [1, 2], "text"):
        with pytest.raises(EffectFailed, match=f"Tool '{name}': parameter"):
            TOOLS.invoke(name, params, ctx)
    schema = TOOLS.find(name).parameters
    given = {
        parameter: schema["properties"][parameter].get("enum", ["x"])[0]
        for parameter in schema.get("required", ())
    }
    for parameter, entry in schema["properties"].items():
        if entry.get("type") in ("string", "object", "boolean", "integer", "number"):
            with pytest.raises(EffectFailed, match=f"Tool '{name}': parameter .*{parameter}"):
                TOOLS.invoke(name, {**given, parameter: [5]}, ctx)


@each_tool
def test_no_tool_is_imported_before_it_is_called(name: str) -> None:
    code = (
        "import sys, respell, respell.tools.registry as r; "
        f"assert 'respell.tools.builtin.{name}' not in sys.modules; "
        "heavy = {'jq', 'jinja2', 're2', 'xlsxwriter', 'pyarrow', 'httpx', 'jsonschema'}; "
        f"r.ToolRegistry().find({name!r}); "
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# The documentation --------------------------------------------------------------------------


def test_the_docs_have_a_section_for_each_tool_in_order() -> None:
    assert re.findall(r"^## `(\w+)`$", DOCS, flags=re.M) == sorted(CATEGORIES)


@each_tool
def test_the_docs_name_every_parameter_and_show_an_example(name: str) -> None:
    section = re.split(rf"^## `{name}`$", DOCS, flags=re.M)[1].split("\n## ", 1)[0]
    tool = TOOLS.find(name)
    for parameter in [*tool.parameters["properties"], *tool.aliases]:
        assert f"`{parameter}`" in section, f"{parameter} is not explained"
    assert f"Category `{CATEGORIES[name]}`" in section
    assert "```lua\n" in section


def test_every_lua_example_shows_its_output() -> None:
    assert len(SHOWN) == len(re.findall(r"^```lua$", DOCS, flags=re.M))
    assert len(SHOWN) > len(CATEGORIES)


@pytest.mark.parametrize(("text", "output"), SHOWN)
def test_an_example_of_the_docs_prints_what_is_shown(
    script: Any, store: Store, server: CountingServer, tmp_path: Path, text: str, output: str
) -> None:
    done = script(text.replace("https://example.com", server.url), allow=["process=echo"])
    assert done.session.status == "completed", done.session.error
    printed = "".join(f"{line}\n" for line in script.lines)
    assert printed.replace(str(tmp_path.resolve()), "/home/me") == output
    assert respell.replay(done.session, store=store).identical


def test_the_python_example_of_the_docs_prints_what_is_shown(tmp_path: Path) -> None:
    ((program, output),) = re.findall(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", DOCS, flags=re.M | re.S
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.replace(str(tmp_path.resolve()), "/home/me") == output


# From a script ------------------------------------------------------------------------------


def run(script: Any, store: Store, text: str) -> list[str]:
    done = script(text)
    assert done.session.status == "completed", done.session.error
    assert respell.replay(done.session, store=store).identical
    lines = "".join(f"{line}\n" for line in script.lines).splitlines()
    return [line.replace("\t", " ") for line in lines]


def test_finding_tools(script: Any, store: Store) -> None:
    lines = run(
        script,
        store,
        """
        local names = {}
        for _, tool in ipairs(Tool.list()) do names[#names + 1] = tool.name end
        print(table.concat(names, " "))
        print(table.concat(Tool.categories(), " "))
        local function found(filter)
          local names = {}
          for _, tool in ipairs(Tool.discover(filter)) do names[#names + 1] = tool.name end
          print(table.concat(names, " "))
        end
        found{category = "data"}
        found{tag = "CHECKSUM"}
        found{tag = "two or more words that nobody says"}
        found{category = "system", tag = "command"}
        print(#Tool.discover() == #Tool.list())
        print(Tool.exists("calculator"), Tool.exists("calculater"))
        """,
    )
    assert lines == [
        " ".join(sorted(CATEGORIES)),
        "api data filesystem system utility",
        "csv_analyzer json_processor",
        "hash_calculator",
        "",
        "process_executor",
        "true",
        "true false",
    ]


def test_one_tool_and_its_schema(script: Any, store: Store) -> None:
    lines = run(
        script,
        store,
        """
        local tool = Tool.get("hash_calculator")
        print(tool.name, tool.category, tool.idempotent, tool.parameters.required[1])
        local first = tool.schema.parameters[1]
        print(first.name, first.type, first.required, #first.description > 0)
        print(tool:getSchema().name, Tool.hash_calculator:get_schema().name)
        print(Tool.get("no_such_tool"), Tool.no_such_tool)
        print(pcall(Tool.get))
        """,
    )
    assert lines[:4] == [
        "hash_calculator utility true operation",
        "operation string true true",
        "hash_calculator hash_calculator",
        "nil nil",
    ]
    assert "bad argument #1 to 'get' (string expected, got no value)" in lines[4]


def test_every_way_of_calling_gives_the_same(script: Any, store: Store) -> None:
    lines = run(
        script,
        store,
        """
        local params = {operation = "hash", algorithm = "md5", input = ""}
        local tool = Tool.get("hash_calculator")
        for _, r in ipairs{
          Tool.invoke("hash_calculator", params), tool:execute(params),
          Tool.hash_calculator:execute(params),
        } do
          print(r.success, r.result.hash, JSON.parse(r.text).result.hash == r.result.hash,
            next(r.metadata), r.error, math.type(r.duration_s))
        end
        print(pcall(tool.execute, params))
        print(pcall(Tool.invoke, "hash_calculator", "text"))
        print(pcall(Tool.invoke))
        local ok, message = pcall(Tool.invoke, "hash_calculator")
        print(ok, type(message), message:match("parameter operation is missing"))
        """,
    )
    assert lines[:3] == ["true d41d8cd98f00b204e9800998ecf8427e true nil nil float"] * 3
    assert "hash_calculator.execute must be called with a colon" in lines[3]
    assert "bad argument #2 to 'invoke' (table expected, got string)" in lines[4]
    assert "bad argument #1 to 'invoke' (string expected, got no value)" in lines[5]
    assert lines[6] == "false string parameter operation is missing"


def test_a_tool_in_lua_is_a_tool_like_any_other(script: Any, store: Store) -> None:
    lines = run(
        script,
        store,
        """
        Tool.register("add", {
          description = "Adds two numbers", category = "maths", version = "2.1", tags = {"Sum"},
          parameters = {type = "object", required = {"a"}, properties = {
            a = {type = "integer", description = "one"}, b = {type = "number", default = 1}}},
        }, function(p) return {sum = p.a + (p.b or 1)} end)
        local r = Tool.add:execute{a = 2}
        print(r.success, r.result.sum, r.text, next(r.metadata), r.error, math.type(r.duration_s))
        local tool = Tool.get("add")
        print(tool.category, tool.version, tool.tags[1], tool.idempotent, tool.parameters.type)
        for _, p in ipairs(tool:getSchema().parameters) do
          print(p.name, p.type, p.description, p.required, p.default)
        end
        print(Tool.list()[#Tool.list()].name, Tool.categories()[5], Tool.exists("add"))
        for _, filter in ipairs{{tag = "sum"}, {tag = "TWO NUMBERS"}, {category = "maths"}} do
          print(#Tool.discover(filter))
        end
        print(pcall(Tool.invoke, "add", {a = "x"}))
        print(pcall(Tool.invoke, "add", {}))
        """,
    )  # fmt: skip
    assert lines[:8] == [
        'true 3 {"sum":3} nil nil float',
        "maths 2.1 Sum false object",
        "a number one true nil",
        "b number  false 1",
        "add system true",
        "1",
        "1",
        "1",
    ]
    assert "Tool 'add': parameter a must be an integer, not \"x\"" in lines[8]
    assert "Tool 'add': parameter a is missing" in lines[9]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("Tool.register('calculator', {}, print)", "there is a tool named"),
        ("Tool.register('a', {}, print) Tool.register('a', {}, print)", "there is a tool named"),
        ("Tool.register('', {}, print)", "bad argument #1 to 'register'"),
        ("Tool.register('a', 'adds', print)", "bad argument #2 to 'register'"),
        ("Tool.register('a', {})", "bad argument #3 to 'register'"),
        ("Tool.register('a', {descripton = 'x'}, print)", "unknown option descripton; there are"),
        ("Tool.register('a', {[1] = 'x'}, print)", "unknown option 1; there are description"),
        ("Tool.register('a', {tags = 'x'}, print)", "tags must be a table, not a string"),
        ("Tool.register('a', {parameters = {type = 'objekt'}}, print) Tool.invoke('a', {})",
         "the JSON Schema is wrong"),
        ("Tool.discover{categroy = 'x'}", "unknown option categroy; there are category, tag"),
        ("Tool.discover{tag = 1}", "tag must be a string, not a number"),
        ("Tool.discover('data')", "bad argument #1 to 'discover'"),
        ("Tool.exists()", "bad argument #1 to 'exists'"),
        ("Tool.invoke('calculater', {})", "did you mean calculator"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_call_is_said(script: Any, store: Store, call: str, says: str) -> None:
    lines = run(script, store, f"print(select(2, pcall(function() {call} end)))")
    assert says in lines[0]


def test_a_tool_whose_schema_is_odd_is_still_listed(script: Any, store: Store) -> None:
    lines = run(
        script,
        store,
        """
        Tool.register("odd", {parameters = {properties = {a = true, b = 5}, required = "a"}}, print)
        for _, p in ipairs(Tool.get("odd").schema.parameters) do print(p.name, p.type) end
        """,
    )
    assert lines == ["a any", "b any"]


# From Python --------------------------------------------------------------------------------


def test_a_decorated_function_is_called_from_a_script(script: Any, store: Store) -> None:
    @respell.tool(category="maths", tags=["power"])
    def raised(base: int, to: int = 2) -> dict[str, int]:
        """Raises a number to a power.

        Args:
            base: The number.
            to: The power.
        """
        return {"value": base**to}

    lines = run(
        script,
        store,
        """
        print(Tool.raised:execute{base = 3}.result.value, Tool.raised.schema.parameters[2].default)
        print(Tool.discover{tag = "power"}[1].description)
        print(pcall(Tool.invoke, "raised", {bse = 3}))
        """,
    )
    assert lines[:2] == ["9 2", "Raises a number to a power."]
    assert "parameter bse is unknown; did you mean base" in lines[2]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a package with two tools by entry points, one of which is broken."""
    site = tmp_path / "site"
    (site / "greeting-1.0.dist-info").mkdir(parents=True)
    (site / "greeting-1.0.dist-info" / "METADATA").write_text("Name: greeting\nVersion: 1.0\n")
    (site / "greeting-1.0.dist-info" / "entry_points.txt").write_text(
        "[respell.tools]\ngreet = greeting_tools:greet\nbroken = greeting_tools:nothing\n"
    )
    (site / "greeting_tools.py").write_text(
        'def greet(who: str) -> str:\n    """Says hello."""\n    return f"Hello, {who}!"\n'
    )
    monkeypatch.syspath_prepend(str(site))
    caches = (registry._installed, registry._from_package)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
    sys.modules.pop("greeting_tools", None)
    importlib.invalidate_caches()


@pytest.mark.usefixtures("installed")
def test_an_installed_package_brings_a_tool(script: Any, store: Store) -> None:
    lines = run(
        script,
        store,
        """
        print(Tool.greet:execute{who = "world"}.result, Tool.get("greet").description)
        print(#Tool.discover{tag = "hello"}, Tool.exists("broken"))
        print(pcall(Tool.invoke, "broken", {}))
        """,
    )
    assert lines[:2] == ["Hello, world! Says hello.", "1 false"]
    assert "Tool 'broken' of the package greeting can't be loaded" in lines[2]
