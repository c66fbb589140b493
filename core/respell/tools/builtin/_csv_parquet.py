"""CSV to Parquet; a module of its own, as its library is large and not always installed."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

from respell.tools.builtin._csv_statistics import kind_of, type_of_kinds
from respell.tools.builtin._csv_table import Table

# A process that has threads can't be confined, and its allocator starts one when imported.
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"

import pyarrow
import pyarrow.parquet

_TRUE = frozenset({"true", "yes", "y"})
_TYPES: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "integer": (pyarrow.int64(), int),
    "float": (pyarrow.float64(), float),
    "boolean": (pyarrow.bool_(), lambda text: text.lower() in _TRUE),
}


def run(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the CSV of a payload of `_csv_operations.run` as Parquet in base64.

    Raises:
        UsageError: The CSV is wrong; says what.
    """
    pyarrow.set_cpu_count(1)
    table = Table.of(payload["input"], payload["options"].get("delimiter"))
    columns: list[list[str]] = [[] for _ in table.header]
    for row in table.rows():
        for column, field in zip(columns, row, strict=True):
            column.append(field)
    arrays = [_array(column) for column in columns]
    out = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, names=table.header), out)
    data = out.getvalue().to_pybytes()
    return {
        "encoding": "base64",
        "data": base64.b64encode(data).decode(),
        "size_bytes": len(data),
    }


def warm_up() -> None:
    """Let the library load what it loads late; see `confinement.call`."""
    run({"input": "a,b\n1,x\n", "options": {}})


def _array(fields: list[str]) -> Any:
    """Return a column in its own type; blank fields are null, unless it is of text."""
    texts = [field.strip() for field in fields]
    kind = type_of_kinds({kind_of(text) for text in texts if text})
    if kind not in _TYPES:
        return pyarrow.array(fields, pyarrow.string())
    arrow_type, convert = _TYPES[kind]
    return pyarrow.array([convert(text) if text else None for text in texts], arrow_type)
