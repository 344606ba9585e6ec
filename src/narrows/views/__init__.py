"""Random views that keep what an image shows: (x, generator) -> x, as tensor operations on a whole batch.

A list such as ``["affine:1", "erase:0.3"]`` composes them. The number is a strength: 1 is a sensible full strength, and
0 changes nothing. Vectors have two views of their own (``jitter`` and ``drop``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from narrows.errors import RecipeError
from narrows.views.noise import Step, parse


def affine(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Rotate (15 degrees), scale (15 %), shear (15 degrees), shift (9 % of a side): each uniform up to +-strength."""
    n = len(x)

    def uniform(limit: float) -> Tensor:
        return (2 * torch.rand(n, generator=generator, device=x.device) - 1) * limit * strength

    angle, shear = uniform(math.radians(15)), uniform(math.tan(math.radians(15)))
    scale_x, scale_y = 1 + uniform(0.15), 1 + uniform(0.15)
    shift_x, shift_y = uniform(0.18), uniform(0.18)  # of half a side, the unit of grid_sample
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.stack(
        [
            torch.stack([cos * scale_x, -sin * scale_y + shear, shift_x], dim=1),
            torch.stack([sin * scale_x, cos * scale_y, shift_y], dim=1),
        ],
        dim=1,
    )  # (N, 2, 3)
    grid = functional.affine_grid(matrix, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def flip(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Mirror left to right with probability ``strength`` / 2. Not for letters and digits."""
    mirrored = torch.rand(len(x), generator=generator, device=x.device) < strength / 2  # (N,)
    return torch.where(mirrored[:, None, None, None], x.flip(3), x)


def light(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Change contrast (up to 40 %) and brightness (up to 0.2), each uniform up to +-strength."""
    contrast, brightness = (2 * torch.rand(2, len(x), 1, 1, 1, generator=generator, device=x.device) - 1) * strength
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    changed: Tensor = (x - mean) * (1 + 0.4 * contrast) + mean + 0.2 * brightness
    return changed.clamp(0, 1)


def stroke(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Thicken or thin bright parts: blend in a dilation or an erosion by a share, uniform up to ``strength``.

    These are the largest and the smallest of the 3x3 values around each pixel (Serra 1982).
    """
    share = (2 * torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) - 1) * strength
    thick = functional.max_pool2d(x, 3, stride=1, padding=1)
    thin = -functional.max_pool2d(-x, 3, stride=1, padding=1)
    return torch.where(share > 0, x + share * (thick - x), x - share * (thin - x))


def erase(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Fill a rectangle in each image with the mean, with sides up to ``strength`` of its own (Zhong et al. 2020)."""
    n, _, height, width = x.shape
    u = torch.rand(4, n, 1, generator=generator, device=x.device)
    rows = torch.arange(height, device=x.device)[None]  # (1, H)
    columns = torch.arange(width, device=x.device)[None]  # (1, W)
    high, wide = u[0] * strength * height, u[1] * strength * width
    top, left = u[2] * (height - high), u[3] * (width - wide)
    inside = ((rows >= top) & (rows < top + high))[:, :, None] & ((columns >= left) & (columns < left + wide))[
        :, None, :
    ]  # (N, H, W)
    return torch.where(inside[:, None], x.mean(dim=(1, 2, 3), keepdim=True), x)


def jitter(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Add normal noise with standard deviation ``strength`` to standardised vectors."""
    return x + strength * torch.randn(x.shape, generator=generator, device=x.device)


def drop(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Set a share ``strength`` of a vector's values to zero, which is their mean."""
    return x * (torch.rand(x.shape, generator=generator, device=x.device) >= strength)


IMAGE_VIEWS: dict[str, tuple[Step, float]] = {
    "affine": (affine, 4.0),
    "flip": (flip, 1.0),
    "light": (light, 2.0),
    "erase": (erase, 1.0),
    "stroke": (stroke, 1.0),
}
VECTOR_VIEWS: dict[str, tuple[Step, float]] = {"jitter": (jitter, 4.0), "drop": (drop, 1.0)}

DEFAULT_IMAGE_VIEWS = ("affine:1", "erase:0.4")
DEFAULT_VECTOR_VIEWS = ("jitter:0.2", "drop:0.2")


class Views:
    """Draws random views of a batch.

    Parameters
    ----------
    steps : the steps in order, each ``"name:strength"``; None takes the default for the kind of data
    images : whether rows are images (affine, flip, light, erase, stroke) or vectors (jitter, drop)
    """

    def __init__(self, steps: str | Sequence[str] | None, *, images: bool) -> None:
        if steps is None:
            steps = DEFAULT_IMAGE_VIEWS if images else DEFAULT_VECTOR_VIEWS
        if not steps:
            raise RecipeError("views", "must have at least one step, or all views would be the same", value=steps)
        self.steps = parse("views", steps, IMAGE_VIEWS if images else VECTOR_VIEWS)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return a random view of each row of ``x`` (N, ...)."""
        # Autocast would compute the matrix products that place the pixels in bfloat16, with errors of half a pixel.
        with torch.autocast(x.device.type, enabled=False):
            for step, strength in self.steps:
                x = step(x, generator, strength)
        return x
