"""Progress that a person can follow: a live line in a terminal, plain lines elsewhere, nothing when quiet.

The rest of the package talks to the small interface of ``Progress``; only this file knows about terminals.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Task:
    """One piece of work under way. ``advance`` moves it; ``text`` stands beside the bar."""

    def advance(self, amount: float = 1, text: str = "") -> None:
        """Note that ``amount`` more of the total is done."""


class Progress:
    """The quiet form, and the interface of the others."""

    @contextmanager
    def task(self, title: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """Show work with ``total`` steps, ``done`` of which are behind us, while the block runs."""
        yield Task()

    def say(self, text: str) -> None:
        """Print one line of its own."""


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
        self.say(f"{title}: done in {time.monotonic() - task.start:.1f} s{task.suffix()}")

    def say(self, text: str) -> None:
        """Print one line; where that cannot be, the work goes on without."""
        with suppress(OSError, ValueError):
            print(text, file=self.stream, flush=True)


class _PlainTask(Task):
    def __init__(self, owner: PlainProgress, title: str, total: float | None, done: float) -> None:
        self.owner, self.title, self.total, self.done = owner, title, total, done
        self.start = self.last = time.monotonic()
        self.text = ""

    def advance(self, amount: float = 1, text: str = "") -> None:
        self.done += amount
        self.text = text or self.text
        now = time.monotonic()
        if now - self.last >= self.owner.interval:
            self.last = now
            share = f" {min(100, int(100 * self.done / self.total))} %" if self.total else ""  # 100 % is done
            self.owner.say(f"{self.title}:{share}{self.suffix()}")

    def suffix(self) -> str:
        return f" ({self.text})" if self.text else ""


class RichProgress(Progress):
    """A live bar in a terminal, with the time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)

    @contextmanager
    def task(self, title: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """Show a live bar while the block runs, and a line with the time taken after it."""
        from rich import progress

        start = time.monotonic()
        columns = (
            progress.TextColumn("{task.description:<12}"),
            progress.BarColumn(bar_width=28),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[text]}", markup=False),
        )
        with progress.Progress(*columns, console=self.console, transient=True) as bar:
            task = _RichTask(bar, bar.add_task(title, total=total, completed=int(done), text=""))
            yield task
        self.console.print(
            f"[green]✓[/] {title:<12} [dim]{time.monotonic() - start:6.1f} s[/]", task.text, highlight=False
        )

    def say(self, text: str) -> None:
        """Print one line above the bar; where that cannot be, the work goes on without."""
        with suppress(OSError, ValueError):
            self.console.print(text, highlight=False, markup=False)


class _RichTask(Task):
    def __init__(self, bar: Any, key: Any) -> None:
        self.bar, self.key, self.text = bar, key, ""

    def advance(self, amount: float = 1, text: str = "") -> None:
        self.text = text or self.text
        self.bar.update(self.key, advance=amount, text=self.text)


def for_this_terminal() -> Progress:
    """Return the live form when standard error is a terminal, and plain lines otherwise."""
    has_terminal = sys.stderr is not None and sys.stderr.isatty()
    return RichProgress() if has_terminal else PlainProgress()
