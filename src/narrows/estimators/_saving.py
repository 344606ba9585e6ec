"""What all estimators share: parameters are checked, saved with what was learned, and loaded."""

from __future__ import annotations

import html
import inspect
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from narrows.arguments import checked
from narrows.data.arrays import without_tensors
from narrows.disk.files import Array, atomic_file, write_arrays, write_json
from narrows.disk.sealed import Parts, new_place, seal
from narrows.encoding.encoder import Encoder
from narrows.encoding.model import PARTS, Model
from narrows.errors import InputError, RunFolderError
from narrows.estimators._source import TellsNovelty
from narrows.registry import name_of
from narrows.wording import plural

AXES = {"NHW", "NHWC", "NCHW"}  # of images
VECTOR_AXES = {"ND", "NCHW"}  # of vectors; the latter of those that came as no array
PARAMETERS = "parameters.safetensors"  # the arrays among them
GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "SFC64")  # of NumPy, whose states are plain numbers
NAMING = ("name", "net", "objective", "method")  # of parameters: what they say is looked up in a registry
KIND = "is"  # in JSON, of what has no kind of its own there; a word of Python, so that no argument is called so


class Saved(TellsNovelty):
    """For estimators with a ``history_``; a subclass adds what it has besides, in ``_write`` and ``_read``.

    A saved estimator is a folder or a ``.zip`` of numbers and names: the model, what tells novelty, and a JSON file
    with all parameters of the constructor.
    """

    #: The JSON file.
    _record: ClassVar[str]
    #: What stands in for that file in a folder without one; None where it must be there.
    _bare: ClassVar[Mapping[str, Any] | None] = None
    #: Parameters that may be objects, which the annotations do not check.
    _objects: ClassVar[tuple[str, ...]] = ("random_state",)

    history_: list[dict[str, float]]

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator into one file if ``path`` ends in ``.zip``, or into a folder.

        It is numbers and names only (safetensors and JSON), with all parameters. Of the data it was fitted to it holds
        the codes of at most 5,000 rows, and the mean and principal components of their values, which ``novelty``
        compares with.
        """
        check_is_fitted(self)
        path = Path(path)
        if path.suffix == ".zip":
            with tempfile.TemporaryDirectory() as inside, atomic_file(path) as file:
                self.save(inside)
                with zipfile.ZipFile(file, "w") as archive:
                    for name in files_of(Path(inside)):
                        archive.write(Path(inside) / name, name)
            return
        folder = new_place(path)
        arrays: dict[str, Array] = {}
        parameters = {name: self._kept(name, value, arrays) for name, value in self._parameters().items()}
        record = {"parameters": parameters, "axes": self._axes, "history": self.history_, "rows": self.n_samples_fit_}
        names = [*self._write(folder, record), *self._save_novelty(folder), self._record]
        write_json(folder / self._record, record)
        if arrays:
            write_arrays(folder / PARAMETERS, arrays)
            names.append(PARAMETERS)
        seal(folder, names)

    @classmethod
    def load(cls, path: str | Path | Parts, *, trust_code: bool = False) -> Self:
        """Load what ``save`` wrote; it returns the same bits. Attributes about the fitted rows are not saved.

        Raises
        ------
        RunFolderError : files missing, changed or damaged
        RecipeError, RunFolderError : it names code outside narrows and ``trust_code`` is False
        """
        parts = path if isinstance(path, Parts) else Parts.of(path)
        if cls._record not in parts and cls._bare is None:
            raise RunFolderError(str(parts.place), f"must contain a saved {cls.__name__} ({cls._record})")
        record = parts.json(cls._record) if cls._record in parts else dict(cls._bare or {})
        learned = cls._read_learned(parts, record, trust_code)
        model = learned if isinstance(learned, Encoder) else learned.model_
        self = cls(**cls._read_parameters(parts, record, learned, trust_code))
        axes, self.history_ = axes_and_history(parts, cls._record, record, model)
        self.n_samples_fit_ = rows = record.get("rows")
        if rows is not None and not (type(rows) is int and rows > 0):
            raise parts.damaged(cls._record, f"rows {rows!r}")
        self._remember(model, axes)
        self._load_novelty(parts)
        self._read(parts, record, learned, trust_code)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Whether ``fit`` has finished, or this was loaded."""
        return hasattr(self, "model_")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return what a notebook shows: the parameters, and below them what was learned."""
        shown: dict[str, str] = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in shown and self.__sklearn_is_fitted__():
            rows = "" if self.n_samples_fit_ is None else f" to {plural(self.n_samples_fit_, 'row')}"
            shown["text/html"] += f"<p>Fitted{rows}: {html.escape(self._learned())}.</p>"
        return shown

    def _learned(self) -> str:
        """Return what was learned, in a few words."""
        return f"codes of {plural(self.model_.code_size, 'value')}"

    def _parameters(self) -> dict[str, Any]:
        return dict(self.get_params(deep=False))  # type: ignore[attr-defined]

    def _check_parameters(self) -> dict[str, Any]:
        """Return the parameters that are not objects as plain values: NumPy's arrays are lists, its numbers numbers.

        Raises
        ------
        RecipeError : one of another kind than its annotation says
        """
        given = {name: value for name, value in self._parameters().items() if name not in self._objects}
        return checked(type(self), given, given_by_us=self._objects)

    def _write(self, folder: Path, record: dict[str, Any]) -> Iterable[str]:
        """Write what was learned into ``folder`` and ``record``, and return the names of the files."""
        self.model_.write(folder)
        return PARTS

    @classmethod
    def _read_learned(cls, parts: Parts, record: Mapping[str, Any], trust_code: bool) -> Any:
        """Return the model as it was saved, or what has it as its ``model_``."""
        return Model.load(parts, trust_code=trust_code)

    def _read(self, parts: Parts, record: Mapping[str, Any], learned: Any, trust_code: bool) -> None:
        """Read what ``_write`` wrote besides the model, which is already set."""

    @classmethod
    def _earlier(cls, learned: Any) -> dict[str, Any]:
        """Return the parameters of an estimator saved by an earlier version of narrows, which did not save them."""
        return {}

    def _kept(self, name: str, value: Any, arrays: dict[str, Array]) -> Any:
        """Return a parameter as JSON has it; what are arrays is added to ``arrays``."""
        return as_json(name, value, arrays)

    @classmethod
    def _read_parameters(
        cls, parts: Parts, record: Mapping[str, Any], learned: Any, trust_code: bool
    ) -> dict[str, Any]:
        if "parameters" not in record:
            return cls._earlier(learned)
        kept, known = record["parameters"], inspect.signature(cls).parameters.keys()
        if not isinstance(kept, dict) or not kept.keys() <= known:
            raise RunFolderError(parts.path(cls._record), "must contain this estimator's parameters", value=kept)
        arrays = parts.arrays(PARAMETERS)[0] if PARAMETERS in parts else {}
        try:
            parameters = {name: from_json(value, arrays) for name, value in kept.items()}
        except Exception as error:
            raise parts.damaged(cls._record, error) from error
        code = [entry for entry in _entries(kept) if ":" in entry]
        if code and not trust_code:
            raise RunFolderError(
                parts.path(cls._record),
                "must name only parts of narrows",
                value=code[0],
                remedy="If you trust this model's author, pass trust_code=True.",
            )
        return parameters


def _entries(kept: Any) -> Iterator[str]:
    """Yield the registry names in parameters at any depth, which a later ``fit`` would trust."""
    inside = list(kept.items()) if isinstance(kept, dict) else [("", one) for one in kept]
    for name, value in inside:
        if isinstance(value, dict | list):
            yield from _entries(value)
        elif name in NAMING and isinstance(value, str):
            yield value


def axes_and_history(
    parts: Parts, name: str, kept: Mapping[str, Any], model: Encoder
) -> tuple[str, list[dict[str, float]]]:
    """Return the order of the axes of what was given to ``fit``, and the history, as the file ``name`` has them.

    Raises
    ------
    RunFolderError : they are not there, or cannot be those of the model
    """
    axes, history = kept.get("axes"), kept.get("history", [])
    if not isinstance(axes, str) or axes not in (AXES if model.is_images else VECTOR_AXES):
        raise parts.damaged(name, f"axes {axes!r}")
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise parts.damaged(name, "a history that is not a list of epochs")
    return axes, history


def files_of(folder: Path) -> list[str]:
    """Return the files in a folder and those inside it, as paths from there."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def as_json(name: str, value: Any, arrays: dict[str, Array]) -> Any:
    """Return a parameter as JSON has it; arrays of numbers are added to ``arrays``, and named.

    Raises
    ------
    InputError : what is neither a number, a text, an array, a path, a random state, nor a list or mapping of them
    """
    value = without_tensors(value)
    if hasattr(value, "__array__"):  # NumPy's numbers, arrays and tables
        value = np.asarray(value)
        if value.ndim == 0 or value.dtype.kind not in "biuf":
            value = value.tolist()
    if isinstance(value, np.ndarray):
        arrays[name := f"{name}.{len(arrays)}"] = value
        return {KIND: "array", "name": name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, type):
        return name_of(value)
    if isinstance(value, Path):
        return {KIND: "path", "text": str(value)}
    if isinstance(value, list):
        return [as_json(name, one, arrays) for one in value]
    if isinstance(value, tuple):
        return {KIND: "tuple", "items": as_json(name, list(value), arrays)}
    if isinstance(value, np.random.RandomState) and value.get_state(legacy=False)["bit_generator"] in GENERATORS:
        return {KIND: "random state", "state": as_json(name, value.get_state(legacy=False), arrays)}
    if isinstance(value, Mapping) and KIND not in value and all(isinstance(key, str) for key in value):
        return {key: as_json(name, one, arrays) for key, one in value.items()}
    raise InputError(name, "must be numbers, strings, or lists or mappings of these, to be saved", value=value)


def from_json(value: Any, arrays: Mapping[str, Array]) -> Any:
    """Return the value from what ``as_json`` returned; a manipulated value may raise any exception."""
    if isinstance(value, list):
        return [from_json(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    match value.get(KIND):
        case None:
            return {key: from_json(one, arrays) for key, one in value.items()}
        case "array":
            return arrays[value["name"]]
        case "path":
            return Path(value["text"])
        case "tuple":
            return tuple(from_json(value["items"], arrays))
        case "random state":
            return _random_state(from_json(value["state"], arrays))
    raise ValueError(f"nothing is called {value[KIND]!r}")


def _random_state(state: dict[str, Any]) -> np.random.RandomState:
    if (kind := state["bit_generator"]) not in GENERATORS:
        raise ValueError(f"no generator is called {kind!r}")
    if kind == "MT19937" and not 0 <= state["state"]["pos"] <= len(state["state"]["key"]):
        raise ValueError("a position outside the generator's range")  # NumPy would read beyond them
    found = np.random.RandomState(getattr(np.random, kind)())
    found.set_state(state)
    return found
