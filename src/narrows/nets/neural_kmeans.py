"""k-means as a network: its only parameters are the centres."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from narrows.errors import RecipeError
from narrows.nets import Network

__all__ = ["NeuralKMeans"]


class NeuralKMeans(Network):
    """x -> similarities to K centres -> softmax -> mixture of the centres.

    code = softmax(beta (x C^T - |C_i|^2 / 2)) and output = code C. As |x - C_i|^2 = |x|^2 - 2 (x C_i - |C_i|^2 / 2),
    the code is the softmax of -beta/2 |x - C_i|^2. For large beta it selects the nearest centre, the output is that
    centre, and the reconstruction error is what k-means minimises (Bottou & Bengio 1995 on k-means as gradient
    descent).

    Parameters
    ----------
    input_shape : (C, H, W) or (D,)
    code_size : K, the number of centres
    beta : sharpness of the softmax; "auto" is 20 for images, and 1 for vectors, which makes the code the posterior of
        a mixture of Gaussians of unit variance, the variance of standardised vectors
    spread : centres start uniform in [0, spread], or [-spread, spread] for vectors; "auto" is 0.1 for images, so that
        at first every centre contributes to every image, and 1 for vectors. To start from data instead, set
        ``centers``, as ``narrows.NeuralKMeans`` does
    """

    compresses: ClassVar[bool] = False

    to_code: Assignment  # type: ignore[assignment]

    def __init__(
        self,
        input_shape: tuple[int, ...],
        code_size: int = 10,
        beta: float | Literal["auto"] = "auto",
        spread: float | Literal["auto"] = "auto",
    ) -> None:
        super().__init__(input_shape, code_size)
        sharpness = _positive("beta", beta, 20.0 if self.is_images else 1.0)
        width = _positive("spread", spread, 0.1 if self.is_images else 1.0)
        centers = torch.empty(code_size, math.prod(input_shape)).uniform_(0 if self.is_images else -width, width)
        self.encoder = nn.Flatten()
        self.to_code = Assignment(centers, sharpness)
        self.decoder = nn.Sequential(Mixture(self.to_code), nn.Unflatten(1, self.input_shape))

    @property
    def centers(self) -> nn.Parameter:
        """The centres (K, D)."""
        return self.to_code.centers

    @property
    def feature_size(self) -> int:
        """D, the number of values of an input; the code is computed from the input itself."""
        return self.to_code.centers.shape[1]

    def decode(self, z: Tensor) -> Tensor:
        """Return the mixtures (N, *input_shape) of centres, float32, with weights ``z`` (N, K).

        There is no sigmoid: a mixture of images is an image.
        """
        output: Tensor = self.decoder(z)
        return output


class Assignment(nn.Module):
    """x (N, D) -> softmax(beta (x C^T - |C_i|^2 / 2)) (N, K).

    Always in float32: in bfloat16 the error of a similarity exceeds the difference between two neighbouring centres.
    """

    def __init__(self, centers: Tensor, beta: float) -> None:
        super().__init__()
        self.centers = nn.Parameter(centers)
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Return the share (N, K) of each centre in each row of ``x`` (N, D)."""
        with torch.autocast(x.device.type, enabled=False):
            half_squares = self.centers.square().sum(1) / 2  # (K,)
            return (self.beta * (x.float() @ self.centers.T - half_squares)).softmax(1)

    def extra_repr(self) -> str:
        """Return the description that torch prints."""
        return f"{self.centers.shape[1]}, {self.centers.shape[0]}, beta={self.beta:g}"


class Mixture(nn.Module):
    """Weights (N, K) -> the weighted sum (N, D) of the centres of an assignment, in float32."""

    def __init__(self, assignment: Assignment) -> None:
        super().__init__()
        # In a tuple, which torch does not search for modules: the centres belong to the assignment and are saved once.
        self.source = (assignment,)

    def forward(self, z: Tensor) -> Tensor:
        """Return the mixtures (N, D)."""
        with torch.autocast(z.device.type, enabled=False):
            return z.float() @ self.source[0].centers


def _positive(name: str, value: float | str, auto: float) -> float:
    if value == "auto":
        return auto
    if isinstance(value, str) or not 0 < value < math.inf:
        raise RecipeError(f"net.{name}", "must be > 0, or auto", value=value)
    return value
