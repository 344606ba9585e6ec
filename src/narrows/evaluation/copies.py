"""Duplicates in a data set: groups of rows that show the same picture, and blank pictures.

Equal rows are found by a hash of their values. Mirrored, lightly cropped, resized and re-saved copies of images are
found by comparing whole pictures, in three steps that each leave fewer pairs.

1. Neighbours by the lowest frequencies of each picture (discrete cosine transform, as in perceptual hashes), where
   mirroring is a change of sign; exact, in blocks.
2. What is left of a neighbour after one linear step of moving and scaling (tangent distance).
3. What is left after registration.

Two pictures are copies if little is left *and* much less than for the nearest picture that is not similar. The second
rule distinguishes a copy from a common shape: two slim handwritten ones may differ less than a photo does from its
JPEG, but each differs as little from a hundred others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from narrows.data.dataset import Dataset
from narrows.data.open import open as open_source
from narrows.disk import files
from narrows.disk.files import Array
from narrows.evaluation import _registration as registration
from narrows.evaluation._wholes import Wholes
from narrows.work.progress import Progress

__all__ = ["NAME", "Copies", "Copy", "find", "write_csv"]

NAME = "duplicates.csv"  # in a run's folder

LOWEST = 8  # frequencies u + v below which describe a picture: 35 numbers
NEIGHBOURS = 54
SCREEN_SIDE, SCREEN_BLUR = 16, 1.0
SIDE, BLUR = 32, 1.4  # halving a picture of this side does not change it then
BEST = 5  # pairs of each row that are registered
SCREENED = 0.25  # left after one step, at most

MOST_LEFT = 0.03  # of a copy
#: How much of it in units of the square of what is left of the nearest other picture, and of a rather near one: that
#: which is nearer than all but one in so many.
OF_NEAREST, OF_NEAR, ONE_IN = 0.7, 0.13, 200

SAMPLE, COMPACT = 64, 0.8  # of rows that hang together, compared with one of them; the share that must be alike to it
BLANK = 2.0  # standard deviation of a picture in grey levels; more than that is never blank
BLANK_RANGE = 32  # grey levels from the darkest to the lightest pixel
CROPPED = 0.02  # of a side
RESIZED = 1.1  # times as many pixels along a side
FINE_DETAIL = 6.0  # times as much of it in one as in the other: one was resized
BLOCK_VALUES = 1 << 22  # worked on at once


@dataclass(frozen=True)
class Copy:
    """A row of a group.

    Parameters
    ----------
    row : its index
    kind : what it is to the first row of the group: "first", "exact", "re-saved" (the same frame, with other values),
        or one or more of "mirrored", "cropped" and "resized", separated by commas. "Cropped" and "resized" say that one
        is, of the two
    difference : the mean absolute difference of both as they lie on each other, smoothed, on the scale from 0 to 1
    """

    row: int
    kind: str
    difference: float


@dataclass(frozen=True)
class Copies:
    """The duplicates that were found.

    Parameters
    ----------
    groups : each with at least two rows, the largest group first. Every row was compared with the first of its group
    blank : rows of blank pictures, which are not counted as copies of each other
    exact : how many rows are equal to an earlier row
    """

    groups: list[list[Copy]]
    blank: list[int]
    exact: int

    @property
    def rows(self) -> int:
        """How many rows are in groups."""
        return sum(len(group) for group in self.groups)

    def results(self) -> dict[str, float | None]:
        """Return the counts under their flat names."""
        counts = {"groups": len(self.groups), "rows": self.rows, "exact": self.exact, "blank": len(self.blank)}
        return {f"duplicates/{name}": count for name, count in counts.items()}


def find(source: Any, progress: Progress | None = None) -> Copies:
    """Return the groups of copies in a data set.

    Among vectors, only equal rows are copies, because there is no scale for a small difference.

    Parameters
    ----------
    source : a ``Dataset``, or whatever ``narrows.open`` takes. Where rows come from files of images that are still
        there, whole pictures are compared, and files with equal pixels are exact copies whatever their format
    progress : shows what takes time; quiet by default

    Notes
    -----
    Time grows with the square of the number of images; memory with the number, by 2.5 KiB an image besides 30 MiB.
    Pictures are compared at 32x32 pixels, in all of their channels. The less detail a picture has, the stricter the
    comparison: cropped or resized copies of 28x28 digits are mostly not found. Copies that were rotated, cropped by
    much more than 5 % of a side, or made grey are not searched for. Parts of one periodic texture may be mistaken for
    copies. In a set of only two pictures, nothing stands out.

    Raises
    ------
    DataError : a source that cannot be opened
    """
    data = source if isinstance(source, Dataset) else open_source(source, progress=progress)
    progress = progress or Progress()
    if data.is_images:
        return _of_images(data, progress)
    contents = (hashlib.blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in data.values)  # -0 is 0
    equal = [rows for rows in _classes(contents, range(len(data))) if len(rows) > 1]
    groups = [[Copy(rows[0], "first", 0.0), *(Copy(row, "exact", 0.0) for row in rows[1:])] for rows in equal]
    return Copies(_in_order(groups), [], sum(len(rows) - 1 for rows in equal))


def write_csv(copies: Copies, data: Dataset, path: str | Path) -> None:
    """Write a line for each row in a group, and for each blank one: group, id, row, path, kind, difference."""

    def line(group: int | str, copy: Copy) -> list[Any]:
        path = "" if data.paths is None else data.paths[copy.row]
        return [group, data.ids[copy.row], copy.row, path, copy.kind, f"{copy.difference:.4g}"]

    alike = (line(number, copy) for number, group in enumerate(copies.groups) for copy in group)
    blank = ([*line("", Copy(row, "blank", 0.0))[:-1], ""] for row in copies.blank)
    files.write_csv(path, [["group", "id", "row", "path", "kind", "difference"], *alike, *blank])


# Images


@dataclass(frozen=True, eq=False)
class _Relation:
    """How one picture lies on another: turned over or not, as which window of it; what is left, how far it differs."""

    mirrored: bool
    window: Array  # (4,)
    left: float
    difference: float


class _Pictures:
    """The pictures of some rows, of which no two are the same, and which of them are copies.

    Parameters
    ----------
    wholes : of all rows
    rows : (n,), those looked at
    advance : told how many rows are done
    """

    def __init__(self, wholes: Wholes, rows: Array, advance: Callable[[float], None]) -> None:
        self.wholes, self.rows = wholes, rows
        self.relations: dict[tuple[int, int], _Relation] = {}
        self.most = np.zeros(len(rows))  # (n,): how much may be left of a copy
        if len(rows) < 2:
            return
        small = np.empty((len(rows), SCREEN_SIDE, SCREEN_SIDE), np.float32)
        for block in _blocks(len(rows), math.prod(wholes.data.shape)):
            small[block] = wholes.smooth(rows[block], SCREEN_SIDE, SCREEN_BLUR, grey=True)[:, 0]
        near, mirrored = _neighbours(small, advance)  # (n, k) each
        left = _screened(small, near, mirrored)  # (n, k)
        alike = self.register(*_worth_registering(near, mirrored, left))
        part = self._joined(alike, near, mirrored, left)  # (n,): rows that hang together by being alike
        compact = self._compact(part, alike)  # (n,)
        lonely = self._set_most(near, left, part, compact, alike)
        for alone in np.unique(part[lonely]):
            self._look_beyond(np.flatnonzero(part == alone), small)
        self.relations = {pair: relation for pair, relation in alike.items() if self._is_copy(pair, relation)}

    def register(self, pairs: Array, mirrored: Array) -> dict[tuple[int, int], _Relation]:
        """Register ``pairs`` (P, 2), the second turned over where ``mirrored`` (P,); return those that are alike."""
        alike: dict[tuple[int, int], _Relation] = {}
        for start in range(0, len(pairs), registration.PAIRS):
            block = slice(start, start + registration.PAIRS)
            i, j, over = *pairs[block].T, mirrored[block]
            one, other = (self.wholes.smooth(self.rows[side], SIDE, BLUR, grey=False) for side in (i, j))
            other[over] = other[over][..., ::-1]
            found = registration.register(one, other)
            for at in np.flatnonzero(found.left <= MOST_LEFT):
                pair = int(i[at]), int(j[at])
                left, difference = float(found.left[at]), float(found.difference[at])
                if pair not in alike or left < alike[pair].left:
                    alike[pair] = _Relation(bool(over[at]), found.window[at], left, difference)
        return alike

    def _joined(self, alike: dict[tuple[int, int], _Relation], near: Array, mirrored: Array, left: Array) -> Array:
        """Return which rows hang together, (n,) numbers, and add to ``alike`` what is found on the way.

        Only a few neighbours of each row were registered, and of many copies those may all be of one form. So whatever
        hangs together is compared with its nearest neighbour outside, until no more is joined (Boruvka, 1926).
        """
        n, joined = len(near), True
        while joined:
            pairs = np.array(sorted(alike), np.int64).reshape(-1, 2)
            part = connected_components(coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(n, n)), False)[1]
            several = np.flatnonzero(np.bincount(part)[part] > 1)
            outside = np.where(part[near[several]] != part[several, None], left[several], np.inf)
            ways = np.argsort(outside.min(axis=1, initial=np.inf), kind="stable")
            ways = ways[np.unique(part[several[ways]], return_index=True)[1]]  # the shortest out of each part
            ways = ways[outside[ways].min(axis=1, initial=np.inf) <= SCREENED]
            at = outside[ways].argmin(axis=1)
            rows = several[ways]
            others, over = near[rows, at], mirrored[rows, at]
            found = self.register(np.sort(np.stack([rows, others], axis=1), axis=1), over)
            joined = bool(found.keys() - alike.keys())
            alike |= found
        return np.asarray(part)

    def _compact(self, part: Array, alike: dict[tuple[int, int], _Relation]) -> Array:
        """Return whether the rows that each row hangs together with are copies rather than a kind (n,).

        Copies are all alike to one of them; of a kind, such as slim handwritten ones, each is alike to the next. So a
        sample of each part is compared with the row that is alike to most; what is found is added to ``alike``.
        """
        links = np.bincount(np.array(list(alike), np.int64).ravel(), minlength=len(part))
        order = np.lexsort((np.arange(len(part)), -links, part))
        starts = np.flatnonzero(np.diff(part[order], prepend=-1))
        sampled: list[list[tuple[int, int]]] = []
        for start, end in zip(starts, [*starts[1:], len(part)], strict=True):
            hub, others = int(order[start]), order[start + 1 : end]
            sampled.append([(min(hub, o), max(hub, o)) for o in others[:: -(-len(others) // SAMPLE) or 1].tolist()])
        new = np.array([pair for pairs in sampled for pair in pairs if pair not in alike], np.int64).reshape(-1, 2)
        alike |= self.register(np.repeat(new, 2, axis=0), np.tile([False, True], len(new)))
        compact = np.array([sum(pair in alike for pair in pairs) >= COMPACT * len(pairs) for pairs in sampled])
        return np.asarray(compact[part])  # parts are numbered from 0

    def _set_most(
        self, near: Array, left: Array, part: Array, compact: Array, alike: dict[tuple[int, int], _Relation]
    ) -> Array:
        """Say how much may be left of a copy of each row, by its neighbours that are none; return rows without any."""
        n = len(near)
        known = np.array([(n * i + j, n * j + i) for i, j in alike], np.int64).ravel()
        lonely = np.zeros(n, bool)
        for block in _blocks(n, 8 * near.shape[1]):
            joined = (part[near[block]] == part[block, None]) & compact[block, None]
            joined |= np.isin(n * np.arange(n)[block, None] + near[block], known)
            others = np.where(joined, np.inf, left[block])  # (B, k)
            self.most[block] = _most_left(others, n)
            lonely[block] = joined.all(axis=1) & compact[block]
        return lonely

    def _look_beyond(self, members: Array, small: Array) -> None:
        """Say how much may be left where all neighbours of a row are copies of it, by all that are none."""
        first = int(members[0])
        outside = np.setdiff1d(np.arange(len(small)), members)
        if not len(outside):
            return
        left = np.empty(len(outside))
        for block in _blocks(len(outside), 8 * SCREEN_SIDE**2):
            both = np.stack([small[outside[block]], small[outside[block]][..., ::-1]])  # (2, B, side, side)
            left[block] = registration.left_by_tangents(small[[first, first]], both).min(axis=0)
        self.most[members] = _most_left(np.sort(left)[None, :NEIGHBOURS], len(small))

    def _is_copy(self, pair: tuple[int, int], relation: _Relation) -> bool:
        return relation.left <= float(self.most[list(pair)].min())

    def add_mirrored(self) -> None:
        """Relate rows that are each other's mirror image to the last bit."""
        where = {self.wholes.contents(row): place for place, row in enumerate(self.rows)}
        for place, row in enumerate(self.rows):
            other = where.get(self.wholes.contents(row, mirrored=True), place)
            if other != place:
                self.relations[min(place, other), max(place, other)] = _Relation(True, np.zeros(4), 0.0, 0.0)

    def stars(self) -> list[dict[int, _Relation | None]]:
        """Return groups: places among the rows, the first of which has no relation, and the others theirs to it.

        A copy of a copy need not be one: a row belongs to a group only if it is a copy of its first. What a group
        leaves of those that hang together makes groups of its own.
        """
        linked: dict[int, set[int]] = {}
        for i, j in self.relations:
            linked.setdefault(i, set()).add(j)
            linked.setdefault(j, set()).add(i)
        size = self.wholes.native[self.rows].prod(axis=1)
        left, groups = set(linked), []
        while left:
            first = max(left, key=lambda place: (size[place], len(linked[place] & left), -place))
            group = self._star(first, linked, left)
            left -= group.keys()
            if len(group) > 1:
                groups.append(group)
        return groups

    def _star(self, first: int, linked: dict[int, set[int]], among: set[int]) -> dict[int, _Relation | None]:
        group: dict[int, _Relation | None] = {first: None}
        tried, reached = {first}, linked[first] & among
        while reached:
            pairs = sorted((min(first, place), max(first, place)) for place in reached)
            new = np.array([pair for pair in pairs if pair not in self.relations], np.int64).reshape(-1, 2)
            alike = self.register(np.repeat(new, 2, axis=0), np.tile([False, True], len(new)))
            self.relations |= {pair: relation for pair, relation in alike.items() if self._is_copy(pair, relation)}
            copies = {place for place in reached if (min(first, place), max(first, place)) in self.relations}
            group |= {place: self.relations[min(first, place), max(first, place)] for place in sorted(copies)}
            tried |= reached
            reached = ({place for copy in copies for place in linked[copy]} & among) - tried
        return group


def _of_images(data: Dataset, progress: Progress) -> Copies:
    wholes = Wholes(data, progress)
    with progress.task("copies", len(data)) as task:
        blank = _blank(wholes)
        looked_at = np.setdiff1d(np.arange(len(data)), blank)
        alike = {rows[0]: rows for rows in _classes((wholes.contents(row) for row in looked_at), looked_at)}
        pictures = _Pictures(wholes, np.array(sorted(alike), np.int64), task.advance)
        pictures.add_mirrored()
        groups = []
        for star in pictures.stars():
            related = {int(pictures.rows[place]): relation for place, relation in star.items()}
            groups.append([(row, related[first]) for first in related for row in alike.pop(first)])
        groups += [[(row, None) for row in rows] for rows in alike.values() if len(rows) > 1]
        named = [_named(group, wholes) for group in groups]
        exact = sum(len(group) - len({wholes.pixels(copy.row) for copy in group}) for group in named)
    return Copies(_in_order(named), blank.tolist(), exact)


def _blank(wholes: Wholes) -> Array:
    """Return the rows of pictures that show nothing: constant, or nearly so beside the others."""
    data = wholes.data
    spread, reach = np.empty(len(data)), np.empty(len(data), np.int64)
    for block in _blocks(len(data), math.prod(data.shape)):
        rows = np.arange(block.start, block.stop)
        smooth = wholes.smooth(rows, SCREEN_SIDE, SCREEN_BLUR, grey=False)  # (B, C, side, side)
        spread[block] = 255 * smooth.std(axis=(2, 3)).max(axis=1)
        values = data.values[block].reshape(len(rows), data.shape[0], -1)
        reach[block] = (values.max(axis=2).astype(np.int64) - values.min(axis=2)).max(axis=1)
    usual = float(np.median(spread))
    return np.flatnonzero((spread <= np.clip(usual / 20, BLANK / 10, BLANK)) & (reach <= BLANK_RANGE))


def _neighbours(small: Array, advance: Callable[[float], None]) -> tuple[Array, Array]:
    """Return the nearest other pictures of each (n, k) among ``small`` (n, side, side), and which are so turned over.

    Nearest by the cosine of their lowest frequencies, all but the mean. Turning a picture over changes the sign of the
    odd frequencies along x, so that the cosine with the nearer of both is the even part plus the size of the odd one.
    """
    import torch
    from scipy.fft import dctn

    n, k = len(small), min(NEIGHBOURS, len(small) - 1)
    near, mirrored = np.empty((n, k), np.int32), np.empty((n, k), bool)
    v, u = np.indices((LOWEST, LOWEST))
    lowest = (u + v > 0) & (u + v < LOWEST)
    described = np.empty((n, lowest.sum()), np.float32)  # (n, 35)
    for block in _blocks(n, 2 * SCREEN_SIDE**2):
        described[block] = dctn(small[block], axes=(1, 2), norm="ortho")[:, :LOWEST, :LOWEST][:, lowest]
    described /= np.linalg.norm(described, axis=1, keepdims=True) + 1e-12
    even, odd = (torch.from_numpy(described[:, u[lowest] % 2 == part]) for part in (0, 1))
    to_even, to_odd = even.T.contiguous(), odd.T.contiguous()
    for block in _blocks(n, n):
        cosines = (odd[block] @ to_odd).abs_().addmm_(even[block], to_even)  # (B, n)
        cosines[torch.arange(len(cosines)), torch.arange(block.start, block.stop)] = -2
        near[block] = found = cosines.topk(k).indices.numpy()
        mirrored[block] = (odd[block].numpy()[:, None] * odd.numpy()[found]).sum(axis=2) < 0
        advance(block.stop - block.start)
    return near, mirrored


def _worth_registering(near: Array, mirrored: Array, left: Array) -> tuple[Array, Array]:
    """Return pairs (P, 2), each once and in order, and which are turned over: a few of those that stand out.

    After one linear step a copy may have much left, but less than half of what the farthest neighbours have.
    """
    farthest = left.max(axis=1, initial=0)  # (n,)
    chosen: list[tuple[Array, Array]] = []
    for block in _blocks(len(near), 8 * near.shape[1]):
        some = left[block]  # (B, k)
        possible = some <= np.minimum(SCREENED, np.minimum(farthest[block, None], farthest[near[block]]) / 2)
        possible &= some <= np.sort(some, axis=1)[:, :BEST].max(axis=1, initial=0)[:, None]
        rows, columns = np.nonzero(possible)
        chosen.append((rows + block.start, columns))
    i, at = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
    j, over = near[i, at], mirrored[i, at]
    pairs = np.unique(np.stack([np.minimum(i, j), np.maximum(i, j), over], axis=1), axis=0)
    return pairs[:, :2], pairs[:, 2].astype(bool)


def _most_left(others: Array, rows: int) -> Array:
    """Return how much may be left of a copy of each row (n,), by what is left of others near it (n, k); inf for none.

    ``rows`` is how many there are in all.

    The square is what makes the rule strict among pictures with little detail: there, all neighbours leave little.
    A row that has no others among its neighbours has no copies, since nothing says what stands out.
    """
    count = np.isfinite(others).sum(axis=1)
    ordered = np.where(count[:, None] > 0, np.sort(others, axis=1), 0)
    near = ordered[np.arange(len(others)), np.clip(count - 1, 0, rows // ONE_IN)]
    most: Array = np.minimum(MOST_LEFT, np.minimum(OF_NEAREST * ordered[:, 0] ** 2, OF_NEAR * near**2))
    return most


def _screened(small: Array, near: Array, mirrored: Array) -> Array:
    """Return what is left of the neighbours ``near`` (n, k) of each of ``small`` after one linear step (n, k)."""
    left = np.empty(near.shape, np.float32)
    for block in _blocks(len(small), 8 * near.shape[1] * SCREEN_SIDE**2):
        others = small[near[block]]  # (B, k, side, side)
        others[mirrored[block]] = others[mirrored[block]][..., ::-1]
        left[block] = registration.left_by_tangents(small[block], others)
    return left


def _named(group: list[tuple[int, _Relation | None]], wholes: Wholes) -> list[Copy]:
    """Return the rows of a group with what each is to the first of them."""
    (first, _), *others = group
    copies = [Copy(first, "first", 0.0)]
    for row, relation in others:
        found = relation or _Relation(False, np.zeros(4), 0.0, 0.0)
        if not found.mirrored and wholes.pixels(row) == wholes.pixels(first):
            copies.append(Copy(row, "exact", 0.0))
            continue
        is_so = {
            "mirrored": found.mirrored,
            "cropped": bool(np.abs(registration.edges(found.window[None])).max() > CROPPED),
            "resized": _is_resized(first, row, found.window, wholes),
        }
        kind = ", ".join(word for word, so in is_so.items() if so) or "re-saved"
        copies.append(Copy(row, kind, found.difference))
    return copies


def _is_resized(first: int, row: int, window: Array, wholes: Wholes) -> bool:
    """Whether two pictures have different numbers of pixels for what they show, or one was enlarged since."""
    one, other = wholes.native[[first, row]].astype(float)
    if (one != other).any():
        shown = one * (1 + window[[2, 0]])
        if (np.maximum(other / shown, shown / other) > RESIZED).any():
            return True
    details = [wholes.fine_detail(which) for which in (first, row)]
    return min(details) > 0 and max(details) > FINE_DETAIL * min(details)


def _classes(contents: Iterable[bytes], rows: Iterable[int]) -> list[list[int]]:
    """Return the rows of each content, in their order."""
    classes: dict[bytes, list[int]] = {}
    for content, row in zip(contents, rows, strict=True):
        classes.setdefault(content, []).append(int(row))
    return list(classes.values())


def _in_order(groups: list[list[Copy]]) -> list[list[Copy]]:
    return sorted(groups, key=lambda group: (-len(group), group[0].row))


def _blocks(rows: int, values: int) -> Iterator[slice]:
    """Yield slices of ``rows`` rows of ``values`` values each."""
    size = max(1, BLOCK_VALUES // max(1, values))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
