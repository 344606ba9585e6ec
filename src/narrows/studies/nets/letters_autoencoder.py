"""The original autoencoder of the letters study: 1024-32-32-32-1024."""

from __future__ import annotations

import math

from torch import nn

from narrows.nets import Network, require_images

__all__ = ["LettersAutoencoder"]


class LettersAutoencoder(Network):
    """Fully connected layers D-K-K-K-D with a ReLU after each of the first three and a sigmoid at the end.

    68,704 parameters for D = 1024 and K = 32, initialised by Xavier's rule (Glorot & Bengio 2010, uniform) with zero
    biases. The code is the second layer's weighted sum; the ReLU after it belongs to the decoder.

    Parameters
    ----------
    input_shape : (C, H, W), sides up to 256; images are flattened
    code_size : K, the width of all three hidden layers
    """

    def __init__(self, input_shape: tuple[int, ...], code_size: int = 32) -> None:
        require_images("letters-autoencoder", input_shape, 1, 256)
        super().__init__(input_shape, code_size)
        values = math.prod(input_shape)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(values, code_size), nn.ReLU())
        self.to_code = nn.Linear(code_size, code_size)
        self.decoder = nn.Sequential(
            nn.ReLU(),
            nn.Linear(code_size, code_size),
            nn.ReLU(),
            nn.Linear(code_size, values),
            nn.Unflatten(1, self.input_shape),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
