"""The program: ``intertone``, ``python -m intertone`` or ``torchrun -m intertone``; how it starts and ends."""

import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import NoReturn

from intertone.errors import stopped_text

RETRY_SECONDS = 0.05
"""Seconds after which a waiting interruption tries again to be raised."""

FLUSH_FAILED = 120
"""Exit code when the last output cannot be written, as Python itself has it."""

_HANGUP = getattr(signal, "SIGHUP", None)
"""Signal of a terminal that was closed, where the system has it."""

_outcome = 1
"""Exit code of the process; 1 stands for an exception that nobody caught."""


def program() -> None:
    """Run the command line and end the process, whatever threads still exist in native libraries.

    The exit function that is registered first is called last: by then all threads have been waited for and every other
    exit function has run. It ends the process without tearing down the interpreter, because a thread that returns
    from native code during the teardown is ended in the middle of C++ functions, which aborts the process.
    """
    global _outcome
    began = time.monotonic()
    atexit.register(_end)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's background does not listen to it
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if _HANGUP and signal.getsignal(_HANGUP) is not signal.SIG_IGN:  # nohup goes on without a terminal
        signal.signal(_HANGUP, _interrupt)
    try:
        from intertone.cli import main

        main(began=began)
    except KeyboardInterrupt:  # before a verb began
        _outcome = 128 + signal.SIGINT
        sys.stderr.write(_stopped())
    except SystemExit as leave:
        _outcome = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    finally:
        _ignore_interruptions()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise what ends the command, once, and not where somebody else would swallow it."""
    global _outcome
    frames = list(_outwards(frame))
    importing = any(code.co_filename.startswith("<frozen importlib") for code in frames)
    if importing and not getattr(sys.modules.get("intertone.files"), "UNFINISHED", None):
        _outcome = 128 + number  # imports take seconds, and nothing has to be cleaned up
        sys.stderr.write(_stopped())
        _end()
    if hasattr(signal, "setitimer") and (importing or any(map(_must_wait, frames))):
        signal.signal(signal.SIGALRM, lambda _number, _frame: signal.raise_signal(number))
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
        return
    _ignore_interruptions()  # a second one would break off the cleaning up
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _outwards(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def _must_wait(code: CodeType) -> bool:
    """Return whether an exception would be lost where this code runs, or leave something half done.

    Imports catch exceptions as well, and go on with half a module. libsndfile reads and writes through callbacks, from
    which no exception returns: the sound would only be cut. A pool whose start of a thread is broken off never waits
    for that thread, and a process that is sent only a part of its task fails with a traceback. Destructors print
    exceptions.
    """
    return code.co_filename.endswith("soundfile.py") or code.co_name in ("__del__", "_adjust_thread_count", "_launch")


def _stopped() -> str:
    return stopped_text(sys.argv[1] if len(sys.argv) > 1 else None) + "\n"


def _ignore_interruptions() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, *([_HANGUP] if _HANGUP else [])):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end() -> NoReturn:
    code = _outcome
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or FLUSH_FAILED
    os._exit(code)


if __name__ == "__main__":
    program()
