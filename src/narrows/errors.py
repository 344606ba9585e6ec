"""The error family.

Every message says which parameter, what the rule is, the value that broke it, and what to do::

    NarrowsError
    ├── InputError (also a ValueError)   the user's mistake; the command line exits with 2
    │   ├── DataError                    a source that cannot be opened or used
    │   ├── RecipeError                  an unknown recipe, key, name or value
    │   └── RunFolderError               a run folder that is taken, locked, missing or damaged
    ├── TrainingError                    training went wrong (diverged) and was stopped before harm
    └── WriteError (also an OSError)     a file could not be written: a full disk, no permission, a failing disk

    Interrupted (a BaseException)        a signal asked to stop; what was learned is saved. No ``except Exception`` on
                                         the way may swallow it
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NarrowsError(Exception):
    """Base of everything narrows raises on purpose."""


class InputError(NarrowsError, ValueError):
    """The user's mistake: names the parameter, the rule, the value and the remedy.

    Parameters
    ----------
    parameter : what was wrong, in the words the user typed (``net.code_size``, ``--data``, a path)
    rule : what must hold, as the rest of a sentence ("must be a whole number >= 1")
    value : the offending value; left out of the message when not given
    remedy : what to do about it, as a sentence
    """

    _NOT_GIVEN = object()

    def __init__(self, parameter: str, rule: str, *, value: object = _NOT_GIVEN, remedy: str | None = None) -> None:
        self.parameter = parameter
        self.rule = rule
        self.value = None if value is self._NOT_GIVEN else value
        self.remedy = remedy
        text = f"{parameter} {rule}"
        if value is not self._NOT_GIVEN:
            text += f"; got {_short(value)}"
        text += "."
        if remedy:
            text += f" {remedy}"
        super().__init__(text)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to another process as it is (see ``_restored``)."""
        return _restored, (type(self), str(self), self.__dict__)


class DataError(InputError):
    """A source that cannot be opened or used."""


class RecipeError(InputError):
    """An unknown recipe, key, name or value."""


class RunFolderError(InputError):
    """A run folder that is taken, locked, missing or damaged."""


class TrainingError(NarrowsError):
    """Training went wrong and was stopped before a bad state was saved."""


class WriteError(NarrowsError, OSError):
    """A file could not be written; what was there before is untouched. ``strerror`` says why, ``filename`` which."""

    def __str__(self) -> str:
        """Return the file, the reason, and what to do about it."""
        return f"{self.filename} could not be written: {self.strerror}."


class Interrupted(BaseException):
    """A signal asked to stop. ``signal`` is its number; what was learned so far is on disk."""

    def __init__(self, signal: int, message: str = "interrupted") -> None:
        self.signal = signal
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        """Cross to another process as it is (see ``_restored``)."""
        return _restored, (type(self), str(self), self.__dict__)


def _restored(kind: type[BaseException], message: str, state: dict[str, object]) -> BaseException:
    """Return an error from another process unchanged; its constructor could not rebuild it from the message."""
    error = kind.__new__(kind, message)
    error.__dict__.update(state)
    return error


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a remedy that names the valid value nearest to ``name``, or all of them, if there are any."""
    names = sorted(valid)
    if not names:
        return "There is nothing to choose from."
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}? Valid: {', '.join(names)}." if close else f"Valid: {', '.join(names)}."


def _short(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
