"""What csv_analyzer says of a table and its columns."""

from __future__ import annotations

import math
import re
from array import array
from datetime import date, datetime
from typing import Any

from respell.tools.builtin._csv_table import Table, number_in

_INT64 = 2**63
_SAMPLES = 5
_SHOWN = 1000  # characters of a value
_MAX_LISTED_ERRORS = 10
_BOOLEANS = frozenset({"true", "false", "yes", "no", "y", "n"})
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.A)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.A)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.A)


def analysis(table: Table) -> dict[str, Any]:
    """Return row and column counts, form, and statistics of each column."""
    columns = [Column(name) for name in table.header]
    errors: list[str] = []
    wrong = row_count = 0
    for number, row in enumerate(table.all_rows(), 1):
        problem = table.problem_with(number, row)
        if problem:
            wrong += 1
            if wrong <= _MAX_LISTED_ERRORS:
                errors.append(problem)
            continue
        row_count += 1
        for column, field in zip(columns, row, strict=True):
            column.add(field)
    if wrong > _MAX_LISTED_ERRORS:
        errors.append(f"... {wrong - _MAX_LISTED_ERRORS} more errors omitted")
    return {
        "row_count": row_count,
        "column_count": len(columns),
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "has_headers": True,
        "columns": [column.statistics() for column in columns],
        "file_size_bytes": len(table.text.encode(errors="surrogatepass")),
        "parse_errors": errors,
    }


class Column:
    """Statistics of one column; blank fields are null.

    Args:
        name: Of the column.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._nulls = 0
        self._kinds: set[str] = set()
        self._values: set[str] = set()
        self._samples: list[str] = []
        self._numbers = array("d")
        self._least: tuple[float, str] | None = None
        self._most: tuple[float, str] | None = None

    def add(self, field: str) -> None:
        """Count one field."""
        text = field.strip()
        if not text:
            self._nulls += 1
            return
        kind = kind_of(text)
        self._kinds.add(kind)
        self._values.add(field)
        if len(self._samples) < _SAMPLES:
            self._samples.append(field[:_SHOWN])
        if kind in ("integer", "float"):
            number = float(text)
            self._numbers.append(number)
            if self._least is None or number < self._least[0]:
                self._least = (number, field)
            if self._most is None or number > self._most[0]:
                self._most = (number, field)

    @property
    def data_type(self) -> str:
        """What all fields are; `mixed` when they are of several kinds."""
        return type_of_kinds(self._kinds)

    def statistics(self) -> dict[str, Any]:
        """Return what v0.6.0 said of a column."""
        found: dict[str, Any] = {
            "name": self._name,
            "data_type": self.data_type,
            "null_count": self._nulls,
            "unique_count": len(self._values),
            "min_value": None,
            "max_value": None,
            "mean": None,
            "median": None,
            "std_dev": None,
            "sample_values": self._samples,
        }
        if self._least and self._most and self.data_type in ("integer", "float"):
            found["min_value"], found["max_value"] = self._least[1], self._most[1]
            found.update(_of_numbers(self._numbers))
        elif self._values:
            found["min_value"] = min(self._values)[:_SHOWN]
            found["max_value"] = max(self._values)[:_SHOWN]
        return found


def _of_numbers(numbers: array[float]) -> dict[str, float | None]:
    found: dict[str, float | None] = {"median": _median(numbers)}
    try:
        mean = math.fsum(numbers) / len(numbers)
        variance = math.fsum((number - mean) ** 2 for number in numbers) / len(numbers)
    except OverflowError:  # beyond the largest float
        return found
    return {**found, "mean": mean, "std_dev": math.sqrt(variance)}


def _median(numbers: array[float]) -> float:
    ordered = sorted(numbers)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low / 2 + high / 2


def kind_of(text: str) -> str:
    """Return what one field is, without blanks around it."""
    if _INTEGER.fullmatch(text) and -_INT64 <= int(text) < _INT64:
        return "integer"
    if number_in(text) is not None:
        return "float"
    if text.lower() in _BOOLEANS:
        return "boolean"
    try:
        if _DATE.fullmatch(text):
            date.fromisoformat(text)
            return "date"
        if _DATE_TIME.fullmatch(text):
            datetime.fromisoformat(text.upper())
            return "date_time"
    except ValueError:
        pass
    return "string"


def type_of_kinds(kinds: set[str]) -> str:
    """Return what a column with fields of these kinds is."""
    if not kinds:
        return "string"
    if kinds == {"integer", "float"}:
        return "float"
    return next(iter(kinds)) if len(kinds) == 1 else "mixed"
