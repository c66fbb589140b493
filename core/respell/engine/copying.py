"""What a fork gets of its own in the store: copies of what its original had made there.

What the original did up to the position is done again on the fork's copies: what it granted of
its own is granted of these. What was somebody else's, loaded or imported, is not copied: the
fork may go on with it as its original might. What others granted to the original they granted
to that session alone: a fork has nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from respell.config import Config
from respell.effect import Kind
from respell.engine import effects
from respell.engine.effects import EffectContext
from respell.engine.effects.acting import carry_on
from respell.engine.effects.events import receive_again
from respell.engine.hooked import WrittenApart
from respell.engine.program import Program
from respell.errors import ArtifactNotFound, SessionNotFound
from respell.history.record import Part, Record, Status
from respell.sessions.inheritance import aliases_of, save_aliases
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.tools import ToolRegistry

_COPIED = ("state", "artifact", "event", "session")
_MAY_BE_GONE = ("artifact.delete", "artifact.grant", "artifact.revoke")
_MAKING = ("session.create", "session.fork")


def copy_what_was_stored(
    store: Store,
    original: SessionRecord,
    made: SessionRecord,
    last: int,
    program: Program,
    config: Config,
    more: Sequence[Record] = (),
) -> None:
    """Do again, on the fork's copies, what the original did in the store up to the position.

    Args:
        store: Where both are.
        original: The original.
        made: The fork.
        last: The last record that they share.
        program: What the fork runs.
        config: The limits of the sessions that are created again.
        more: Records of the fork's own that tell of what was done besides.
    """
    # In a fork of a fork the script still knows the first session's id, and no other.
    known = aliases_of(store, original) or {original.id: original.id}
    aliases = {old: made.id if new == original.id else new for old, new in known.items()}
    ctx = EffectContext(
        session=made, store=store, permissions=program.permissions, script_dir=program.script_dir,
        cwd=program.cwd, tools=ToolRegistry(), aliases=aliases, config=config,
        again=True,
    )  # fmt: skip
    with store.bus.only_for(made.id):  # everybody else has heard of it when it was done first
        shared = (Record.unpack(body) for _, body in store.history.records(original.key, 1, last))
        _do_all_again(ctx, original, chain(shared, more))
    save_aliases(store, made, aliases)


def _do_all_again(ctx: EffectContext, original: SessionRecord, records: Iterable[Record]) -> None:
    apart = WrittenApart()
    receives: dict[int, dict[str, Any]] = {}
    for record in records:
        written = apart.next(record)
        if written is not None:
            _do_again(ctx, written, original)
        if record.part is Part.INTENT and record.name == "event.receive":
            receives[record.number] = record.arguments()
        if record.status is not Status.OK:
            continue
        if record.part in (Part.OUTCOME, Part.END):
            _copy_what_it_made(ctx.store, original, ctx.session, record.number)
        if record.part is Part.EFFECT:
            _do_again(ctx, record, original)
        elif record.part is Part.OUTCOME and record.name == "session.import":
            carry_on(ctx, record.value())
        elif record.part is Part.OUTCOME and record.name == "event.receive":
            receive_again(ctx, receives.pop(record.number, {}), record.value())


def _do_again(ctx: EffectContext, record: Record, original: SessionRecord) -> None:
    args = record.arguments()
    if record.name == "session.resume" and args.get("session") not in ctx.aliases:
        carry_on(ctx, args.get("session"))
    if not _is_copied(record.name, args, ctx.aliases):
        return
    ctx.number, ctx.before = record.number, record.value()
    effect = effects.lookup(record.name)
    if effect.manner(ctx, args).kind is not Kind.STORED:
        return
    if record.name == "session.fork":
        # The fork of a fork asks what ids mean in the one that it is made from.
        save_aliases(ctx.store, ctx.session, ctx.aliases)
    try:
        outcome = effect.perform(ctx, args)
    except ArtifactNotFound:
        if record.name == "artifact.derive":
            _copy_what_it_made(ctx.store, original, ctx.session, record.number)
        elif record.name not in _MAY_BE_GONE:
            raise
        return  # it was collected or deleted, and is gone with all that referred to it
    except SessionNotFound:
        # Somebody else's, who deleted it since.
        if record.name == "session.fork":
            carry_on(ctx, record.value())
        elif record.name == "artifact.derive":
            _copy_what_it_made(ctx.store, original, ctx.session, record.number)
        elif record.name != "session.load":
            raise
        return
    if record.name in _MAKING:
        ctx.aliases[_id_of(record.value())] = _id_of(outcome)


def _copy_what_it_made(
    store: Store, original: SessionRecord, made: SessionRecord, number: int
) -> None:
    """Copy the artifacts that came of an effect without the script storing them."""
    have = {it.sequence for it in store.artifacts.of_event(made.key, number)}
    for one in store.artifacts.of_event(original.key, number):
        # What was deleted since may be gone from the store; then it was of no use here either.
        if one.sequence not in have and one.content_hash in store.blobs:
            store.artifacts.insert(replace(one, session_key=made.key, session_id=made.id))


def _is_copied(name: str, args: dict[str, Any], aliases: Mapping[str, str]) -> bool:
    """Whether an effect changed what is the original's own, or what it had made.

    Other scopes of the state are shared by all, and a session that was only loaded or
    imported is somebody else's: the fork goes on with them as they are.
    """
    family = name.partition(".")[0]
    if family not in _COPIED:
        return False
    if family == "state":
        scope = str(args.get("scope") or "session:")
        owner = scope.removeprefix("session:") if scope.startswith("session:") else "-"
        return not owner or owner in aliases
    session = args.get("session")
    if name in _MAY_BE_GONE:
        return str(args.get("id", "")).partition("/")[0] in aliases
    if name in ("event.subscribe", "event.unsubscribe"):
        return True
    return name in ("session.load", "session.fork") or session in (None, "") or session in aliases


def _id_of(created: Any) -> str:
    return str(created["id"] if isinstance(created, dict) else created)
