"""Progress that a person can follow: a live line in a terminal, plain lines elsewhere, nothing when quiet.

The rest of the package talks to the small interface of ``Progress``; only this file knows about terminals.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from narrows.work.forecast import Forecast, about


class Task:
    """One piece of work under way. ``advance`` moves it; ``text`` stands beside the bar."""

    def advance(self, amount: float = 1, text: str = "") -> None:
        """Note that ``amount`` more of the total is done."""


class Progress:
    """The quiet form, and the interface of the others."""

    #: Of the steps that all tasks are part of, where there are any.
    forecast: Forecast | None = None
    _said: tuple[Forecast | None, str] = (None, "")  # the time left at the step before; only a new one is said

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step of ``forecast`` is being done while the block runs."""
        if self.forecast is None:
            yield
            return
        self.forecast.begin(name)
        left = (self.forecast, self.left_in_all(None))
        self.say(f"step {self.forecast.place}: {name}{_in_brackets(left[1] if left != self._said else '')}")
        self._said = left
        yield
        self.forecast.end()

    @contextmanager
    def task(self, title: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """Show work with ``total`` steps, ``done`` of which are behind us, while the block runs."""
        yield Task()

    def say(self, text: str) -> None:
        """Print one line of its own."""

    def left_in_all(self, task: float | None) -> str:
        """Return the time left for all steps, if the current task needs that many more seconds; "" if unknown."""
        left = None if self.forecast is None else self.forecast.left(task)
        return "" if left is None else f"{about(left)} left in all"


class _Timed(Task):
    """A task that knows how much of it is left."""

    def __init__(self, total: float | None, done: float) -> None:
        self.total, self.before, self.done = total, done, done
        self.start = time.monotonic()
        self.text = ""

    def left(self) -> float | None:
        """Return about how many seconds are left, or None where that cannot be told."""
        if not self.total or self.done <= self.before:
            return None
        return (time.monotonic() - self.start) * max(0.0, self.total - self.done) / (self.done - self.before)

    def advance(self, amount: float = 1, text: str = "") -> None:
        self.done += amount
        self.text = text or self.text


class PlainProgress(Progress):
    """Lines for logs and pipes: at most one every ``interval`` seconds per task, and one at its end."""

    def __init__(self, interval: float = 10.0, stream: Any = None) -> None:
        self.interval = interval
        self.stream = stream or sys.stderr

    @contextmanager
    def task(self, title: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """Print ``title``'s progress as lines while the block runs."""
        task = _PlainTask(self, title, total, done)
        yield task
        self.say(f"{title}: done in {time.monotonic() - task.start:.1f} s{_in_brackets(task.text)}")

    def say(self, text: str) -> None:
        """Print one line; where that cannot be, the work goes on without."""
        with suppress(OSError, ValueError):
            print(text, file=self.stream, flush=True)


class _PlainTask(_Timed):
    def __init__(self, owner: PlainProgress, title: str, total: float | None, done: float) -> None:
        super().__init__(total, done)
        self.owner, self.title = owner, title
        self.last = self.start

    def advance(self, amount: float = 1, text: str = "") -> None:
        super().advance(amount, text)
        now = time.monotonic()
        if now - self.last >= self.owner.interval:
            self.last = now
            share = f" {min(100, int(100 * self.done / self.total))} %" if self.total else ""  # 100 % is done
            said = "; ".join(part for part in (self.text, self.owner.left_in_all(self.left())) if part)
            self.owner.say(f"{self.title}:{share}{_in_brackets(said)}")


class RichProgress(Progress):
    """A live bar in a terminal, with the time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)

    @contextmanager
    def task(self, title: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """Show a live bar while the block runs, and a line with the time taken after it."""
        from rich import progress

        columns = (
            progress.TextColumn("{task.description:<12}"),
            progress.BarColumn(bar_width=28),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[text]}", markup=False),
        )
        with progress.Progress(*columns, console=self.console, transient=True) as bar:
            task = _RichTask(self, total, done, bar, bar.add_task(title, total=total, completed=int(done), text=""))
            yield task
        self.console.print(
            f"[green]✓[/] {title:<12} [dim]{time.monotonic() - task.start:6.1f} s[/]", task.text, highlight=False
        )

    def say(self, text: str) -> None:
        """Print one line above the bar; where that cannot be, the work goes on without."""
        with suppress(OSError, ValueError):
            self.console.print(text, highlight=False, markup=False)


class _RichTask(_Timed):
    def __init__(self, owner: RichProgress, total: float | None, done: float, bar: Any, key: Any) -> None:
        super().__init__(total, done)
        self.owner, self.bar, self.key = owner, bar, key

    def advance(self, amount: float = 1, text: str = "") -> None:
        super().advance(amount, text)
        said = "  ".join(part for part in (self.text, self.owner.left_in_all(self.left())) if part)
        self.bar.update(self.key, advance=amount, text=said)


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def for_this_terminal() -> Progress:
    """Return the live form when standard error is a terminal, and plain lines otherwise."""
    has_terminal = sys.stderr is not None and sys.stderr.isatty()
    return RichProgress() if has_terminal else PlainProgress()
