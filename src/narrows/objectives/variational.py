"""The variational autoencoder: codes are distributions, kept close to N(0, I)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import Batch, Objective, PixelLoss, check_loss, pixel_loss

__all__ = ["Variational"]


class Variational(Objective):
    """Reconstruction plus beta times the analytic Kullback-Leibler divergence to N(0, I).

    The encoder's code is the mean; a head in the objective computes the log-variance. Kingma & Welling 2014, appendix
    B: KL = 1/2 sum_k (mu_k^2 + sigma_k^2 - log sigma_k^2 - 1). beta as in Higgins et al. 2017. Both terms are divided
    by D, the number of values in an input. With "bce" and beta 1, the loss is the negative evidence lower bound in
    nats, divided by D; with "mse", it is that of a Gaussian with variance 1/2.

    Parameters
    ----------
    net : the network
    beta : weight of the divergence
    loss : "bce", "mse" or "l1"
    """

    normal_codes = True
    distributes = True

    def __init__(self, net: Network, beta: float = 1.0, loss: PixelLoss = "mse") -> None:
        super().__init__()
        check_loss(net, loss)
        if beta < 0:
            raise RecipeError("objective.beta", "must be >= 0", value=beta)
        self.pixel_loss, self.beta = loss, beta
        self.input_values = math.prod(net.input_shape)  # D
        self.to_log_variance = nn.Linear(net.feature_size, net.code_size)

    def log_variance(self, features: Tensor) -> Tensor:
        """Return the log-variance (N, K) of the codes, from the features (N, F)."""
        # Beyond +-10 a variance is practically 0 or infinite, and exp could overflow.
        log_variance: Tensor = self.to_log_variance(features).float().clamp(-10, 10)
        return log_variance

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"reconstruction": (N,), "kl": (N,)}."""
        features = net.features(batch.x)
        mean = net.to_code(features).float()  # (N, K)
        log_variance = self.log_variance(features)  # (N, K)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        code = mean + (0.5 * log_variance).exp() * noise
        return {
            "reconstruction": pixel_loss(self.pixel_loss, net.decode(code), batch.x),
            "kl": self.divergence(mean, log_variance, code) / self.input_values,
        }

    def divergence(self, mean: Tensor, log_variance: Tensor, code: Tensor) -> Tensor:
        """Return the divergence (N,) in nats of the codes' distributions; ``code`` (N, K) is a draw from them."""
        return self.beta * kl_to_standard_normal(mean, log_variance)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, diag exp(log_variance)) || N(0, I)) in nats (N,), for mean and log_variance (N, K)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
