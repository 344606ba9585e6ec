"""Pixels of one image as an array (C, H, W), and as a picture of Pillow's."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.disk.files import Array

Image = Any  # PIL.Image.Image, which is imported only where a file is decoded


def to_pixels(image: Image) -> Array:
    """Return a grey or RGB image as uint8 (C, H, W)."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def to_image(pixels: Array) -> Image:
    """Return pixels uint8 (C, H, W) as a grey or RGB image."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)))


def is_grey(pixels: Array) -> bool:
    """Whether images (..., C, H, W) are grey in content: red, green and blue are equal everywhere."""
    if pixels.shape[-3] == 1:
        return True
    red, green, blue = (pixels[..., channel, :, :] for channel in range(3))
    return bool((red == green).all() and (red == blue).all())
