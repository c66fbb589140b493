"""The debugger for editors: a server of the Debug Adapter Protocol.

`requests.py` has the table of all requests. One client is served at a time (`session.py`), in
one thread; another one reads what comes (`connection.py`), so that a move can be cancelled.
"""

from respell.debug.dap.server import serve_port, serve_stdio
from respell.debug.dap.session import OpenStore

__all__ = ["OpenStore", "serve_port", "serve_stdio"]
