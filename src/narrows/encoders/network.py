"""A trained network: what the sections net, objective and train of a recipe speak of."""

from narrows.model import Model

__all__ = ["Model"]
