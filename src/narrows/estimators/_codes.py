"""What estimators that turn rows into codes share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from narrows.disk.files import Array
from narrows.encoding.encoder import Encoder


class GivesCodes(TransformerMixin):  # type: ignore[misc]
    """For estimators whose ``transform`` returns codes (N, K) float32, by default of the length of ``model_``'s."""

    model_: Encoder

    def get_feature_names_out(self, input_features: object = None) -> Array:
        """Return the names of the code's values: code0, code1, ..."""
        check_is_fitted(self)
        return np.array([f"code{i}" for i in range(self._n_features_out)], dtype=object)

    @property
    def _n_features_out(self) -> int:
        return self.model_.code_size

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that codes are always float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
