"""The store: a folder that holds everything durable. Only this package knows SQL and paths.

with Store("~/sessions") as store:
    session = store.sessions.insert(SessionRecord(name="nightly"))
    store.state.set("global", "count", values.encode(1))
    store.sync()
"""

from respell.store.history import HistoryWriter, OpenEffect
from respell.store.inbox import InboxItem
from respell.store.leases import Holder
from respell.store.store import Durability, Store

__all__ = ["Durability", "HistoryWriter", "Holder", "InboxItem", "OpenEffect", "Store"]
