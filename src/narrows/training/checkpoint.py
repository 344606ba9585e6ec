"""Checkpoints: the whole state of training in one file, which is either complete or absent.

``last`` is the newest, ``previous`` the one before it, and ``best`` contains the weights with the lowest validation
loss.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from narrows.disk.files import Array, flush_folder, read_arrays, write_arrays
from narrows.encoding.model import load_state, state_arrays
from narrows.errors import RunFolderError
from narrows.training.optimizers import Optimizer

VERSION = 2  # of training, raised whenever the same settings, rows and seed give other bits


def save(folder: Path, modules: dict[str, nn.Module], optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Write the state of training; ``last`` becomes ``previous`` first, so that one of the two is always complete.

    Parameters
    ----------
    folder : the folder of the checkpoints, created if it does not exist
    modules : name -> module whose parameters and buffers are saved
    optimizer : the optimiser whose state is saved
    state : the position in training, ready for JSON

    Raises
    ------
    WriteError : it cannot be written, or the disk returns other bytes; the earlier checkpoints are unchanged
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}/{key}": value for name, m in modules.items() for key, value in state_arrays(m).items()}
    arrays |= {f"optimizer/{key}": value for key, value in optimizer.arrays().items()}
    target, fresh = folder / "last.safetensors", folder / "last.new"
    write_arrays(fresh, arrays, state)
    if target.exists():
        os.replace(target, folder / "previous.safetensors")
    os.replace(fresh, target)
    flush_folder(folder)


def load(folder: Path, modules: dict[str, nn.Module], optimizer: Optimizer) -> dict[str, Any] | None:
    """Restore the newest complete checkpoint and return its ``state``; None if there is no checkpoint.

    Raises
    ------
    RunFolderError : there are checkpoints, but none is complete and fits the model
    """
    candidates = [p for p in (folder / "last.safetensors", folder / "previous.safetensors") if p.exists()]
    problems = []
    for path in candidates:
        try:
            arrays, state = read_arrays(path)
            for name, module in modules.items():
                load_state(module, _below(arrays, f"{name}/"), str(path))
            optimizer.load(_below(arrays, "optimizer/"))
        except Exception as error:  # whatever is wrong with this one, the other may be complete
            problems.append(f"{path.name}: {error}")
        else:
            return state
    if problems:
        raise RunFolderError(
            str(folder),
            "must contain a complete checkpoint of this model",
            value="; ".join(problems),
            remedy="Start again with --overwrite.",
        )
    return None


def save_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write only a module's ``state_dict``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()})


def load_weights(path: Path, module: nn.Module) -> None:
    """Read a file that ``save_weights`` wrote."""
    try:
        arrays, _ = read_arrays(path)
    except Exception as error:  # whatever is wrong with the file
        remedy = "Start again with --overwrite."
        raise RunFolderError(
            str(path), "must be a complete file of weights", value=str(error), remedy=remedy
        ) from error
    load_state(module, arrays, str(path))


def _below(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
