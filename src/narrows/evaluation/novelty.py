"""Novelty: how unlike the fitted rows a row is, which its confidence in its cluster does not show.

A clusterer is confident about anything far from its borders, including noise. So novelty uses other evidence: five
numbers from a row's code, reconstruction and values, compared with those of the fitted rows.

========  ==============================================================================================
distance  of its code to the ten nearest codes of fitted rows (Ramaswamy et al. 2000; Sun et al. 2022)
excess    of its reconstruction error over that of those ten rows: it is rebuilt oddly badly, or oddly well
residual  of its values from the plane of the first principal components: noise fills all directions
spread    the variance of its values: an empty row is easy to rebuild
level     the mean of its values
========  ==============================================================================================

All but the level are logarithms. How unusual the five are together is their mean distance, after whitening, to the ten
nearest such vectors of fitted rows (a density of several statistics, like that of Morningstar et al. 2021). It detects
rows that are unusual in either direction, such as a blank image, which is rebuilt too well. Oddness is computed from
the logarithm of this distance and the first three numbers: the sum of the squares of how far each exceeds its median,
in standard deviations over the fitted rows, none of which is compared with itself.

Oddness depends on the fitted rows alone. The novelty of a row is its conformal p-value (Vovk, Gammerman & Shafer 2005;
Bates et al. 2023): (1 + m) / (n + 1), where m of n held-out rows are at least as odd. For a new row from the same
distribution it is at most p with a probability of at most p, whatever the network is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar, Self

import numpy as np

from narrows.clustering import checked_codes
from narrows.disk.files import Array
from narrows.disk.learned import Learned
from narrows.encoders.pca import PCACodes
from narrows.encoding import codes as coding
from narrows.encoding.encoder import Encoder
from narrows.errors import InputError, RunFolderError
from narrows.geometry.neighbours import nearest_in
from narrows.wording import figure, out_of, plural, verb
from narrows.work.threads import Workers

NAME = "novelty.safetensors"  # of a run, and of a saved estimator
MEANING = "share of held-out rows that are odder; near 0: unlike what was fitted"
ABSENT = "no novelty, because an earlier version of narrows made this run. Add it with `narrows run ... --resume`."
ODD = 0.05  # a row of at most this novelty is called odd

NEAREST = 10
REFERENCE, REFERENCE_VALUES = 5_000, 1 << 19  # the most rows that others are compared with, and values of their codes,
FEWEST_COMPARED = 500  # but at least this many rows, however long a code is
COUNTED = 10_000  # the most held-out rows
AXES, AXES_VALUES = 32, 1 << 20  # at most this many principal components, and values of them,
EXPLAINED = 0.95  # or as many as explain this share of the variance
PLANE_WORK, PLANE_VALUES = 1 << 33, 1 << 25  # multiply-adds for their covariance, about a second, and values in memory
FEWEST_IN_PLANE = 1_000
FEWEST = 20  # the fewest held-out rows that novelty is counted on
SPARED, MANY = 0.2, 100  # with fewer: the share of fitted rows that is counted instead, if there are this many
TINY = 1e-3  # of the usual size: smaller differences mean nothing
ROUNDING = 1e-4  # of oddness
HUGE = 1e6  # stands for values too large to compute with

Evidence = Callable[[Array], tuple[Array, Array | None]]
Seen = tuple[Array, Array, Array]  # residual, spread and level, (N,) each


class Novelty(Learned):
    """What novelty is computed from: only numbers, including codes of fitted rows.

    Attributes
    ----------
    codes_ : (M, K) float32, the codes of the rows that others are compared with, at most 5,000
    rows_ : (M,), their numbers among the fitted rows
    log_errors_ : (M,), logarithms of their reconstruction errors
    mean_, axes_ : (D,) and (Q, D) float32, the plane of the principal components, in the units of the network
    units_ : (4,), the usual size of distance, error, residual and spread
    evidence_ : (M, 5), whitened
    centre_, whitening_ : (5,) and (5, 5), which whiten the evidence
    location_, scale_ : (4,) each, median and standard deviation of the four terms of oddness
    scores_ : (N,), the oddness of the rows that novelty is counted on, in increasing order
    held_out_ : (1,), 1 if these rows were held out from training; 0 if the network learned from them
    """

    learned: ClassVar = {
        "codes": "MK",
        "rows": "M",
        "log_errors": "M",
        "mean": "D",
        "axes": "QD",
        "units": "4",
        "evidence": "M5",
        "centre": "5",
        "whitening": "55",
        "location": "4",
        "scale": "4",
        "scores": "N",
        "held_out": "1",
    }

    codes_: Array
    rows_: Array
    log_errors_: Array
    mean_: Array
    axes_: Array
    units_: Array
    evidence_: Array
    centre_: Array
    whitening_: Array
    location_: Array
    scale_: Array
    scores_: Array
    held_out_: Array

    def __init__(self, seed: int = 0) -> None:
        """Set the ``seed`` by which rows are chosen if there are too many."""
        self.seed = seed

    def fit(self, encoder: Encoder, values: Array, evidence: Evidence, fitted: Array, held_out: Array) -> Self:
        """Learn what is usual from the rows ``fitted``, and calibrate oddness on the rows ``held_out``.

        With fewer than 20 held-out rows, a fifth of the fitted rows is held out of the comparison and used for
        calibration instead; with fewer than 100 fitted rows, each is compared with all others, and all are used. The
        network has learned from these rows, so they are slightly less odd than new ones.

        Parameters
        ----------
        encoder : converts values to its own units
        values : images uint8 (N, C, H, W) or vectors float32 (N, D)
        evidence : row numbers (n,) -> codes (n, K) of those rows, and their reconstruction errors (n,) or None if
            nothing is reconstructed, in which case the residual is used instead
        fitted, held_out : row numbers

        Raises
        ------
        InputError : codes that are not finite numbers, or no rows
        """
        if len(fitted) + len(held_out) == 0:
            raise InputError("fitted", "must have at least one row", value=0)
        rng = np.random.default_rng(self.seed)
        learned_from = len(held_out) < FEWEST
        if learned_from and len(fitted) >= MANY:
            mixed, spared = rng.permutation(fitted), round(SPARED * len(fitted))
            fitted, held_out = mixed[spared:], np.concatenate([mixed[:spared], held_out])
        elif learned_from:
            fitted = held_out = np.union1d(fitted, held_out)
        self.held_out_ = np.array([0.0 if learned_from else 1.0])
        rows = rng.permutation(fitted)[:REFERENCE]
        codes, errors = _in_blocks(encoder, evidence, rows)
        most = max(FEWEST_COMPARED, REFERENCE_VALUES // codes.shape[1])
        rows, codes, errors = rows[:most], codes[:most], None if errors is None else errors[:most]

        self.codes_, self.rows_ = checked_codes(codes).astype(np.float32), rows.astype(np.float64)
        self.mean_, self.axes_ = _plane(encoder, values, rows, self.seed)
        seen = residual, spread, _ = self._seen(encoder, values, rows)
        rebuilt = residual if errors is None else np.asarray(errors, np.float64)
        distance = self._nearest(self.codes_, self.codes_, rows)[1]
        self.units_ = np.array([_usual(found) for found in (distance, rebuilt, residual, spread)])
        self.log_errors_ = np.log(rebuilt / self.units_[1] + TINY)

        found = self._evidence(seen, codes, rebuilt, rows)
        self.centre_ = found.mean(axis=0)
        away = found - self.centre_
        covariance = away.T @ away / len(away) + TINY**2 * np.eye(len(self.centre_))
        self.whitening_ = np.linalg.cholesky(np.linalg.inv(covariance))
        self.evidence_ = away @ self.whitening_
        parts = self._parts(found, rows)
        self.location_, self.scale_ = np.median(parts, axis=0), np.sqrt(parts.var(axis=0) + TINY**2)
        counted = rng.permutation(held_out)[:COUNTED]
        seen = self._seen(encoder, values, counted)
        self.scores_ = np.sort(self._oddness(seen, *_in_blocks(encoder, evidence, counted), counted))
        return self

    def oddness(
        self, encoder: Encoder, values: Array, codes: Array, errors: Array | None, rows: Array | None = None
    ) -> Array:
        """Return how odd rows are, (N,) float64, at least 0.

        Parameters
        ----------
        encoder, values : as in ``fit``
        codes : (N, K) of the rows
        errors : (N,), their reconstruction errors; None as in ``fit``
        rows : (N,), their numbers among the rows given to ``fit``, so that none is compared with itself; None for new
            rows

        Raises
        ------
        InputError : codes or values of another size than those fitted
        """
        codes = checked_codes(codes)
        if codes.shape[1] != self.codes_.shape[1] or math.prod(values.shape[1:]) != len(self.mean_):
            raise InputError(
                "novelty",
                f"needs rows of {len(self.mean_)} values with codes of {self.codes_.shape[1]}",
                value=f"{math.prod(values.shape[1:])} and {codes.shape[1]}",
            )
        return self._oddness(self._seen(encoder, values), codes, errors, rows)

    def novelty(
        self, encoder: Encoder, values: Array, codes: Array, errors: Array | None, rows: Array | None = None
    ) -> Array:
        """Return the share (N,) float32, from 0 to 1, of held-out rows that are odder; parameters as for ``oddness``.

        Near 0, a row is unlike the fitted ones. Of rows like the held-out ones, one in twenty has 0.05 or less.
        """
        return self.share_odder(self.oddness(encoder, values, codes, errors, rows))

    def share_odder(self, oddness: Array) -> Array:
        """Return (1 + number of held-out rows at least as odd) / (1 + number of held-out rows), (N,) float32."""
        # The oddness of a row changes in its last digits with the rows computed beside it; comparisons must not depend
        # on that.
        at_least = len(self.scores_) - np.searchsorted(self.scores_, oddness * (1 - ROUNDING), side="left")
        return ((1 + at_least) / (1 + len(self.scores_))).astype(np.float32)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the limits of this novelty."""
        count = len(self.scores_)
        notes: tuple[str, ...] = ()
        if not self.held_out_[0]:
            notes += (
                f"Novelty is counted on {plural(count, 'row')} that the codes were learned from, since fewer than "
                f"{FEWEST} were held out from learning them: of new rows like them somewhat more than 5 % may be "
                "called odd.",
            )
        if 1 / (1 + count) > ODD:
            notes += (f"Counted on {plural(count, 'row')}, no novelty can be below {1 / (1 + count):.2f}.",)
        return notes

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array]) -> Self:
        """Build from what ``state`` returned.

        Raises
        ------
        RunFolderError : other arrays
        """
        self = cls()
        self.take_state("novelty", arrays)
        if (np.diff(self.scores_) < 0).any() or (self.units_ <= 0).any() or (self.scale_ <= 0).any():
            raise RunFolderError("the saved novelty", "must have increasing scores, and units above 0")
        return self

    def _oddness(self, seen: Seen, codes: Array, errors: Array | None, rows: Array | None) -> Array:
        parts = self._parts(self._evidence(seen, codes, errors, rows), rows)
        oddness: Array = (np.maximum((parts - self.location_) / self.scale_, 0) ** 2).sum(axis=1)
        return oddness

    def _evidence(self, seen: Seen, codes: Array, errors: Array | None, rows: Array | None) -> Array:
        """Return distance, excess, residual, spread and level of rows, (N, 5)."""
        residual, spread, level = seen
        indices, distance = self._nearest(np.asarray(codes, np.float32), self.codes_, rows)
        rebuilt = residual if errors is None else np.asarray(errors, np.float64)
        found = np.stack([distance, rebuilt, residual, spread], axis=1)
        evidence = np.column_stack([np.log(found / self.units_ + TINY), level])
        evidence[:, 1] -= _mean(self.log_errors_[indices])
        clipped: Array = np.clip(np.nan_to_num(evidence, nan=HUGE), -HUGE, HUGE)
        return clipped

    def _parts(self, evidence: Array, rows: Array | None) -> Array:
        """Return the terms of oddness (N, 4): the distance of all evidence, then distance, excess and residual."""
        whitened = (evidence - self.centre_) @ self.whitening_
        together = self._nearest(whitened, self.evidence_, rows)[1]
        return np.column_stack([np.log(together + TINY), evidence[:, :3]])

    def _seen(self, encoder: Encoder, values: Array, rows: Array | None = None) -> Seen:
        """Return residual, spread and level of ``rows`` (all by default), in the units of the network."""
        count = len(values) if rows is None else len(rows)
        found = np.empty((3, count))

        def see(block: slice) -> None:
            x = encoder.prepared(values[block if rows is None else rows[block]])  # (B, D)
            with np.errstate(over="ignore", invalid="ignore"):  # too large to compute with: as odd as possible
                away = x - self.mean_
                away -= (away @ self.axes_.T) @ self.axes_
                found[:, block] = (away**2).mean(axis=1), x.var(axis=1), x.mean(axis=1)

        with Workers(encoder.at_once) as workers:
            list(workers.map(see, coding.blocks(count, encoder.input_shape)))
        return found[0], found[1], found[2]

    def _nearest(self, queries: Array, reference: Array, rows: Array | None) -> tuple[Array, Array]:
        """Return the ten rows of ``reference`` nearest to each query (N, k), and their mean distance (N,).

        If a query is itself in ``reference``, by its number in ``rows``, it is left out.
        """
        indices, distances = nearest_in(queries, reference, NEAREST + 1)
        if rows is not None:
            itself = self.rows_[indices] == rows[:, None]
            last = np.argsort(itself, axis=1, kind="stable")[:, : min(NEAREST, len(reference) - 1)]
            indices, distances = np.take_along_axis(indices, last, 1), np.take_along_axis(distances, last, 1)
        return indices[:, :NEAREST], _mean(distances[:, :NEAREST])


def evidence_of(encoder: Encoder, values: Array) -> tuple[Array, Array | None]:
    """Return the evidence that ``Novelty`` needs: codes (N, K), and errors (N,) if the encoder decodes."""
    return encoder.encode(values), errors_of(encoder, values)


def errors_of(encoder: Encoder, values: Array) -> Array | None:
    """Return the reconstruction errors (N,) of rows; None if codes cannot be decoded."""
    return encoder.errors(values) if encoder.decodes else None


def count_odd(novelty: Array) -> int:
    """Return how many rows are odd, that is, have a novelty of at most 0.05."""
    return int((novelty <= ODD).sum())


def sentence(novelty: Array, counted: int | None = None) -> str:
    """Return a sentence: how many new rows are odd, and whether that is more than chance explains.

    By chance, the number of odd rows exceeds ``most_odd`` once in forty times.

    Parameters
    ----------
    novelty : (N,), of new rows
    counted : number of held-out rows that novelty was counted on; with fewer, chance explains more. By default as good
        as infinite
    """
    odd, rows = count_odd(novelty), len(novelty)
    if rows == 1:
        value = f"novelty {figure(float(novelty[0]), 2)}; of rows like the fitted ones, one in twenty has {ODD} or less"
        return f"The row is {'unlike' if odd else 'not unlike'} what the run was fitted on ({value})."
    those = out_of(odd, rows, "row")
    start = f"{those[0].upper()}{those[1:]} {verb(odd, 'is', 'are')} unlike what the run was fitted on"
    start += f" (novelty {ODD} or less)"
    usual = f"of as many rows like the fitted ones about {figure(ODD * rows, 2)} would be"
    if odd > most_odd(rows, counted):
        return f"{start}, more than chance explains: {usual}."
    return f"{start}, no more than chance explains: {usual}."


def most_odd(rows: int, counted: int | None = None) -> int:
    """Return the most of ``rows`` rows like the fitted ones that are odd in 39 of 40 draws.

    Each is odd with a probability of 0.05, so their number is binomial. If novelty is ``counted`` on m rows, that
    probability is itself random, Beta(k, m + 1 - k) with k = floor(0.05 (m + 1)), as for any order statistic (Vovk
    2012), and the number is beta-binomial.
    """
    from scipy.stats import betabinom, binom

    if counted is None:
        return int(binom.ppf(0.975, rows, ODD))
    least = math.floor(ODD * (counted + 1) + 1e-9)
    return int(betabinom.ppf(0.975, rows, least, counted + 1 - least)) if least else 0


def _in_blocks(encoder: Encoder, evidence: Evidence, rows: Array) -> tuple[Array, Array | None]:
    """Return the codes (n, K) and errors (n,) of ``rows``, a few at a time."""
    with Workers(encoder.at_once) as workers:
        parts = workers.map(lambda block: evidence(rows[block]), coding.blocks(len(rows), encoder.input_shape))
        codes, errors = zip(*parts, strict=True)
    return np.concatenate(codes), None if errors[0] is None else np.concatenate(errors)


def _plane(encoder: Encoder, values: Array, rows: Array, seed: int) -> tuple[Array, Array]:
    """Return the mean (D,) and first principal components (Q, D) float32 of ``rows``, or of a large enough sample."""
    size = math.prod(encoder.input_shape)
    rows = rows[: max(FEWEST_IN_PLANE, PLANE_WORK // size**2)]
    rows = np.sort(rows[: max(AXES, PLANE_VALUES // size)])
    held = np.empty((len(rows), size), np.float32)
    for block in coding.blocks(len(rows), encoder.input_shape):
        held[block] = encoder.prepared(values[rows[block]])
    plane = PCACodes(max(1, min(AXES, size - 1, len(rows) // 4, AXES_VALUES // size)), seed).fit(held)
    held -= plane.mean_.astype(np.float32)
    along = (held @ plane.components_.T).var(axis=0).cumsum()  # (Q,)
    enough = 1 + int((along < EXPLAINED * held.var(axis=0, dtype=np.float64).sum()).sum())
    return plane.mean_.astype(np.float32), plane.components_[:enough].astype(np.float32)


def _mean(rows: Array) -> Array:
    """Return the mean (N,) of each row of (N, k); 0 if k is 0."""
    return rows.mean(axis=1, dtype=np.float64) if rows.shape[1] else np.zeros(len(rows))


def _usual(found: Array) -> float:
    """Return a typical size of ``found`` (N,), above 0."""
    return float(np.median(found)) or float(np.mean(found)) or 1.0
