"""Every tool with parameters that nobody would give: an answer or one clear error, in time."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from respell import values
from respell.errors import EffectFailed, PermissionDenied
from respell.tools import ToolRegistry
from workbench import tool_context

TOOLS = ToolRegistry()
# Requests go out to hosts that a test should not ask.
NAMES = [tool["name"] for tool in TOOLS.list() if tool["name"] != "http_request"]
# What shows that an error was not meant for anybody: the name of a Python exception.
UNMEANT = re.compile(r"failed: (?:\w+\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt)\b")

TEXTS = st.text(max_size=20) | st.sampled_from(
    ["", "0", "-1", "1e999", "%Y", "{", "[1]", "a,b\n1,2", "a > 1", "*", "(", "..", ".", "/", "~",
     "2024-02-29", "UTC", "days", "text", "json", "get", "list", "add", "parse", "filter",
     "x" * 5000]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXTS
    | st.binary(max_size=10)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS | st.sampled_from(["type", "rules", "format"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@st.composite
def parameters(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Return parameters of which some are as the tool wants them."""
    schema = TOOLS.find(name).parameters
    given: dict[str, Any] = {}
    for parameter, entry in schema["properties"].items():
        if parameter not in schema.get("required", ()) and draw(st.booleans()):
            continue
        words = re.findall(r"[a-z_]{3,}", entry.get("description", ""))
        likely = st.sampled_from(entry.get("enum") or words or ["x"])
        fitting = {
            "string": likely | TEXTS,
            "integer": st.integers(-2, 12),
            "number": st.integers(1, 200) | st.floats(1, 200),
            "boolean": st.booleans(),
            "array": st.lists(SCALARS, max_size=3),
        }.get(entry.get("type", ""), VALUES)
        given[parameter] = draw(st.one_of(fitting, fitting, fitting, VALUES))
    return given


def refused(name: str, params: dict[str, Any], folder: Path) -> str:
    """Call a tool as a script would; returns its error, empty for an answer that Lua can have."""
    params = values.decode(values.encode(params)) or {}
    try:
        values.encode(TOOLS.invoke(name, params, tool_context(folder)))
    except (EffectFailed, PermissionDenied) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_given_is_answered_or_refused_in_words(name: str, folder: Path) -> None:
    @settings(
        max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(params=parameters(name))
    def check(params: dict[str, Any]) -> None:
        refusal = refused(name, params, folder)
        assert len(refusal) < 4000
        assert not UNMEANT.search(refusal), refusal

    check()
