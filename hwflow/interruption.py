"""Ctrl-C and termination: one line, status 128 + signal, no process of ours left, nothing half-written.

A signal becomes the exception `Interrupted` in the main thread, so that every `finally` removes what it made. Before
that all descendants of this process are ended: simulators, compilers and their children. While JAX is at work, whose
C++ drops exceptions in callbacks or ends the process, it is put off; where it is dropped all the same, it is raised again.
Signals that come while things are removed end processes only, so that the removal is never cut short.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

SIGNALS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminal closed",
}
"""What is heeded, and what is said of it."""

REPEAT_SECONDS = 2.0
"""A signal that comes again so soon after one was heeded is the same: `timeout` sends two, fingers press twice."""

LOOK_SECONDS = 0.02
"""How often it is looked whether the exception can be raised, and whether it is still on its way."""

LONGEST_SECONDS = 20.0
"""After so long it is raised wherever the process is."""

OURS = frozenset({"hwflow", "models", "rtl_gen", "sim", "bench"})
UNSAFE = frozenset({"jax", "jaxlib", "flax", "optax"})
"""Packages whose C++ calls back."""

PROCESSES = Path("/proc")
TRACKER = b"multiprocessing.resource_tracker"


class Interrupted(BaseException):  # like KeyboardInterrupt: what handles errors must not keep it
    """The process is to end. number: of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(SIGNALS[signal.Signals(number)])
        self.number = number


class _State:
    """Of this process: when the last signal came, the exception on its way, what is put off until a block is over."""

    last: float | None = None
    blocks = 0
    waiting: int | None = None
    number: int | None = None
    raised: weakref.ref[Interrupted] | None = None


def begun() -> bool:
    """Whether a signal has come: threads that wait for something ask."""
    return _State.number is not None or _State.waiting is not None


def heeded() -> None:
    """Says that `Interrupted` was caught and is no failure: it is not raised again, the process goes on."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    _State.number = _State.raised = None


def run(work: Callable[[], object]) -> None:
    """Runs `work`; one of `SIGNALS` ends it with a line on standard error and status 128 + its number.

    A signal that this process was told to ignore (nohup) stays ignored.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _heed)
    signal.signal(signal.SIGALRM, _look)
    sys.unraisablehook = _unraisable
    try:
        try:
            work()
        except OSError as error:
            if not _hung_up(error):
                raise
            end_descendants()
            _leave_terminal()
            raise Interrupted(signal.SIGHUP) from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupted as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        with suppress(OSError):
            sys.stderr.write(f"{error}: nothing was left half-written\n")
        sys.exit(128 + error.number)


@contextmanager
def put_off() -> Generator[None]:
    """A block that is done wholly, such as moving several files: a signal is heeded when it is over."""
    _State.blocks += 1
    try:
        yield
    finally:
        _State.blocks -= 1
    if not _State.blocks and _State.waiting is not None:
        number, _State.waiting = _State.waiting, None
        _end(number)


@contextmanager
def replaces(folder: Path) -> Generator[Callable[[], None]]:
    """A block that fills `folder` anew; interrupted, all is as it was before.

    What was there is set aside until the block ends; folders above that were made for it are taken away. Any other
    error keeps what the block left, with its logs, if it left anything.

    Yields: says that the new contents stay whatever comes; to be called inside `put_off` by a block that then commits
    more than the folder.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    old: Path | None = None
    kept = False

    def keep() -> None:
        nonlocal kept
        kept = True

    try:
        with put_off():
            if folder.exists():
                scratch = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
                old = folder.replace(Path(scratch) / folder.name)
        yield keep
    except BaseException as error:
        if not kept and (isinstance(error, Interrupted | KeyboardInterrupt) or begun()):
            shutil.rmtree(folder, ignore_errors=True)
            for path in made:
                with suppress(OSError):  # not empty, or not there
                    path.rmdir()
        if old is not None and not folder.exists():
            old.replace(folder)
        raise
    finally:
        if old is not None:
            with put_off():
                shutil.rmtree(old.parent, ignore_errors=True)


def _heed(number: int, frame: FrameType | None) -> None:
    if begun():  # things are being removed, or waited for
        if not _State.blocks:
            end_descendants()
        return
    now = time.monotonic()
    if _State.last is not None and now - _State.last < REPEAT_SECONDS:
        return
    _State.last = now
    if _State.blocks:
        _State.waiting = number
    else:
        _end(number, frame)


def _end(number: int, frame: FrameType | None = None) -> None:
    _State.number = number
    end_descendants()
    _leave_terminal()
    signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
    _raise(frame)


def _leave_terminal() -> None:
    """Output to a terminal that is gone goes nowhere from now on: displays end, and the status stays ours."""
    for stream in (1, 2):
        if _complaint(stream) is not None:
            with suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream)
                os.close(null)


def _hung_up(error: OSError) -> bool:
    """Whether it is output to a terminal that was closed: that can fail before the signal comes."""
    if error.errno != errno.EIO or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return False
    return errno.EIO in (_complaint(stream) for stream in (1, 2))


def _complaint(stream: int) -> int | None:
    """What output to a file descriptor fails with (errno)."""
    try:
        os.write(stream, b"")
    except OSError as error:
        return error.errno
    return None


def _look(number: int, frame: FrameType | None) -> None:
    """Raises the exception if it was not yet, or was dropped: nothing refers to it any more."""
    if _State.number is None:  # heeded
        return
    if not _State.blocks and (_State.raised is None or _State.raised() is None):
        _raise(frame)


def _raise(frame: FrameType | None) -> None:
    assert _State.last is not None
    if _safe(frame) or time.monotonic() - _State.last > LONGEST_SECONDS:
        raise _exception()  # in no variable here, which the traceback would keep


def _exception() -> Interrupted:
    assert _State.number is not None
    error = Interrupted(_State.number)
    _State.raised = weakref.ref(error)
    return error


def _safe(frame: FrameType | None) -> bool:
    """Whether the innermost of our functions is at work, or something that it called other than JAX."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in OURS or package in UNSAFE:
            return package in OURS
        frame = frame.f_back
    return True


def _unraisable(dropped: sys.UnraisableHookArgs) -> None:
    if not isinstance(dropped.exc_value, Interrupted):
        sys.__unraisablehook__(dropped)


def end_descendants() -> None:
    """Kills every process that this one, or one of those, has started."""
    held: set[int] = set()
    while new := _descendants() - held:
        for (
            process
        ) in new:  # stopped first, so that none starts another while the rest is looked for
            _send(process, signal.SIGSTOP)
        held |= new
    for process in held:
        _send(process, signal.SIGKILL)


def _send(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _descendants() -> set[int]:
    parents: dict[int, int] = {}
    for path in PROCESSES.glob("[0-9]*/stat"):
        try:
            state = path.read_text(errors="replace")
        except OSError:  # it has ended
            continue
        # "pid (name) state parent ..", where a name may hold anything.
        parents[int(path.parent.name)] = int(state.rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {each for each in found - {os.getpid()} if not _tracks(each)}


def _tracks(process: int) -> bool:
    """Whether it is Python's tracker of shared memory and semaphores, which frees them and ends when we have ended."""
    try:
        return TRACKER in (PROCESSES / str(process) / "cmdline").read_bytes()
    except OSError:
        return False
