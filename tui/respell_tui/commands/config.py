"""`respell config`: which settings hold, who set them, and whether the files make sense."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from respell import config as configuration
from respell.config import Config, Place
from respell.config_file import KEYS, VARS
from respell.errors import ConfigError
from respell.secrecy import MASK, without_secrets
from respell.setting import NONE
from respell_tui.context import Command
from respell_tui.describe import count
from respell_tui.output import Column, table

INVALID = ConfigError.exit_code


def show(command: Command) -> int:
    """Show every setting with its value and where that comes from."""
    config = command.config
    rows = [_described(config, setting) for setting in configuration.describe()]
    shown = without_secrets(dict(config.vars), by_name=True, mask=MASK)
    rows += [
        {"key": f"{VARS}.{name}", "value": value, **_source(config, f"{VARS}.{name}")}
        for name, value in shown.items()
    ]
    rows += [
        {"key": f"{KEYS}.{name}", "value": list(keys), **_source(config, f"{KEYS}.{name}")}
        for name, keys in config.keys.items()
    ]
    if command.args.json:
        command.out.json(rows)
        return 0
    out = command.out
    lines = []
    for row in rows:
        is_set = row["source"] != "default"
        key = out.paint(row["key"], "bold") if is_set else row["key"]
        lines.append([key, _toml(row["value"]), str(config.origin(row["key"]))])
    table(out, [Column("setting"), Column("value", least=12), Column("from", least=12)], lines)
    return 0


def _described(config: Config, setting: configuration.Setting) -> dict[str, Any]:
    value = config.get(setting.key)
    if setting.key == "session.storage_path":
        value = str(config.store_folder())
    return {
        "key": setting.key,
        "value": without_secrets(value, mask=MASK),
        "default": setting.default,
        **_source(config, setting.key),
        "type": setting.type,
        "environment": setting.environment[0],
        "description": setting.doc,
    }


def _source(config: Config, key: str) -> dict[str, Any]:
    origin = config.origin(key)
    return {
        "source": origin.kind,
        "file": origin.file or None,
        "line": origin.line or None,
        "variable": origin.variable or None,
    }


def _toml(value: Any) -> str:
    """Return a value as `respell.toml` has it, on one line."""
    return NONE if value is None else json.dumps(value, ensure_ascii=False)


def validate(command: Command) -> int:
    """Say whether files and environment make sense, and what in them does not count."""
    try:
        config = command.config
        check_ui(config)
    except ConfigError as error:
        if not command.args.json:
            raise
        command.out.json({"valid": False, "problems": list(error.problems), "warnings": []})
        return INVALID
    warnings = [*config.warnings, *_unknown_tools(config)]
    if command.args.json:
        command.out.json({"valid": True, "problems": [], "warnings": warnings})
        return 0
    for warning in warnings[len(config.warnings) :]:
        command.err.line("respell: ", warning)
    read = [str(place.path) for place in config.places if place.exists]
    command.out.line("valid: " + (", ".join(read) if read else "there is no file"))
    return 0


def check_ui(config: Config) -> None:
    """Check what the terminal UI reads.

    Raises:
        ConfigError: There is no such theme, action or key; says where that stands.
    """
    from respell_tui.actions.keys import Keys
    from respell_tui.theme import textual_name

    try:
        textual_name(config.ui.theme)
    except ConfigError as error:
        raise ConfigError(f"{config.origin('ui.theme')}: {error}") from None
    for name, keys in config.keys.items():
        try:
            Keys({name: keys})
        except ConfigError as error:
            raise ConfigError(f"{config.origin(f'{KEYS}.{name}')}: {error}") from None
    Keys(config.keys)


def _unknown_tools(config: Config) -> list[str]:
    """Return a sentence for each tool that is switched off and is not there at all."""
    if not config.tools.disabled:
        return []
    from respell.tools import ToolRegistry

    known = ToolRegistry().names()
    where = config.origin("tools.disabled")
    return [
        f"{where}: tools.disabled names {name!r}, which is no tool here"
        for name in config.tools.disabled
        if name not in known
    ]


def path(command: Command) -> int:
    """Show where files are looked for, the weakest first."""
    places, problems = configuration.places()
    if not problems:
        _ = command.config  # tells what does not count
    _point_at(command, problems)
    if command.args.json:
        command.out.json(
            [
                {"role": it.role, "path": str(it.path), "counts": it.exists, "trusted": it.trusted}
                for it in places
            ]
        )
        return 0
    columns = [Column("file"), Column("path"), Column("", least=12)]
    table(command.out, columns, [[it.role, str(it.path), _state(it)] for it in places])
    return 0


def _point_at(command: Command, problems: Sequence[str]) -> None:
    """Say that something makes no sense, and which command tells what."""
    if problems:
        command.err.line(
            f"respell: the configuration has {count(len(problems), 'mistake')}; see: ",
            command.respell("config", "validate"),
        )


def _state(place: Place) -> str:
    if not place.exists:
        return "not there" if not place.path.is_file() else "does not count"
    return "counts" if place.trusted else "counts where it makes things stricter"
