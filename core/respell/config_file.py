"""One `respell.toml`: reading it with the place of every key, and writing a key into it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from respell import settings
from respell.errors import ConfigError
from respell.setting import NONE, Setting, shown

NAME = "respell.toml"
VARS = "vars"
KEYS = "keys"
MAX_BYTES = 128 << 10
MAX_LINE = 2_000  # a key of very many parts keeps the parser busy for minutes

_MAX_DEPTH = 32
_MAX_PLACED = 8  # parts of a key; what is deeper is said to stand where its table does
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
# What has to be known about valid TOML to find where its keys stand.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    "|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    "|'[^'\n]*'"
    r"|#[^\n]*|[\[\]{}=]|\n",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Given:
    """One setting as a file has it.

    Attributes:
        setting: Which one.
        value: The value, checked.
        line: Where it stands.
    """

    setting: Setting
    value: Any
    line: int


@dataclass(frozen=True, slots=True)
class Var:
    """One value of the table `[vars]`.

    Attributes:
        value: The value, as scripts get it.
        line: Where it stands.
    """

    value: Any
    line: int


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What one file says.

    Attributes:
        path: The file, absolute.
        given: Its settings by key.
        vars: Its table `[vars]`.
        keys: Its table `[keys]`: of each action of the terminal UI the keys, as a tuple.
        problems: What is wrong with it, `FILE:LINE: …` each; what is wrong is not in `given`.
    """

    path: Path
    given: Mapping[str, Given]
    vars: Mapping[str, Var]
    problems: tuple[str, ...]
    keys: Mapping[str, Var] = field(default_factory=dict)


def read(path: Path) -> ConfigFile:
    """Read a file; what is wrong in it is in its `problems`.

    Raises:
        ConfigError: It can't be read, or is no TOML; says where.
    """
    import tomllib  # ten times as quick as tomlkit, which is for writing

    text = _text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{_broken(path, text, str(error))}") from None
    except RecursionError:
        raise ConfigError(f"{path}: it is nested too deep") from None
    lines = _lines_of_keys(text)
    given: dict[str, Given] = {}
    problems: list[str] = []
    for keys, value in _leaves(document):
        key = ".".join(keys)
        line = _line_of(lines, keys)
        try:
            setting = _found(key, value)
            given[key] = Given(setting, setting.check(value), line)
        except ConfigError as error:
            problems.append(f"{path}:{line}: {error}")
    extra = document.get(VARS, {})
    for keys, trouble in _unfit(extra, (VARS,)):
        problems.append(f"{path}:{_line_of(lines, keys)}: {'.'.join(keys)} {trouble}")
    variables = {}
    if not problems:
        for name, value in extra.items():
            variables[name] = Var(_plain(value), _line_of(lines, (VARS, name)))
    bound: dict[str, Var] = {}
    for name, value in _flat(document.get(KEYS, {})):
        line = _line_of(lines, (KEYS, *name.split(".")))
        words = (value,) if isinstance(value, str) else value
        if isinstance(words, list | tuple) and all(isinstance(it, str) and it for it in words):
            bound[name] = Var(tuple(words), line)
        else:
            problems.append(
                f"{path}:{line}: {KEYS}.{name} must be a key, as text, or a list of such, not "
                f"{shown(value)}"
            )
    return ConfigFile(path, given, variables, tuple(problems), bound)


def _flat(table: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is in a table and those below it, by dotted names."""
    for name, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _text(path: Path) -> str:
    if str(path) == os.devnull:
        return ""
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is no file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES >> 10} KiB: no file of settings")
    for number, line in enumerate(data.split(b"\n"), 1):
        if len(line) > MAX_LINE:
            raise ConfigError(f"{path}:{number}: the line is longer than {MAX_LINE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{place}: it is not UTF-8 text") from None


def _broken(path: Path, text: str, message: str) -> str:
    """Return `FILE:LINE:COLUMN: what is wrong`."""
    place = _PLACE.search(message)
    line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    if place is not None and place[1]:
        line, column = int(place[1]), int(place[2])
    return f"{path}:{line}:{column}: it is no TOML: {_PLACE.sub('', message)}"


def _leaves(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Yield the path and the value of all that should be settings."""
    for key, value in table.items():
        path = (*above, key)
        if path in ((VARS,), (KEYS,)) and isinstance(value, dict):
            continue
        if isinstance(value, dict) and ".".join(path) in settings.sections():
            yield from _leaves(value, path)
        else:
            yield path, value


def _found(key: str, value: Any) -> Setting:
    if key in (VARS, KEYS):
        raise ConfigError(f"{key} must be a table, not {shown(value)}")
    if key in settings.sections():
        raise ConfigError(f"{key} must be a table, [{key}], not {shown(value)}")
    if isinstance(value, dict) and key not in settings.by_key():
        raise ConfigError(f"there is no table [{key:.80}]{settings.nearest(key)}")
    return settings.find(key)


# Values of scripts -------------------------------------------------------------------------


def _unfit(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and trouble of what no script could be given."""
    if len(keys) > _MAX_DEPTH:
        yield keys[:2], f"is nested deeper than {_MAX_DEPTH} tables"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _unfit(item, (*keys, key))
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _unfit(item, (*keys, str(number)))
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield keys, "must be an integer of 64 bits"


def _plain(value: Any) -> Any:
    """Return a value as scripts get it: dates and times as text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float) else value.isoformat()


# Where keys stand --------------------------------------------------------------------------


def _line_of(lines: Mapping[tuple[str, ...], int], keys: tuple[str, ...]) -> int:
    for depth in range(len(keys), 0, -1):
        if keys[:depth] in lines:
            return lines[keys[:depth]]
    return 1


def _lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    """Return the line of every key and table of valid TOML; not of those in inline tables."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for line, head, is_table in _statements(text):
        keys = _parts(head)
        if is_table:
            table = keys
        path = table if is_table else (*table, *keys)
        for depth in range(1, min(len(path), _MAX_PLACED) + 1):
            lines.setdefault(path[:depth], line)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line, key and whether it is a table's header, for each statement."""
    line, start, depth = 1, 0, 0
    equals: int | None = None
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word == "=" and depth == 0 and equals is None:
            equals = token.start()
            head = text[start:equals].strip()
            yield line, head, False
        elif word in "[{":
            depth += 1
        elif word in "]}":
            depth -= 1
            if depth == 0 and equals is None:
                yield line, text[start : token.end()].strip().strip("[]"), True
                equals = token.end()
        elif word == "\n" and depth == 0:
            start, equals = token.end(), None
        line += word.count("\n")


def _parts(head: str) -> tuple[str, ...]:
    """Return the parts of a key such as `a."b.c".d`, which may have a comment above it."""
    import tomllib

    try:
        found = tomllib.loads(f"{head.rpartition(chr(10))[2].strip()} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(found, dict):
        ((key, found),) = found.items()
        parts.append(key)
    return tuple(parts)


# Writing -----------------------------------------------------------------------------------


def set_value(path: Path | str, key: str, value: Any) -> None:
    """Write one setting into a file; comments and order of all others stay.

    Args:
        path: The file; it is made where there is none.
        key: The setting's dotted path.
        value: Its new value.

    Raises:
        ConfigError: There is no such setting, the value is none for it, the file has
            mistakes, or it can't be written.
    """
    checked = settings.find(key).check(value)
    target = Path(os.path.realpath(Path(path).expanduser()))
    text = ""
    if target.exists():
        if problems := read(target).problems:
            raise ConfigError(problems[0])
        text = _text(target)
    plain = list(checked) if isinstance(checked, tuple) else value
    _replace(target, _written(text, key.split("."), NONE if plain is None else plain, target))
    from respell.hooks.telling import tell  # most who read settings write none

    tell("ConfigurationChange", {"file": str(target), "key": key, "value": plain}, component=key)


def _written(text: str, keys: list[str], value: Any, target: Path) -> str:
    """Return a file's text with one value changed."""
    import tomllib

    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    *above, name = keys
    expected = tomllib.loads(text)
    inner = expected
    for part in above:
        inner = inner.setdefault(part, {})
    inner[name] = value
    # Below a table that is written inline or with dotted keys, a table of its own is no TOML.
    for inline in (False, True):
        document: Any = tomlkit.parse(text)
        table = document
        try:
            for part in above:
                if part not in table:
                    deeper = part is not above[-1]
                    table[part] = tomlkit.inline_table() if inline else tomlkit.table(deeper)
                table = table[part]
            table[name] = value
        except (TOMLKitError, ValueError):
            continue
        written = tomlkit.dumps(document)
        if _reads(written, expected):
            return written
    raise ConfigError(
        f"{'.'.join(keys)} can't be written into {target} without changing the rest; "
        f"write it by hand: {'.'.join(keys)} = {tomlkit.item(value).as_string()}"
    )


def _reads(text: str, expected: dict[str, Any]) -> bool:
    import tomllib

    try:
        return tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        return False


def _replace(target: Path, text: str) -> None:
    """Write the file, whole or not at all."""
    import tempfile

    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "wb", dir=target.parent, prefix=f".{NAME}.", delete=False
        ) as file:
            temporary = file.name
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise ConfigError(f"can't write {target}: {error.strerror}") from None
