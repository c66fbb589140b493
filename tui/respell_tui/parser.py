"""The commands of `respell`, their options and their help.

Nothing here imports what a command needs to do its work: `--help` has to be quick. A
command names the function that carries it out as `module:function`.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from respell._version import __version__

_Commands = Any  # argparse has no public name for what add_subparsers returns

ID_HELP = "an id, a unique prefix of 4 or more characters, a unique name, or @last"

_EPILOG = """\
examples:
  respell demo                        see it work: run, suspend, resume, replay
  respell run script.lua -- one two   run a script as a new session
  respell list                        what ran, and what waits for somebody
  respell resume @last --value true   answer what a session waits for
  respell replay @last                re-execute it: is it identical?

ID is an id, a unique prefix of 4 or more characters, a unique name, or @last.
Sessions live in the folder of --store, else of RESPELL_STORE, else of
respell.toml, else in the platform's data folder (`respell info` shows which).
`respell COMMAND --help` explains a command.
"""

_EXIT_CODES = """\
exit codes: 0 completed, 1 the script failed, 2 wrong usage,
3 suspended (also by Ctrl-C), 4 divergence, 5 a limit stopped it,
6 the store is busy, full, corrupt or too new
"""


def number(text: str) -> int:
    """Return a whole number that was typed as an option.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number such as 10") from None


def seconds(text: str) -> float:
    """Return a time in seconds that was typed as an option.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors look like all others of this program."""

    def refuse(self, unknown: Sequence[str], hint: str = "") -> NoReturn:
        """Say which words have no place here, and what they may have been meant to be."""
        options = [name for action in self._actions for name in action.option_strings]
        near = [
            found[0] for word in unknown if word.startswith("-")
            if (found := difflib.get_close_matches(word.partition("=")[0], options, n=1))
        ]  # fmt: skip
        meant = f"; did you mean {' '.join(near)}?" if near else hint
        self.error(f"there is no {' '.join(unknown)} here{meant}")

    def error(self, message: str) -> NoReturn:
        """Write one message and exit with 2."""
        self.exit(2, f"respell: {message}\nTry `{self.prog} --help`.\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        what = "/".join(action.option_strings) or f"unknown {str(action.metavar).lower()}"
        hint = f"choose one of {', '.join(choices)}"
        if str(value).endswith(".lua"):
            hint = f"did you mean `respell run {value}`?"
        elif near := difflib.get_close_matches(str(value), choices, n=1):
            hint = f"did you mean {near[0]}?"
        raise argparse.ArgumentError(None, f"{what} {str(value)!r}: {hint}")


def build() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="respell",
        description="Runs Lua scripts as durable sessions: suspend, resume, replay, fork, inspect.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"respell {__version__}")
    parser.add_argument("--store", metavar="PATH", help="the folder that sessions are kept in")
    parser.set_defaults(handler=None, store=None)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", parser_class=Parser
    )
    for add in (
        _running, _asking, _looking, _replaying, _debugging, _artifacts, _access, _lifecycle,
        _exchange, _care, _about,
    ):  # fmt: skip
        add(commands)
    return parser


def command_names(parser: Parser) -> list[str]:
    """Return the names of all commands."""
    return list(subcommands(parser))


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands below a parser by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def chosen(parser: Parser, args: argparse.Namespace) -> Parser:
    """Return the parser of the command that was typed; this one itself if there was none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and getattr(args, action.dest, None):
            below: Parser = action.choices[getattr(args, action.dest)]
            return chosen(below, args)
    return parser


def _add(
    commands: _Commands, name: str, handler: str, text: str, *, json: bool = False, more: str = ""
) -> Parser:
    parser: Parser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=more or None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(handler=f"respell_tui.commands.{handler}")
    _store_option(parser)
    if json:
        parser.add_argument("--json", action="store_true", help="JSON on standard output")
    return parser


def _store_option(parser: Parser) -> None:
    """Accept --store behind the command as well; SUPPRESS keeps it from undoing the one before."""
    parser.add_argument(
        "--store", metavar="PATH", default=argparse.SUPPRESS, help="the folder of the store"
    )


def _session(parser: Parser) -> None:
    parser.add_argument("id", metavar="ID", help=ID_HELP)


def _many(parser: Parser, option: str, metavar: str, text: str) -> None:
    parser.add_argument(option, metavar=metavar, action="append", default=[], help=text)


def _running(commands: _Commands) -> None:
    run = _add(
        commands, "run", "run:run", "runs a script as a new session", json=True,
        more="examples:\n  respell run report.lua -- one two\n"
        "  respell run report.lua --input '{\"path\": \"a.txt\"}' --limit operations=500\n"
        "  respell run fetch.lua --deny network --allow read=/etc/hosts\n\n" + _EXIT_CODES,
    )  # fmt: skip
    run.add_argument("script", metavar="SCRIPT", help="a Lua file")
    run.add_argument("--name", metavar="N", default="", help="the session's name")
    _many(run, "--tag", "T", "a tag; may be given several times")
    run.add_argument("--input", metavar="JSON", help="the value of the script's global `input`")
    run.add_argument(
        "--max-duration", metavar="S", help="seconds it may be active (--limit max_duration=S)"
    )
    _many(run, "--limit", "KEY=N", "stops it there: operations, tokens, rate.agent.request …")
    _many(run, "--allow", "KIND[=PATTERN]", "opens read, write, network, process or env")
    _many(run, "--deny", "KIND[=PATTERN]", "closes it")
    run.add_argument(
        "--detach", action="store_true", help="runs in the background; prints the session's id"
    )
    # What stands behind `--` is taken off before this parser sees it.
    run.usage = run.format_usage().removeprefix("usage: ").rstrip() + " [-- ARGS ...]"

    resume = _add(
        commands, "resume", "run:resume", "goes on with a session where it stood", json=True,
        more="examples:\n  respell resume @last --value '{\"approved\": true}'\n"
        "  respell resume 1b9d --retry 12\n"
        "  respell resume 1b9d --outcome 12='\"sent\"'\n  respell resume --due\n\n" + _EXIT_CODES,
    )  # fmt: skip
    resume.add_argument("id", metavar="ID", nargs="?", help=ID_HELP)
    resume.add_argument("--value", metavar="JSON", help="what Session.suspend() returns")
    resume.add_argument(
        "--script", metavar="FILE", help="goes on with another script, in a fork of the session"
    )
    _many(resume, "--limit", "KEY=N", "sets a limit anew; none takes it back")
    resume.add_argument(
        "--retry", metavar="N", nargs="?", action="append", default=[], const="",
        help="performs effect N, which is in doubt, again",
    )  # fmt: skip
    _many(resume, "--outcome", "N=JSON", "gives the outcome of effect N, which is in doubt")
    _many(resume, "--fail", "N=REASON", "makes effect N, which is in doubt, fail")
    resume.add_argument(
        "--due", action="store_true", help="resumes every session whose timer has come"
    )


def _asking(commands: _Commands) -> None:
    suspend = _add(commands, "suspend", "asking:suspend", "asks a running session to suspend")
    _session(suspend)
    suspend.add_argument(
        "--wait", metavar="S", type=seconds, help="waits up to S seconds until it has"
    )
    _session(_add(commands, "pause", "asking:pause", "withholds answers from a running session"))
    _session(_add(commands, "unpause", "asking:unpause", "lets a paused session go on"))
    limits = _add(
        commands, "limits", "limits:limits", "shows the limits of a session, or sets them anew",
        json=True, more="examples:\n  respell limits @last\n"
        "  respell limits @last --limit tokens=50000 --limit max_duration=none\n"
        "  respell limits 1b9d --limit rate.agent.request=60/min\n",
    )  # fmt: skip
    _session(limits)
    _many(limits, "--limit", "KEY=N", "sets it, also while the session runs; none takes it back")


def _looking(commands: _Commands) -> None:
    listing = _add(commands, "list", "sessions:list_", "lists sessions, newest first", json=True)
    listing.add_argument("--status", metavar="S", help="active, running, suspended, completed, …")
    _many(listing, "--tag", "T", "only those with this tag; all of them if given several times")
    listing.add_argument("--text", metavar="Q", help="only those whose name or description has it")
    listing.add_argument(
        "--sort", metavar="K", default="created_at",
        choices=("created_at", "updated_at", "name", "events", "artifacts", "status"),
        help="created_at, updated_at, name, events, artifacts or status",
    )  # fmt: skip
    listing.add_argument("--limit", metavar="N", type=number, help="at most N")

    show = _add(commands, "show", "sessions:show", "shows one session", json=True)
    _session(show)
    show.add_argument("--output", action="store_true", help="all its output instead")

    events = _add(
        commands, "events", "events:events", "shows the history of a session", json=True,
        more="with --json: JSON Lines, one event per line",
    )  # fmt: skip
    _session(events)
    events.add_argument("--from", metavar="N", dest="first", help="first event number")
    events.add_argument("--to", metavar="N", dest="last", help="last event number")
    events.add_argument(
        "--kind", metavar="K",
        choices=("effect", "output", "lifecycle", "hook", "limit", "edit", "note"),
        help="effect, output, lifecycle, hook, limit, edit or note",
    )  # fmt: skip
    events.add_argument(
        "--grep", metavar="Q", help="only those with this text in name, arguments or outcome"
    )
    events.add_argument("--failed", action="store_true", help="only those that failed")
    events.add_argument(
        "--causes", metavar="N", help="event N, what caused it, what caused that, and so on"
    )
    events.add_argument("--follow", action="store_true", help="goes on as long as the session runs")
    events.add_argument("--full", action="store_true", help="large values in full")


def _replaying(commands: _Commands) -> None:
    replay = _add(
        commands, "replay", "replaying:replay", "re-executes a session and compares", json=True,
        more="exit codes: 0 identical, 4 divergence",
    )  # fmt: skip
    _session(replay)
    replay.add_argument(
        "--mode", metavar="MODE", choices=("exact", "modified", "simulate"),
        help="exact, modified (as with --set) or simulate",
    )  # fmt: skip
    _many(replay, "--set", "N=JSON", "another outcome for event N")
    replay.add_argument("--script", metavar="FILE", help="another script")
    replay.add_argument("--from", metavar="N", dest="first", help="first event to compare")
    replay.add_argument("--to", metavar="N", dest="last", help="last event to compare")
    replay.add_argument(
        "--hooks", action="store_true",
        help="calls replayable hooks in Python again and compares what they decide",
    )  # fmt: skip

    fork = _add(
        commands, "fork", "replaying:fork", "starts a new session from a position of another",
        json=True, more="A position is EVENT or EVENT+STEPS, e.g. 12 or 12+340.",
    )  # fmt: skip
    _session(fork)
    fork.add_argument("--at", metavar="POSITION", required=True, help="where it departs")
    fork.add_argument("--outcome", metavar="JSON", help="another outcome for that event")
    _many(fork, "--var", "NAME=JSON", "another value for a variable")
    fork.add_argument("--script", metavar="FILE", help="another script")
    fork.add_argument("--name", metavar="N", default="", help="the new session's name")
    fork.add_argument("--run", action="store_true", help="runs it at once")

    diff = _add(
        commands, "diff", "replaying:diff", "compares two sessions", json=True,
        more="exit codes: 0 identical, 4 they differ",
    )  # fmt: skip
    diff.add_argument("a", metavar="A", help=ID_HELP)
    diff.add_argument("b", metavar="B", help="likewise")
    diff.add_argument(
        "--artifact", metavar="NAME", help="compare the text of their artifacts of this name"
    )
    diff.add_argument(
        "--exact", action="store_true",
        help="measured times, the clock and the sessions' own ids count as well",
    )  # fmt: skip


def _debugging(commands: _Commands) -> None:
    debug = _add(
        commands, "debug", "debugging:debug", "goes through a session line by line, both ways",
        json=True, more="A position is EVENT or EVENT+STEPS, e.g. 12 or 12+340.\n"
        "Its command `help` lists the others. Nothing is performed again, and the\n"
        "session stays as it is.",
    )  # fmt: skip
    debug.add_argument("id", metavar="ID-or-SCRIPT", help=f"{ID_HELP}; or a script to launch")
    debug.add_argument("--at", metavar="POSITION", help="begin there (also 50%%, start, end)")
    debug.add_argument(
        "--break", dest="breaks", metavar="FILE:LINE[:CONDITION]", action="append", default=[],
        help="stop there",
    )  # fmt: skip
    debug.add_argument("--commands", metavar="FILE", help="take the commands from this file")
    debug.add_argument("--input", metavar="JSON", help="of a script, as with `run`")
    _many(debug, "--limit", "KEY=N", "of a script, as with `run`")
    _many(debug, "--allow", "KIND[=PATTERN]", "of a script, as with `run`")
    _many(debug, "--deny", "KIND[=PATTERN]", "of a script, as with `run`")
    debug.usage = debug.format_usage().removeprefix("usage: ").rstrip() + " [-- ARGS ...]"

    dap = _add(
        commands,
        "dap",
        "dap:dap",
        "serves the debugger to an editor (Debug Adapter Protocol)",
        more="Without --port the client is at standard input and output. docs/dap.md says\n"
        "what launch and attach take; docs/vscode.md and docs/neovim.md set editors up.",
    )
    dap.add_argument(
        "--port", metavar="N", type=number,
        help="listens at this port of 127.0.0.1, for one client after the other; 0: a free one",
    )  # fmt: skip

    last = _add(
        commands, "last", "debugging:last", "says when a value last changed", json=True,
        more="EXPR is a variable, with fields: total, config.retries, list[3].",
    )  # fmt: skip
    _session(last)
    last.add_argument("expression", metavar="EXPR", help="the value")
    last.add_argument("--at", metavar="POSITION", help="before this position; else, the end")


def _artifacts(commands: _Commands) -> None:
    text = "lists, shows and gets artifacts"
    parser: Parser = commands.add_parser(
        "artifacts", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
    )
    _store_option(parser)
    below = parser.add_subparsers(
        metavar="COMMAND", dest="artifacts_command", required=True, parser_class=Parser
    )
    name = "an artifact's id, or a session (ID) and an artifact's name"
    listing = _add(
        below, "list", "artifacts:list_", "lists artifacts, newest first", json=True,
        more="examples:\n  respell artifacts list @last --type ToolResult\n"
        "  respell artifacts list --tag report --name '*.md' --sort size",
    )  # fmt: skip
    listing.add_argument("id", metavar="ID", nargs="?", help="only this session's: " + ID_HELP)
    listing.add_argument(
        "--name", metavar="PATTERN", help="only those of this name; * and ? stand for others"
    )
    listing.add_argument("--type", metavar="T", help="only AgentOutput, ToolResult, UserInput …")
    listing.add_argument("--mime", metavar="M", help="only this MIME type; text/* for all below it")
    _many(listing, "--tag", "T", "only those with this tag; all of them if given several times")
    listing.add_argument(
        "--text", metavar="Q", help="only those whose name, description or tags have it"
    )
    listing.add_argument(
        "--min-size", metavar="BYTES", type=number, help="only those at least so large"
    )
    listing.add_argument(
        "--max-size", metavar="BYTES", type=number, help="only those at most so large"
    )
    listing.add_argument(
        "--sort", metavar="K", default="created_at",
        choices=("created_at", "name", "size", "version", "artifact_type"),
        help="created_at, name, size, version or artifact_type",
    )  # fmt: skip
    listing.add_argument("--limit", metavar="N", type=number, help="at most N")
    show = _add(below, "show", "artifacts:show", "shows one artifact's metadata", json=True)
    get = _add(below, "get", "artifacts:get", "writes an artifact's bytes to standard output")
    versions = _add(
        below, "versions", "artifacts:versions", "lists all versions of a name", json=True
    )
    verify = _add(
        below, "verify", "artifacts:verify", "reads artifacts again and compares their hashes",
        json=True, more="exit codes: 0 all are intact, 6 one is not",
    )  # fmt: skip
    verify.add_argument(
        "artifact", metavar="ARTIFACT", nargs="+",
        help=f"{name}; or just a session (ID) for all of its",
    )  # fmt: skip
    diff = _add(
        below, "diff", "artifacts:diff", "compares the text of two artifacts or versions",
        json=True, more="exit codes: 0 identical, 4 they differ\n\nexamples:\n"
        "  respell artifacts diff @last/report.md            its last two versions\n"
        "  respell artifacts diff @last/report.md other/report.md",
    )  # fmt: skip
    diff.add_argument("a", metavar="A", help="an artifact's id, or SESSION/NAME")
    diff.add_argument(
        "b", metavar="B", nargs="?", help="likewise; without it, A's last two versions"
    )
    grant = _add(below, "grant", "access:grant_artifact", "lets another session have an artifact")
    revoke = _add(below, "revoke", "access:revoke_artifact", "takes such a grant back",
                  more=_REVOKE_CODES)  # fmt: skip
    acl = _add(below, "acl", "access:acl_of_artifact", "shows who may do what to an artifact",
               json=True)  # fmt: skip
    _to(grant)
    _from(revoke)
    for one in (grant, revoke, acl):
        one.add_argument("--version", metavar="N", type=number, help="that version, not the newest")
    for one in (show, get, versions, grant, revoke, acl):
        one.add_argument("artifact", metavar="ARTIFACT", nargs="+", help=name)
    for one in (show, get):
        one.add_argument("--version", metavar="N", type=number, help="that version, not the newest")
    get.add_argument("-o", "--output", metavar="FILE", help="a file (-: standard output)")


_REVOKE_CODES = "exit codes: 0 revoked, 1 there was nothing to revoke"


def _to(parser: Parser) -> None:
    parser.add_argument("--to", metavar="ID", required=True, help="the session that may")
    parser.add_argument(
        "--level", metavar="L", default="read", choices=("read", "write", "admin"),
        help="read (the default), write or admin",
    )  # fmt: skip
    parser.add_argument(
        "--expires", metavar="WHEN", help="until then: RFC 3339, or so many seconds from now"
    )


def _from(parser: Parser) -> None:
    parser.add_argument(
        "--from", metavar="ID", dest="grantee", required=True, help="the session that may no more"
    )


def _access(commands: _Commands) -> None:
    grants = _add(
        commands, "grants", "access:grants", "shows what sessions granted to each other", json=True
    )
    grants.add_argument("id", metavar="ID", nargs="?", help="by or to this session: " + ID_HELP)
    grant = _add(
        commands, "grant", "access:grant", "lets a session have another's state or events",
        more="Artifacts are granted with `respell artifacts grant`.",
    )  # fmt: skip
    revoke = _add(
        commands, "revoke", "access:revoke", "takes such a grant back", more=_REVOKE_CODES
    )
    for one in (grant, revoke):
        _session(one)
        what = one.add_mutually_exclusive_group(required=True)
        what.add_argument("--state", action="store_true", help="its state")
        what.add_argument(
            "--events", metavar="PATTERN", help="its events: a type, *, or their beginning and *"
        )
    _to(grant)
    _from(revoke)


def _lifecycle(commands: _Commands) -> None:
    _session(_add(commands, "complete", "lifecycle:complete", "marks a session as completed"))
    fail = _add(commands, "fail", "lifecycle:fail", "marks a session as failed")
    _session(fail)
    fail.add_argument("--reason", metavar="TEXT", default="", help="why")
    _session(_add(commands, "archive", "lifecycle:archive", "puts an ended session away"))
    delete = _add(
        commands, "delete", "lifecycle:delete",
        "deletes a session with its history, artifacts and state",
    )  # fmt: skip
    _session(delete)
    delete.add_argument("--yes", action="store_true", help="does not ask")


def _exchange(commands: _Commands) -> None:
    export = _add(
        commands, "export", "exchange:export", "writes a session into one file", json=True
    )
    _session(export)
    export.add_argument("file", metavar="FILE", help="the file to write")
    _many(
        export, "--redact", "PATTERN",
        "replaces what this regular expression finds; may be given several times",
    )  # fmt: skip
    importing = _add(
        commands, "import", "exchange:import_", "takes a session out of an exported file", json=True
    )
    importing.add_argument("file", metavar="FILE", help="what `respell export` wrote")
    _many(importing, "--allow", "KIND[=PATTERN]", "opens it for the session, as with `run`")
    _many(importing, "--deny", "KIND[=PATTERN]", "closes it")


def _care(commands: _Commands) -> None:
    stats = _add(commands, "stats", "stats:stats", "shows usage, cost and storage", json=True)
    stats.add_argument("id", metavar="ID", nargs="?", help="of this session only: " + ID_HELP)
    stats.add_argument(
        "--by",
        metavar="WIDTH",
        choices=("hour", "day", "week"),
        help="over time: hour, day, week",
    )
    stats.add_argument("--since", metavar="T", help="over time, from this time on")
    stats.add_argument("--until", metavar="T", help="over time, up to this time")
    stats.add_argument(
        "--privacy", action="store_true", help="pseudonyms in place of ids, names and paths"
    )
    audit = _add(
        commands, "audit", "audit:audit", "shows who did what, and what was refused", json=True
    )
    audit.add_argument("id", metavar="ID", nargs="?", help="of this session only: " + ID_HELP)
    audit.add_argument("--refused", action="store_true", help="only what was refused")
    audit.add_argument("--limit", metavar="N", type=number, default=100, help="at most N (100)")
    check = _add(
        commands, "check", "care:check", "checks the store", json=True,
        more="exit codes: 0 the store is sound, 6 it is not",
    )  # fmt: skip
    check.add_argument(
        "--read-data", action="store_true", help="reads everything and compares all hashes"
    )
    check.add_argument("--repair", action="store_true", help="mends what can be mended safely")
    gc = _add(commands, "gc", "care:gc", "removes what nothing refers to any more", json=True)
    gc.add_argument("--dry-run", action="store_true", help="only says what it would remove")


def _about(commands: _Commands) -> None:
    _add(
        commands, "info", "info:info", "shows versions, paths and active sandbox layers", json=True
    )
    _config(commands)
    completion = _add(
        commands, "completion", "completion:completion", "prints what makes a shell complete this",
        more="examples:\n  eval \"$(respell completion bash)\"    # in ~/.bashrc\n"
        "  eval \"$(respell completion zsh)\"     # in ~/.zshrc, behind compinit\n"
        "  respell completion fish | source     # in ~/.config/fish/config.fish",
    )  # fmt: skip
    completion.add_argument(
        "shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish"
    )
    _add(commands, "demo", "demo:demo", "runs the built-in example: run, suspend, resume, replay")


def _config(commands: _Commands) -> None:
    text = "shows and checks the configuration"
    parser: Parser = commands.add_parser(
        "config", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
    )
    _store_option(parser)
    below = parser.add_subparsers(
        metavar="COMMAND", dest="config_command", required=True, parser_class=Parser
    )
    _add(below, "show", "config:show", "shows every setting and who set it", json=True)
    _add(below, "validate", "config:validate", "says whether the files make sense", json=True)
    _add(below, "path", "config:path", "shows where files are looked for", json=True)
