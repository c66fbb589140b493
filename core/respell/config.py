"""The configuration: which settings hold, and who said so.

The weakest first: the defaults, the user's own `respell.toml` in the platform's folder for
configuration, the `respell.toml` of the project (in the working directory or the nearest folder
above it), the environment. `RESPELL_CONFIG` names one file to be read instead of both.

A project's file may have come with somebody else's files. Unless its folder is trusted, it can
make things stricter but never wider: see `from_project` of each setting in `respell.settings`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from respell import settings
from respell.config_file import KEYS, NAME, VARS, ConfigFile, Given, read, set_value
from respell.errors import ConfigError, UsageError
from respell.setting import Setting, added, lower, rates_by_name, rates_listed, slower
from respell.settings import Settings, describe

if TYPE_CHECKING:
    from respell.security import Permissions

__all__ = [
    "CONFIG", "NAME", "Config", "Origin", "Place", "Setting", "default", "describe", "load",
    "set_value",
]  # fmt: skip

CONFIG = "RESPELL_CONFIG"
"""The variable that names a file to be read instead of the user's and the project's."""

_STORAGE = "session.storage_path"
_TRUSTED = "security.trusted"
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Origin:
    """Who set a value.

    Attributes:
        kind: `default`, `file`, `environment` or `option`.
        file: The file, absolute.
        line: The line in it.
        variable: The environment variable, or the option of the command line.
    """

    kind: Literal["default", "file", "environment", "option"] = "default"
    file: str = ""
    line: int = 0
    variable: str = ""

    def __str__(self) -> str:
        if self.kind == "file":
            return f"{self.file}:{self.line}"
        return self.variable or "default"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is looked for.

    Attributes:
        role: `user`, `project` or `chosen` (by `RESPELL_CONFIG`, or a path that was given).
        path: The file, absolute.
        exists: Whether it is there and counts.
        trusted: Whether all that it says counts.
    """

    role: Literal["user", "project", "chosen"]
    path: Path
    exists: bool
    trusted: bool = True


@dataclass(frozen=True)
class Config(Settings):
    """The settings that hold; never changes. `config.session.limits.operations` and so on.

    Attributes:
        vars: The table `[vars]`: values of any names, for scripts.
        keys: The table `[keys]`: the keys of actions of the terminal UI, by the action's id.
        origins: Who set what, by key; what has the default is not in it.
        places: Where files were looked for, the weakest first.
        warnings: What of a project's file does not count, and why; a sentence each.
    """

    vars: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    places: Sequence[Place] = ()
    warnings: Sequence[str] = ()

    def get(self, key: str) -> Any:
        """Return the value of a setting, or of a whole table as a dict.

        Args:
            key: A dotted path, e.g. `session.limits.operations` or `session`.

        Raises:
            ConfigError: There is no such setting; names the nearest.
        """
        value: Any = self
        if key not in settings.sections():
            settings.find(key)
        for part in key.split("."):
            value = getattr(value, part)
        return _table(value)

    def origin(self, key: str) -> Origin:
        """Return who set the value of a key."""
        return self.origins.get(key, Origin())

    def project_of_store(self) -> str | None:
        """Return the folder of the project whose file chose the store, if nobody trusts it."""
        chosen_by = self.origin(_STORAGE).file
        for place in self.places:
            if not place.trusted and chosen_by == str(place.path):
                return os.path.realpath(place.path.parent)
        return None

    def permissions(self, given: Permissions) -> Permissions:
        """Return what a new session may do that is given these permissions."""
        paths = [place.path for place in self.places if place.exists]
        # What is called respell.toml needs no rule: no script writes such a file.
        files = [f"write={os.path.realpath(path)}" for path in paths if path.name != NAME]
        rules = given.on_top_of(self.security.allow, [*self.security.deny, *files])
        return replace(rules, sessions=self.security.sessions)

    def for_scripts(self, path: str) -> Any:
        """Return what a script gets for a dotted path; None where there is nothing.

        What has the name or the look of a secret is left out, wherever it stands.
        """
        from respell.secrecy import without_secrets

        more = {VARS: without_secrets(dict(self.vars), by_name=True)}
        value: Any = without_secrets(_table(self)) | more
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def store_folder(self) -> Path:
        """Return the folder that sessions are kept in."""
        if self.session.storage_path:
            return Path(self.session.storage_path)
        from platformdirs import user_data_path

        return user_data_path("respell", appauthor=False)

    def store_options(self) -> dict[str, Any]:
        """Return the arguments besides the folder that `respell.Store` is opened with."""
        return {
            "durability": self.session.durability,
            "compress": self.session.artifact_compression,
            "audit": self.security.audit,
        }


@cache
def default() -> Config:
    """Return the configuration where nobody has said anything."""
    return Config()


def load(
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
) -> Config:
    """Return the configuration that holds here.

    Args:
        path: One file to read instead of the user's and the project's; it counts in full.
        environ: The environment; None for that of this process.
        cwd: The working directory; None for that of this process.
        store: The folder of the store, where an option names it: stronger than all else.

    Raises:
        ConfigError: A file can't be read, or something in a file or in the environment makes
            no sense; names file and line (or variable), what is allowed and the nearest key.
    """
    environ = os.environ if environ is None else environ
    here = Path.cwd() if cwd is None else Path(cwd).absolute()
    loading = _Loading(environ, here, store)
    chosen = os.fspath(path) if path is not None else environ.get(CONFIG)
    if chosen:
        loading.take_chosen(here / Path(chosen).expanduser())
    else:
        loading.take_found()
    return loading.done()


def places(
    environ: Mapping[str, str] | None = None, cwd: str | os.PathLike[str] | None = None
) -> tuple[Sequence[Place], Sequence[str]]:
    """Return where files are looked for, and what is wrong in them or in the environment.

    Unlike `load` it also works where something makes no sense.

    Args:
        environ: The environment; None for that of this process.
        cwd: The working directory; None for that of this process.
    """
    environ = os.environ if environ is None else environ
    loading = _Loading(environ, Path.cwd() if cwd is None else Path(cwd).absolute(), None)
    try:
        if chosen := environ.get(CONFIG):
            loading.take_chosen(loading.here / Path(chosen).expanduser())
        else:
            loading.take_found()
        made = loading.done()
    except ConfigError as error:
        return loading.places, error.problems
    return made.places, ()


def user_file() -> Path:
    """Return where the user's own file is, or would be."""
    from platformdirs import user_config_path

    return user_config_path("respell", appauthor=False) / NAME


class _Loading:
    """Puts a configuration together, from its weakest layer to its strongest."""

    def __init__(
        self, environ: Mapping[str, str], here: Path, store: str | os.PathLike[str] | None
    ) -> None:
        self.here = here
        self._values: dict[str, Any] = {}
        self._origins: dict[str, Origin] = {}
        self._vars: dict[str, Any] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        self.places: list[Place] = []
        self._warnings: list[str] = []
        self._problems: list[str] = []
        self._environment = self._of_environment(environ)
        if store is not None:
            folder = str(here / Path(store).expanduser())
            self._environment[_STORAGE] = folder, Origin("option", variable="--store")

    def take_chosen(self, path: Path) -> None:
        """Take the one file that somebody chose."""
        self.places.append(Place("chosen", path, exists=True))
        self._take_in_full(self._read(path))

    def take_found(self) -> None:
        """Take the user's file and the project's, where there are such."""
        path = user_file()
        exists = path.is_file()
        self.places.append(Place("user", path, exists))
        if exists:
            self._take_in_full(self._read(path))
        found = next(_candidates(self.here), None)
        if found is None:
            self.places.append(Place("project", self.here / NAME, exists=False))
        elif not (exists and found.samefile(path)):
            self._take_project(found)

    def _take_project(self, path: Path) -> None:
        owner = path.stat().st_uid
        if owner not in (os.getuid(), 0):
            self.places.append(Place("project", path, exists=False, trusted=False))
            self._warnings.append(
                f"{path} does not count, because it belongs to another user ({owner}); "
                f"{CONFIG}={path} makes it count"
            )
            return
        trusted, _ = self._environment.get(_TRUSTED, (self._values.get(_TRUSTED, ()), None))
        folder = os.path.realpath(path.parent)
        is_trusted = any(_is_below(folder, one) for one in trusted)
        self.places.append(Place("project", path, exists=True, trusted=is_trusted))
        if is_trusted:
            self._take_in_full(self._read(path))
        else:
            self._take_what_narrows(self._read(path), folder)

    def _read(self, path: Path) -> ConfigFile:
        """Read a file; one that is no TOML is a problem like others, and says nothing."""
        try:
            return read(path)
        except ConfigError as error:
            self._problems.extend(error.problems)
            return ConfigFile(path, {}, {}, ())

    def _take_in_full(self, file: ConfigFile) -> None:
        self._problems.extend(file.problems)
        for given, value in self._resolved(file):
            self._set(given.setting.key, value, Origin("file", str(file.path), given.line))
        self._take_vars(file)
        for name, keys in file.keys.items():
            self._keys[name] = keys.value
            self._origins[f"{KEYS}.{name}"] = Origin("file", str(file.path), keys.line)

    def _take_what_narrows(self, file: ConfigFile, folder: str) -> None:
        """Take what a file says that may be somebody else's."""
        self._problems.extend(file.problems)
        resolved = list(self._resolved(file))
        own_store = _STORAGE not in self._environment and any(
            given.setting.key == _STORAGE and value and _is_below(os.path.realpath(value), folder)
            for given, value in resolved
        )
        for given, wanted in resolved:
            setting = given.setting
            present = self._values.get(setting.key, setting.default)
            if setting.key == _STORAGE or setting.of_store:
                if setting.key in self._environment:
                    continue
                taken = wanted if own_store else present
            else:
                taken = setting.from_project(present, wanted)
            if taken != present:
                self._set(setting.key, taken, Origin("file", str(file.path), given.line))
            elif wanted != present and setting.from_project is not added:
                self._warnings.append(self._refusal(file.path, given))
        self._take_vars(file)
        if file.keys:
            self._warnings.append(
                f"{file.path}:{min(it.line for it in file.keys.values())}: [{KEYS}] does not "
                f"count: a key must not do what somebody else chose; put it into {user_file()}"
            )

    def _take_vars(self, file: ConfigFile) -> None:
        for name, given in file.vars.items():
            self._vars[name] = given.value
            self._origins[f"{VARS}.{name}"] = Origin("file", str(file.path), given.line)

    def _refusal(self, path: Path, given: Given) -> str:
        setting = given.setting
        if setting.key == _STORAGE:
            why = "it is a folder outside of the project"
        elif setting.of_store:
            why = f"the store is not one that the file chose ({_STORAGE})"
        elif setting.from_project in (lower, slower):
            why = "a limit holds that is lower"
        else:
            why = "scripts could do more"
        return (
            f"{path}:{given.line}: {setting.key} does not count: {why}, and the file may have "
            f"come with somebody else's project. To trust it, put its folder into {_TRUSTED} of "
            f"{user_file()}"
        )

    def _resolved(self, file: ConfigFile) -> Iterator[tuple[Given, Any]]:
        for given in file.given.values():
            try:
                yield given, _resolve(given.setting, given.value, file.path.parent)
            except UsageError as error:
                self._problems.append(f"{file.path}:{given.line}: {error}")

    def _of_environment(self, environ: Mapping[str, str]) -> dict[str, tuple[Any, Origin]]:
        found: dict[str, tuple[Any, Origin]] = {}
        for setting in describe():
            name = next((it for it in setting.environment if environ.get(it)), None)
            if name is None:
                continue
            try:
                value = _resolve(setting, setting.parse(environ[name]), self.here)
            except UsageError as error:
                self._problems.append(f"{name}: {error}")
            else:
                found[setting.key] = value, Origin("environment", variable=name)
        self._problems.extend(_misspelt(environ))
        return found

    def _set(self, key: str, value: Any, origin: Origin) -> None:
        self._values[key] = value
        self._origins[key] = origin

    def done(self) -> Config:
        """Return the whole, with the environment on top.

        Raises:
            ConfigError: Something made no sense; names all of it.
        """
        for key, (value, origin) in self._environment.items():
            self._set(key, value, origin)
        if self._problems:
            raise ConfigError(_one_message(self._problems), problems=self._problems)
        made = settings.make(self._values)
        return Config(
            **{it.name: getattr(made, it.name) for it in fields(Settings)},
            vars=self._vars,
            keys=self._keys,
            origins=self._origins,
            places=tuple(self.places),
            warnings=tuple(self._warnings),
        )


def _candidates(folder: Path) -> Iterator[Path]:
    for one in (folder, *folder.parents):
        path = one / NAME
        if path.is_file():
            yield path


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _resolve(setting: Setting, value: Any, folder: Path) -> Any:
    """Return a value with its relative paths made absolute.

    Raises:
        UsageError: A rule or a rate makes no sense.
    """
    if setting.kind == "path" and value:
        return str(folder / Path(value).expanduser())
    if setting.kind == "folders":
        return tuple(os.path.realpath(folder / Path(one).expanduser()) for one in value)
    if setting.kind == "rules" and value:
        from respell.rules import parse_flag

        return tuple(str(parse_flag(setting.key, one, str(folder))) for one in value)
    if setting.kind == "rates" and value:
        from respell.policies.limits import check_limits

        table = check_limits({"rate": rates_by_name(value)})["rate"]
        return rates_listed(table)
    return value


def _misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with variables that look like settings and are none."""
    known = {name for setting in describe() for name in setting.environment}
    prefixes = tuple(f"RESPELL_{it.name.upper()}_" for it in fields(Settings))
    for name in environ:
        if name.startswith(prefixes) and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"the environment variable {name} sets nothing{hint}"


def _one_message(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    lines = [f"  {problem}" for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"  … and {len(problems) - _SHOWN_PROBLEMS} more")
    return f"the configuration has {len(problems)} mistakes:\n" + "\n".join(lines)


def _table(value: Any) -> Any:
    """Return a table of settings as a dict; anything else as it is."""
    if not isinstance(value, Settings) and not hasattr(value, "__dataclass_fields__"):
        return value
    names = fields(Settings) if isinstance(value, Settings) else fields(value)
    return {it.name: _table(getattr(value, it.name)) for it in names}
