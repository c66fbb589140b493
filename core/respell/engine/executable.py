"""Whether a session's history can be executed again, and what program does that."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from blake3 import blake3

from respell.engine.program import Program
from respell.errors import InvalidTransition, UsageError
from respell.history.record import Record
from respell.security import Permissions
from respell.sessions.inheritance import origin_of
from respell.sessions.lifecycle import ENDED
from respell.sessions.record import SessionRecord
from respell.store import Store


def check_resumable(session: SessionRecord) -> None:
    """Do nothing when a session can go on.

    Raises:
        InvalidTransition: It can't; says why.
        UsageError: It was redacted.
    """
    if not session.has_program:
        raise InvalidTransition(
            f"session {session.id[:8]} has no program of its own: the script that created it "
            "resumes it with Session.resume",
            current=session.status, wanted="active",
        )  # fmt: skip
    check_executable(session)
    if session.status in ENDED:
        raise InvalidTransition(
            f"session {session.id[:8]} is {session.status} and can't be resumed; "
            f"`respell fork {session.id[:8]} --at N` goes on from one of its events",
            current=session.status, wanted="active",
        )  # fmt: skip


def check_executable(session: SessionRecord) -> None:
    """Do nothing when a session's history can be executed again.

    Raises:
        UsageError: It was redacted, so that it isn't what happened.
    """
    if session.redacted:
        raise UsageError(
            f"session {session.id[:8]} was redacted when it was exported: its history is not what "
            "happened any more, so it can't be resumed, replayed, debugged or forked. It can be "
            "shown and compared; the original can still do all of that where it is"
        )


def program_of(store: Store, session: SessionRecord) -> Program:
    """Return what a session runs, and what it may do here.

    A fork may run another script than its original did. One that was imported runs where the
    person who imported it said, with what that person allowed: what was allowed elsewhere,
    or by whoever made the file, opens nothing here.

    Raises:
        UsageError: It was redacted.
    """
    check_executable(session)
    _, body = next(iter(store.history.records(session.key, 1, 1)))
    program = Program.load(store, Record.unpack(body))
    origin = origin_of(store, session)
    given = store.sessions.permissions(session.key)
    if given is None:
        given = store.sessions.permissions(origin.key)
    permissions = program.permissions if given is None else Permissions.from_dict(given)
    if given is not None:
        program = replace(
            program, script_dir=Path(permissions.script_dir), cwd=Path(permissions.cwd)
        )
    # The store may have been moved since.
    program = replace(program, permissions=permissions.without(store.path))
    if session.script_hash and blake3(program.source).hexdigest() != session.script_hash:
        source = store.blobs.get(bytes.fromhex(session.script_hash))
        program = program.with_source(source, os.path.basename(session.script or program.name))
        program = replace(program, script_changed=True)
    return program
