"""`respell artifacts list`, `show`, `get`, `versions`, `verify` and `diff`."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from respell import values
from respell.artifacts.comparing import diff_text
from respell.artifacts.naming import check_type
from respell.artifacts.reading import verify as check_content
from respell.artifacts.reading import window
from respell.artifacts.record import ArtifactQuery, ArtifactRecord, artifact_json, shown_type
from respell.errors import ArtifactNotFound, NotFound, StoreCorrupt, StoreMissing, UsageError
from respell.store import Store
from respell.times import now_us, rfc3339
from respell.tools.atomic import write_atomically
from respell_tui.context import Command
from respell_tui.describe import age, bytes_, count
from respell_tui.output import Column, fields, table

DIFFERENT = 4

_WINDOW = 1024 * 1024
_STYLES = {"+": ("green",), "-": ("red",), "@": ("cyan",)}

_COLUMNS = (
    Column("id"),
    Column("name", least=12),
    Column("version", leave=3),
    Column("size", right=True),
    Column("type", least=8, leave=4),
    Column("MIME", least=8, leave=2),
    Column("event", leave=1),
    Column("age", right=True, leave=6),
    Column("tags", least=8, leave=5),
)


def list_(command: Command) -> int:
    """List artifacts of one session or of all."""
    args = command.args
    try:
        store = command.open_store()
    except StoreMissing:
        if command.chosen_store() or args.id is not None:
            raise
        return _show_all(command, [])  # nothing ever ran on this machine
    with store:
        owner = None if args.id is None else store.sessions.find(args.id).id
        return _show_all(command, store.artifacts.list(_query(args, owner)))


def _query(args: Namespace, owner: str | None) -> ArtifactQuery:
    for option in ("limit", "min_size", "max_size"):
        value, least = getattr(args, option), 1 if option == "limit" else 0
        if value is not None and value < least:
            raise UsageError(f"--{option.replace('_', '-')} {value}: give {least} or more")
    return ArtifactQuery(
        session_id=owner,
        artifact_type=None if args.type is None else check_type("--type", args.type),
        name_pattern=args.name,
        tags=args.tag,
        mime_type=args.mime,
        min_size=args.min_size,
        max_size=args.max_size,
        text=args.text,
        sort=args.sort,
        limit=args.limit,
    )


def _show_all(command: Command, found: list[ArtifactRecord]) -> int:
    if command.args.json:
        command.out.json([artifact_json(one) for one in found])
    elif found:
        _table(command, found)
    else:
        command.err.line("no artifacts")
    return 0


def _table(command: Command, found: list[ArtifactRecord]) -> None:
    out, now = command.out, now_us()
    rows = [
        [
            one.id, one.name, f"v{one.version}",
            bytes_(one.size) if out.is_terminal else str(one.size),
            shown_type(one.artifact_type), one.mime_type,
            "" if one.event is None else f"@{one.event}",
            age(one.created_at, now) if out.is_terminal else rfc3339(one.created_at),
            " ".join(one.tags),
        ]
        for one in found
    ]  # fmt: skip
    if out.is_terminal:
        for row in rows:
            session, _, rest = row[0].partition("/")
            row[0] = f"{session[:8]}/{rest}"
    table(out, _COLUMNS, rows)


def show(command: Command) -> int:
    """Show the metadata of one artifact."""
    with command.open_store() as store:
        one = find(store, command.args.artifact, command.args.version)
        if command.args.json:
            command.out.json(artifact_json(one))
            return 0
        kept = f"{bytes_(one.stored_size)} stored" + (", compressed" if one.is_compressed else "")
        fields(command.out, [
            ("id", one.id),
            ("session", one.session_id),
            ("name", one.name),
            ("version", str(one.version)),
            ("description", one.description),
            ("type", shown_type(one.artifact_type)),
            ("MIME", one.mime_type),
            ("size", f"{one.size} bytes ({kept})"),
            ("blake3", one.content_hash.hex()),
            ("version before", one.previous_hash.hex() if one.previous_hash else ""),
            ("tags", ", ".join(one.tags)),
            ("metadata", values.json_line(one.custom) if one.custom else ""),
            ("derived from", one.parent_artifact or ""),
            ("created", rfc3339(one.created_at)),
            ("by event", "" if one.event is None else str(one.event)),
        ])  # fmt: skip
    return 0


def get(command: Command) -> int:
    """Write the bytes of an artifact."""
    args = command.args
    with command.open_store() as store:
        one = find(store, args.artifact, args.version)
        if args.output in (None, "-"):
            _to_standard_output(command, store, one)
        else:
            _to_file(store, one, args.output)
            command.err.line(f"wrote {one.size} bytes to {args.output}")
    return 0


def _to_standard_output(command: Command, store: Store, one: ArtifactRecord) -> None:
    for data in _windows(store, one):
        command.out.raw(data)
        if command.out.closed:
            return
    if command.out.is_terminal:
        command.out.line()


def _to_file(store: Store, one: ArtifactRecord, path: str) -> None:
    target = Path(path).resolve()
    try:
        if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
            with open(target, "wb") as file:  # a device, a pipe, or what can't be written
                _copy(store, one, file)
        else:  # whole or not at all: content that is damaged must not cost what was there
            write_atomically(target, _windows(store, one))
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror}") from None


def _copy(store: Store, one: ArtifactRecord, file: BinaryIO) -> None:
    for data in _windows(store, one):
        file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _windows(store: Store, one: ArtifactRecord) -> Iterator[bytes]:
    for offset in range(0, one.size, _WINDOW):
        yield window(store, one, offset, _WINDOW)


def versions(command: Command) -> int:
    """List all versions of a name in a session."""
    with command.open_store() as store:
        one = find(store, command.args.artifact, None)
        return _show_all(command, store.artifacts.versions(one.session_key, one.name))


def verify(command: Command) -> int:
    """Read artifacts again and compare them with their hashes."""
    words = command.args.artifact
    with command.open_store() as store:
        if len(words) == 1 and "/" not in words[0]:
            owner = store.sessions.find(words[0])
            chosen = store.artifacts.list(ArtifactQuery(session_id=owner.id))
        else:
            chosen = [find(store, words, None)]
        wrong = [(one, error) for one in chosen if (error := _damage(store, one))]
    if command.args.json:
        broken = {one.id: error for one, error in wrong}
        command.out.json(
            [
                {"id": one.id, "name": one.name, "intact": one.id not in broken,
                 "error": broken.get(one.id)}
                for one in chosen
            ]
        )  # fmt: skip
    else:
        for one, error in wrong:
            command.err.line(command.err.paint("damaged", "red"), f": {one.id} {one.name}: {error}")
        intact = count(len(chosen) - len(wrong), "artifact")
        command.err.line(f"{intact} intact" + (f", {len(wrong)} damaged" if wrong else ""))
    return StoreCorrupt.exit_code if wrong else 0


def _damage(store: Store, one: ArtifactRecord) -> str:
    try:
        check_content(store, one)
    except (StoreCorrupt, NotFound) as error:
        return str(error)
    return ""


def diff(command: Command) -> int:
    """Compare two artifacts, or the last two versions of one."""
    args = command.args
    with command.open_store() as store:
        new = find(store, [args.a], None)
        if args.b is not None:
            old, new = new, find(store, [args.b], None)
        else:
            old = _version_before(store, new)
        lines = diff_text(store, old, new)
        if args.json:
            command.out.json({
                "a": artifact_json(old), "b": artifact_json(new),
                "identical": old.content_hash == new.content_hash, "diff": lines,
            })  # fmt: skip
        else:
            if old.content_hash == new.content_hash:
                command.out.line(command.out.paint("identical", "green"), f": {bytes_(old.size)}")
            for line in lines:
                command.out.line(command.out.paint(line, *_STYLES.get(line[:1], ())))
    return 0 if old.content_hash == new.content_hash else DIFFERENT


def _version_before(store: Store, one: ArtifactRecord) -> ArtifactRecord:
    older = [
        it for it in store.artifacts.versions(one.session_key, one.name) if it.version < one.version
    ]
    if not older:
        raise UsageError(
            f"{one.name} has no version before {one.version} to compare with; give two artifacts"
        )
    return older[-1]


def find(store: Store, words: list[str], version: int | None) -> ArtifactRecord:
    """Return the artifact a person means.

    Args:
        store: Where it is.
        words: An id (of which the session's part may be a prefix, and the hash left out), or
            `SESSION/NAME`, or a session and a name.
        version: That version of the name; None for the newest, or the one an id names.

    Raises:
        SessionNotFound: No session is called that.
        ArtifactNotFound: The session has no such artifact; says which it has.
    """
    if len(words) > 2:
        raise UsageError("give an artifact's id, or a session and an artifact's name")
    if len(words) == 2 and words[1].count("/") < 2:
        owner, what = words
    else:
        owner, slash, what = words[-1].partition("/")
        if not slash:
            raise UsageError(
                f"{owner!r} is a session: give the name of its artifact as well, as in "
                f"`{owner} report.md` (`respell artifacts list {owner}` shows them)"
            )
    session = store.sessions.find(owner)
    found = store.artifacts.list(ArtifactQuery(session_id=session.id))
    number, _, digits = what.partition("/")
    chosen = [
        one for one in found
        if one.name == what
        or (number == str(one.sequence) and one.content_hash.hex().startswith(digits))
    ]  # fmt: skip
    named = [one for one in chosen if one.name == what]
    if version is not None and chosen:
        name = (named or chosen)[0].name
        chosen = [one for one in found if one.name == name and one.version == version]
        if not chosen:
            there = ", ".join(str(one.version) for one in reversed(found) if one.name == name)
            raise ArtifactNotFound(
                f"artifact {name} of session {session.id[:8]} has no version {version}; "
                f"it has: {there}"
            )
    elif named:
        chosen = [max(named, key=lambda one: one.version)]
    if not chosen:
        names = ", ".join(dict.fromkeys(one.name for one in found)) or "none at all"
        raise ArtifactNotFound(f"session {session.id[:8]} has no artifact {what}; it has: {names}")
    return chosen[0]
