"""JSON.parse and JSON.stringify."""

from __future__ import annotations

import pytest

from core.lua_harness import run


def stringified(expression: str) -> str:
    outcome = run(f"print(JSON.stringify({expression}))")
    assert outcome.error is None
    return outcome.lines[0]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("{}", "{}"),
        ("{1, 2, {3}}", "[1,2,[3]]"),
        ("{b = 1, a = 2, ['10'] = 3, ['9'] = 4}", '{"10":3,"9":4,"a":2,"b":1}'),
        ("{[1] = 1, [3] = 3}", '{"1":1,"3":3}'),
        ("{1, x = 2}", '{"1":1,"x":2}'),
        ("{[1.5] = true, [-1] = false}", '{"-1":false,"1.5":true}'),
        ("nil", "null"),
        ("{1, 1.0, -0.0, 1e100, 0.1, 2^53, math.mininteger}",
         "[1,1.0,-0.0,1e+100,0.1,9007199254740992.0,-9223372036854775808]"),
        ("{0/0, 1/0, -1/0}", "[null,null,null]"),
        ("0.1 + 0.2", "0.30000000000000004"),
        (r"'\"\\/\b\f\n\r\t\0\31\127'", r'"\"\\/\b\f\n\r\t\u0000\u001f' + '\x7f"'),
        ("setmetatable({a = 1}, {__index = {b = 2}})", '{"a":1}'),
    ],
)  # fmt: skip
def test_a_value_has_one_text(expression: str, text: str) -> None:
    assert stringified(expression) == text


def test_text_is_set_out_over_lines_when_asked() -> None:
    outcome = run("print(JSON.stringify({ b = { 1, {} }, a = 'x' }, { indent = 2 }))")
    assert outcome.lines == ['{\n  "a": "x",\n  "b": [\n    1,\n    {}\n  ]\n}']


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("{x = {1, 2, print}}", "a function at x[3]"),
        ("{['a b'] = coroutine.create(print)}", "a thread at a b"),
        ("(function() local c = {} c.a = {b = {c}} return c end)()",
         "a table inside of itself at a.b[1]"),
        (r"{'\255'}", "a string that is not UTF-8 at [1]"),
        (r"{['\255'] = 1}", "a string that is not UTF-8 at \xff"),
        ("{k = {[true] = 1}}", "a boolean as a key at k"),
        ("{[1.5] = 1, ['1.5'] = 2}", 'the keys 1.5 and "1.5" both at the top'),
        ("(function() local t = {} for i = 1, 1100 do t = {t} end return t end)()",
         "a table nested deeper than 1000 levels at the top"),
    ],
)  # fmt: skip
def test_what_json_cannot_say_is_refused_by_its_path(expression: str, what: str) -> None:
    assert run(f"\nJSON.stringify({expression})").error == f"script.lua:2: JSON.stringify: {what}"


def test_a_wrong_option_names_the_right_ones() -> None:
    assert run("JSON.stringify({}, {indnt = 1})").error == (
        "script.lua:1: JSON.stringify: unknown option 'indnt'; there is: indent"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("null", "nil"),
        (" [ ] ", "table"),
        ("12", "12\tinteger"),
        ("-0", "-0.0\tfloat"),
        ("1.0", "1.0\tfloat"),
        ("1e2", "100.0\tfloat"),
        ("9223372036854775807", "9223372036854775807\tinteger"),
        ("12345678901234567890", "1.2345678901235e+19\tfloat"),
        (r'"\u0041\u00e9\ud83d\ude00\/"', "A\xc3\xa9\xf0\x9f\x98\x80/"),
        ('"\x7f"', "\x7f"),
        ('{"a": 1, "a": 2}', "table"),
    ],
)
def test_a_text_has_one_value(text: str, line: str) -> None:
    outcome = run(
        f"local v = JSON.parse([==[{text}]==]) "
        "print(type(v) == 'table' and 'table' or v, math.type(v))"
    )
    assert outcome.error is None
    assert outcome.lines[0].removesuffix("\tnil") == line


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the text ends too early at line 1 column 1"),
        ("[1,", "the text ends too early at line 1 column 4"),
        ("[1 2]", "unexpected '2' at line 1 column 4"),
        ("[1,]", "unexpected ']' at line 1 column 4"),
        ('{"a":1,}', "unexpected '}' at line 1 column 8"),
        ("{a:1}", "unexpected 'a' at line 1 column 2"),
        ('{"a"\n  1}', "unexpected '1' at line 2 column 3"),
        ("[1]]", "unexpected ']' at line 1 column 4"),
        ("tru", "unexpected 't' at line 1 column 1"),
        ("NaN", "unexpected 'N' at line 1 column 1"),
        ("01", "a number with a leading zero at line 1 column 1"),
        ("1.", "unexpected '.' at line 1 column 2"),
        ("1e400", "a number out of range at line 1 column 1"),
        ('"abc', "a string without its end at line 1 column 5"),
        ('"a\tb"', "control character in a string at line 1 column 3"),
        (r'"\x"', "invalid escape at line 1 column 2"),
        (r'"\ud800x"', "half of a surrogate pair at line 1 column 2"),
        (r'"\udc00"', "half of a surrogate pair at line 1 column 2"),
        ("[" * 1100, "nested deeper than 1000 levels at line 1 column 1001"),
    ],
)
def test_a_wrong_text_is_refused_with_its_place(text: str, what: str) -> None:
    assert run(f"JSON.parse([==[{text}]==])").error == f"script.lua:1: JSON parse error: {what}"


def test_bytes_that_are_not_text_are_refused() -> None:
    assert run(r"JSON.parse('[\n\"\255\"]')".replace("\\n", "\\n")).error == (
        "script.lua:1: JSON parse error: not UTF-8 at line 2 column 2"
    )
    assert run("JSON.parse(5)").error == (
        "script.lua:1: bad argument #1 to 'parse' (string expected, got number)"
    )
