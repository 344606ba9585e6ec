"""Data: any source of images or vectors becomes a ``Dataset``.

``open`` is the one door. A format is one file in ``formats/``, a data set known by name one file in ``named/``.
"""

from __future__ import annotations

from narrows.data.dataset import Dataset, Skipped
from narrows.data.open import open
from narrows.data.splits import Split, split

__all__ = ["Dataset", "Skipped", "Split", "open", "split"]
