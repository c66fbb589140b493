"""The operations of csv_analyzer, as they are computed in a confined process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from respell.errors import UsageError
from respell.tools.builtin._csv_excel import workbook
from respell.tools.builtin._csv_statistics import analysis
from respell.tools.builtin._csv_table import MARKS, Table, number_in, written
from respell.tools.builtin._validation_values import is_email

FORMATS = {
    "json": "json",
    "jsonlines": "jsonl",
    "jsonl": "jsonl",
    "tsv": "tsv",
    "parquet": "parquet",
    "excel": "excel",
    "xlsx": "excel",
}
"""What `convert` converts to, by all its names."""

BINARY_FORMATS = ("parquet", "excel")
_MAX_LISTED_ERRORS = 1000
_SHOWN = 200  # characters of a field in an error

_FILTER = re.compile(r'\s*(?:"([^"]+)"|([^"=!<>]+?))\s*(==|!=|>=|<=|>|<)\s*(.*?)\s*', re.S)
_CALCULATION = re.compile(r"\s*(\S.*?)\s+([*/+-])\s+(\S.*?)\s*", re.S)
_RANGE = re.compile(r"range:\s*([+-]?[0-9.]+)\s*-\s*([+-]?[0-9.]+)\s*")

Options = dict[str, Any]


def run(payload: dict[str, Any]) -> Any:
    """Perform one operation.

    Args:
        payload: `operation`, `input` (text or bytes) and `options`.

    Raises:
        UsageError: The CSV or an option is wrong; says what.
    """
    options = payload["options"]
    table = Table.of(payload["input"], options.get("delimiter"))
    return OPERATIONS[payload["operation"]](table, options)


def warm_up() -> None:
    """Have everything imported that is imported late; see `confinement.call`."""
    for mark, encoding in (*MARKS, (b"", "windows-1252")):
        data = mark + "é,b\n1,2\n".encode(encoding)
        run({"operation": "convert", "input": data, "options": {"format": "excel"}})


def _analyze(table: Table, options: Options) -> Any:
    return analysis(table)


def _convert(table: Table, options: Options) -> Any:
    if options["format"] == "excel":
        return workbook(table)
    if options["format"] == "tsv":
        return written(_with_header(table, table.rows()), delimiter="\t")
    records = [_record(table, row) for row in table.rows()]
    if options["format"] == "json":
        return records
    return "".join(
        json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records
    )


def _record(table: Table, row: list[str]) -> dict[str, Any]:
    return {name: _value(field) for name, field in zip(table.header, row, strict=True)}


def _value(field: str) -> str | float | bool:
    if field in ("true", "false"):
        return field == "true"
    number = number_in(field)
    return field if number is None else number


# Rows ---------------------------------------------------------------------------------------


def _filter(table: Table, options: Options) -> str:
    parts = _FILTER.fullmatch(options["filter"])
    if parts is None:
        raise UsageError(
            f"options.filter {options['filter']!r:.200} must be COLUMN OPERATOR VALUE, the "
            'operator one of == != > < >= <=, e.g. city == "New York"'
        )
    column = table.column(parts[1] or parts[2])
    wanted = parts[4]
    if len(wanted) > 1 and wanted[0] == wanted[-1] and wanted[0] in "\"'":
        wanted = wanted[1:-1]
    compare = _COMPARISONS[parts[3]]
    # Equal means the same text: 007 is not 7.
    number = None if parts[3] in ("==", "!=") else number_in(wanted)

    def matches(row: list[str]) -> bool:
        found = None if number is None else number_in(row[column])
        return compare(row[column], wanted) if found is None else compare(found, number)

    return written(_with_header(table, (row for row in table.rows() if matches(row))))


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def _sample(table: Table, options: Options) -> str:
    return written(_with_header(table, islice(table.rows(), options.get("size", 10))))


def _with_header(table: Table, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield table.header
    yield from rows


# Columns ------------------------------------------------------------------------------------


def _transform(table: Table, options: Options) -> str:
    header = list(table.header)
    for old, new in _texts(options, "rename_columns"):
        header[table.column(old)] = new
    added = [(name, _content(table, what)) for name, what in _texts(options, "add_columns")]
    header += [name for name, _ in added]

    def rows() -> Iterator[list[str]]:
        yield header
        for number, row in enumerate(table.rows(), 1):
            yield row + [content(number, row) for _, content in added]

    return written(rows())


def _texts(options: Options, name: str) -> list[tuple[str, str]]:
    given = options.get(name) or {}
    for key, value in given.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise UsageError(f"options.{name} must have names of columns and texts")
    return sorted(given.items())


Content = Callable[[int, list[str]], str]


def _content(table: Table, what: str) -> Content:
    """Return what computes a new field from the number and the fields of its row.

    `a * b`, where one is a column and the other one too, or a number, is calculated; anything
    else is the text itself.
    """
    parts = _CALCULATION.fullmatch(what)
    if parts is None:
        return lambda number, row: what
    names = [parts[1], parts[3]]
    if not any(name in table.header for name in names) or not all(
        name in table.header or number_in(name) is not None for name in names
    ):
        return lambda number, row: what
    left, right = (_operand(table, name) for name in names)
    sign = parts[2]

    def calculated(number: int, row: list[str]) -> str:
        a, b = left(number, row), right(number, row)
        if a is None or b is None:
            return ""
        if sign == "/" and not b:
            raise UsageError(f"row {number}: {what!r:.200} divides by zero")
        result = {"*": a * b, "+": a + b, "-": a - b}[sign] if sign != "/" else a / b
        return f"{result:.2f}"

    return calculated


def _operand(table: Table, name: str) -> Callable[[int, list[str]], float | None]:
    """Return what gives the number of a row that a column or a numeral means."""
    if name not in table.header:
        constant = number_in(name)
        return lambda number, row: constant
    column = table.column(name)

    def found(number: int, row: list[str]) -> float | None:
        field = row[column].strip()
        value = number_in(field)
        if value is None and field:
            raise UsageError(f"row {number}: {field!r:.200} in column {name:.100} is no number")
        return value

    return found


# Rules --------------------------------------------------------------------------------------

Problem = Callable[[str], str | None]


def _validate(table: Table, options: Options) -> dict[str, Any]:
    rules = [
        (name, table.column(name), _rule(name, rule)) for name, rule in _texts(options, "rules")
    ]
    errors: list[dict[str, Any]] = []
    count = total = 0
    for number, row in enumerate(table.rows(), 1):
        total = number
        for name, column, problem in rules:
            error = problem(row[column])
            if error is None:
                continue
            count += 1
            if count <= _MAX_LISTED_ERRORS:
                value = row[column][:_SHOWN]
                errors.append({"row": number, "column": name, "value": value, "error": error})
    return {"valid": not count, "errors": errors, "total_rows": total, "error_count": count}


def _rule(column: str, rule: str) -> Problem:
    if rule == "email":
        return lambda field: None if is_email(field) else "Invalid email format"
    parts = _RANGE.fullmatch(rule)
    least = number_in(parts[1]) if parts else None
    most = number_in(parts[2]) if parts else None
    if least is None or most is None:
        raise UsageError(
            f"options.rules.{column:.100}: there is no rule {rule!r:.100}. Allowed are: email, "
            "range:MIN-MAX, e.g. range:0-120"
        )

    def problem(field: str) -> str | None:
        number = number_in(field.strip())
        if number is None:
            return "Value is not a valid number"
        if least <= number <= most:
            return None
        return f"Value {number:g} is outside range {least:g}-{most:g}"

    return problem


OPERATIONS: dict[str, Callable[[Table, Options], Any]] = {
    "analyze": _analyze,
    "convert": _convert,
    "filter": _filter,
    "sample": _sample,
    "transform": _transform,
    "validate": _validate,
}
