"""What a script may do outside its session: files, network, processes, environment.

The most specific rule decides: one with a pattern before one for a whole kind, and of two
equally specific ones the denial. Without any rule: read below the script's folder and the
working directory, write below the working directory, any network, no processes, and the
environment variables in `ENVIRONMENT`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from respell.errors import PermissionDenied, UsageError
from respell.globs import has_wildcard, literal, path_matches
from respell.rules import (
    KINDS,
    Rule,
    canonical_host,
    host_matches,
    parse_flag,
    program_matches,
    split_flag,
)
from respell.secrecy import has_secret_name

__all__ = ["ENVIRONMENT", "KINDS", "Permissions", "Rule"]

# Environment variables that scripts and their processes get unless rules say otherwise.
ENVIRONMENT = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "NO_COLOR", "LANG",
    "LANGUAGE", "LC_*", "TZ", "TMPDIR", "TEMP", "TMP", "PWD", "OLDPWD",
)  # fmt: skip

# Read at the next start, so a script that writes it would give itself permissions.
_CONFIG_NAME = "respell.toml"
# Shows the host's environment and memory, so only a pattern opens it.
_KERNEL_FILES = "/proc"

# Characters: a refusal is read by a person, and recorded.
_SHOWN = 300
_LONGEST_FLAG = 1000

PathLike = str | bytes | os.PathLike[str]

Ask = Callable[[PermissionDenied], bool]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one session may do; never changes.

    Attributes:
        script_dir: The script's folder, absolute; empty for none.
        cwd: The working directory, absolute; relative paths start here. Empty for none.
        allow: Rules that open something.
        deny: Rules that close something.
        closed: Folders that no rule opens (the store).
        own: Folders of the session itself, open whatever the rules say.
        sessions: `created`: it also acts as sessions without program that it loads or
            resumes; `own`: only as itself and as those it created.
        ask: Asked before something is refused that a flag could allow; true lets it pass.
    """

    script_dir: str = ""
    cwd: str = ""
    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    closed: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    sessions: str = "created"
    ask: Ask | None = field(default=None, compare=False)

    @classmethod
    def from_flags(
        cls,
        allow: Sequence[str],
        deny: Sequence[str],
        script_dir: PathLike,
        cwd: PathLike,
        *,
        closed: Iterable[PathLike] = (),
    ) -> Permissions:
        """Return the permissions that flags describe.

        Args:
            allow: `KIND` or `KIND=PATTERN` each. Patterns: for read and write a path (with
                all below it) or a glob (`*` within a name, `**` across folders), relative
                ones from `cwd`; for network `HOST` or `HOST:PORT`, `*.example.com` too;
                for process a program's name or path; for env a name or a glob.
            deny: The same.
            script_dir: The script's folder.
            cwd: The working directory.
            closed: Folders that no rule may open (the store).

        Raises:
            UsageError: A kind or pattern makes no sense.
        """
        base = os.path.realpath(_text(cwd))
        return cls(
            script_dir=os.path.realpath(_text(script_dir)),
            cwd=base,
            allow=tuple(parse_flag("--allow", flag, base) for flag in allow),
            deny=tuple(parse_flag("--deny", flag, base) for flag in deny),
            closed=tuple(os.path.realpath(_text(folder)) for folder in closed),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a storable form; `own` folders are the session's and not part of it."""
        return {
            "script_dir": _storable(self.script_dir),
            "cwd": _storable(self.cwd),
            "allow": [_storable(str(rule)) for rule in self.allow],
            "deny": [_storable(str(rule)) for rule in self.deny],
            "closed": [_storable(folder) for folder in self.closed],
            "sessions": self.sessions,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Permissions:
        """Return the permissions that `to_dict` stored.

        Raises:
            UsageError: The data has a kind that is not known here.
        """

        def rules(name: str) -> tuple[Rule, ...]:
            return tuple(split_flag("stored", _text(flag)) for flag in data.get(name) or ())

        return cls(
            script_dir=_text(data["script_dir"]),
            cwd=_text(data["cwd"]),
            allow=rules("allow"),
            deny=rules("deny"),
            closed=tuple(_text(folder) for folder in data.get("closed") or ()),
            sessions=str(data.get("sessions", "created")),
        )

    def allowing(self, flag: str) -> Permissions:
        """Return these permissions with one more `--allow`, e.g. after a person agreed.

        Raises:
            UsageError: The flag makes no sense.
        """
        return replace(self, allow=(*self.allow, parse_flag("--allow", flag, self.cwd)))

    def on_top_of(self, allow: Iterable[str], deny: Iterable[str]) -> Permissions:
        """Return these permissions with rules that hold unless these say otherwise.

        What is denied here for a whole kind is not opened by any of them, and what is
        allowed here is not closed by a rule that says just the same.

        Args:
            allow: Rules in their final form, `KIND` or `KIND=PATTERN`.
            deny: The same.
        """
        closed = {rule.kind for rule in self.deny if rule.pattern is None}
        opened = [split_flag("allow", flag) for flag in allow]
        shut = [split_flag("deny", flag) for flag in deny]
        return replace(
            self,
            allow=(*self.allow, *(rule for rule in opened if rule.kind not in closed)),
            deny=(*self.deny, *(rule for rule in shut if rule not in self.allow)),
        )

    def with_own(self, folder: PathLike) -> Permissions:
        """Return these permissions with one more folder of the session's own."""
        return replace(self, own=(*self.own, os.path.realpath(_text(folder))))

    def without(self, folder: PathLike) -> Permissions:
        """Return these permissions with one more folder that no rule opens."""
        return replace(self, closed=(*self.closed, os.path.realpath(_text(folder))))

    def silent(self) -> Permissions:
        """Return these permissions for a look at what they are: nobody is asked."""
        return self if self.ask is None else replace(self, ask=None)

    def _refuse(self, error: PermissionDenied) -> None:
        """Raise the error, unless somebody who is asked allows it after all."""
        if self.ask is None or not error.flag or not self.ask(error):
            raise error

    # Files -------------------------------------------------------------------------------

    def resolve(self, path: PathLike, *, follow: bool = True) -> Path:
        """Return the absolute path, symlinks resolved as far as it exists; checks nothing.

        Args:
            path: What the script wrote.
            follow: If the last name is a symlink, mean what it leads to.

        Raises:
            UsageError: It has a NUL byte, which no path has.
        """
        text = _text(path)
        if "\0" in text:
            raise UsageError(f"a path can't have a NUL byte: {text!r}")
        whole = os.path.join(self.cwd, text)
        folder, name = os.path.split(whole.rstrip("/"))
        if follow or name in ("", ".", ".."):
            return Path(os.path.realpath(whole))
        return Path(os.path.realpath(folder), name)

    def check_read(self, path: PathLike, *, follow: bool = True) -> Path:
        """Return the resolved path, which is the one to open.

        Args:
            path: What the script wrote.
            follow: If the last name is a symlink, mean what it leads to.

        Raises:
            PermissionDenied: The script may not read it; names the flag.
        """
        return self._check_path("read", self.resolve(path, follow=follow))

    def check_write(self, path: PathLike, *, moves: bool = False) -> Path:
        """Return the resolved path, which is the one to write to.

        Args:
            path: What is to be written, created, removed or renamed.
            moves: It goes away from there, or to there, with all that is below it. A symlink
                then means itself, not what it leads to.

        Raises:
            PermissionDenied: The script may not write it; names the flag.
        """
        resolved = self._check_path("write", self.resolve(path, follow=not moves))
        shown = str(resolved)
        if resolved.name.casefold() == _CONFIG_NAME and Rule("write", shown) not in self.allow:
            self._refuse(
                _denied(
                    "writing", shown, "it decides what scripts may do", f"write={literal(shown)}"
                )
            )
        if moves and any(_below(folder, shown) for folder in self.closed):
            raise _denied("moving or removing", shown, "the session store is below it", "")
        return resolved

    def _check_path(self, kind: str, resolved: Path) -> Path:
        text = str(resolved)
        doing = "reading" if kind == "read" else "writing"
        defaults = (self.cwd, self.script_dir) if kind == "read" else (self.cwd,)
        if any(_below(text, folder) for folder in self.closed):
            raise _denied(doing, text, "it belongs to the session store", "")
        if any(_below(text, folder) for folder in self.own):
            return resolved
        verdict, reason = self._decide(kind, lambda pattern: path_matches(pattern, text))
        if verdict is None:
            verdict = any(_below(text, folder) for folder in defaults)
            below = " and ".join(folder for folder in dict.fromkeys(defaults) if folder)
            reason = f"scripts may by default below {below}" if below else "nothing is by default"
        if verdict and "=" not in reason and _below(text, _KERNEL_FILES):
            verdict, reason = False, f"{_KERNEL_FILES} is left out unless a pattern names it"
        if not verdict:
            self._refuse(_denied(doing, text, reason, f"{kind}={literal(text)}"))
        return resolved

    # The rest ----------------------------------------------------------------------------

    def check_network(self, host: str, port: int) -> None:
        """Make sure that the script may connect there.

        Rules are about the name as the script gave it; what it resolves to is not looked at.

        Args:
            host: A name or an address, without brackets.
            port: 1 to 65535.

        Raises:
            PermissionDenied: It may not; names the flag.
        """
        name = canonical_host(host)
        verdict, reason = self._decide("network", lambda p: host_matches(p, name, port))
        if verdict is False:
            shown = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
            # No host has these in its name, so no rule can mean this one alone.
            flag = "" if has_wildcard(name) else f"network={shown}"
            self._refuse(_denied("connecting to", shown, reason, flag))

    def check_process(self, program: str) -> str:
        """Return the path of the program to run, or its name where there is no such program.

        Args:
            program: A name to be found on PATH, or a path.

        Raises:
            PermissionDenied: The script may not run it; names the flag.
        """
        found = self._find(program)
        verdict, reason = self._decide(
            "process", lambda pattern: program_matches(pattern, program, found)
        )
        if not verdict:
            reason = reason or "scripts may not start processes by default"
            flag = f"process={literal(program)}" if program else ""
            self._refuse(_denied("running", program, reason, flag))
        return found or program

    def check_shell(self, command: str) -> None:
        """Make sure that the script may have a shell interpret a command.

        Rules with a pattern don't count: a shell runs anything.

        Raises:
            PermissionDenied: It may not; names the flag.
        """
        whole = [rule for rule in self.allow if rule == Rule("process")]
        denials = [rule for rule in self.deny if rule.kind == "process"]
        if not whole or denials:
            reason = f"--deny {denials[0]} forbids a shell" if denials else ""
            reason = reason or "it needs a shell, which can run anything"
            self._refuse(_denied("running", command, reason, "" if denials else "process"))

    def check_env(self, name: str) -> None:
        """Make sure that the script may see this environment variable.

        Raises:
            PermissionDenied: It may not; names the flag.
        """
        if not self._may_see(name):
            _, reason = self._decide("env", lambda pattern: fnmatchcase(name, pattern))
            if has_secret_name(name):
                reason = "its name looks like a secret's, and what a script reads is recorded"
            elif not reason.startswith("--deny"):
                reason = "scripts see " + " ".join(ENVIRONMENT)
            self._refuse(
                _denied("reading the environment variable", name, reason, f"env={literal(name)}")
            )

    def environment(self) -> dict[str, str]:
        """Return the environment that processes of the script get."""
        return {name: value for name, value in os.environ.items() if self._may_see(name)}

    def _may_see(self, name: str) -> bool:
        if Rule("env", name) in self.allow and Rule("env", name) not in self.deny:
            return True
        # Only a rule that spells the whole name opens a secret.
        if has_secret_name(name):
            return False
        verdict, _ = self._decide("env", lambda pattern: fnmatchcase(name, pattern))
        if verdict is None:
            return any(fnmatchcase(name, pattern) for pattern in ENVIRONMENT)
        return verdict

    def _find(self, program: str) -> str | None:
        if "/" in program:
            path = str(self.resolve(program))
            return path if os.access(path, os.X_OK) else None
        import shutil  # slow to import, and only needed where processes are allowed

        return shutil.which(program)

    def _decide(self, kind: str, matches: Callable[[str], bool]) -> tuple[bool | None, str]:
        """Return whether the rules allow it (None: they say nothing), and which one decided."""
        for specific in (True, False):
            for verdict, rules in ((False, self.deny), (True, self.allow)):
                for rule in rules:
                    if rule.kind != kind or (rule.pattern is not None) != specific:
                        continue
                    if rule.pattern is None or matches(rule.pattern):
                        return verdict, str(rule) if verdict else f"--deny {rule} forbids it"
        return None, ""


def _denied(doing: str, what: str, reason: str, flag: str) -> PermissionDenied:
    import shlex  # only needed here

    shown = what if len(what) <= _SHOWN else what[:_SHOWN] + "…"
    text = f"{doing} {shown} is not allowed: {reason}."
    if len(flag) > _LONGEST_FLAG:
        kind, _, _ = flag.partition("=")
        text += f" To allow it: --allow {kind}=PATTERN, with a pattern that matches it"
    else:
        text += f" To allow it: --allow {shlex.quote(flag)}" if flag else " No flag allows it."
    return PermissionDenied(text, flag=flag)


def _text(path: PathLike) -> str:
    return os.fsdecode(path)


def _storable(text: str) -> str | bytes:
    """Return a path for values to hold: bytes where it is not UTF-8."""
    return text if text.isascii() else os.fsencode(text)


def _below(path: str, folder: str) -> bool:
    """Return whether a path is that folder or lies in it; both absolute and resolved."""
    return bool(folder) and (path == folder or path.startswith(folder.rstrip("/") + "/"))
