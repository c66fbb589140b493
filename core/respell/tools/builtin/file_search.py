"""file_search: finds text in a file, or in the files of a folder."""

from __future__ import annotations

from typing import Any

from respell.errors import UsageError
from respell.tools.builtin._searching import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    MAX_MATCHES,
    Search,
    Wanted,
)
from respell.tools.linear_patterns import LinearPattern
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import shortened
from respell.tools.result import ToolResult, worded

_TEXT_EXTENSIONS = (
    "txt", "md", "rs", "py", "js", "ts", "java", "cpp", "c", "h", "json", "xml", "yaml", "yml",
    "toml", "ini", "cfg", "conf", "log",
)  # fmt: skip
# What v0.6.0 searched, and the language of the scripts.
_INCLUDED = (*_TEXT_EXTENSIONS, "lua")
_EXCLUDED = (
    "exe", "bin", "so", "dll", "dylib", "jpg", "jpeg", "png", "gif", "bmp", "pdf", "zip", "tar",
    "gz", "rar", "7z", "mp3", "mp4", "avi", "mkv",
)  # fmt: skip
_EXCLUDED_FOLDERS = (".git", ".svn", ".hg", "node_modules", "target", ".idea", ".vscode")
_MAX_NAMES = 1000

_PARAMETERS = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "description": "the text or regular expression to find"},
        "path": {"type": "string", "description": "the file or folder to search"},
        "recursive": {
            "type": "boolean",
            "default": False,
            "description": "search the folders in the folder too",
        },
        "case_sensitive": {
            "type": "boolean",
            "default": True,
            "description": "large letters are not small ones",
        },
        "use_regex": {
            "type": "boolean",
            "default": False,
            "description": "pattern is a regular expression (RE2), found within lines",
        },
        "context_lines": {
            "type": "integer",
            "minimum": 0,
            "maximum": 50,
            "default": 2,
            "description": "how many lines before and after each match to return",
        },
        "max_depth": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_DEPTH,
            "default": 20,
            "description": f"how deep to search folders; 0 stands for {MAX_DEPTH}",
        },
        "include_extensions": {
            "description": "the only endings of file names to search, an array or separated by "
            "commas; empty for all, by default those of texts",
        },
        "exclude_extensions": {
            "description": "endings not to search, written likewise; by default those of "
            "programs, pictures, archives, music and films",
        },
        "exclude_dirs": {
            "description": "names of folders not to search, written likewise; by default "
            + " ".join(_EXCLUDED_FOLDERS),
        },
        "max_file_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_FILE_BYTES,
            "default": 10 << 20,
            "description": "larger files are skipped, in bytes",
        },
        "max_matches_per_file": {
            "type": "integer",
            "minimum": 0,
            "default": 0,
            "description": f"0 for as many as there are, up to {MAX_MATCHES} in all",
        },
    },
    "required": ["pattern", "path"],
    "additionalProperties": False,
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    text = params["pattern"]
    if not text.strip():
        raise UsageError("parameter pattern is blank; it is what is looked for")
    pattern = LinearPattern(
        "pattern",
        text,
        literal=not params.get("use_regex", False),
        case_sensitive=params.get("case_sensitive", True),
    )
    wanted = Wanted(
        pattern=pattern,
        depth=params.get("max_depth", 20) or MAX_DEPTH if params.get("recursive") else 1,
        context_lines=params.get("context_lines", 2),
        included=_extensions(params, "include_extensions", _INCLUDED),
        excluded=_extensions(params, "exclude_extensions", _EXCLUDED),
        excluded_folders=_names(params, "exclude_dirs", _EXCLUDED_FOLDERS),
        max_file_bytes=params.get("max_file_size", 10 << 20),
        max_matches_per_file=params.get("max_matches_per_file", 0) or MAX_MATCHES,
    )
    search = Search(wanted, ctx)
    search.search(params["path"])
    return worded(_sentence(search, text), "search", search.result())


def _sentence(search: Search, pattern: str) -> str:
    shown = f"Search pattern: '{shortened(pattern)}'"
    found, files = len(search.matches), search.files_searched
    if not found:
        sentence = f"No matches found in {files} files searched. {shown}"
    else:
        sentence = f"Found {found} matches across {files} files. {shown}"
    return f"{sentence} ({search.cut_short})" if search.cut_short else sentence


def _extensions(params: dict[str, Any], name: str, usual: tuple[str, ...]) -> frozenset[str]:
    return frozenset(extension.removeprefix(".") for extension in _names(params, name, usual))


def _names(params: dict[str, Any], name: str, usual: tuple[str, ...]) -> frozenset[str]:
    """Return names in small letters, given as an array or separated by commas."""
    given = params.get(name, usual)
    if isinstance(given, str):
        given = given.split(",")
    if given == {}:
        given = []
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise UsageError(f"parameter {name} must be an array of strings, or one with commas")
    if len(given) > _MAX_NAMES:
        raise UsageError(f"parameter {name} has {len(given)} names; at most {_MAX_NAMES} can be")
    return frozenset(one.strip().lower() for one in given if one.strip())


TOOL = Tool(
    name="file_search",
    description="Searches files and folders for text or a regular expression, with context",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="filesystem",
    tags=("search", "grep", "file"),
    aliases={"extensions": "include_extensions", "query": "pattern"},
    ignored=frozenset({"operation"}),
)
