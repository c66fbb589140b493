"""One client: its requests as they come, and what is sent to it."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable

from respell.debug.dap.framing import FrameReader, Malformed, framed
from respell.debug.dap.messages import BadMessage, Body, Code, Request, request_of

Write = Callable[[bytes], None]
Read = Callable[[], bytes]


class Connection:
    """Reads in a thread of its own, so that a client can ask to cancel what goes on.

    Args:
        read: Returns the next bytes of the client; none when it has gone.
        write: Sends bytes to it.
        forgiving: Go on behind bytes that are no frame; else the client is given up then.

    Attributes:
        requests: What came, in order; None when the client has gone.
        over: Set when it has gone, or is not served any more.
        on_request: Called in the reading thread with each request, before it is put there.
        on_gone: Called there when the client has gone.
    """

    def __init__(self, read: Read, write: Write, *, forgiving: bool) -> None:
        self._frames = FrameReader(read)
        self._write, self._forgiving = write, forgiving
        self._lock = threading.Lock()
        self._seq = 0
        self._gone = False
        self.over = threading.Event()
        self.requests: queue.Queue[Request | None] = queue.Queue()
        self.on_request: Callable[[Request], None] = lambda request: None
        self.on_gone: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._listen, name="respell-dap-reader", daemon=True).start()

    def take(self, wanted: Callable[[Request], bool]) -> list[Request]:
        """Return those of the requests that wait which are wanted; they wait no more."""
        with self.requests.mutex:
            waiting = self.requests.queue
            found = [one for one in waiting if one is not None and wanted(one)]
            for one in found:
                waiting.remove(one)
        return found

    def _listen(self) -> None:
        try:
            while (request := self._next()) is not None:
                self.on_request(request)
                self.requests.put(request)
        except OSError:
            self._gone = True  # the connection was reset: the client has gone
        finally:
            self.over.set()
            self.on_gone()
            self.requests.put(None)

    def _next(self) -> Request | None:
        while True:
            try:
                content = self._frames.next()
                return None if content is None else request_of(content)
            except Malformed as error:
                self.fail(0, "", str(error), Code.MALFORMED)
                if not (error.in_step or self._forgiving):
                    return None
            except BadMessage as error:
                self.fail(error.seq, error.command, str(error), Code.MALFORMED)

    # Sending -----------------------------------------------------------------------------

    def event(self, name: str, body: Body | None = None) -> None:
        """Send an event."""
        self._send({"type": "event", "event": name, "body": body or {}})

    def respond(self, request: Request, body: Body | None = None) -> None:
        """Answer a request that was carried out."""
        self._send(
            {
                "type": "response", "request_seq": request.seq, "success": True,
                "command": request.command, "body": body or {},
            }
        )  # fmt: skip

    def fail(
        self,
        seq: int,
        command: str,
        message: str,
        code: Code,
        *,
        short: str = "",
        show: bool = True,
    ) -> None:
        """Answer a request that could not be carried out."""
        error = {"id": int(code), "format": message, "showUser": show}
        self._send(
            {
                "type": "response", "request_seq": seq, "success": False, "command": command,
                "message": short or message, "body": {"error": error},
            }
        )  # fmt: skip

    def _send(self, message: Body) -> None:
        with self._lock:
            self._seq += 1
            text = json.dumps({"seq": self._seq, **message}, ensure_ascii=False)
            data = framed(text.encode(errors="backslashreplace"))
            if self._gone:
                return
            try:
                self._write(data)
                return
            except OSError:
                self._gone = True
        # Of a pipe that nobody reads any more the reading thread hears nothing: who else has the
        # other one may keep it open.
        self.over.set()
        self.on_gone()
        self.requests.put(None)

    @property
    def is_deaf(self) -> bool:
        """Whether nothing can be sent to the client any more."""
        return self._gone
