"""A model: scaling, network and objective, which are trained, saved and loaded together.

On disk a model is ``model.safetensors`` (numbers) and ``config.json`` (names and arguments), which cannot run code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from narrows.data.columns import moments, rounding_of
from narrows.disk.files import Array, not_finite, write_arrays, write_json
from narrows.disk.sealed import Parts
from narrows.encoding.encoder import CONFIG, FORMAT, Encoder, checked_config, in_blocks, parts_of
from narrows.errors import InputError, NarrowsError, RunFolderError
from narrows.nets import Network
from narrows.objectives import Objective, objectives
from narrows.registry import Trust
from narrows.wording import plural
from narrows.work.progress import Progress

PARTS = ("model.safetensors", CONFIG)  # of a saved model

Named = Mapping[str, Any]  # {"name": an entry of a registry, ...its arguments}


class Model(nn.Module, Encoder):
    """Scaling, network and objective for one kind of input: the encoder that is trained.

    Parameters
    ----------
    input_shape : (C, H, W) for images, (D,) for vectors
    net : the network: its name in ``narrows.nets`` and its arguments, including ``code_size``; for an objective that
        learns classes, a name in ``narrows.classifiers`` and its arguments, including ``n_classes``
    objective : the objective: its name in ``narrows.objectives`` and its arguments
    seed : of the initial weights
    preprocessing : how images were brought to ``input_shape`` (size, channels, fit, white or range), or the columns and
        offsets of vectors, for reading new rows in the same way
    trusted : whether the names were given by a person rather than read from a file (see ``registry``)
    """

    trains_network = True
    title = "autoencoder"
    files = PARTS
    given_by_run = ("input_shape", "net", "objective", "seed", "preprocessing", "trusted")

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
        self.input_shape, self.preprocessing = self.net.input_shape, dict(preprocessing or {})
        # Images are divided by 255; vectors are standardised by the statistics from ``fit_scaling``.
        size = (1,) if self.net.is_images else tuple(input_shape)
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.full(size, 255.0 if self.net.is_images else 1.0))
        # The layout in which convolutions are fastest. Set here, so that a loaded model computes with the same kernels,
        # and thus to the same bits, as the trained one.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    @property
    def code_size(self) -> int:
        """The number of values in a code."""
        return int(self.net.code_size)

    @property
    def decodes(self) -> bool:
        """Whether the decoder was trained."""
        return self.objective.trains_decoder

    @property
    def corrupts(self) -> bool:
        """Whether the objective corrupts the network's input, so that it learns to denoise."""
        return self.objective.corrupts

    @property
    def normal_codes(self) -> bool:
        """Whether the objective trains codes towards N(0, I)."""
        return self.objective.normal_codes

    @property
    def at_once(self) -> int | None:
        """See ``Encoder``: a GPU takes one block after the other."""
        return None if self.shift.device.type == "cpu" else 1

    def n_parameters(self) -> int:
        """Count the parameters of the network."""
        return sum(parameter.numel() for parameter in self.net.parameters())

    def fit_scaling(self, values: Array, rows: Array | None = None) -> None:
        """Learn the mean and standard deviation of ``rows`` (all by default) of vectors (N, D); images need no fit."""
        if self.is_images:
            return
        mean, variance, low, high = moments(values, rows)
        sd = np.sqrt(variance)
        # A column that varies only by rounding carries no information, whatever its unit, so it is set to 0.
        away = np.maximum(np.abs(low), np.abs(high))
        constant = (high - low <= rounding_of(np.dtype(np.float32)) * away) | (sd.astype(np.float32) == 0)
        sd[constant] = np.maximum(1, away[constant])
        self.shift.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(sd))

    def prepare(self, raw: Tensor) -> Tensor:
        """Convert rows as they are stored (uint8 images, float32 vectors) to the network's input (float32)."""
        x = raw.float().sub_(self.shift) if raw.dtype == torch.uint8 else raw.float() - self.shift
        x.div_(self.scale)
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

    def restore(self, x: Tensor) -> Tensor:
        """Convert network outputs back: images stay float32 in [0, 1], vectors return to their own units."""
        return x if self.is_images else x * self.scale + self.shift

    def compute(self, values: Array, what: Callable[[Any, Tensor], Tensor]) -> Array:
        """Return ``what(net, x)`` as float32, where x (B, *input_shape) is a block of rows in the network's units.

        Computed on the model's device, where the scaling is too.
        """
        return self._computed(values, lambda raw: what(self.net, self.prepare(raw)))

    def prepared(self, values: Array) -> Array:
        """Return rows (N, D) float32 in the network's units: images in [0, 1], vectors standardised."""
        return self.compute(values, lambda _, x: x.flatten(1))

    def errors(self, values: Array) -> Array:
        """Return each row's mean squared reconstruction error (N,) float32, in the network's units."""
        self.require_decoder()
        return apply(self, values, lambda net, x: (net(x) - x).square().flatten(1).mean(1))

    def denoised(self, values: Array, seed: int) -> Iterator[tuple[Array, Array, Array]]:
        """Yield (rows, rows corrupted as in training, their reconstructions) block by block, images in [0, 1].

        Raises
        ------
        InputError : an objective that does not corrupt its input
        """
        self.require_denoiser()
        generator = torch.Generator().manual_seed(seed)

        def clean(net: Any, x: Tensor) -> Tensor:
            # Drawn on the CPU, so that a seed gives the same noise wherever the model is.
            corrupted = self.objective.corrupt(x.cpu(), generator).to(x.device)
            return torch.stack([self.restore(shown) for shown in (x, corrupted, net(corrupted))], 1)

        for block in self.blocks(len(values)):
            made = self.compute(values[block], clean)  # (B, 3, *input_shape)
            yield made[:, 0], made[:, 1], made[:, 2]

    def require_decoder(self) -> None:
        """Raise InputError if there is no decoder, or the objective did not train it."""
        if self.decodes:
            return
        rule = "must have a trained decoder to reconstruct, denoise or generate; its"
        if not isinstance(self.net, Network):
            raise InputError(
                "this model",
                f"{rule} network has none",
                value=self.config["net"]["name"],
                remedy="Choose a clustering or objective that trains one.",
            )
        free = not self.objective.only_in_methods
        raise InputError(
            "this model",
            f"{rule} objective trains only the encoder",
            value=self.config["objective"],
            remedy=f"Train with {'--set objective.reconstruction=1, or with ' if free else ''}another objective.",
        )

    def describe(self) -> str:
        """Return a description of the network, its code and its objective."""
        return (
            f"A `{self.config['net']['name']}` network with a code of {plural(self.code_size, 'value')}, trained with "
            f"the\n`{self.config['objective']['name']}` objective"
        )

    def write(self, folder: Path) -> None:
        """Write what ``save`` does, without hashes: the caller writes those of all its files together."""
        write_arrays(folder / "model.safetensors", state_arrays(self), {"format": FORMAT})
        write_json(folder / CONFIG, self.config)

    @classmethod
    def load(cls, place: str | Path | Parts, *, trust_code: Trust = False) -> Self:
        """Read a saved model from its folder, a run folder, or the parts of a saved object.

        Raises
        ------
        RunFolderError : files that are missing, changed, damaged or do not fit together; weights that are not finite
        RecipeError : the model names code outside narrows and ``trust_code`` is False
        """
        parts = parts_of(place, CONFIG, what="a saved encoder")
        config = checked_config(parts)
        if "encoder" in config:
            raise RunFolderError(
                parts.path(CONFIG),
                "must belong to a network",
                value=config["encoder"],
                remedy="Load other encoders with narrows.Run(folder).encoder() or narrows.encoders.load(folder).",
            )
        arrays, _ = parts_of(parts, *PARTS, what="a saved model").arrays("model.safetensors")
        try:
            # Built without memory at first: memory is allocated only for weights that the file really contains.
            with torch.device("meta"):
                model = cls(
                    tuple(config["input_shape"]),
                    config["net"],
                    config["objective"],
                    preprocessing=config["preprocessing"],
                    trusted=trust_code,
                )
        except NarrowsError:
            raise
        except Exception as error:
            raise parts.damaged(CONFIG, error) from error
        source = parts.path("model.safetensors")
        check_state(model, arrays, source)
        # Assigned rather than copied into ``to_empty``, which imports a symbolic algebra for half a second.
        model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, assign=True)
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _encode(self, values: Array) -> Array:
        return self.compute(values, lambda net, x: net.encode(x))

    def _decode(self, codes: Array) -> Array:
        return self._computed(codes, lambda z: self.restore(self.net.decode(z)))

    @torch.inference_mode()
    def _computed(self, rows: Array, what: Callable[[Tensor], Tensor]) -> Array:
        device = self.shift.device
        # A GPU would use 19-bit numbers (TF32) for convolutions; results must not depend on the machine's number
        # formats.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
        with exact:
            # A copy: the rows may be read-only, and blocks are small.
            made: Array = what(torch.from_numpy(np.array(rows)).to(device)).float().cpu().numpy()
        return made


def apply(
    model: Model,
    values: Array,
    what: Callable[[Any, Tensor], Tensor],
    progress: Progress | None = None,
    doing: str = "",
    *,
    in_turn: bool = False,
) -> Array:
    """Return ``what(net, x)`` of all rows as one float32 array, computed block by block on the model's device.

    Parameters
    ----------
    values : images uint8 (N, C, H, W) or vectors float32 (N, D), in memory or mapped from a file
    what : network, rows in its units (B, *input_shape) -> the same number of rows, of any shape
    progress, doing, in_turn : see ``in_blocks``

    Raises
    ------
    InputError : rows of another shape
    """
    return in_blocks(model, values, lambda block: model.compute(block, what), progress, doing, in_turn=in_turn)


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
    """Raise RunFolderError unless ``arrays`` have a module's names, shapes and types, and finite values."""
    own = {name: (tuple(tensor.shape), str(tensor.dtype)) for name, tensor in module.state_dict().items()}
    if own != {name: (array.shape, f"torch.{array.dtype}") for name, array in arrays.items()}:
        raise RunFolderError(source, "must contain exactly the weights that its config.json describes")
    if (name := not_finite(arrays)) is not None:
        raise RunFolderError(
            source,
            "must contain only finite weights",
            value=f"NaN or infinity in {name!r}",
            remedy="Its training diverged: train again with a lower learning rate.",
        )


def _build(registry: Any, named: Named, *positional: Any, trusted: Trust) -> Any:
    arguments = {key: value for key, value in named.items() if key != "name"}
    return registry.get(named["name"], trusted=trusted)(*positional, **arguments)
