"""The store: a folder that holds everything durable. Only this package knows SQL and paths.

with Store("~/sessions") as store:
    session = store.sessions.insert(SessionRecord(name="nightly"))
    store.state.set("global", "count", values.encode(1))
    store.sync()
"""

from respell.store.appending import HistoryWriter
from respell.store.audit import AuditEntry
from respell.store.blob_forms import BlobInfo
from respell.store.database import Durability, sqlite_version
from respell.store.folder import default_folder
from respell.store.history import OpenEffect
from respell.store.inbox import InboxItem
from respell.store.leases import Holder
from respell.store.store import Store

__all__ = [
    "AuditEntry",
    "BlobInfo",
    "Durability",
    "HistoryWriter",
    "Holder",
    "InboxItem",
    "OpenEffect",
    "Store",
    "default_folder",
    "sqlite_version",
]
