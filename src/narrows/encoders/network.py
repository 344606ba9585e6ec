"""A trained network: what the sections net, objective and train of a recipe speak of."""

from narrows.encoding.model import Model

__all__ = ["Model"]
