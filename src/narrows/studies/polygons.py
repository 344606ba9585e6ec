"""Inside or outside: threshold networks built from the vertices of convex polygons, and points to test them on.

A convex polygon is the intersection of half-planes, one for each edge. So a network with three layers of thresholds is
right without any training: a unit for each edge (which side?), a unit for each polygon (inside all its edges: AND), and
a unit for their union (in any polygon: OR). Lippmann (1987).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.formats import Options
from narrows.data.formats.npy import Npy
from narrows.disk.files import Array
from narrows.errors import DataError, InputError

Polygons = Sequence[Any]  # each polygon a list of (x, y), or an array (V, 2)
Sampling = Literal["uniform", "sparse"]

#: The two pentagons of the study. They touch in the point (500, 600), and cover 30 % of the square.
UPPER = ((500, 1000), (300, 800), (400, 600), (600, 600), (700, 800))
LOWER = ((500, 600), (100, 400), (300, 200), (700, 200), (900, 400))
PENTAGONS = (UPPER, LOWER)
SIDE = 1000.0  # points are drawn from the square 0 <= x, y <= SIDE

#: Shares of points inside, in the training and the test part of the study's data.
SPARSE_SHARES = (0.17718, 0.3008)

LARGEST = 1e300  # the largest coordinate for which the sums of a unit stay finite
EXACT = 1 << 53  # whole numbers up to this one are exact in float64
BLOCK_VALUES = 1 << 22  # of a layer's output in memory at once: 32 MiB

Ints = list[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class ThresholdNetwork:
    """Three layers of units that return whether their weighted sum is > 0.

    Parameters
    ----------
    layers : (weights, biases), float64, in the units of the vertices: half-planes (E, 2), (E,); AND of the edges of
        each polygon (P, E), (P,), whose bias is 0.5 minus its number of edges; OR of the polygons (1, P), (1,)
    """

    layers: tuple[tuple[Array, Array], ...]

    def predict(self, points: Array) -> Array:
        """Return whether each of ``points`` (N, 2) lies inside one of the polygons: bool (N,).

        A point on an edge is outside, because its sum there is 0: exactly if vertices and points are whole numbers,
        otherwise up to the precision of float64. This includes points on an edge that two polygons share.

        Raises
        ------
        InputError : points that are not finite numbers (N, 2)
        """
        points = _points(points)
        answers = np.empty(len(points), dtype=bool)
        rows = max(1, BLOCK_VALUES // len(self.layers[0][1]))
        for start in range(0, len(points), rows):
            x = points[start : start + rows]  # (B, 2)
            for weights, biases in self.layers:
                with np.errstate(over="ignore", invalid="ignore"):  # for points so far away that their side is clear
                    x = (x @ weights.T + biases > 0).astype(np.float64)  # (B, E), (B, P), (B, 1)
            answers[start : start + rows] = x[:, 0] > 0
        return answers

    def n_parameters(self) -> int:
        """Count weights and biases."""
        return sum(weights.size + biases.size for weights, biases in self.layers)


def threshold_network(polygons: Polygons) -> ThresholdNetwork:
    """Build the network that decides whether a point lies in one of ``polygons``.

    The half-planes are in the order of the edges, the first from vertex 0 to vertex 1. Each is > 0 inside, and its
    coefficients are the smallest whole numbers that describe it. If these are too large to be exact in float64, as for
    vertices like 0.1, they are scaled so that the larger of the two weights is 1. Polygons may overlap.

    Parameters
    ----------
    polygons : convex ones, each a list of at least three (x, y) in either orientation. The last vertex is joined to
        the first and does not repeat it. The checks are exact, with no tolerance

    Raises
    ------
    InputError : a polygon that is concave, crosses itself, or is degenerate (equal vertices, a vertex on the line
        between its neighbours, no area); fewer than three vertices; coordinates that are not finite
    """
    planes: list[tuple[float, float, float]] = []
    edges = []  # number of edges of each polygon
    for name, vertices in _parse(polygons):
        scaled, denominator = _whole(vertices)
        _check_convex(name, scaled)
        planes += _half_planes(scaled, denominator)
        edges.append(len(scaled))
    first = np.array(planes)  # (E, 3)
    conjunction = np.repeat(np.eye(len(edges)), edges, axis=1)  # (P, E)
    return ThresholdNetwork(
        (
            (first[:, :2], first[:, 2]),
            (conjunction, 0.5 - np.array(edges, dtype=np.float64)),
            (np.ones((1, len(edges))), np.array([-0.5])),
        )
    )


def inside(points: Array, polygons: Polygons) -> Array:
    """Return whether each of ``points`` (N, 2) lies inside one of ``polygons``: bool (N,).

    Counts how often a ray to the right crosses a polygon's edges: an odd number means inside (Shimrat 1962). This
    shares no code with ``threshold_network``, and is valid for concave polygons too. Points exactly on an edge may be
    on either side; ``on_edge`` finds them.

    Raises
    ------
    InputError : not finite numbers, or fewer than three vertices
    """
    x, y = _points(points).T
    found = np.zeros(len(x), dtype=bool)
    for _, vertices in _parse(polygons):
        odd = np.zeros(len(x), dtype=bool)
        for (px, py), (qx, qy) in _edges(vertices):
            if py != qy:
                reaches = (py > y) != (qy > y)
                odd ^= reaches & (x < px + (y - py) * ((qx - px) / (qy - py)))
        found |= odd
    return found


def on_edge(points: Array, polygons: Polygons) -> Array:
    """Return whether each of ``points`` (N, 2) lies on an edge of one of ``polygons``, up to float64 precision.

    Raises
    ------
    InputError : not finite numbers, or fewer than three vertices
    """
    x, y = _points(points).T
    found = np.zeros(len(x), dtype=bool)
    for _, vertices in _parse(polygons):
        for (px, py), (qx, qy) in _edges(vertices):
            near = (np.minimum(px, qx) <= x) & (x <= np.maximum(px, qx))
            near &= (np.minimum(py, qy) <= y) & (y <= np.maximum(py, qy))
            found |= near & ((qx - px) * (y - py) == (qy - py) * (x - px))
    return found


def draw(n: int = 60_000, sampling: Sampling = "uniform", seed: int = 0) -> Dataset:
    """Draw points in the square, labelled by whether they lie inside one of the two pentagons.

    Points exactly on an edge are drawn again. The first five sixths are training rows, the others test rows.

    Parameters
    ----------
    n : the number of points
    sampling : "uniform": from the whole square, so that 30 % are inside. "sparse": like the study's own data, with
        17.718 % inside in the training part and 30.08 % in the test part. Both parts have exactly these shares, and
        points are uniform within a class. Uniform data look like this if only half of the inside points are kept in
        training (expected: 0.15 of 0.85, or 17.65 %) and all in the test (30 %)
    seed : of the draw

    Returns
    -------
    data : ``values`` float32 (N, 2); ``labels`` 0 outside, 1 inside; ``split``

    Raises
    ------
    InputError : fewer than two points, or an unknown sampling
    """
    if not isinstance(n, int | np.integer) or n < 2:
        raise InputError("n", "must be a whole number >= 2: one row for training, one for testing", value=n)
    if sampling not in ("uniform", "sparse"):
        raise InputError("sampling", "must be uniform or sparse", value=sampling)
    rng = np.random.default_rng(seed)
    if sampling == "uniform":
        points = _draw(rng, n)
    else:
        parts = []
        for size, share in zip((_n_train(n), n - _n_train(n)), SPARSE_SHARES, strict=True):
            count = round(share * size)
            part = np.concatenate([_draw(rng, count, within=True), _draw(rng, size - count, within=False)])
            parts.append(rng.permutation(part))
        points = np.concatenate(parts)
    source = {"source": "polygons", "sampling": sampling, "seed": seed}
    return _dataset(points, inside(points, PENTAGONS).astype(np.int64), source)


def load(path: str | Path) -> Dataset:
    """Read points and their labels from a .npy of shape (N, 3): x, y, and 0 for outside or 1 for inside.

    The first five sixths (50,000 of 60,000) are training rows, the rest test rows.

    Raises
    ------
    DataError : no such file, another shape, numbers that are not finite, or labels other than 0 and 1
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(str(path), "must be a .npy file", value="no such file")
    table = Npy().read([path], Options()).values
    if table.ndim != 2 or table.shape[1] != 3 or len(table) < 2 or table.dtype.kind not in "iuf":
        raise DataError(
            str(path),
            "must contain numbers (N, 3): x, y and label for each of at least two points",
            value=f"{table.dtype} {table.shape}",
        )
    strange = np.flatnonzero((table[:, 2] != 0) & (table[:, 2] != 1))
    if len(strange):
        raise DataError(
            str(path),
            "must have 0 (outside) or 1 (inside) in its third column",
            value=f"{table[strange[0], 2]} in line {strange[0]}",
        )
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite, and are refused as such
        points = table[:, :2].astype(np.float32)
    return _dataset(points, table[:, 2].astype(np.int64), {"source": str(path)})


def _dataset(points: Array, labels: Array, provenance: dict[str, Any]) -> Dataset:
    split = np.where(np.arange(len(points)) < _n_train(len(points)), "train", "test")
    return Dataset(points, labels=labels, label_names=("outside", "inside"), split=split, provenance=provenance)


def _n_train(n: int) -> int:
    return 5 * n // 6


def _draw(rng: np.random.Generator, n: int, within: bool | None = None) -> Array:
    """Draw ``n`` points in the square, float32 (n, 2), not on an edge, and if requested all inside or all outside."""
    kept = [np.empty((0, 2), dtype=np.float32)]
    while (missing := n - sum(map(len, kept))) > 0:
        points = np.float32(SIDE) * rng.random((missing, 2), dtype=np.float32)
        wanted = ~on_edge(points, PENTAGONS)
        if within is not None:
            wanted &= inside(points, PENTAGONS) == within
        kept.append(points[wanted])
    return np.concatenate(kept)


# Reading polygons


def _points(points: Array) -> Array:
    """Return points as finite float64 (N, 2)."""
    array = np.asarray(points)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iuf":
        raise InputError("points", "must be numbers (N, 2)", value=f"{array.dtype} {array.shape}")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise InputError("points", "must be finite", value="NaN or infinity")
    return array


def _parse(polygons: Polygons) -> Iterable[tuple[str, Array]]:
    """Return the name and the vertices, finite float64 (V, 2), of each polygon."""
    remedy = "polygons is a list of lists of (x, y)."
    if isinstance(polygons, str) or not hasattr(polygons, "__iter__"):
        raise InputError("polygons", "must be a list of polygons", value=polygons, remedy=remedy)
    parsed = []
    for number, polygon in enumerate(polygons):
        name = f"polygons[{number}]"
        if isinstance(polygon, str) or not hasattr(polygon, "__iter__"):
            raise InputError(name, "must be a list of vertices", value=polygon, remedy=remedy)
        vertices = []
        for place, vertex in enumerate(polygon):
            pair = _pair(vertex)
            if pair is None:
                raise InputError(
                    f"{name}, vertex {place}",
                    f"must be two numbers, finite and at most {LARGEST:g} in size",
                    value=vertex,
                    remedy=remedy,
                )
            vertices.append(pair)
        if len(vertices) < 3:
            raise InputError(name, "must have at least three vertices", value=len(vertices))
        parsed.append((name, np.array(vertices)))
    if not parsed:
        raise InputError("polygons", "must contain at least one polygon", value="none")
    return parsed


def _pair(vertex: Any) -> tuple[float, float] | None:
    try:
        x, y = vertex
        if any(isinstance(value, str | bytes | bool | np.bool_) for value in (x, y)):
            return None
        x, y = float(x), float(y)
    except (TypeError, ValueError, OverflowError):
        return None
    return (x, y) if abs(x) <= LARGEST and abs(y) <= LARGEST else None  # also refuses NaN


def _edges(vertices: Array) -> Iterable[tuple[Array, Array]]:
    return pairwise([*vertices, vertices[0]])


# Exact geometry: every float64 is a whole number divided by a power of two


def _whole(vertices: Array) -> tuple[Ints, int]:
    """Return the vertices multiplied by their common denominator, as whole numbers, and the denominator."""
    ratios = [[value.as_integer_ratio() for value in vertex] for vertex in vertices.tolist()]
    common = max(denominator for vertex in ratios for _, denominator in vertex)
    return [(x * (common // dx), y * (common // dy)) for (x, dx), (y, dy) in ratios], common


def _turn(p: tuple[int, int], q: tuple[int, int], r: tuple[int, int]) -> int:
    """Return twice the signed area of a triangle: > 0 if p, q, r turn left."""
    return (q[0] - p[0]) * (r[1] - q[1]) - (q[1] - p[1]) * (r[0] - q[0])


def _area(vertices: Ints) -> int:
    """Return twice the signed area: > 0 if the vertices are in anticlockwise order."""
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in pairwise([*vertices, vertices[0]]))


def _check_convex(name: str, vertices: Ints) -> None:
    """Raise InputError, with the reason, unless the vertices in this order form a strictly convex polygon."""
    seen: dict[tuple[int, int], int] = {}
    for place, vertex in enumerate(vertices):
        if vertex in seen:
            raise InputError(
                f"{name}, vertex {place}",
                f"must differ from vertex {seen[vertex]}",
                remedy="A polygon is closed automatically. Leave the repeated vertex out.",
            )
        seen[vertex] = place
    count = len(vertices)
    turns = [_turn(vertices[i - 1], vertices[i], vertices[(i + 1) % count]) for i in range(count)]
    if not any(turns):
        raise InputError(name, "must have an area; all its vertices lie on one line")
    if 0 in turns:
        raise InputError(
            f"{name}, vertex {turns.index(0)}",
            "must not lie on the line through its neighbours",
            remedy="It is not a corner. Leave it out.",
        )
    left = [turn > 0 for turn in turns]
    if (all(left) or not any(left)) and _revolutions(vertices) == 1:
        return
    crossing = _crossing(vertices)
    if crossing is not None:
        first, second = (f"{i}-{(i + 1) % count}" for i in crossing)
        raise InputError(
            name,
            f"must not cross itself; its edges {first} and {second} (numbers of vertices) meet",
            remedy="List the vertices in their order around the polygon.",
        )
    dent = left.index(_area(vertices) < 0)
    raise InputError(
        f"{name}, vertex {dent}",
        "must turn the same way as the others; the polygon is concave there",
        remedy="Divide it into convex polygons.",
    )


def _revolutions(vertices: Ints) -> int:
    """Return how many full turns the edges' direction makes if all turns go the same way; a pentagram makes two."""
    steps = [(q[0] - p[0], q[1] - p[1]) for p, q in pairwise([*vertices, vertices[0]])]
    upward = [dy > 0 or (dy == 0 and dx > 0) for dx, dy in steps]
    return sum(after and not before for before, after in pairwise([*upward, upward[0]]))


def _crossing(vertices: Ints) -> tuple[int, int] | None:
    """Return the first two edges that meet without being neighbours, or None."""
    axes = [(min(axis), max(axis)) for axis in zip(*vertices, strict=True)]
    # Scaled to [0, 1] along each axis, which does not change which edges meet.
    p = np.array([[(value - low) / (high - low) for value, (low, high) in zip(v, axes, strict=True)] for v in vertices])
    q = np.roll(p, -1, axis=0)
    low, high = np.minimum(p, q), np.maximum(p, q)  # (V, 2), the edges' bounding boxes
    for i in range(len(p) - 2):
        near = (low[i] <= high[i + 2 :]).all(axis=1) & (low[i + 2 :] <= high[i]).all(axis=1)
        j = i + 2 + np.flatnonzero(near)
        j = j[j < len(p) - (i == 0)]  # the last edge is a neighbour of the first
        meets = _side(p[i], q[i], p[j]) * _side(p[i], q[i], q[j]) <= 0
        meets &= _side(p[j], q[j], p[i]) * _side(p[j], q[j], q[i]) <= 0
        if meets.any():
            return i, int(j[meets.argmax()])
    return None


def _side(p: Array, q: Array, r: Array) -> Array:
    """Return the sign of the turn p, q, r, for arrays of points (..., 2) of any shapes that fit."""
    d, e = q - p, r - p
    signs: Array = np.sign(d[..., 0] * e[..., 1] - d[..., 1] * e[..., 0])
    return signs


def _half_planes(vertices: Ints, denominator: int) -> list[tuple[float, float, float]]:
    """Return (a, b, c) for each edge of a convex polygon, with a x + b y + c > 0 inside."""
    way = 1 if _area(vertices) > 0 else -1
    planes = []
    for p, q in pairwise([*vertices, vertices[0]]):
        a, b = way * (p[1] - q[1]), way * (q[0] - p[0])
        numbers = (a * denominator, b * denominator, -(a * p[0] + b * p[1]))
        divisor = math.gcd(*numbers)
        if max(map(abs, numbers)) > EXACT * divisor:
            divisor = max(abs(numbers[0]), abs(numbers[1]))
        planes.append((numbers[0] / divisor, numbers[1] / divisor, numbers[2] / divisor))
    return planes
