"""What signals do to a command: it says so in a line, leaves nothing behind, and ends as shells expect."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminated: its terminal is gone"}
_SIGNALS = {number: words for name, words in _WORDS.items() if (number := getattr(signal, name, None)) is not None}

# What sends a signal to a command may send it to all its processes too, as `timeout` does.
_SECONDS_OF_ONE = 1.0

_received: list[int] = []
_first = 0.0
_deferred = False


class TerminatedError(BaseException):
    """A signal asked the command to end; like KeyboardInterrupt nothing that handles an `Exception` takes it."""


class _Interruption(KeyboardInterrupt):
    """Python ends by the signal, whatever exit status is asked for, once KeyboardInterrupt itself went through exec."""


def end_at_once_while_starting() -> None:
    """Of a command that is still being imported there is nothing to be put away."""
    if _is_a_command() and _in_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Signals raise an exception inside, where what is unfinished is put away; see `received`."""
    global _first
    _received.clear()
    _first = 0.0
    if not _in_main_thread():
        yield
        return
    before: dict[int, Any] = {}
    for number in _SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):  # nohup and shells without jobs ignore some
            before[number] = signal.signal(number, _leave)
    hook, sys.unraisablehook = sys.unraisablehook, _again_where_it_was_ignored
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, _end_without_a_word if handler is _end_at_once and _received else handler)


def received() -> tuple[str, int] | None:
    """What is to be said of the first signal that came, and the exit status; None if none came."""
    return (_SIGNALS[signal.Signals(_received[0])], 128 + _received[0]) if _received else None


@contextlib.contextmanager
def starting_a_process() -> Iterator[None]:
    """Inside, processes begin that Ctrl-C does not reach: the one that starts them ends them."""
    global _deferred
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    _deferred, count = _in_main_thread(), len(_received)
    try:
        yield
    finally:
        _deferred = False
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if len(_received) > count and _in_main_thread():
        raise _raised_by(_received[-1])


def _leave(number: int, _frame: Any) -> None:
    global _first
    if _comes_again():
        return
    _first = _first or time.monotonic()
    _received.append(number)
    if not _deferred:
        raise _raised_by(number)


def _comes_again() -> bool:
    return bool(_received) and time.monotonic() < _first + _SECONDS_OF_ONE


def _raised_by(number: int) -> BaseException:
    return _Interruption() if number == signal.SIGINT else TerminatedError()


def _end_at_once(number: int, _frame: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"istsim: {_SIGNALS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


def _end_without_a_word(number: int, _frame: Any) -> None:
    if not _comes_again():
        from istsim._files import remove_unfinished

        remove_unfinished()
        os._exit(128 + number)


def _again_where_it_was_ignored(ignored: Any) -> None:
    """Python drops what is raised while it collects an object or unlocks a module: the signal comes once more."""
    if _received and issubclass(ignored.exc_type, KeyboardInterrupt | TerminatedError):
        threading.Timer(_SECONDS_OF_ONE, _send_to_main_thread, (_received[-1],)).start()
    else:
        sys.__unraisablehook__(ignored)


def _send_to_main_thread(number: int) -> None:
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _is_a_command() -> bool:
    """Whether this process is `istsim` or `python -m istsim`, not a program that imports istsim."""
    arguments = getattr(sys, "argv", None) or [""]
    if arguments[0] == "-m":
        return ("-m", "istsim") in itertools.pairwise(sys.orig_argv)
    return PurePath(arguments[0]).stem.removesuffix("-script") == "istsim"
