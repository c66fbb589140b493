"""Equal values have equal bytes, whichever side wrote them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lupa.lua54
import pytest
from hypothesis import given
from hypothesis import strategies as st

import respell
from respell import values
from respell.errors import UsageError
from respell.history.record import Part, Record, Status
from respell.values import BooleanKey

CODEC = Path(respell.__file__).parent / "lua" / "codec.lua"


def lua_codec() -> tuple[Any, Any, Any]:
    """Return (decode then encode, encode of a Lua expression) of the Lua side."""
    lua = lupa.lua54.LuaRuntime(encoding=None)
    lua.execute(b"engine = {raw = {}, where = function() return '' end}")
    lua.execute(b"for k, v in pairs(_G) do engine.raw[k] = v end")
    lua.execute(CODEC.read_bytes().replace(b"return function(engine)", b"codec = function(engine)"))
    lua.execute(b"codec(engine)")
    again = lua.eval(b"function(bytes) return engine.encode(engine.decode(bytes)) end")
    encode = lua.eval(
        b"function(text) return engine.encode(load('return ' .. text)(), 'value') end"
    )
    return lua, again, encode


LUA, AGAIN, ENCODE = lua_codec()

scalars = (
    st.booleans()
    | st.integers(values.INT_MIN, values.INT_MAX)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
keys = (
    st.text()
    | st.integers(values.INT_MIN, values.INT_MAX)
    | st.booleans().map(BooleanKey)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer())
)
tables = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=8) | st.dictionaries(keys, inner, max_size=8)
    ),
    max_leaves=30,
)


def is_a_sequence(value: Any) -> bool:
    """Whether a dict is what Lua takes for an array: such a one comes back as a list."""
    return isinstance(value, dict) and bool(value) and set(value) == set(range(1, len(value) + 1))


def has_a_sequence(value: Any) -> bool:
    if isinstance(value, dict):
        return is_a_sequence(value) or any(has_a_sequence(one) for one in value.values())
    return isinstance(value, list) and any(has_a_sequence(one) for one in value)


@given(tables)
def test_what_python_encodes_lua_encodes_to_the_same_bytes(value: Any) -> None:
    encoded = values.encode(value)
    if not has_a_sequence(value):
        assert AGAIN(encoded) == encoded


@given(tables)
def test_python_reads_back_what_it_wrote(value: Any) -> None:
    assert values.encode(values.decode(values.encode(value))) == values.encode(value)


@given(tables)
def test_the_json_form_comes_back_as_the_same_value(value: Any) -> None:
    value = values.decode(values.encode(value))
    assert values.encode(values.from_json(values.to_json(value))) == values.encode(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.0", 1.0),
        ("-0.0", -0.0),
        ("0/0", math.nan),
        ("-(0/0)", math.nan),
        ("math.huge", math.inf),
        ("math.mininteger", -(2**63)),
        ("math.maxinteger", 2**63 - 1),
        ("'\\0\\xff'", b"\0\xff"),
        ("{1, 2, 3}", [1, 2, 3]),
        ("{}", {}),
        ("{1, nil, 3}", {1: 1, 3: 3}),
        ("{[1]=1, [2]=2, [4]=4, x=3}", {1: 1, 2: 2, 4: 4, "x": 3}),
        ("{[true]=1, [1]=2, [1.5]=3, ['1']=4}", {1: 2, 1.5: 3, "1": 4, BooleanKey(True): 1}),
        ("{[2.0]='two'}", {2: "two"}),
        ("('x'):rep(70000)", "x" * 70000),
    ],
)
def test_lua_values_have_the_bytes_of_their_python_counterparts(text: str, value: Any) -> None:
    assert ENCODE(text.encode()) == values.encode(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("print", "value: a function can't be passed"),
        ("{a = {b = print}}", "value: a function can't be passed"),
        ("{[{}] = 1}", "value: a table can't be a key"),
        ("(function() local t = {} t.t = t return t end)()", "nests deeper than 100 levels"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(lupa.lua54.LuaError, match=message.replace("(", r"\(")):
        ENCODE(text.encode())


def test_python_refuses_what_lua_can_not_hold() -> None:
    for value in (2**63, object(), {None: 1}, {math.nan: 1}, "\ud800", ["\ud800"], {"\ud800": 1}):
        with pytest.raises(UsageError):
            values.encode(value)
        assert values.decode(values.encode("fine")) == "fine"


@given(
    st.sampled_from(Part),
    st.integers(0, 2**48),
    st.sampled_from(Status),
    st.text(max_size=60),
    st.binary(max_size=2000),
    st.binary(max_size=2000),
)
def test_a_record_comes_back_from_its_bytes(
    part: Part, number: int, status: Status, name: str, args: bytes, outcome: bytes
) -> None:
    record = Record(
        part, number, 1, 2, status, name, "main.lua", 7, 3, 1_700_000_000_000_000, args, outcome
    )
    assert Record.unpack(record.pack()) == record
