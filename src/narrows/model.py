"""A model: scaling, network and objective together, as they are trained, saved and loaded.

On disk a model is ``model.safetensors`` (numbers) and ``config.json`` (names and arguments), which cannot run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from narrows.data.columns import moments, rounding_of
from narrows.data.open import KEPT
from narrows.errors import NarrowsError, RunFolderError
from narrows.files import Array, not_finite, write_arrays, write_json
from narrows.objectives import Objective, objectives
from narrows.registry import Trust
from narrows.sealed import Parts, new_place, seal

FORMAT = 1  # of config.json; raised when an older narrows could not read it
PARTS = ("model.safetensors", "config.json")  # of a saved model

Named = Mapping[str, Any]  # {"name": an entry of a registry, ...its arguments}


class Model(nn.Module):
    """Scaling, network and objective for one kind of input.

    Parameters
    ----------
    input_shape : (C, H, W) for images, (D,) for vectors
    net : the network: its name in ``narrows.nets`` and its arguments, ``code_size`` among them; for an objective that
        learns classes a name in ``narrows.classifiers`` and its arguments, ``n_classes`` among them
    objective : the objective: its name in ``narrows.objectives`` and its arguments
    seed : of the initial weights
    preprocessing : how images were brought to ``input_shape`` (size, channels, fit, white or range), or the columns
        that vectors were read from and their offsets, so that new ones are too
    trusted : whether the names come from a person rather than from a file (see ``registry``)
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        net: Named,
        objective: Named,
        *,
        seed: int = 0,
        preprocessing: Mapping[str, Any] | None = None,
        trusted: Trust = True,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "format": FORMAT,
            "input_shape": list(input_shape),
            "net": dict(net),
            "objective": dict(objective),
            "preprocessing": dict(preprocessing or {}),
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            networks = objectives.get(objective["name"], trusted=trusted).networks
            self.net: Any = _build(networks, net, tuple(input_shape), trusted=trusted)
            self.objective: Objective = _build(objectives, objective, self.net, trusted=trusted)
        # Images are divided by 255; vectors are standardised by what ``fit_scaling`` finds.
        size = (1,) if self.net.is_images else tuple(input_shape)
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.full(size, 255.0 if self.net.is_images else 1.0))
        # The layout in which convolutions are fastest. Set here, so that a loaded model computes with the same kernels,
        # and so the same bits, as the one that was trained.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) or (D,)."""
        shape: tuple[int, ...] = self.net.input_shape
        return shape

    @property
    def preprocessing(self) -> dict[str, Any]:
        """How its data were opened: what ``narrows.open`` takes as ``like``."""
        return dict(self.config["preprocessing"])

    @property
    def is_images(self) -> bool:
        """Whether inputs are images."""
        return bool(self.net.is_images)

    @property
    def code_size(self) -> int:
        """The number of values in a code."""
        return int(self.net.code_size)

    def n_parameters(self) -> int:
        """Count the parameters of the network."""
        return sum(parameter.numel() for parameter in self.net.parameters())

    def fit_scaling(self, values: Array, rows: Array | None = None) -> None:
        """Learn the mean and standard deviation of ``rows`` (all by default) of vectors (N, D); nothing for images."""
        if self.is_images:
            return
        mean, variance, low, high = moments(values, rows)
        sd = np.sqrt(variance)
        # A column that differs by rounding alone carries nothing, whatever its unit: it is brought to 0.
        away = np.maximum(np.abs(low), np.abs(high))
        constant = (high - low <= rounding_of(np.dtype(np.float32)) * away) | (sd.astype(np.float32) == 0)
        sd[constant] = np.maximum(1, away[constant])
        self.shift.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(sd))

    def prepare(self, raw: Tensor) -> Tensor:
        """Turn rows as they are stored (uint8 images, float32 vectors) into what the network sees (float32)."""
        x = raw.float().sub_(self.shift) if raw.dtype == torch.uint8 else raw.float() - self.shift
        x.div_(self.scale)
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

    def restore(self, x: Tensor) -> Tensor:
        """Turn network outputs back: images stay float32 in [0, 1], vectors return to their own units."""
        return x if self.is_images else x * self.scale + self.shift

    def save(self, folder: str | Path) -> None:
        """Write ``model.safetensors`` and ``config.json`` into ``folder``, and their hashes."""
        folder = new_place(folder)
        self.write(folder)
        seal(folder, PARTS)

    def write(self, folder: Path) -> None:
        """Write what ``save`` does but for the hashes, which whoever saves more beside it keeps of everything."""
        write_arrays(folder / "model.safetensors", state_arrays(self), {"format": FORMAT})
        write_json(folder / "config.json", self.config)

    @classmethod
    def load(cls, place: str | Path | Parts, *, trust_code: Trust = False) -> Model:
        """Read a saved model from its folder, that of a run, or the parts of something saved.

        Raises
        ------
        RunFolderError : files missing, changed, damaged, or not fitting each other; weights that are no finite numbers
        RecipeError : the model names code outside narrows and ``trust_code`` is False
        """
        parts = place if isinstance(place, Parts) else Parts.of(place)
        if not all(name in parts for name in PARTS):
            raise RunFolderError(
                str(parts.place), "must hold a saved model (config.json and model.safetensors)",
                remedy="Was the run finished? `narrows run --resume` goes on with one that was not.",
            )  # fmt: skip
        config, (arrays, _) = parts.json("config.json"), parts.arrays("model.safetensors")
        if config.get("format") != FORMAT:
            raise RunFolderError(
                parts.path("config.json"), f"must be of format {FORMAT}", value=config.get("format"),
                remedy="Open it with the version of narrows that wrote it.",
            )  # fmt: skip
        preprocessing = checked_preprocessing(parts, config)
        try:
            # Built without memory first: only weights that the file really holds are given any.
            with torch.device("meta"):
                model = cls(
                    tuple(config["input_shape"]), config["net"], config["objective"], preprocessing=preprocessing,
                    trusted=trust_code,
                )  # fmt: skip
        except NarrowsError:
            raise
        except Exception as error:
            raise parts.damaged("config.json", error) from error
        source = parts.path("model.safetensors")
        check_state(model, arrays, source)
        model = model.to_empty(device="cpu")
        load_state(model, arrays, source)
        return model


def state_arrays(module: nn.Module) -> dict[str, Array]:
    """Return a module's parameters and buffers as arrays."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}


def load_state(module: nn.Module, arrays: Mapping[str, Array], source: str) -> None:
    """Set a module's parameters and buffers; names and shapes must fit exactly."""
    check_state(module, arrays, source)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(torch.from_numpy(arrays[name]))


def check_state(module: nn.Module, arrays: Mapping[str, Array], source: str) -> None:
    """Raise RunFolderError unless ``arrays`` are those of a module, by names, shapes and types, and finite."""
    own = {name: (tuple(tensor.shape), str(tensor.dtype)) for name, tensor in module.state_dict().items()}
    if own != {name: (array.shape, f"torch.{array.dtype}") for name, array in arrays.items()}:
        raise RunFolderError(source, "must hold exactly the weights its config.json describes")
    if (name := not_finite(arrays)) is not None:
        raise RunFolderError(
            source, "must hold finite weights", value=f"NaN or infinity in {name!r}",
            remedy="What it was trained to has diverged: train again with a lower learning rate.",
        )  # fmt: skip


def checked_preprocessing(parts: Parts, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the images or columns of the model in ``parts`` were read: what ``narrows.open`` takes as ``like``.

    Raises
    ------
    RunFolderError : its ``config`` says anything else
    """
    found = config.get("preprocessing")
    if not isinstance(found, dict) or not found.keys() <= KEPT:
        raise parts.damaged("config.json", f"preprocessing must say how data are opened, not {found!r}")
    return found


def _build(registry: Any, named: Named, *positional: Any, trusted: Trust) -> Any:
    arguments = {key: value for key, value in named.items() if key != "name"}
    return registry.get(named["name"], trusted=trusted)(*positional, **arguments)
