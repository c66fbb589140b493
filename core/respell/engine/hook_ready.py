"""How an effect with hooks around it is performed, and what it is refused for whatever they say."""

from __future__ import annotations

from respell.effect import Kind
from respell.engine import effects
from respell.engine.hosting import Hosting
from respell.engine.performing import Ready
from respell.engine.suspension import suspension_of
from respell.history.record import Record


def ready(hosting: Hosting, record: Record) -> Ready:
    """Return how an effect is performed.

    Args:
        hosting: The host.
        record: Its intent.

    Raises:
        RespellError: It can't be.
    """
    effect = effects.lookup(record.name)
    ctx = hosting.context(record.number)
    args = record.arguments()
    return effect, ctx, args, effect.manner(ctx, args).kind


def checked(hosting: Hosting, record: Record) -> Ready | None:
    """Return how an effect is performed that nothing is to be said against.

    Returns:
        None for one that is not performed: it suspends the session.

    Raises:
        RespellError: It is refused; says why.
    """
    if record.name == "session.suspend":
        suspension_of(record.arguments())
        return None
    found = effect, ctx, args, kind = ready(hosting, record)
    if effect.check is not None:
        effect.check(ctx, args)
    elif kind is Kind.STORED:
        with hosting.store.tried():
            effect.perform(ctx, args)
    return found
