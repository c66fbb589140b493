"""What makes a record fit the one before it."""

from __future__ import annotations

from dataclasses import dataclass

from respell.history.record import FIRST_HASH, chain


@dataclass(slots=True)
class Link:
    """A place in a hash chain.

    Attributes:
        seq: Sequence number of the last record; 0 for none.
        number: The last event begun by then; 0 for none.
        head: The chain's value.
    """

    seq: int = 0
    number: int = 0
    head: bytes = FIRST_HASH

    def misfit(self, seq: int, known: bytes, event: int, begun: int | None, body: bytes) -> str:
        """Go on to the next record; return what is wrong with it, empty if nothing is.

        After one that does not fit, the chain goes on from the hash that is stored with it:
        if that is right, the records after it fit again.

        Args:
            seq: The record's sequence number.
            known: The chain's value that is stored with it.
            event: The event number that is stored with it.
            begun: The last event begun, where another than this one is stored with it.
            body: The packed record, its large values put back.
        """
        before = self.seq
        if seq != before + 1:
            wrong = f"follows record {before}: records are missing"
        elif chain(self.head, body) != known:
            wrong = "is not what was written: it doesn't fit the hash chain"
        elif _event_number(body) != event or begun != (
            None if event == self.number + 1 else self.number
        ):
            wrong = "is not what was written: its event number is another one"
        elif not 0 < event <= self.number + 1:
            wrong = f"follows event {self.number}: events are missing"
        else:
            wrong = ""
        self.skip(seq, known, event, begun)
        return wrong

    def skip(self, seq: int, known: bytes, event: int, begun: int | None) -> None:
        """Go on to the next record without a look at its body; see `misfit`."""
        number = event if begun is None else begun
        if seq == self.seq + 1:
            number = min(number, self.number + 1)  # a damaged one must not spoil all that follow
        self.seq, self.head = seq, known
        self.number = max(self.number, number)


def _event_number(body: bytes) -> int:
    """Return the event number of a packed record; unpacking all of it takes far longer."""
    return int.from_bytes(body[1:9], "little")
