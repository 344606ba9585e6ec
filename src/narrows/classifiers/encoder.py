"""A linear layer on the code of an autoencoder's network: what a linear probe is, if the encoder may learn as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from narrows.arguments import arguments_of, checked
from narrows.classifiers import ClassifierNet
from narrows.nets import nets

__all__ = ["EncoderClassifier"]


class EncoderClassifier(ClassifierNet):
    """The encoder of a network of ``narrows.nets``, and one linear layer from its code to the classes.

    Nothing is frozen. The decoder is left out.

    Parameters
    ----------
    input_shape : (C, H, W) for images, (D,) for vectors
    n_classes : how many classes there are
    net : the network's name in ``narrows.nets`` and its arguments, ``code_size`` among them. A name from outside is
        refused: it may come from a saved model

    Raises
    ------
    RecipeError : a network that is unknown, or cannot be built for that shape
    """

    encoder: Any

    def __init__(self, input_shape: tuple[int, ...], n_classes: int, net: Mapping[str, Any] | None = None) -> None:
        super().__init__(input_shape, n_classes)
        named = {"name": "conv" if self.is_images else "dense", **(net or {})}
        build = nets.get(named.pop("name"), trusted=False)
        if "code_size" in arguments_of(build):
            named.setdefault("code_size", min(32, *self.input_shape) if not self.is_images else 32)
        self.encoder = build(self.input_shape, **checked(build, named, "net.net.", given_by_us=("input_shape",)))
        self.encoder.decoder = nn.Identity()  # it has no part in an answer, and would be counted
        self.head = nn.Linear(self.encoder.code_size, n_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the codes (N, K) of ``x`` (N, *input_shape)."""
        code: Tensor = self.encoder.encode(x)
        return code
