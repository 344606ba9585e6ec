"""From a model to NumPy: codes, logits, reconstructions, new images, in bounded memory.

Everything here runs in float32 whatever the precision of training, so that results do not depend on the machine's
number formats. From here on nothing needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from narrows.errors import InputError, RunFolderError
from narrows.files import Array
from narrows.model import Model
from narrows.progress import Progress
from narrows.sealed import checked_state
from narrows.views import Views

BLOCK_VALUES = 1 << 21  # of input in one block: 8 MiB of float32, and a small multiple of it in the network


def encode(model: Model, values: Array, progress: Progress | None = None) -> Array:
    """Return the codes (N, K) float32 of images uint8 (N, C, H, W) or vectors float32 (N, D)."""
    _check(model, values)
    codes = np.empty((len(values), model.code_size), dtype=np.float32)
    with (progress or Progress()).task("encode", len(values)) as task:
        for block in blocks(len(values), model.input_shape):
            codes[block] = _encode(model, values[block])
            task.advance(block.stop - block.start)
    return codes


def embed(
    model: Model,
    values: Array,
    space: Literal["code", "features"] = "code",
    *,
    views: str | Sequence[str] = (),
    seed: int = 0,
) -> Array:
    """Return codes (N, K), or the features (N, F) they are computed from, of rows as they are or randomly changed.

    Parameters
    ----------
    values : images uint8 (N, C, H, W) or vectors float32 (N, D)
    space : "code" or "features"
    views : changes to draw, such as ``["flip:1"]``; none by default
    seed : of the changes
    """
    _check(model, values)
    change = Views(views, images=model.is_images) if views else None
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for block in blocks(len(values), model.input_shape):
        with torch.inference_mode():
            x = model.prepare(_stored(values[block]))
            net = model.net.cpu()
            read = net.encode if space == "code" else net.features
            parts.append(read(x if change is None else change(x, generator)).numpy())
    return np.concatenate(parts)


def logits(model: Model, values: Array, progress: Progress | None = None) -> Array:
    """Return a classifier's logits (N, n_classes) float32 of images uint8 (N, C, H, W) or vectors float32 (N, D)."""
    _check(model, values)
    found = np.empty((len(values), model.net.n_classes), dtype=np.float32)
    with (progress or Progress()).task("classify", len(values)) as task:
        for block in blocks(len(values), model.input_shape):
            with torch.inference_mode():
                found[block] = model.net.cpu()(model.prepare(_stored(values[block]))).numpy()
            task.advance(block.stop - block.start)
    return found


def decode(model: Model, codes: Array) -> Array:
    """Return what the decoder draws for ``codes`` (N, K): images float32 (N, C, H, W) in [0, 1], or vectors (N, D)."""
    require_decoder(model)
    codes = np.asarray(codes, dtype=np.float32)
    if codes.ndim != 2 or codes.shape[1] != model.code_size:
        raise InputError("codes", f"must have shape (N, {model.code_size})", value=codes.shape)
    outputs = np.empty((len(codes), *model.input_shape), dtype=np.float32)
    for block in blocks(len(codes), model.input_shape):
        outputs[block] = _decode(model, codes[block])
    return outputs


def reconstruct(model: Model, values: Array) -> Array:
    """Return the reconstructions of images uint8 (N, C, H, W), as float32 in [0, 1], or of vectors (N, D).

    A denoising model's reconstruction of a corrupted image is the cleaned image.
    """
    outputs = np.empty((len(values), *model.input_shape), dtype=np.float32)
    done = 0
    for _, output in reconstructions(model, values):
        outputs[done : done + len(output)] = output
        done += len(output)
    return outputs


def reconstructions(model: Model, values: Array) -> Iterator[tuple[Array, Array]]:
    """Yield (input, reconstruction) block by block, both float32; images in [0, 1], vectors in their own units."""
    require_decoder(model)
    _check(model, values)
    for block in blocks(len(values), model.input_shape):
        output = _decode(model, _encode(model, values[block]))
        raw = np.asarray(values[block], dtype=np.float32)
        yield (raw / 255 if model.is_images else raw), output


def errors(model: Model, values: Array) -> Array:
    """Return each row's mean squared error (N,), in the network's units: images [0, 1], vectors standardised."""
    require_decoder(model)
    _check(model, values)
    found = np.empty(len(values), dtype=np.float32)
    for block in blocks(len(values), model.input_shape):
        with torch.inference_mode():
            x = model.prepare(_stored(values[block]))
            found[block] = (model.net.cpu()(x) - x).square().flatten(1).mean(1).numpy()
    return found


def corrupted_reconstructions(model: Model, values: Array, seed: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield (input, the input corrupted as in training, its reconstruction) block by block, images in [0, 1]."""
    require_decoder(model)
    _check(model, values)
    generator = torch.Generator().manual_seed(seed)
    for block in blocks(len(values), model.input_shape):
        with torch.inference_mode():
            x = model.prepare(_stored(values[block]))
            corrupted = model.objective.corrupt(x, generator)
            output = model.net.cpu()(corrupted)
            yield tuple(model.restore(t).numpy() for t in (x, corrupted, output))  # type: ignore[misc]


def require_decoder(model: Model) -> None:
    """Raise a clear error when the objective taught the decoder nothing."""
    if not model.objective.trains_decoder:
        raise InputError(
            "this model", "must have a trained decoder to reconstruct, denoise or generate; its objective trains the "
            "encoder alone", value=model.config["objective"],
            remedy="Train with --set objective.reconstruction=1, or with another objective.",
        )  # fmt: skip


def blocks(rows: int, shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of at most 1024 rows and BLOCK_VALUES values that cover ``rows`` rows of ``shape``."""
    size = max(1, min(1024, BLOCK_VALUES // math.prod(shape)))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


@dataclass(frozen=True, eq=False)
class CodeDistribution:
    """A Gaussian mixture fitted to codes, to draw new ones from.

    A plain autoencoder's codes are not distributed as N(0, I), so decoding draws from N(0, I) shows places where no
    image was ever put. Draws from the codes' own distribution stay where images are (Ghosh et al. 2020).

    Parameters
    ----------
    weights : (M,), the shares of the components
    means : (M, K)
    factors : (M, K, K), lower-triangular Cholesky factors of the covariances
    """

    weights: Array
    means: Array
    factors: Array

    @classmethod
    def fit(cls, codes: Array, components: int = 10, seed: int = 0, max_rows: int = 20_000) -> CodeDistribution:
        """Fit at most ``components`` Gaussians with full covariance to ``codes`` (N, K), or to ``max_rows`` of them."""
        import warnings

        from sklearn import config_context
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        if len(codes) > max_rows:
            codes = codes[np.sort(np.random.default_rng(seed).permutation(len(codes))[:max_rows])]
        codes = np.asarray(codes, dtype=np.float64)
        size = codes.shape[1]
        # A full covariance wants several times as many rows as it has sides.
        components = max(1, min(components, len(codes) // (5 * size)))
        if len(codes) == 1:
            return cls(np.ones(1), codes, np.zeros((1, size, size)))
        mixture = GaussianMixture(components, reg_covar=1e-6 * float(codes.var()) + 1e-12, random_state=seed)
        # What a user set for other array libraries is not meant for our NumPy arrays.
        with config_context(array_api_dispatch=False), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a good mixture is enough; nothing hangs on the best
            mixture.fit(codes)
        return cls(mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_))

    def sample(self, n: int, seed: int = 0) -> Array:
        """Draw ``n`` codes (n, K) float32."""
        rng = np.random.default_rng(seed)
        component = rng.choice(len(self.weights), size=n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.means.shape[1]))
        drawn = self.means[component] + np.einsum("nij,nj->ni", self.factors[component], noise)
        codes: Array = drawn.astype(np.float32)
        return codes

    def state(self) -> dict[str, Array]:
        """Return the arrays to save."""
        return {"weights": self.weights, "means": self.means, "factors": self.factors}

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array]) -> CodeDistribution:
        """Build from what ``state`` returned.

        Raises
        ------
        RunFolderError : arrays that are no mixture of Gaussians
        """
        found = checked_state("sampler", {"weights": "M", "means": "MK", "factors": "MKK"}, arrays)
        if not (found["weights"] >= 0).all() or found["weights"].sum() <= 0:
            raise RunFolderError("the saved sampler", "must have weights that are shares", value=found["weights"])
        return cls(**found)


def normal_codes(n: int, code_size: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Draw ``n`` codes (n, K) float32 from ``scale`` N(0, I): the same draws, times ``scale``."""
    drawn: Array = np.float32(scale) * np.random.default_rng(seed).standard_normal((n, code_size), dtype=np.float32)
    return drawn


@torch.inference_mode()
def _encode(model: Model, raw: Array) -> Array:
    code: Array = model.net.cpu().encode(model.prepare(_stored(raw))).numpy()
    return code


@torch.inference_mode()
def _decode(model: Model, codes: Array) -> Array:
    output: Array = model.restore(model.net.cpu().decode(torch.from_numpy(codes))).numpy()
    return output


def _stored(raw: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(raw))  # a copy: the source may be read-only, and blocks are small


def _check(model: Model, values: Array) -> None:
    if tuple(values.shape[1:]) != model.input_shape:
        raise InputError(
            "data", f"must have rows of shape {model.input_shape}, as the model was trained on",
            value=tuple(values.shape[1:]),
        )  # fmt: skip
