"""Duplicates in a data set: groups of rows that show the same picture, and blank pictures.

Equal rows are found by a hash of their values. Mirrored, lightly cropped, resized and re-saved copies of images are
found by comparing whole pictures, in three steps that narrow down the pairs.

1. Nearest neighbours by the lowest frequencies of each picture (discrete cosine transform, as in perceptual hashes),
   where mirroring only changes signs; exact, in blocks.
2. The residual of each neighbour after one linear step of shifting and scaling (tangent distance).
3. The residual after registration.

Two pictures are copies if the residual is small *and* much smaller than that of the nearest picture that is not
similar. The second condition distinguishes a copy from a common shape: two slim handwritten ones may differ less than a
photo does from its JPEG, but each differs as little from a hundred others.
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
from narrows.work.threads import shared_out

__all__ = ["NAME", "Copies", "Copy", "find", "write_csv"]

NAME = "duplicates.csv"  # in a run's folder

LOWEST = 8  # a picture is described by the frequencies with u + v below this: 35 numbers
NEIGHBOURS = 54
SCREEN_SIDE, SCREEN_BLUR = 16, 1.0
SIDE, BLUR = 32, 1.4  # with this blur, halving a picture's size does not change it
BEST = 5  # pairs registered for each row
SCREENED = 0.25  # the largest residual after one step

MOST_LEFT = 0.03  # the largest residual of a copy
#: Its largest multiple of the squared residual of the nearest other picture, and of a rather near one: the residual
#: that all but one in this many other pictures exceed.
OF_NEAREST, OF_NEAR, ONE_IN = 0.7, 0.13, 200

SAMPLE, COMPACT = 64, 0.8  # rows of a component compared with one of them; the share that must be similar to it
BLANK = 2.0  # grey levels: a picture with a larger standard deviation is never blank
BLANK_RANGE = 32  # grey levels from the darkest to the lightest pixel
CROPPED = 0.02  # of a side
RESIZED = 1.1  # factor between the numbers of pixels along a side
FINE_DETAIL = 6.0  # factor between the amounts of fine detail that shows that one picture was resized
BLOCK_VALUES = 1 << 22  # processed at once


@dataclass(frozen=True)
class Copy:
    """A row of a group.

    Parameters
    ----------
    row : its index
    kind : how it relates to the first row of the group: "first", "exact", "re-saved" (the same frame with other
        values), or one or more of "mirrored", "cropped" and "resized", separated by commas. "Cropped" and "resized" do
        not say which of the two was cropped or resized
    difference : the mean absolute difference of the two after registration and smoothing, on a scale from 0 to 1
    """

    row: int
    kind: str
    difference: float


@dataclass(frozen=True)
class Copies:
    """The duplicates that were found.

    Parameters
    ----------
    groups : each with at least two rows, the largest group first. Every row was compared with the first row of its
        group
    blank : rows of blank pictures, which are not counted as copies of each other
    exact : the number of rows that are equal to an earlier row
    """

    groups: list[list[Copy]]
    blank: list[int]
    exact: int

    @property
    def rows(self) -> int:
        """The number of rows in groups."""
        return sum(len(group) for group in self.groups)

    def results(self) -> dict[str, float | None]:
        """Return the counts under their flat names."""
        counts = {"groups": len(self.groups), "rows": self.rows, "exact": self.exact, "blank": len(self.blank)}
        return {f"duplicates/{name}": count for name, count in counts.items()}


def find(source: Any, progress: Progress | None = None) -> Copies:
    """Return the groups of copies in a data set.

    Among vectors, only equal rows are copies, because there is no scale on which a difference is small.

    Parameters
    ----------
    source : a ``Dataset``, or whatever ``narrows.open`` takes. If rows come from image files that still exist, whole
        pictures are compared, and files with equal pixels are exact copies whatever their format
    progress : shows the progress; quiet by default

    Notes
    -----
    Time grows with the square of the number of images; memory is 30 MiB plus 2.5 KiB per image. Pictures are compared
    at 32x32 pixels, in all their channels. The less detail a picture has, the stricter the comparison: cropped or
    resized copies of 28x28 digits are mostly not found. Copies that were rotated, cropped by much more than 5 % of a
    side, or made grey are not searched for. Parts of one periodic texture may be mistaken for copies. In a set of only
    two pictures, nothing stands out.

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
    """Write a line for each row in a group and each blank row: group, id, row, path, kind, difference."""

    def line(group: int | str, copy: Copy) -> list[Any]:
        path = "" if data.paths is None else data.paths[copy.row]
        return [group, data.ids[copy.row], copy.row, path, copy.kind, f"{copy.difference:.4g}"]

    alike = (line(number, copy) for number, group in enumerate(copies.groups) for copy in group)
    blank = ([*line("", Copy(row, "blank", 0.0))[:-1], ""] for row in copies.blank)
    files.write_csv(path, [["group", "id", "row", "path", "kind", "difference"], *alike, *blank])


# Images


@dataclass(frozen=True, eq=False)
class _Relation:
    """How two pictures match: whether one is mirrored, its window of the other, the residual and the difference."""

    mirrored: bool
    window: Array  # (4,)
    left: float
    difference: float


class _Pictures:
    """The distinct pictures of some rows, and which of them are copies of each other.

    Parameters
    ----------
    wholes : the whole pictures of all rows
    rows : (n,), the rows to compare
    advance : called with the number of rows done
    """

    def __init__(self, wholes: Wholes, rows: Array, advance: Callable[[float], None]) -> None:
        self.wholes, self.rows = wholes, rows
        self.relations: dict[tuple[int, int], _Relation] = {}
        self.most = np.zeros(len(rows))  # (n,): the largest residual of a copy
        if len(rows) < 2:
            return
        small = np.empty((len(rows), SCREEN_SIDE, SCREEN_SIDE), np.float32)
        for block in _blocks(len(rows), math.prod(wholes.data.shape)):
            small[block] = wholes.smooth(rows[block], SCREEN_SIDE, SCREEN_BLUR, grey=True)[:, 0]
        near, mirrored = _neighbours(small, advance)  # (n, k) each
        left = _screened(small, near, mirrored)  # (n, k)
        alike = self.register(*_worth_registering(near, mirrored, left))
        part = self._joined(alike, near, mirrored, left)  # (n,): connected components of similar rows
        compact = self._compact(part, alike)  # (n,)
        lonely = self._set_most(near, left, part, compact, alike)
        for alone in np.unique(part[lonely]):
            self._look_beyond(np.flatnonzero(part == alone), small)
        self.relations = {pair: relation for pair, relation in alike.items() if self._is_copy(pair, relation)}

    def register(self, pairs: Array, mirrored: Array) -> dict[tuple[int, int], _Relation]:
        """Register ``pairs`` (P, 2), the second picture mirrored if ``mirrored`` (P,); return the similar pairs."""
        alike: dict[tuple[int, int], _Relation] = {}
        blocks = [slice(start, start + registration.PAIRS) for start in range(0, len(pairs), registration.PAIRS)]

        def pictures(block: slice) -> tuple[Array, Array]:
            one, other = (self.wholes.smooth(self.rows[side], SIDE, BLUR, grey=False) for side in pairs[block].T)
            other[mirrored[block]] = other[mirrored[block]][..., ::-1]
            return one, other

        registered = shared_out(lambda both: registration.register(*both), map(pictures, blocks))
        for block, found in zip(blocks, registered, strict=True):
            i, j, over = *pairs[block].T, mirrored[block]
            for at in np.flatnonzero(found.left <= MOST_LEFT):
                pair = int(i[at]), int(j[at])
                left, difference = float(found.left[at]), float(found.difference[at])
                if pair not in alike or left < alike[pair].left:
                    alike[pair] = _Relation(bool(over[at]), found.window[at], left, difference)
        return alike

    def _joined(self, alike: dict[tuple[int, int], _Relation], near: Array, mirrored: Array, left: Array) -> Array:
        """Return the connected component (n,) of each row, and add the similar pairs found on the way to ``alike``.

        Only a few neighbours of each row were registered, and if there are many copies, those may all have one form. So
        each component is compared with its nearest neighbour outside, until no more components are joined (Boruvka,
        1926).
        """
        n, joined = len(near), True
        while joined:
            pairs = np.array(sorted(alike), np.int64).reshape(-1, 2)
            part = connected_components(coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(n, n)), False)[1]
            several = np.flatnonzero(np.bincount(part)[part] > 1)
            outside = np.where(part[near[several]] != part[several, None], left[several], np.inf)
            ways = np.argsort(outside.min(axis=1, initial=np.inf), kind="stable")
            ways = ways[np.unique(part[several[ways]], return_index=True)[1]]  # the best of each component
            ways = ways[outside[ways].min(axis=1, initial=np.inf) <= SCREENED]
            at = outside[ways].argmin(axis=1)
            rows = several[ways]
            others, over = near[rows, at], mirrored[rows, at]
            found = self.register(np.sort(np.stack([rows, others], axis=1), axis=1), over)
            joined = bool(found.keys() - alike.keys())
            alike |= found
        return np.asarray(part)

    def _compact(self, part: Array, alike: dict[tuple[int, int], _Relation]) -> Array:
        """Return whether the component of each row consists of copies rather than of one kind of picture (n,).

        Copies are all similar to one of them; within a kind, such as slim handwritten ones, each is only similar to the
        next. So a sample of each component is compared with the row that is similar to most others, and the similar
        pairs found are added to ``alike``.
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
        return np.asarray(compact[part])  # components are numbered from 0

    def _set_most(
        self, near: Array, left: Array, part: Array, compact: Array, alike: dict[tuple[int, int], _Relation]
    ) -> Array:
        """Set each row's largest residual of a copy from its other neighbours; return which rows have no others."""
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
        """Set the largest residual of a copy, if all neighbours of the rows are copies, from all rows that are not."""
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
        """Relate rows that are exact mirror images of each other."""
        where = {self.wholes.contents(row): place for place, row in enumerate(self.rows)}
        for place, row in enumerate(self.rows):
            other = where.get(self.wholes.contents(row, mirrored=True), place)
            if other != place:
                self.relations[min(place, other), max(place, other)] = _Relation(True, np.zeros(4), 0.0, 0.0)

    def stars(self) -> list[dict[int, _Relation | None]]:
        """Return groups: positions among the rows, and the relation of each to the first, which has none.

        A copy of a copy need not be a copy: a row belongs to a group only if it is a copy of its first row. The rows of
        a component that are left over form further groups.
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
    """Return the rows of blank pictures: constant, or nearly so in comparison with the others."""
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
    """Return the nearest other pictures (n, k) of each of ``small`` (n, side, side), and which are nearest mirrored.

    The measure is the cosine of their lowest frequencies, without the mean. Mirroring a picture changes the sign of the
    odd frequencies along x, so the larger of the two cosines is the even part plus the absolute value of the odd part.
    """
    import torch
    from scipy.fft import dctn

    n, k = len(small), min(NEIGHBOURS, len(small) - 1)
    near, mirrored = np.empty((n, k), np.int32), np.empty((n, k), bool)
    v, u = np.indices((LOWEST, LOWEST))
    lowest = (u + v > 0) & (u + v < LOWEST)
    described = np.empty((n, lowest.sum()), np.float32)  # (n, 35)

    def describe(block: slice) -> None:
        described[block] = dctn(small[block], axes=(1, 2), norm="ortho")[:, :LOWEST, :LOWEST][:, lowest]

    list(shared_out(describe, _blocks(n, 2 * SCREEN_SIDE**2)))
    described /= np.linalg.norm(described, axis=1, keepdims=True) + 1e-12
    even, odd = (torch.from_numpy(described[:, u[lowest] % 2 == part]) for part in (0, 1))
    to_even, to_odd = even.T.contiguous(), odd.T.contiguous()

    def compare(block: slice) -> int:
        cosines = (odd[block] @ to_odd).abs_().addmm_(even[block], to_even)  # (B, n)
        cosines[torch.arange(len(cosines)), torch.arange(block.start, block.stop)] = -2
        near[block] = found = cosines.topk(k).indices.numpy()
        mirrored[block] = (odd[block].numpy()[:, None] * odd.numpy()[found]).sum(axis=2) < 0
        return len(found)

    for count in shared_out(compare, _blocks(n, n)):
        advance(count)
    return near, mirrored


def _worth_registering(near: Array, mirrored: Array, left: Array) -> tuple[Array, Array]:
    """Return the pairs (P, 2) worth registering, each once and in order, and which of them are mirrored.

    After one linear step a copy may still have a large residual, but less than half of that of the farthest neighbours.
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
    """Return the largest residual (n,) of a copy of each row, from those of other rows near it (n, k); inf is no row.

    ``rows`` is the number of all rows.

    Squaring makes the rule strict among pictures with little detail, where all residuals are small. A row without
    others among its neighbours has no copies, since there is nothing to compare the residual of a copy with.
    """
    count = np.isfinite(others).sum(axis=1)
    ordered = np.where(count[:, None] > 0, np.sort(others, axis=1), 0)
    near = ordered[np.arange(len(others)), np.clip(count - 1, 0, rows // ONE_IN)]
    most: Array = np.minimum(MOST_LEFT, np.minimum(OF_NEAREST * ordered[:, 0] ** 2, OF_NEAR * near**2))
    return most


def _screened(small: Array, near: Array, mirrored: Array) -> Array:
    """Return the residuals (n, k) of the neighbours ``near`` (n, k) of each of ``small`` after one linear step."""
    left = np.empty(near.shape, np.float32)

    def screen(block: slice) -> None:
        others = small[near[block]]  # (B, k, side, side)
        others[mirrored[block]] = others[mirrored[block]][..., ::-1]
        left[block] = registration.left_by_tangents(small[block], others)

    list(shared_out(screen, _blocks(len(small), 8 * near.shape[1] * SCREEN_SIDE**2)))
    return left


def _named(group: list[tuple[int, _Relation | None]], wholes: Wholes) -> list[Copy]:
    """Return the rows of a group, each with its relation to the first."""
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
    """Return whether two pictures show the same content with different numbers of pixels, or one was enlarged later."""
    one, other = wholes.native[[first, row]].astype(float)
    if (one != other).any():
        shown = one * (1 + window[[2, 0]])
        if (np.maximum(other / shown, shown / other) > RESIZED).any():
            return True
    details = [wholes.fine_detail(which) for which in (first, row)]
    return min(details) > 0 and max(details) > FINE_DETAIL * min(details)


def _classes(contents: Iterable[bytes], rows: Iterable[int]) -> list[list[int]]:
    """Return the rows with each content, in order."""
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
