"""A trained network, as described by the sections net, objective and train of a recipe."""

from narrows.encoding.model import Model

__all__ = ["Model"]
