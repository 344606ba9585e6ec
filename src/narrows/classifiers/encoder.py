"""A linear layer on the code of an autoencoder's network: a linear probe whose encoder learns as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from narrows.arguments import arguments_of, checked
from narrows.classifiers import ClassifierNet
from narrows.nets import nets

__all__ = ["EncoderClassifier"]


class EncoderClassifier(ClassifierNet):
    """The encoder of a network from ``narrows.nets``, and one linear layer from its code to the classes.

    Nothing is frozen. The decoder is left out.

    Parameters
    ----------
    input_shape : (C, H, W) for images, (D,) for vectors
    n_classes : how many classes there are
    net : the network's name in ``narrows.nets`` and its arguments, including ``code_size``. A name of code outside
        narrows is refused, since it may come from a saved model

    Raises
    ------
    RecipeError : an unknown network, or one that cannot be built for that shape
    """

    encoder: Any

    def __init__(self, input_shape: tuple[int, ...], n_classes: int, net: Mapping[str, Any] | None = None) -> None:
        super().__init__(input_shape, n_classes)
        named = {"name": "conv" if self.is_images else "dense", **(net or {})}
        build = nets.get(named.pop("name"), trusted=False)
        if "code_size" in arguments_of(build):
            named.setdefault("code_size", min(32, *self.input_shape) if not self.is_images else 32)
        self.encoder = build(self.input_shape, **checked(build, named, "net.net.", given_by_us=("input_shape",)))
        self.encoder.decoder = nn.Identity()  # it is not used, but its parameters would be counted
        self.head = nn.Linear(self.encoder.code_size, n_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the codes (N, K) of ``x`` (N, *input_shape)."""
        code: Tensor = self.encoder.encode(x)
        return code
