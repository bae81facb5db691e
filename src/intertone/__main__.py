"""Entry point of ``intertone`` and ``python -m intertone``: signals, exit codes and the end of the process."""

import atexit
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import NoReturn

from intertone.errors import stopped_text

RETRY_SECONDS = 0.05
"""Time after which a postponed signal is raised again, s."""

FLUSH_FAILED = 120
"""Exit code where the last output cannot be written; Python uses the same one."""

_ARENA_MAX = -8
"""``M_ARENA_MAX`` of glibc's ``malloc.h``: the parameter that limits the number of memory pools."""

_HANGUP = getattr(signal, "SIGHUP", None)
"""Signal of a closed terminal; None on systems without it."""

_outcome = 1
"""Exit code of the process; 1, the initial value, is that of an uncaught exception."""


def program() -> None:
    """Run the command line and end the process, even while threads of native libraries exist.

    ``_exit`` is registered first, so it is called last, after all Python threads and other exit functions have ended.
    It ends the process without finalising the interpreter: a thread that returned from native code during the
    finalisation would be ended inside a C++ function, which aborts the process.
    """
    global _outcome
    began = time.monotonic()
    _use_one_arena()
    _spin_briefly()
    atexit.register(_exit)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell ignores it for processes in the background
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if (
        _HANGUP and signal.getsignal(_HANGUP) is not signal.SIG_IGN
    ):  # nohup ignores it, so that the process survives its terminal
        signal.signal(_HANGUP, _interrupt)
    try:
        from intertone.cli import main

        main(began=began)
    except KeyboardInterrupt:  # the signal came before the subcommand began
        _outcome = 128 + signal.SIGINT
        sys.stderr.write(_stopped())
    except SystemExit as leave:
        _outcome = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    finally:
        _ignore_interruptions()


def _use_one_arena() -> None:
    """Let all threads allocate from one memory pool, where the C library is glibc.

    With a pool for each thread, memory that one thread has freed is not used by the others: the peak of a morph of two
    sounds of 4 s is 502 to 530 MiB, and 417 to 430 MiB with one pool, in the same time.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_ARENA_MAX, 1)


def _spin_briefly() -> None:
    """Let the threads of GNU's OpenMP, which PyTorch uses on Linux, soon sleep while they wait for each other.

    They spin for some milliseconds unless the user has set how they wait. Where other programs use the processors, they
    spin for a thread that the system has paused: beside three busy programs on two cores, the command for a morph of
    two sounds took 22 to 24 s, and 3.4 to 3.7 s like this. Without other programs the time is the same.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "1000"


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Handle a signal: raise an exception that ends the command, but postpone it where the exception would be lost."""
    global _outcome
    frames = list(_outer_codes(frame))
    importing = any(code.co_filename.startswith("<frozen importlib") for code in frames)
    if importing and not getattr(sys.modules.get("intertone.files"), "UNFINISHED", None):
        _outcome = 128 + number  # imports take seconds, and there are no temporary files to remove yet
        sys.stderr.write(_stopped())
        _exit()
    if hasattr(signal, "setitimer") and (importing or any(map(_loses_exceptions, frames))):
        signal.signal(signal.SIGALRM, lambda _number, _frame: signal.raise_signal(number))
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
        return
    _ignore_interruptions()  # a second signal would interrupt the removal of temporary files
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _outer_codes(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def _loses_exceptions(code: CodeType) -> bool:
    """Return whether an exception raised inside this code would be lost or would leave an inconsistent state.

    libsndfile reads and writes through callbacks that discard exceptions, so the sound would be truncated. A pool that
    is interrupted while it starts a thread never waits for that thread, and a process that receives only a part of its
    task fails with a traceback. A folder whose removal is interrupted stays, or its file descriptor is closed twice.
    Destructors print exceptions and continue.
    """
    names = ("__del__", "_adjust_thread_count", "_launch", "rmtree")
    return code.co_filename.endswith("soundfile.py") or code.co_name in names


def _stopped() -> str:
    return stopped_text(sys.argv[1] if len(sys.argv) > 1 else None, sys.argv) + "\n"


def _ignore_interruptions() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, *([_HANGUP] if _HANGUP else [])):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _exit() -> NoReturn:
    code = _outcome
    files = sys.modules.get("intertone.files")
    if files and hasattr(files, "remove_unfinished"):  # it is missing while the module is imported
        files.remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or FLUSH_FAILED
    os._exit(code)


if __name__ == "__main__":
    program()
