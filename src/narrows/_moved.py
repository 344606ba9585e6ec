"""Modules that have moved answer to their old names for one version more, with a warning that names the new place."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

#: Old name of a module, or of a package with all that is in it -> the new one.
MOVED = {
    "narrows.jobs": "narrows.studies.jobs",
    "narrows.reference": "narrows.studies.reference",
    "narrows.worked": "narrows.studies.worked",
    "narrows.polygons": "narrows.studies.polygons",
    "narrows.nets.colour_conv": "narrows.studies.nets.colour_conv",
    "narrows.nets.colour_dense": "narrows.studies.nets.colour_dense",
    "narrows.nets.fashion_autoencoder": "narrows.studies.nets.fashion_autoencoder",
    "narrows.nets.letters_autoencoder": "narrows.studies.nets.letters_autoencoder",
    "narrows.classifiers.fashion_cnn": "narrows.studies.classifiers.fashion_cnn",
    "narrows.classifiers.thresholds": "narrows.studies.classifiers.thresholds",
    "narrows.evaluation.classification": "narrows.studies.evaluation.classification",
    "narrows.evaluation.generation": "narrows.studies.evaluation.generation",
    "narrows.figures.centres": "narrows.studies.figures.centres",
    "narrows.figures.embedding": "narrows.studies.figures.embedding",
    "narrows.figures.learning": "narrows.studies.figures.learning",
    "narrows.figures.regions": "narrows.studies.figures.regions",
    "narrows.report.study": "narrows.studies.report",
    "narrows.report.study_page": "narrows.studies.page",
    "narrows.report.uncertainty": "narrows.studies.uncertainty",
    "narrows.regular": "narrows.disk.regular",
    "narrows.files": "narrows.disk.files",
    "narrows.sealed": "narrows.disk.sealed",
    "narrows.learned": "narrows.disk.learned",
    "narrows.claims": "narrows.disk.claims",
    "narrows.forecast": "narrows.work.forecast",
    "narrows.progress": "narrows.work.progress",
    "narrows.interrupt": "narrows.work.interrupt",
    "narrows.stages": "narrows.work.stages",
    "narrows.environment": "narrows.work.environment",
    "narrows.neighbours": "narrows.geometry.neighbours",
    "narrows.principal": "narrows.geometry.principal",
    "narrows.placing": "narrows.geometry.placing",
    "narrows.distinct": "narrows.geometry.distinct",
    "narrows.manifold": "narrows.geometry.manifold",
    "narrows.encoder": "narrows.encoding.encoder",
    "narrows.model": "narrows.encoding.model",
    "narrows.codes": "narrows.encoding.codes",
    "narrows.making": "narrows.runs.making",
    "narrows.noise": "narrows.views.noise",
    "narrows.novelty": "narrows.evaluation.novelty",
}


def new_name(name: str) -> str | None:
    """Return the new name of a module that has moved, by itself or with its package; None for any other."""
    head, rest = name, ""
    while head:
        if head in MOVED:
            return MOVED[head] + rest
        head, _, last = head.rpartition(".")
        rest = f".{last}{rest}"
    return None


class _Former(MetaPathFinder, Loader):
    """Finds a module by its old name: it is the module of the new name, not a second copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = new_name(fullname)
        if new is None:
            return None
        warnings.warn(
            f"{fullname} has moved to {new}; its old name works in this version only", DeprecationWarning, stacklevel=2
        )
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(str(new_name(spec.name)))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the old name's spec on the module, which has run already.
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Let old names be imported. The finder comes first: a package's path would find a second copy of its modules."""
    sys.meta_path.insert(0, _Former())
