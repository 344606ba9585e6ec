"""What is computed besides an encoder's codes: features, logits, reconstructions and new codes, in bounded memory.

Everything here runs in float32 whatever the precision of training, so that results do not depend on the machine's
number formats. From here on nothing needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from narrows.disk.files import Array
from narrows.disk.learned import checked_state
from narrows.encoding.encoder import Encoder, blocks
from narrows.encoding.model import Model, apply
from narrows.errors import InputError, RunFolderError
from narrows.views import Views
from narrows.work.progress import Progress
from narrows.work.threads import Workers, one_thread

__all__ = ["CodeDistribution", "apply", "blocks", "draw_codes", "embed", "logits", "normal_codes", "reconstructions"]


def embed(
    model: Model,
    values: Array,
    space: Literal["code", "features"] = "code",
    *,
    views: str | Sequence[str] = (),
    seed: int = 0,
) -> Array:
    """Return the codes (N, K) or features (N, F) of rows, as they are or randomly changed.

    Parameters
    ----------
    values : images uint8 (N, C, H, W) or vectors float32 (N, D)
    space : "code" or "features"
    views : changes to draw, such as ``["flip:1"]``; none by default
    seed : of the changes
    """
    change = Views(views, images=model.is_images) if views else None
    generator = torch.Generator().manual_seed(seed)

    def read(net: Any, x: Tensor) -> Tensor:
        if change is not None:  # drawn on the CPU, so that a seed gives the same changes everywhere
            x = change(x.cpu(), generator).to(x.device)
        made: Tensor = net.encode(x) if space == "code" else net.features(x)
        return made

    return apply(model, values, read, in_turn=change is not None)


def logits(model: Model, values: Array, progress: Progress | None = None) -> Array:
    """Return a classifier's logits (N, n_classes) float32 of images uint8 (N, C, H, W) or vectors float32 (N, D)."""
    return apply(model, values, lambda net, x: net(x), progress, "classify")


def reconstructions(encoder: Encoder, values: Array) -> Iterator[tuple[Array, Array]]:
    """Yield (input, reconstruction) block by block, both float32; images in [0, 1], vectors in their own units."""
    encoder.require_decoder()

    def pair(block: slice) -> tuple[Array, Array]:
        raw = np.asarray(values[block], dtype=np.float32)
        return (raw / 255 if encoder.is_images else raw), encoder.reconstruct(values[block])

    with Workers(encoder.at_once) as workers:
        yield from workers.map(pair, blocks(len(values), encoder.input_shape))


@dataclass(frozen=True, eq=False)
class CodeDistribution:
    """A Gaussian mixture fitted to codes, from which new codes are drawn.

    The codes of a plain autoencoder are not distributed as N(0, I), so draws from N(0, I) decode to regions without
    images. Draws from the codes' own distribution stay where images are (Ghosh et al. 2020).

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
        """Fit at most ``components`` Gaussians with full covariance to at most ``max_rows`` of ``codes`` (N, K)."""
        import warnings

        from sklearn import config_context
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        if len(codes) > max_rows:
            codes = codes[np.sort(np.random.default_rng(seed).permutation(len(codes))[:max_rows])]
        codes = np.asarray(codes, dtype=np.float64)
        size = codes.shape[1]
        # A full covariance needs several times as many rows as it has dimensions.
        components = max(1, min(components, len(codes) // (5 * size)))
        if len(codes) == 1:
            return cls(np.ones(1), codes, np.zeros((1, size, size)))
        mixture = GaussianMixture(components, reg_covar=1e-6 * float(codes.var()) + 1e-12, random_state=seed)
        # A user's setting for other array libraries does not apply to our NumPy arrays.
        with config_context(array_api_dispatch=False), warnings.catch_warnings(), one_thread():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a good mixture is enough; it need not be the best
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
        """Build from the arrays that ``state`` returned.

        Raises
        ------
        RunFolderError : arrays that are not a mixture of Gaussians
        """
        found = checked_state("sampler", {"weights": "M", "means": "MK", "factors": "MKK"}, arrays)
        if not (found["weights"] >= 0).all() or found["weights"].sum() <= 0:
            raise RunFolderError("the saved sampler", "must have weights that sum to 1", value=found["weights"])
        return cls(**found)


def draw_codes(encoder: Encoder, distribution: CodeDistribution, n: int, origin: str = "auto", seed: int = 0) -> Array:
    """Draw ``n`` codes (n, K) float32 for ``encoder`` to decode.

    Parameters
    ----------
    distribution : the distribution fitted to the training codes
    origin : "codes" draws from that distribution; "normal" from N(0, I), as losses with noise on the code require;
        "doubled" from 2 N(0, I), as the literal Gaussian autoencoder does. "auto" takes "normal" if codes are trained
        towards N(0, I), otherwise "codes"
    """
    if origin == "auto":
        origin = "normal" if encoder.normal_codes else "codes"
    if origin == "codes":
        return distribution.sample(n, seed)
    if origin not in ("normal", "doubled"):
        raise InputError("origin", "must be auto, codes, normal or doubled", value=origin)
    return normal_codes(n, encoder.code_size, seed, 2.0 if origin == "doubled" else 1.0)


def normal_codes(n: int, code_size: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Draw ``n`` codes (n, K) float32 from ``scale`` N(0, I); every scale multiplies the same draws."""
    return np.float32(scale) * np.random.default_rng(seed).standard_normal((n, code_size), dtype=np.float32)
