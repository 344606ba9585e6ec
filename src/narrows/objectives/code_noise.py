"""Noise on the code and a penalty on its length, so that the space between codes is used too."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import Batch, Objective, PixelLoss, check_loss, pixel_loss

__all__ = ["CodeNoise"]


class CodeNoise(Objective):
    """Decode z + sd * N(0, I) and keep z small, which approximates the negative ELBO with a fixed variance.

    With ``penalty`` 1 and squared error the loss is (|x - f(z + noise)|^2 + |z|^2) / D. Up to a constant, this is the
    negative evidence lower bound of a Gaussian autoencoder with posterior variance ``sd`` squared everywhere (Kingma &
    Welling 2014, with fixed variance). For D input values and K code values, ``mean_over`` "all" divides by D + K
    instead: the mean square of code and error together, concat(z, f - x).

    Parameters
    ----------
    net : the network
    sd : standard deviation of the noise on the code, in training only
    penalty : weight of the code's squared length
    loss : "mse", "l1" or "bce"
    mean_over : "input" divides by D, as every other objective does, "all" by D + K
    """

    normal_codes = True

    def __init__(
        self,
        net: Network,
        sd: float = 1.0,
        penalty: float = 1.0,
        loss: PixelLoss = "mse",
        mean_over: Literal["input", "all"] = "input",
    ) -> None:
        super().__init__()
        check_loss(net, loss)
        if sd < 0 or penalty < 0:
            raise RecipeError("objective.sd and objective.penalty", "must be >= 0", value=(sd, penalty))
        if mean_over not in ("input", "all"):
            raise RecipeError("objective.mean_over", 'must be "input" or "all"', value=mean_over)
        self.pixel_loss, self.sd, self.penalty = loss, sd, penalty
        self.input_values = math.prod(net.input_shape)  # D
        self.divisor = self.input_values + (net.code_size if mean_over == "all" else 0)

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,), "code": (N,)}."""
        code = net.encode(batch.x).float()  # (N, K)
        noise = self.sd * torch.randn(code.shape, generator=generator, device=code.device)
        error = pixel_loss(self.pixel_loss, net.decode(code + noise), batch.x)  # (N,)
        return {
            "reconstruction": error * (self.input_values / self.divisor),
            "code": self.penalty * code.square().sum(1) / self.divisor,
        }
