"""Worker processes, each of which does one job at a time within limits of memory and time and is replaced if it fails.

This module imports nothing heavy: the server listens before PyTorch is imported anywhere.
"""

import itertools
import pickle
import queue
import secrets
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Literal

from intertone.errors import InputError
from intertone.files import mebibytes
from intertone.remark import RemarkLogger

Report = Callable[[str], None]
"""Function that a job calls with what it does now, in a few words."""

KEPT_JOBS, KEPT_BYTES = 256, 256 * 2**20
"""Finished jobs whose result can still be fetched, and the bytes of their results; the oldest are forgotten first."""

START_SECONDS = 120.0
"""Seconds that a process may take until it does its first job: imports and the network."""

POLL_SECONDS = 0.1
"""Seconds from one look at the clock to the next while a job runs."""

_logger = RemarkLogger(__name__)


class JobError(InputError):
    """Refusal of one of the inputs of a job.

    Args:
        text: One sentence.
        index: Number of the input that is refused, from 0.
    """

    def __init__(self, text: str, index: int) -> None:
        super().__init__(text)
        self.text, self.index = text, index


@dataclass(frozen=True)
class Limits:
    """Limits of the work.

    Attributes:
        seconds: Time that one job may take.
        memory_bytes: Memory that a process may have beyond what it has when it is ready (Linux only).
        waiting: Jobs that may wait; a further one is refused.
    """

    seconds: float = 60.0
    memory_bytes: int = 4 * 2**30
    waiting: int = 64


@dataclass
class Job:
    """One piece of work and how far it is.

    Attributes:
        payload: What the work is called with.
        name: Identifier that the server chose.
        order: Number of the job, from 0.
        state: Where it stands.
        step: What is being done, in a few words.
        result: What the work returned, when it is done.
        result_bytes: Bytes of the result as it was sent.
        keep: Whether the result is kept until the server ends.
        error: One sentence, when it failed.
        index: Number of the input that was refused, from 0, when it is one.
        finished: Set when the state is ``done`` or ``failed``.
    """

    payload: Any
    name: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    order: int = 0
    state: Literal["waiting", "working", "done", "failed"] = "waiting"
    step: str = ""
    result: Any = None
    result_bytes: int = 0
    keep: bool = False
    error: str = ""
    index: int | None = None
    finished: threading.Event = field(default_factory=threading.Event, repr=False)


class QueueFullError(InputError):
    """Refusal of a job because too many jobs wait."""


class Workers:
    """Processes that are started at once and take jobs from one queue.

    Args:
        start: Called once in each process; returns what the work needs. Sent to the processes, so a function of a
            module, or a ``functools.partial`` of one.
        work: Called with the result of ``start``, the payload of a job and a function that takes the present step;
            returns the result.
        count: Number of processes.
        limits: Limits of time, memory and of the queue.
        task: What the work is, for the sentences about its failures.
        items: What waits in the queue, in the plural, for the same.
    """

    def __init__(
        self,
        start: Callable[[], Any],
        work: Callable[[Any, Any, Report], Any],
        *,
        count: int = 2,
        limits: Limits | None = None,
        task: str = "analysis of a sound",
        items: str = "sounds",
    ) -> None:
        self._items, self._task = items, task
        self.limits = limits or Limits()
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count()
        self._queue: queue.Queue[Job | None] = queue.Queue(self.limits.waiting)
        self._lock = threading.Lock()
        self._threads = [_Keeper(start, work, self.limits, self._queue, self._forget, task) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, payload: Any, *, keep: bool = False) -> Job:
        """Put a job into the queue and return it.

        Args:
            payload: What the work is called with.
            keep: Whether its result is kept until the server ends, whatever comes after it.

        Raises:
            QueueFullError: If too many jobs wait.
        """
        job = Job(payload, keep=keep)
        with self._lock:
            job.order = next(self._numbers)
            try:
                self._queue.put_nowait(job)
            except queue.Full:
                limit = self.limits.waiting
                raise QueueFullError(
                    f"at most {limit} {self._items} may wait, got one more; try again in a while"
                ) from None
            self._jobs[job.name] = job
        return job

    def _forget(self) -> None:
        """Forget the oldest results beyond the limits; the newest stays however large it is."""
        with self._lock:
            finished = [job for job in self._jobs.values() if job.state in ("done", "failed") and not job.keep]
            total = sum(job.result_bytes for job in finished)
            for number, job in enumerate(finished[:-1]):
                if len(finished) - number <= KEPT_JOBS and total <= KEPT_BYTES:
                    break
                total -= job.result_bytes
                del self._jobs[job.name]

    def find(self, name: str) -> Job | None:
        """Return the job of this identifier, or None."""
        return self._jobs.get(name)

    def before(self, job: Job) -> int:
        """Return how many jobs stand in the queue before this one."""
        if job.state != "waiting":
            return 0
        with self._lock:
            return sum(other.state == "waiting" and other.order < job.order for other in self._jobs.values())

    def processes(self) -> list[int]:
        """Return the identifiers of the processes that live."""
        return [keeper.process.pid for keeper in self._threads if keeper.process.is_alive() and keeper.process.pid]

    def close(self) -> None:
        """End all processes; a job that runs is broken off."""
        for keeper in self._threads:
            keeper.stop()
        while True:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                _fail(job, f"the server ended before the {self._task} began")
        for keeper in self._threads:
            keeper.join(timeout=5)

    def drop(self, job: Job) -> None:
        """Forget a finished job whose result nobody can ask for any more."""
        with self._lock:
            self._jobs.pop(job.name, None)


class _Keeper(threading.Thread):
    """Thread that keeps one process, gives it jobs and replaces it.

    Args:
        start: As for ``Workers``.
        work: As for ``Workers``.
        limits: As for ``Workers``.
        jobs: Where jobs come from.
        finished: Called after each job.
        task: As for ``Workers``.
    """

    def __init__(
        self,
        start: Any,
        work: Any,
        limits: Limits,
        jobs: "queue.Queue[Job | None]",
        finished: Callable[[], None],
        task: str,
    ) -> None:
        super().__init__(daemon=True)
        self._task = task
        self._start, self._work, self._limits, self._jobs, self._finished = start, work, limits, jobs, finished
        self._stopping = False
        self._begin()

    def run(self) -> None:
        """Do jobs until the thread is stopped."""
        while not self._stopping:
            try:
                job = self._jobs.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if not self._stopping and not self.process.is_alive():
                    self._replace()
                continue
            if job is None:
                continue
            usable = self._do(job)
            self._finished()
            if not usable and not self._stopping:
                self._replace()

    def stop(self) -> None:
        """End the process and the thread."""
        self._stopping = True
        self.process.kill()

    def _begin(self) -> None:
        """Start a process.

        Raises:
            OSError: If the system gives no process or no pipe; what there was before stays.
        """
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = (theirs, self._start, self._work, self._limits.memory_bytes, self._task)
        process = context.Process(target=_main, args=arguments, daemon=True)
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pipe: Connection = ours
        self.process: SpawnProcess = process

    def _replace(self) -> None:
        """Start another process; where the system gives none, the thread goes on and tries it again later."""
        self.process.kill()
        self.process.join()
        again = self.pipe.closed
        self.pipe.close()
        time.sleep(POLL_SECONDS)  # a process that can never start is not started without pause
        if self._stopping:
            return
        try:
            self._begin()
        except OSError as error:
            if not again:
                _logger.warning("no process could be started for the %s (%s); it is tried again", self._task, error)

    def _do(self, job: Job) -> bool:
        """Do a job; return whether the process can go on."""
        job.state, job.step = "working", f"the {self._task} begins"
        if self.pipe.closed:
            _fail(job, f"no process could be started for the {self._task}; try again in a while")
            return False
        try:
            self.pipe.send(job.payload)
            return self._follow(job)
        except (EOFError, OSError):
            _fail(job, f"the process for the {self._task} ended; a new one was started, so try again")
            return False

    def _follow(self, job: Job) -> bool:
        """Take what the process sends until the job is finished; its time counts from the first message."""
        deadline, limit = time.monotonic() + START_SECONDS, None
        while True:
            if self.pipe.poll(POLL_SECONDS):
                message = self.pipe.recv_bytes()
                kind, value, index = pickle.loads(message)  # as ``recv`` does; the length is that of the result
                if limit is None:
                    limit = self._limits.seconds
                    deadline = time.monotonic() + limit
                if kind == "step":
                    job.step = value
                else:
                    job.result_bytes = len(message)
                    _finish(job, kind, value, index)
                    return bool(kind != "broken")
            elif time.monotonic() > deadline:
                _fail(job, f"the {self._task} must take at most {limit or START_SECONDS:g} s, and took longer")
                return False


def _finish(job: Job, kind: str, value: Any, index: int | None) -> None:
    if kind == "done":
        job.result, job.step, job.state = value, "", "done"
        job.finished.set()
    else:
        _fail(job, value, index)


def _fail(job: Job, sentence: str, index: int | None = None) -> None:
    job.error, job.index, job.step, job.state = sentence, index, "", "failed"
    job.finished.set()


def _main(
    pipe: Connection, start: Callable[[], Any], work: Callable[[Any, Any, Report], Any], memory: int, task: str
) -> None:
    """Run a worker process: open what the work needs, then do what comes through the pipe until it is closed."""
    for name in ("SIGINT", "SIGHUP", "SIGTERM"):  # the server ends its processes itself
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        state = start()
    except InputError as error:
        work, state = partial(_refuse, str(error)), None
    _limit_memory(memory)
    try:
        while True:
            payload = pipe.recv()
            pipe.send(("step", f"the {task} begins", None))
            message = _done(work, state, payload, lambda step: pipe.send(("step", step, None)), memory, task)
            pipe.send(message)
            if message[0] == "broken":
                return
    except (EOFError, BrokenPipeError):  # the server has ended
        return


def _refuse(sentence: str, _state: object, _payload: object, _report: Report) -> None:
    """Refuse a job because what the work needs could not be opened."""
    raise InputError(sentence)


def _done(
    work: Callable[[Any, Any, Report], Any], state: Any, payload: Any, report: Report, memory: int, task: str
) -> tuple[str, Any, int | None]:
    try:
        return "done", work(state, payload, report), None
    except JobError as error:
        return "refused", error.text, error.index
    except InputError as error:
        return "refused", str(error), None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            return _fault(error, task)
        return "broken", f"the {task} must need at most {mebibytes(memory)}, and needed more", None
    except Exception as error:
        return _fault(error, task)


def _fault(error: Exception, task: str) -> tuple[str, str, None]:
    """Return the message of an error of the program itself, which is logged with its traceback."""
    _logger.warning("the %s failed: %s", task, "".join(traceback.format_exception(error)))
    return "broken", f"the {task} failed with {type(error).__name__}, an error of the program", None


def _limit_memory(extra: int) -> None:
    """Limit the address space of this process to what it has now and ``extra`` bytes, where the system can."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + extra
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, OSError, ValueError):  # no Linux
        _logger.info("the memory of analyses is not limited on this system")
