"""A network first, and then a clustering of its codes."""

from __future__ import annotations

from abc import abstractmethod

from narrows.clustering import Clusterer, CodeClusterer
from narrows.deep._pretrained import Pretrained
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.training.stages import Stages
from narrows.work.stages import Arrays, Notes


class Tandem(Pretrained):
    """A network is trained, and its codes are clustered once it has learned: tandem clustering (Arabie & Hubert 1994).

    A subclass says in ``_rule`` how codes are clustered, and in ``learned`` which arrays that learns. The network is an
    autoencoder that reconstructs, unless ``_network`` trains another.

    Parameters
    ----------
    n_clusters, seed, code_size, epochs : see ``Pretrained``
    """

    @abstractmethod
    def _rule(self, n_clusters: int) -> CodeClusterer:
        """Return the clustering of codes, which is fitted to those of all rows."""

    def _network(self, values: Array, stages: Stages) -> Model:
        """Return the network trained on ``values`` (N, ...)."""
        return self._pretrain(values, stages, self.epochs)

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        self.model_ = self._network(values, stages)

        def find() -> tuple[Arrays, Notes]:
            rule = self._rule(n_clusters).fit(self.model_.encode(values))
            return rule.state(), rule.notes

        arrays, notes = stages.arrays("clusters", find)
        for name, array in arrays.items():
            setattr(self, f"{name}_", array)
        self.notes += notes

    def _shares(self, values: Array) -> Array:
        return self._rule(1).from_state(Clusterer.state(self)).assign(self.model_.encode(values))

    def _reader(self, codes: Array) -> CodeClusterer:
        return self._rule(1).of_parameters(Clusterer.state(self), codes)
