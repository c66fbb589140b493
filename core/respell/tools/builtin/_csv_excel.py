"""CSV to a spreadsheet."""

from __future__ import annotations

import base64
import io
from typing import Any

from respell.errors import UsageError
from respell.tools.builtin._csv_table import Table, number_in

MAX_ROWS = 1_048_576
_MAX_TEXT = 32_767
# Texts stay texts: a field that begins with = would be a formula wherever it is opened.
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def workbook(table: Table) -> dict[str, Any]:
    """Return a spreadsheet as base64: numbers as numbers, everything else as text.

    Raises:
        UsageError: There is more than a spreadsheet can hold.
    """
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, _OPTIONS) as book:
        sheet = book.add_worksheet()
        for column, name in enumerate(table.header):
            sheet.write_string(0, column, _fitting(name, 0))
        for number, row in enumerate(table.rows(), 1):
            if number >= MAX_ROWS:
                raise UsageError(f"a spreadsheet can't have more than {MAX_ROWS - 1} rows")
            for column, field in enumerate(row):
                value = number_in(field)
                if value is None:
                    sheet.write_string(number, column, _fitting(field, number))
                else:
                    sheet.write_number(number, column, value)
    data = out.getvalue()
    return {
        "encoding": "base64",
        "data": base64.b64encode(data).decode(),
        "size_bytes": len(data),
    }


def _fitting(text: str, row: int) -> str:
    if len(text) > _MAX_TEXT:
        raise UsageError(
            f"row {row} has a field of {len(text)} characters; a spreadsheet holds {_MAX_TEXT}"
        )
    return text
