"""A folder of files becomes a table of names.

Every module of the folder's package is one entry. Its name is the file's name with ``_`` written as ``-``, and the
entry itself is the one name the module lists in ``__all__``. Adding an entry is adding a file; nothing else is
edited. Listing names imports nothing, so the command line stays quick.

Wherever a name is accepted from a person, ``"package.module:attribute"`` is accepted too, and in Python the class
itself; a module may lie in the current folder. A name that comes from a
saved model is looked up with ``trusted=False`` and may only be an entry of the folder: a model file must not be able
to choose which code runs.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Collection
from types import ModuleType
from typing import Any

from narrows.errors import RecipeError, nearest

Trust = bool | Collection[str]


class Registry:
    """The entries of one package folder, or of several.

    Parameters
    ----------
    package : dotted name of the folder's package, such as ``"narrows.nets"``
    kind : what an entry is called in messages, such as ``"network"``
    more : further packages, whose entries have names of their own
    """

    #: The class that an entry from outside narrows must be a subclass of, where the folder has one.
    contract: type | None = None

    def __init__(self, package: str, kind: str, *more: str) -> None:
        self.packages = (package, *more)
        self.kind = kind

    def names(self) -> list[str]:
        """Return the names of all entries, sorted, without importing them."""
        return sorted(self._places())

    def get(self, name: str | type, *, trusted: Trust = True) -> Any:
        """Return the entry called ``name``, or the object at ``"package.module:attribute"`` when trusted.

        ``trusted`` is whether the name comes from a person; or the names that came from one. A class names itself.

        Raises
        ------
        RecipeError : unknown name (the nearest valid one is offered), or a dotted path from an untrusted place
        """
        if isinstance(name, type):
            name = name_of(name)
        if ":" in name:
            return self._from_path(name, trusted)
        places = self._places()
        if name not in places:
            raise RecipeError(
                self.kind,
                f"must name one of the known entries ({', '.join(self.packages)})",
                value=name,
                remedy=nearest(name, sorted(places)),
            )
        module = importlib.import_module(places[name])
        (public,) = module.__all__
        return getattr(module, public)

    def _places(self) -> dict[str, str]:
        """Return name -> module of all entries."""
        return {
            module.name.replace("_", "-"): f"{package}.{module.name}"
            for package in self.packages
            for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
            if not module.name.startswith("_")
        }

    def attribute(self, name: str) -> Any:
        """Return the entry that is the class or function ``name``: what a module's ``__getattr__`` answers.

        An entry called "n2d" is ``N2D``, one called "student-t" ``StudentT``: names differ in case and hyphens alone.

        Raises
        ------
        AttributeError : there is none
        """
        for entry in self.names():
            if name.lower() == entry.replace("-", "") and name == (found := self.get(entry)).__name__:
                return found
        raise AttributeError(f"module {self.packages[0]!r} has no attribute {name!r}")

    def attributes(self) -> list[str]:
        """Return the names of the classes and functions that ``attribute`` knows; all are imported for it."""
        return [self.get(entry).__name__ for entry in self.names()]

    def _from_path(self, path: str, trusted: Trust) -> Any:
        if not (trusted if isinstance(trusted, bool) else path in trusted):
            raise RecipeError(
                self.kind,
                "from a saved model must be one of narrows' own entries, because a model file "
                "must not choose the code that runs",
                value=path,
                remedy="If you trust this model's author, pass --trust-code (trust_code=True in Python).",
            )
        module_name, _, attribute = path.partition(":")
        try:
            found = getattr(_imported(module_name), attribute)
        except (ImportError, AttributeError) as error:
            raise RecipeError(
                self.kind,
                "given as package.module:attribute must be importable",
                value=path,
                remedy=f"{error}.",
            ) from error
        if self.contract and not (isinstance(found, type) and issubclass(found, self.contract)):
            rooms = [room for room in self.contract.__module__.split(".") if not room.startswith("_")]
            rule = f"must be a subclass of {'.'.join(rooms)}.{self.contract.__name__}"
            raise RecipeError(self.kind, rule, value=path)
        return found


def name_of(entry: type) -> str:
    """Return the name by which a class is found again: an entry's own, "package.module:Class" for any other.

    Raises
    ------
    RecipeError : a class that is made inside a function or another class, where nothing finds it
    """
    package, _, module = entry.__module__.rpartition(".")
    if package.startswith("narrows."):
        return module.replace("_", "-")
    if "." in entry.__qualname__:
        raise RecipeError(
            "a class",
            "must be defined at the top level of its module, so that its name finds it again",
            value=entry.__qualname__,
        )
    return f"{entry.__module__}:{entry.__qualname__}"


def _imported(name: str) -> ModuleType:
    """Import a module that a person named; one that is installed nowhere may lie in the folder they are in."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses another
    # For this import alone: nothing that nobody named is taken from a folder that may be a stranger's.
    here = os.getcwd()
    is_new = here not in sys.path
    sys.path += [here] * is_new
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    finally:
        if is_new:
            sys.path.remove(here)
