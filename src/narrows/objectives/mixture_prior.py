"""A variational autoencoder whose prior is a mixture of Gaussians."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import PixelLoss
from narrows.objectives.variational import Variational

__all__ = ["MixturePrior"]


class MixturePrior(Variational):
    """The negative evidence lower bound of VaDE (Jiang et al. 2017, equation 12), with one draw of the code per row.

    The prior is a mixture of M Gaussians with diagonal covariance, learned together with the network. A row's shares in
    the components are those of its code, p(c | z) (equation 16). The terms are divided by D, the number of values in an
    input; with "mse" the decoder's variance is 1/2.

    Parameters
    ----------
    net : the network; its code is the mean of q(z | x), and a head of the objective gives the log-variance
    n_clusters : M
    loss : loss of the reconstruction: "bce", "mse" or "l1"
    """

    parts_clusters = True
    normal_codes = False

    def __init__(self, net: Network, n_clusters: int = 10, loss: PixelLoss = "mse") -> None:
        super().__init__(net, loss=loss)
        if n_clusters < 1:
            raise RecipeError("objective.n_clusters", "must be a whole number >= 1", value=n_clusters)
        self.logits = nn.Parameter(torch.zeros(n_clusters))  # (M,), of the components' shares
        self.means = nn.Parameter(torch.randn(n_clusters, net.code_size))  # (M, K)
        self.log_variances = nn.Parameter(torch.zeros(n_clusters, net.code_size))  # (M, K)

    def assign(self, codes: Tensor) -> Tensor:
        """Return the shares p(c | z) (N, M) of ``codes`` (N, K) in the components."""
        return self._log_joint(codes).softmax(1)

    def _log_joint(self, codes: Tensor) -> Tensor:
        """Return log p(c) + log p(z | c), (N, M)."""
        squares = (codes[:, None] - self.means).square() / self.log_variances.exp()  # (N, M, K)
        log_density = -0.5 * (math.log(2 * math.pi) + self.log_variances + squares).sum(2)
        return self.logits.log_softmax(0) + log_density

    def divergence(self, mean: Tensor, log_variance: Tensor, code: Tensor) -> Tensor:
        """Return KL(q(z, c | x) || p(z, c)) in nats (N,), where q(c | x) is p(c | z) for the drawn ``code`` (N, K).

        It is the sum over c of q(c) (KL(q(z | x) || p(z | c)) + log q(c) - log p(c)), with the closed form for
        Gaussians.
        """
        shares = self.assign(code)  # (N, M)
        away = (mean[:, None] - self.means).square() + log_variance.exp()[:, None]  # (N, M, K)
        gaps = self.log_variances - log_variance[:, None] + away / self.log_variances.exp() - 1  # (N, M, K)
        components = shares.clamp(min=1e-12).log() - self.logits.log_softmax(0)
        return (shares * (0.5 * gaps.sum(2) + components)).sum(1)
