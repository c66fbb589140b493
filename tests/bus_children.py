"""Processes that publish and receive, and are killed."""

from __future__ import annotations

import sys

from respell import values
from respell.store import Store


def publish(folder: str, who: str, count: int) -> None:
    """Publish numbers, each in the transaction that keeps how far it has come."""
    with Store(folder, durability="process") as store:
        done = store.state.get("custom:published", who)
        for number in range(0 if done is None else values.decode(done), count):
            with store.transaction():
                store.bus.publish("number", [who, number])
                store.state.set("custom:published", who, values.encode(number + 1))


def receive(folder: str, name: str, until: int) -> None:
    """Receive, each event in the transaction that keeps it, until so many are kept."""
    scope = f"custom:received:{name}"
    with (
        Store(folder, durability="process") as store,
        store.bus.subscribe("number", name=name) as subscription,
    ):
        while (kept := len(store.state.list(scope))) < until:
            subscription.wait(timeout=10)
            with store.transaction():
                event = subscription.receive(0)
                if event is not None:
                    key = f"{kept:06d}"
                    store.state.set(scope, key, values.encode([event.sequence, *event.data]))


if __name__ == "__main__":
    {"publish": publish, "receive": receive}[sys.argv[1]](
        sys.argv[2], sys.argv[3], int(sys.argv[4])
    )
