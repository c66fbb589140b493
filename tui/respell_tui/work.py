"""Work that must not keep the screen waiting: in threads, cancellable, with progress.

A job never touches a widget. What it returns comes back as a message to the node that began
it, and only if no later job of the same group has taken its place meanwhile. What goes wrong
becomes a `Problem`, which panes show.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual.dom import DOMNode
from textual.message import Message

from respell.errors import RespellError


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, for a pane.

    Attributes:
        what: What was being done, e.g. `reading the sessions`.
        text: What is wrong.
        next_step: What a person can do.
        detail: A traceback, where somebody asked for such.
    """

    what: str
    text: str
    next_step: str
    detail: str = ""


def problem_of(what: str, error: BaseException) -> Problem:
    """Return an error as people see it.

    Args:
        what: What was being done.
        error: What was raised.
    """
    debug = bool(os.environ.get("RESPELL_DEBUG"))
    detail = "".join(traceback.format_exception(error)) if debug else ""
    if isinstance(error, RespellError | OSError):
        return Problem(what, str(error), "Escape goes back, ctrl+r tries again.", detail)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Problem(
        what, f"this should not have happened: {text}",
        "Nothing that was recorded is lost. Please report it, with what RESPELL_DEBUG=1 shows.",
        detail,
    )  # fmt: skip


class Cancelled(BaseException):
    """Raised inside a job that nobody wants any more; not an error."""


class Job:
    """One piece of work.

    Attributes:
        what: What it does, e.g. `reading the sessions`.
        group: A later job of the same node and group takes its place.
        waited: A person waits for it.
        cancels: Escape cancels it.
        node: Who began it.
        share: How much of it is done, 0 to 1; 0 where nobody knows.
    """

    def __init__(self, node: DOMNode, what: str, group: str) -> None:
        self.what = what
        self.group = group
        self.waited = self.cancels = False
        self.node: Any = node
        self.share = 0.0
        self._began = time.monotonic()
        self._cancelled = threading.Event()
        self._on_cancel: list[Callable[[], None]] = []

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self._began

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants its result any more."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Tell it to end soon; its result will not be taken."""
        self._cancelled.set()
        for call in self._on_cancel:
            call()

    def on_cancel(self, call: Callable[[], None]) -> None:
        """Have something called at once when it is cancelled; from another thread."""
        self._on_cancel.append(call)
        if self.cancelled:
            call()

    def check(self) -> None:
        """End the job here if it was cancelled; for loops."""
        if self.cancelled:
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait, and end the job as soon as it is cancelled."""
        if self._cancelled.wait(seconds):
            raise Cancelled

    def progress(self, done: float, total: float, words: str = "") -> None:
        """Tell how far it is.

        Args:
            done: How much is done.
            total: Of how much; 0 where nobody knows.
            words: What it is at, besides.
        """
        self.check()
        self.share = done / total if total else 0.0
        self.node.post_message(JobMoved(self, done, total, words))

    def tell(self, news: Any) -> None:
        """Hand over a part of the result; the node's `heard` is called with it."""
        self.check()
        self.node.post_message(JobTold(self, news))


class JobMoved(Message):
    """How far a job is; of several only the last one counts."""

    def __init__(self, job: Job, done: float, total: float, words: str) -> None:
        super().__init__()
        self.job, self.done, self.total, self.words = job, done, total, words

    def can_replace(self, message: Message) -> bool:
        """Let the last one take the place of those before."""
        return isinstance(message, JobMoved) and message.job is self.job


class JobTold(Message):
    """A part of a job's result."""

    def __init__(self, job: Job, news: Any) -> None:
        super().__init__()
        self.job, self.news = job, news


class JobEnded(Message):
    """What a job came to."""

    def __init__(self, job: Job, result: Any, error: BaseException | None) -> None:
        super().__init__()
        self.job, self.result, self.error = job, result, error


class Working:
    """Gives a screen, pane or app its jobs."""

    _jobs: dict[str, tuple[Job, Callable[[Any], None], Callable[[Problem], None] | None,
                           Callable[[Any], None] | None]]  # fmt: skip

    def work(
        self,
        what: str,
        function: Callable[[Job], Any],
        then: Callable[[Any], None],
        *,
        group: str,
        failed: Callable[[Problem], None] | None = None,
        heard: Callable[[Any], None] | None = None,
        waited: bool = False,
        cancels: bool = False,
    ) -> Job:
        """Do something in a thread.

        Args:
            what: What it is, for people: `reading the sessions`.
            function: Does it; given the job, to look whether it was cancelled.
            then: Called here with what it returned.
            group: What it takes the place of: the job of this node with the same name.
            failed: Called here with what went wrong; without it, `show_problem` is.
            heard: Called here with each thing that the job tells meanwhile.
            waited: A person waits for it: where it takes long, the screen says so.
            cancels: Escape cancels it: it looks often enough whether it was, and a result that
                nobody takes does no harm.
        """
        assert isinstance(self, DOMNode)
        if not hasattr(self, "_jobs"):
            self._jobs = {}
        self.stop_work(group)
        job = Job(self, what, group)
        job.waited, job.cancels = waited, cancels
        self._jobs[group] = (job, then, failed, heard)

        def run() -> None:
            result, error = None, None
            try:
                result = function(job)
            except Cancelled:
                return
            except BaseException as raised:  # noqa: BLE001 - handed to the one who began it
                error = raised
            if not job.cancelled:
                self.post_message(JobEnded(job, result, error))

        self.run_worker(run, thread=True, group=f"{id(self)} {group}", exit_on_error=False)
        return job

    def stop_work(self, group: str | None = None) -> None:
        """Cancel the job of a group, or all."""
        jobs = getattr(self, "_jobs", {})
        for name in [group] if group is not None else list(jobs):
            if name in jobs:
                jobs.pop(name)[0].cancel()

    def waited_for(self) -> list[Job]:
        """Return the jobs that a person waits for."""
        return [job for job, *_ in getattr(self, "_jobs", {}).values() if job.waited]

    def working(self, group: str) -> bool:
        """Whether a job of that group is not done."""
        return group in getattr(self, "_jobs", {})

    def on_job_ended(self, message: JobEnded) -> None:
        """Take a job's result, unless another took its place."""
        message.stop()
        job, then, failed, _ = self._jobs.get(message.job.group, (None,) * 4)
        if job is not message.job or then is None:
            return
        del self._jobs[message.job.group]
        if message.error is None:
            then(message.result)
            return
        problem = problem_of(message.job.what, message.error)
        (failed or getattr(self, "show_problem"))(problem)  # noqa: B009 - a pane's or screen's

    def on_job_told(self, message: JobTold) -> None:
        """Take a part of a job's result."""
        message.stop()
        job, _, _, heard = self._jobs.get(message.job.group, (None,) * 4)
        if job is message.job and heard is not None:
            heard(message.news)

    def on_job_moved(self, message: JobMoved) -> None:
        """Show how far a job is, where the node can."""
        message.stop()
        job = self._jobs.get(message.job.group, (None,))[0]
        show = getattr(self, "show_progress", None)
        if job is message.job and show is not None:
            show(message.job, message.done, message.total, message.words)

    def on_unmount(self) -> None:
        """Nobody wants their results any more."""
        self.stop_work()
