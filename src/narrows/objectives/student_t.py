"""Deep embedded clustering: codes gather around centres."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import Batch, Objective, pixel_loss

__all__ = ["StudentT"]


class StudentT(Objective):
    """KL(p || q) of soft assignments q to targets p, which ``target`` sharpens from the assignments of all rows.

    Xie, Girshick & Farhadi 2016, equations 1 and 2: q is Student's t with one degree of freedom between code and
    centre, normalised over the centres. With a weight on the reconstruction, this is the loss of Guo et al. 2017,
    equation 10.

    Parameters
    ----------
    net : the network
    n_clusters : M, the number of centres, which are learned together with the network
    weight : weight of the divergence
    reconstruction : weight of the mean squared reconstruction error; 0 trains only the encoder
    """

    only_in_methods = True
    parts_clusters = True

    def __init__(self, net: Network, n_clusters: int, weight: float = 1.0, reconstruction: float = 0.0) -> None:
        super().__init__()
        if n_clusters < 1 or weight <= 0 or reconstruction < 0:
            raise RecipeError(
                "objective.n_clusters, objective.weight and objective.reconstruction",
                "must be >= 1, > 0 and >= 0",
                value=(n_clusters, weight, reconstruction),
            )
        self.weight, self.reconstruction = weight, reconstruction
        self.trains_decoder = reconstruction > 0
        self.centers = nn.Parameter(torch.randn(n_clusters, net.code_size))  # (M, K)

    def assign(self, codes: Tensor) -> Tensor:
        """Return the shares q (N, M) that ``codes`` (N, K) have in the clusters."""
        with torch.autocast(codes.device.type, enabled=False):
            # By differences: products would lose digits, and torch would choose between the two by the number of rows.
            away = torch.cdist(codes.float(), self.centers, compute_mode="donot_use_mm_for_euclid_dist")
            squares = away.square()  # (N, M)
        shares = 1 / (1 + squares)
        return shares / shares.sum(1, keepdim=True)

    def terms(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"divergence": (N,)}, and "reconstruction" if it has a weight."""
        if batch.y is None:
            raise RecipeError("objective.name", "'student-t' needs targets, but none were given")
        codes = net.encode(batch.x)
        q = self.assign(codes)
        divergence = (batch.y * (batch.y.clamp(min=1e-12).log() - q.clamp(min=1e-12).log())).sum(1)  # (N,)
        terms = {"divergence": self.weight * divergence}
        if self.trains_decoder:
            terms["reconstruction"] = self.reconstruction * pixel_loss("mse", net.decode(codes), batch.x)
        return terms


def target(shares: Tensor) -> Tensor:
    """Return the targets p (N, M) of the shares q of *all* rows: equation 3 of Xie, Girshick & Farhadi 2016.

    p_ij is q_ij^2 / f_j normalised over j, with f_j the sum of q_ij over i: likely assignments become likelier, and
    large clusters count less. From a single batch, f_j would only be an estimate.
    """
    sharpened = shares.square() / shares.sum(0).clamp(min=1e-12)
    return sharpened / sharpened.sum(1, keepdim=True)
