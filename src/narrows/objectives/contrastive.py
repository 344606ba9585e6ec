"""Make the codes of two views of one image agree, and those of different images differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.errors import RecipeError
from narrows.nets import Network
from narrows.objectives import Batch, Joint, PixelLoss, check_loss, pixel_loss
from narrows.views import Views

__all__ = ["Contrastive"]


class Contrastive(Joint):
    """NT-Xent over two random views of each sample (Chen et al. 2020, equation 1), alone or added to reconstruction.

    Agreement is measured after a small projection head on the code, which is used only in training.

    Parameters
    ----------
    net : the network
    temperature : of the softmax over similarities
    views : the random changes a code should ignore, such as ``["affine:1", "erase:0.4"]``; None for the default
    reconstruction : weight of an added reconstruction term; 0 trains only the encoder, so that the model can neither
        reconstruct nor generate
    projection : width of the projection head's output
    loss : loss of the reconstruction: "mse", "l1" or "bce"
    """

    def __init__(
        self,
        net: Network,
        temperature: float = 0.2,
        views: str | Sequence[str] | None = None,
        reconstruction: float = 0.0,
        projection: int = 64,
        loss: PixelLoss = "mse",
    ) -> None:
        super().__init__()
        check_loss(net, loss)
        if temperature <= 0 or reconstruction < 0 or projection < 1:
            raise RecipeError(
                "objective.temperature, objective.reconstruction and objective.projection",
                "must be > 0, >= 0 and >= 1",
                value=(temperature, reconstruction, projection),
            )
        if loss != "mse" and not reconstruction:
            raise RecipeError(
                "objective.loss",
                "applies to the reconstruction, which has no weight",
                value=loss,
                remedy="Set objective.reconstruction above 0, or leave objective.loss out.",
            )
        self.temperature, self.reconstruction, self.pixel_loss = temperature, reconstruction, loss
        self.trains_decoder = reconstruction > 0
        self.views = Views(views, images=net.is_images)
        width = max(projection, net.code_size)
        self.head = nn.Sequential(
            nn.Linear(net.code_size, width), nn.ReLU(), nn.Linear(width, projection)
        )  # (N, K) -> (N, P)

    def outputs(self, net: Network, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the projections "first" and "second" (N, P) of two views, and "reconstruction" (N,) if it counts."""
        views = [self.views(batch.x, generator) for _ in range(2)]
        first, second = self.head(net.encode(torch.cat(views))).float().chunk(2)
        outputs = {"first": first, "second": second}
        if self.trains_decoder:
            outputs["reconstruction"] = self.reconstruction * pixel_loss(self.pixel_loss, net(batch.x), batch.x)
        return outputs

    def joined(self, outputs: Mapping[str, Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        """Return {"contrastive": (N,)}, and "reconstruction" if it has a weight."""
        terms = {"contrastive": nt_xent(outputs["first"], outputs["second"], self.temperature)}
        return terms | ({"reconstruction": outputs["reconstruction"]} if self.trains_decoder else {})


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the normalised temperature-scaled cross-entropy of each pair (N,), for two views (N, P) each.

    For view i with partner j: -log(exp(s_ij / t) / sum over k != i of exp(s_ik / t)), where s is the cosine similarity.
    A pair's loss is the mean over its two views.
    """
    n = len(first)
    both = functional.normalize(torch.cat([first, second]), dim=1)  # (2N, P)
    # In bfloat16 a similarity divided by a small temperature would be off by several per cent.
    with torch.autocast(both.device.type, enabled=False):
        similarity = both @ both.T / temperature  # (2N, 2N)
    similarity = similarity.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=both.device), -torch.inf)
    partner = torch.arange(2 * n, device=both.device).roll(n)
    return functional.cross_entropy(similarity, partner, reduction="none").view(2, n).mean(0)
