"""Deep clusterings: images or vectors to groups, by way of networks trained for it. One file per method.

A method learns from rows as they are stored and ends with a trained model, a few arrays, and a rule that reads from
them the share each row has in each cluster. That rule is all ``predict`` needs, so the labels of the fitted rows, those
of new rows, and those of a clusterer read from a file come from the same lines.
"""

from narrows.deep._contract import DeepClusterer
from narrows.deep._tandem import Tandem
from narrows.registry import Registry
from narrows.training.stages import Stages

__all__ = ["DeepClusterer", "Stages", "Tandem", "methods"]

#: Those of ``narrows.clustering.methods`` that are in this folder.
methods = Registry("narrows.deep", "deep clustering method")
methods.contract = DeepClusterer
__getattr__ = methods.attribute  # every method's class, imported when it is first used


def __dir__() -> list[str]:
    return sorted([*__all__, *methods.attributes()])
