"""One thread for each operation, and independent pieces of work side by side.

Two threads inside one operation wait for each other at its end, some hundred times in a training step: beside another
busy program they are slower than one. They also add up in another order than one thread, so that the last digits of a
result would depend on the machine. Here, an operation has one thread, and pieces of work that do not depend on each
other are shared out among workers, which hand in their results in the order of the pieces.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from threading import Lock, local
from typing import Any, ParamSpec, Self, TypeVar

from narrows.work.cores import usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
Given = ParamSpec("Given")

AHEAD = 2  # pieces of work begun per worker before the first of them is taken


class Workers:
    """Threads among which independent pieces of work are shared out.

    A single one, and any inside a worker, is the calling thread itself.

    Parameters
    ----------
    count : how many; None for one on each usable core
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = 1 if _Thread.here().worker else count or usable_cores()
        self._pool = ThreadPoolExecutor(self.count, "worker", _become_worker) if self.count > 1 else None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End the threads; pieces of work that were not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results of ``work`` on each of ``items``, in their order, with few of them begun ahead."""
        if self._pool is None:
            with one_thread():
                for item in items:
                    yield work(item)
            return
        begun: deque[Future[Result]] = deque()
        with one_thread():
            try:
                for item in items:
                    begun.append(self._pool.submit(work, item))
                    if len(begun) > AHEAD * self.count:
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
            finally:
                for future in begun:
                    future.cancel()


def shared_out(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results of ``work`` on each of ``items``, in their order, done by workers side by side."""
    with Workers() as workers:
        yield from workers.map(work, items)


def each_quietly(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of ``work`` on each of ``items``, shared out, without warnings.

    Libraries switch warnings off while they work, for the whole process; whoever ends first would switch them on again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(shared_out(work, items))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch, BLAS and OpenMP use one thread for an operation of the calling thread.

    It holds for the libraries that are loaded at this moment, so it is entered after a late import as well. BLAS has
    one setting for the whole process, which is restored when nobody is in here any more; the others have one for each
    thread. Of several threads that set BLAS's, threadpoolctl obeys the first alone, for as long as it lives.
    """
    thread = _limits.enter()
    try:
        yield
    finally:
        _limits.leave(thread)


def single_threaded(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Return ``function`` as it runs in ``one_thread``."""

    @wraps(function)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with one_thread():
            return function(*args, **kwargs)

    return run


Before = dict[str, tuple[Any, int]]  # a library's name -> its controller, and its number of threads


class _Thread:
    """What is known of a thread."""

    _each = local()

    def __init__(self) -> None:
        self.worker = False
        self.depth = 0  # how often it has entered ``one_thread``
        self.before: Before = {}  # its libraries' numbers of threads outside

    @classmethod
    def here(cls) -> _Thread:
        """Return that of the calling thread."""
        if not hasattr(cls._each, "thread"):
            cls._each.thread = cls()
        thread: _Thread = cls._each.thread
        return thread


def _become_worker() -> None:
    """Use one thread for each operation of the calling thread from now on."""
    _Thread.here().worker = True
    _limits.limit(_Thread.here())


class _Limits:
    """The libraries' numbers of threads, set to one and restored."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = 0  # how often ``one_thread`` was entered, by all threads
        self.blas: Before = {}  # the numbers of threads of BLAS libraries outside
        self.libraries: list[Any] = []  # threadpoolctl's controllers of those that were loaded
        self.modules = 0  # when there were this many modules

    def enter(self) -> _Thread:
        """Limit the calling thread, and return it."""
        thread = _Thread.here()
        with self.lock:
            self.inside += 1
            thread.depth += 1
        self.limit(thread)
        return thread

    def leave(self, thread: _Thread) -> None:
        """Undo ``enter`` for ``thread``: another one may do it, which collects a generator that was not finished."""
        with self.lock:
            self.inside -= 1
            thread.depth -= 1
            if thread.depth == 0 and not thread.worker and thread is _Thread.here():
                self._restore(thread.before)
            if self.inside == 0:
                self._restore(self.blas)

    def limit(self, thread: _Thread) -> None:
        """Set the libraries to one thread, and note what they had: BLAS for the process, others for the ``thread``."""
        with self.lock:
            torch = sys.modules.get("torch")
            if torch is not None and (threads := torch.get_num_threads()) != 1:
                thread.before.setdefault("torch", (torch, threads))
                torch.set_num_threads(1)
            for library in self._loaded():
                if (threads := library.get_num_threads() or 1) != 1:
                    kept = thread.before if library.user_api == "openmp" else self.blas
                    kept.setdefault(library.filepath, (library, threads))
                    library.set_num_threads(1)

    def _loaded(self) -> list[Any]:
        # Looking for libraries takes milliseconds, and only an import can load one.
        if self.modules != len(sys.modules):
            from threadpoolctl import ThreadpoolController

            self.libraries = ThreadpoolController().lib_controllers
            self.modules = len(sys.modules)
        return self.libraries

    def _restore(self, before: Before) -> None:
        for name, (library, threads) in list(before.items()):
            library.set_num_threads(threads)
            if library.get_num_threads() == threads:  # or left to the thread whose settings threadpoolctl obeys
                del before[name]


_limits = _Limits()
