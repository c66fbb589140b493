"""csv_analyzer: statistics, conversion, filters, changes, checks, and hostile tables."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import respell
from respell.errors import EffectFailed
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.builtin import csv_analyzer
from respell.tools.builtin._csv_statistics import analysis
from respell.tools.builtin._csv_table import Table, written
from workbench import tool_context

TOOLS = ToolRegistry()
HERE = Path(__file__).parent
PEOPLE = (
    "name,age,city,joined\n"
    "Alice,30,New York,2020-01-01\n"
    'Bob,9,"San Francisco, CA",\n'
    "Eve,100.5,Oslo,2021-05-05\n"
)


def ask(text: str | bytes = PEOPLE, operation: str = "analyze", **options: Any) -> dict[str, Any]:
    params = {"operation": operation, "input": text, **({"options": options} if options else {})}
    return TOOLS.invoke("csv_analyzer", params, tool_context(HERE))


def test_an_analysis_in_v060s_shape() -> None:
    answer = ask()
    found = answer["result"]
    columns = found.pop("columns")
    assert found == {
        "row_count": 3, "column_count": 4, "encoding": "UTF-8", "delimiter": ",",
        "has_headers": True, "file_size_bytes": len(PEOPLE), "parse_errors": [],
    }  # fmt: skip
    assert columns[1] == {
        "name": "age", "data_type": "float", "null_count": 0, "unique_count": 3,
        "min_value": "9", "max_value": "100.5", "mean": 46.5, "median": 30.0,
        "std_dev": pytest.approx(39.13438), "sample_values": ["30", "9", "100.5"],
    }  # fmt: skip
    assert columns[3]["data_type"] == "date"
    assert (columns[3]["null_count"], columns[3]["min_value"]) == (1, "2020-01-01")
    assert answer["metadata"]["operation"] == "analyze"
    assert answer["metadata"]["analysis_result"]["columns"] == columns
    assert answer["metadata"]["response"]["success"] is True
    assert json.loads(answer["text"])["row_count"] == 3


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (["1", "-2", " 3 "], "integer"), (["1", "2.5", ".5", "1e3"], "float"),
        (["99999999999999999999"], "float"), (["yes", "No", "true", "F"], "mixed"),
        (["y", "N", "TRUE"], "boolean"), (["2024-01-31", ""], "date"),
        (["2024-02-31"], "string"),
        (["2024-01-31T10:00:00Z", "2024-01-31t10:00:00.5+01:00"], "date_time"),
        (["1", "x"], "mixed"), (["", " "], "string"), (["nan", "inf", "1_000"], "string"),
        (["1e999"], "string"),
    ],
)  # fmt: skip
def test_types_of_columns(fields: list[str], kind: str) -> None:
    text = written([["a", "b"], *([field, "x"] for field in fields)])
    assert analysis(Table.of(text))["columns"][0]["data_type"] == kind


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_statistics_are_those_of_the_numbers(numbers: list[float]) -> None:
    found = analysis(Table.of(written([["n", "x"], *([str(n), "-"] for n in numbers)])))
    column = found["columns"][0]
    mean = math.fsum(numbers) / len(numbers)
    assert column["mean"] == pytest.approx(mean)
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    expected = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    assert column["median"] == pytest.approx(expected)
    assert (float(column["min_value"]), float(column["max_value"])) == (ordered[0], ordered[-1])


def test_numbers_too_large_to_be_added_up_have_no_mean() -> None:
    column = analysis(Table.of("a,b\n1.7e308,x\n1.7e308,y\n"))["columns"][0]
    assert (column["mean"], column["std_dev"], column["median"]) == (None, None, 1.7e308)


def test_rows_of_the_wrong_length_are_counted_apart() -> None:
    text = "a,b\n" + "1,2\n" * 3 + "1\n" * 12
    found = ask(text)["result"]
    assert found["row_count"] == 3
    assert found["parse_errors"][0] == "row 4 has 1 fields; the header has 2"
    assert found["parse_errors"][-1] == "... 2 more errors omitted"
    with pytest.raises(EffectFailed, match="row 4 has 1 fields; the header has 2"):
        ask(text, "convert", format="json")


@pytest.mark.parametrize(
    ("text", "delimiter", "names"),
    [
        ("a;b\n1;2\n", ";", ["a", "b"]), ("a\tb\tc,d\n1\t2\t3,4\n", "\t", ["a", "b", "c,d"]),
        ("a|b\n1|2\n", "|", ["a", "b"]), ("one\n1\n2\n", ",", ["one"]), ("a,b", ",", ["a", "b"]),
        ("a,,c\n1,2,3\n", ",", ["a", "Column_2", "c"]), ("\ufeffa,b\r\n1,2\r\n", ",", ["a", "b"]),
        ('a,"b,\nc"\n1,2\n', ",", ["a", "b,\nc"]),
        ("a;b;c\n1,5;2;3\n1,5;2\n", ";", ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_delimiters_are_found_out(text: str, delimiter: str, names: list[str]) -> None:
    found = ask(text)["result"]
    assert found["delimiter"] == delimiter
    assert [column["name"] for column in found["columns"]] == names


def test_a_delimiter_may_be_given() -> None:
    assert ask("a:b\n1:2\n", delimiter=":")["result"]["column_count"] == 2
    with pytest.raises(EffectFailed, match=r"options\.delimiter must be one character"):
        ask("a,b\n", delimiter="::")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("é,b\n1,2\n".encode("windows-1252"), "windows-1252"),
        ("é,b\n1,2\n".encode("utf-16"), "UTF-16LE"),
        (b"\xfe\xff" + "é,b\n1,2\n".encode("utf-16-be"), "UTF-16BE"),
        (b"\xef\xbb\xbf" + "é,b\n1,2\n".encode(), "UTF-8"),
    ],
)
def test_encodings_are_found_out(data: bytes, encoding: str) -> None:
    found = ask(data)["result"]
    assert (found["encoding"], found["columns"][0]["name"]) == (encoding, "é")


def test_converting_to_json_and_lines_and_tabs() -> None:
    records = ask(operation="convert", format="JSON")["result"]
    assert records[1] == {"name": "Bob", "age": 9.0, "city": "San Francisco, CA", "joined": ""}
    flags = ask("a,b\ntrue,nan\n", "convert", format="json")["result"]
    assert flags == [{"a": True, "b": "nan"}]
    lines = ask(operation="convert", format="jsonlines")
    assert lines["text"] == lines["result"]
    assert [json.loads(line) for line in lines["text"].splitlines()] == records
    tabs = ask(operation="convert", format="tsv")["text"]
    assert tabs.splitlines()[2] == "Bob\t9\tSan Francisco, CA\t"


def test_converting_to_a_spreadsheet_makes_no_formulas() -> None:
    text = 'name,n\n"=HYPERLINK(""http://evil"")",1.5\n+1,x\n'
    found = ask(text, "convert", format="xlsx")["result"]
    assert (found["format"], found["encoding"]) == ("xlsx", "base64")
    data = base64.b64decode(found["data"])
    assert len(data) == found["size_bytes"]
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    cells = [[(cell.data_type, cell.value) for cell in row] for row in sheet.iter_rows()]
    assert cells == [
        [("s", "name"), ("s", "n")],
        [("s", '=HYPERLINK("http://evil")'), ("n", 1.5)],
        [("n", 1), ("s", "x")],
    ]


def test_converting_to_parquet_keeps_types() -> None:
    text = "i,f,b,s\n1,1.5,yes,a\n,,,\n-3,2,no,1x\n"
    found = ask(text, "convert", format="parquet")["result"]
    table = pyarrow.parquet.read_table(io.BytesIO(base64.b64decode(found["data"])))
    assert table.to_pydict() == {
        "i": [1, None, -3], "f": [1.5, None, 2.0], "b": [True, None, False], "s": ["a", "", "1x"],
    }  # fmt: skip


def test_parquet_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_analyzer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EffectFailed, match=r"pip install 'respell\[parquet\]'"):
        ask(operation="convert", format="parquet")


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("age > 30", ["Eve"]), ("age >= 30", ["Alice", "Eve"]), ("age<10", ["Bob"]),
        ("age <= 9", ["Bob"]), ("name == Bob", ["Bob"]), ("name != Bob", ["Alice", "Eve"]),
        ('city == "New York"', ["Alice"]), ("city == 'Oslo'", ["Eve"]), ('"city" == Oslo', ["Eve"]),
        ("age == 30.0", []), ("name > B", ["Bob", "Eve"]), ("joined == ", ["Bob"]),
    ],
)  # fmt: skip
def test_filters(expression: str, names: list[str]) -> None:
    rows = list(csv.reader(io.StringIO(ask(operation="filter", filter=expression)["text"])))
    assert rows[0] == ["name", "age", "city", "joined"]
    assert [row[0] for row in rows[1:]] == names


def test_samples_are_the_first_rows() -> None:
    assert ask(operation="SAMPLE", size=1)["text"] == PEOPLE[: PEOPLE.index("Bob")]
    assert ask(operation="sample")["text"] == PEOPLE


def test_columns_are_added_and_renamed() -> None:
    found = ask(
        "product;units;price\nA;100;9.99\nB;;1\n",
        "transform",
        rename_columns={"product": "item"},
        add_columns={"a_total": "units * price", "b_half": "price / 2", "c_note": "units - sold"},
    )
    assert found["result"] == (
        "item,units,price,a_total,b_half,c_note\n"
        "A,100,9.99,999.00,5.00,units - sold\n"
        "B,,1,,0.50,units - sold\n"
    )


def test_rules_for_columns() -> None:
    text = "mail,age\na@example.com,5\nnobody,-30\nb@example.com,old\n"
    answer = ask(text, "validate", rules={"mail": "email", "age": "range:-10-120"})
    assert answer["result"] == {
        "valid": False,
        "errors": [
            {"row": row, "column": column, "value": value, "error": error}
            for row, column, value, error in (
                (2, "age", "-30", "Value -30 is outside range -10-120"),
                (2, "mail", "nobody", "Invalid email format"),
                (3, "age", "old", "Value is not a valid number"),
            )
        ],
        "total_rows": 3,
        "error_count": 3,
    }  # fmt: skip
    assert answer["metadata"]["validation_result"] == answer["result"]
    assert ask("a,b\n1,2\n", "validate", rules={"a": "range:0-1"})["result"]["valid"]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "parameter input is missing"),
        ({"input": ""}, "parameter input is empty"),
        ({"input": "a", "operation": "analyse"}, "did you mean analyze"),
        ({"input": "a", "operation": "convert"}, r"parameter options\.format is missing"),
        ({"input": "a", "operation": "convert", "options": {"format": "pdf"}}, "no format 'pdf'"),
        ({"input": "a", "operation": "filter"}, r"parameter options\.filter is missing"),
        ({"input": "a", "operation": "filter", "options": {"filter": "a"}}, "COLUMN OPERATOR"),
        ({"input": "age,b", "operation": "filter", "options": {"filter": "agee > 1"}}, "mean age"),
        ({"input": "a", "operation": "sample", "options": {"size": -1}}, "options.size"),
        ({"input": "a", "operation": "transform"}, "neither add_columns nor rename_columns"),
        (
            {"input": "a", "operation": "transform", "options": {"rename_columns": {"b": "c"}}},
            "there is no column 'b'",
        ),
        (
            {"input": "a", "operation": "transform", "options": {"add_columns": {"b": 1}}},
            "names of columns and texts",
        ),
        (
            {
                "input": "a,b\nx,1", "operation": "transform",
                "options": {"add_columns": {"c": "a * b"}},
            },
            "row 1: 'x' in column a is no number",
        ),
        (
            {
                "input": "a,b\n1,0", "operation": "transform",
                "options": {"add_columns": {"c": "a / b"}},
            },
            "divides by zero",
        ),
        ({"input": "a", "operation": "validate"}, r"parameter options\.rules is missing"),
        (
            {"input": "a", "operation": "validate", "options": {"rules": {"a": "mail"}}},
            "there is no rule 'mail'. Allowed are: email, range:MIN-MAX",
        ),
        ({"input": "a", "options": {"formt": "json"}}, r"options\.formt is unknown; did you mean"),
        ({"input": "a," * 20_000}, "the header has 20001 columns; at most 16384"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_call(params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        TOOLS.invoke("csv_analyzer", params, tool_context(HERE))


def test_a_huge_field_is_a_field_and_no_more() -> None:
    found = ask("a,b\n" + "x" * 1_000_000 + ",1\n")["result"]
    assert found["row_count"] == 1
    assert len(found["columns"][0]["min_value"]) == 1000
    with pytest.raises(EffectFailed, match="row 1 has a field of 1000000 characters"):
        ask("a,b\n" + "x" * 1_000_000 + ",1\n", "convert", format="excel")


def test_a_table_that_grows_beyond_its_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_analyzer, "MEMORY_BYTES", 64 << 20)
    with pytest.raises(EffectFailed, match="64 MiB of memory"):
        ask("a,b\n" + "1,2\n" * 20_000, "transform", add_columns={"c": "x" * 100_000})


def test_input_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_analyzer, "MAX_INPUT_BYTES", 10)
    with pytest.raises(EffectFailed, match="parameter input has 12 bytes; at most 10"):
        ask("é" * 6)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=60)
@given(
    header=st.lists(CELLS, min_size=2, max_size=4, unique=True),
    rows=st.lists(st.lists(CELLS, min_size=4, max_size=4), max_size=5),
)
def test_what_was_written_is_read_again(header: list[str], rows: list[list[str]]) -> None:
    rows = [row[: len(header)] for row in rows]
    table = Table.of(written([header, *rows]), ",")
    assert [list(row) for row in table.rows()] == rows
    names = [name or f"Column_{i}" for i, name in enumerate(header, 1)]
    assert table.header == [names[0].removeprefix("\ufeff") or "Column_1", *names[1:]]


def test_a_script_analyzes_and_its_replay_is_identical(script: Any, store: Store) -> None:
    result = script(
        """
        local csv = "name,age\\nAlice,30\\nBob,25\\n"
        print(Tool.invoke("csv_analyzer", {content = csv}).result.columns[2].mean)
        local params = {data = csv, operation = "filter", options = {filter = "age > 26"}}
        print(Tool.invoke("csv_analyzer", params).text)
        """
    )
    assert "\n".join(script.lines).split() == ["27.5", "name,age", "Alice,30"]
    assert respell.replay(result.session, store=store).identical
