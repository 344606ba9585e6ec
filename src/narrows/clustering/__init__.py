"""Clusterings: rows to groups. One file per method; each can say where new rows belong.

Those of this folder sort codes; those of ``narrows.deep`` train a network of their own, and sort images or vectors.
Recipes, studies and estimators know all of them by ``methods`` and by what ``Clusterer`` says of itself.
"""

from narrows.clustering._codes import CodeClusterer, checked_codes
from narrows.clustering._contract import Clusterer, positive, whole_number
from narrows.registry import Registry

__all__ = ["Clusterer", "CodeClusterer", "checked_codes", "methods", "positive", "whole_number"]

methods = Registry("narrows.clustering", "clustering method", "narrows.deep")
__getattr__ = methods.attribute  # every method's class, imported when it is first used
