/** Which rows stand for a cluster: one of each part it falls into, with the part's share, whatever a person moved. */

import { splitOnMap } from "./actions";
import type { Pile } from "./pile";

export interface Example {
  readonly row: number;
  readonly share: number; // of the cluster
}

interface Part {
  readonly rows: number[]; // the most central first
  readonly place: ArrayLike<number>; // its middle, on some axes of the codes
}

/**
 * Returns the examples of a cluster as it is now, the largest share first; shares add up to 1.
 *
 * A cluster that nobody changed has the parts that were found. One that was edited has the pieces of found parts that it
 * holds: crumbs go to the nearest; where there still are more than can be shown, those are joined that are nearest
 * (Ward 1963), so that nothing large goes unseen; where there are fewer, the largest are divided by places on the map.
 *
 * @param rows - of the cluster, in the order of `pile.parts`
 */
export function examplesOf(pile: Pile, cluster: number, rows: readonly number[]): Example[] {
  const { parts, points } = pile;
  let pieces = [...grouped(rows, (row) => parts.of[row]!)].map(
    ([part, held]): Part => ({ rows: held, place: parts.middles.subarray(part * parts.axes, (part + 1) * parts.axes) }),
  );
  if (!asFound(pile, cluster, rows)) {
    pieces = joined(swept(pieces, pile, rows.length), parts.most);
    pieces = divided(pieces, points, parts.most);
  }
  return pieces
    .sort((a, b) => b.rows.length - a.rows.length)
    .map(({ rows: held }) => ({ row: held[0]!, share: held.length / rows.length }));
}

interface Sizes {
  readonly ofParts: Int32Array;
  readonly ofClusters: Map<number, number>;
}

const known = new WeakMap<Pile, Sizes>();

/** Returns how many rows each part and each cluster had when it was found. */
function sizesOf(pile: Pile): Sizes {
  let sizes = known.get(pile);
  if (!sizes) {
    const ofParts = new Int32Array(pile.parts.of.reduce((most, part) => Math.max(most, part), -1) + 1);
    const ofClusters = new Map<number, number>();
    for (const part of pile.parts.of) ofParts[part]!++;
    for (const cluster of pile.found) ofClusters.set(cluster, (ofClusters.get(cluster) ?? 0) + 1);
    known.set(pile, (sizes = { ofParts, ofClusters }));
  }
  return sizes;
}

function asFound(pile: Pile, cluster: number, rows: readonly number[]): boolean {
  return rows.length === sizesOf(pile).ofClusters.get(cluster) && rows.every((row) => pile.found[row] === cluster);
}

function grouped(rows: readonly number[], key: (row: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const row of rows) {
    const held = groups.get(key(row));
    if (held) held.push(row);
    else groups.set(key(row), [row]);
  }
  return groups;
}

/**
 * Puts crumbs to the piece nearest to them: a small share of the cluster, of a part most of which is elsewhere. Where
 * they are much together, they are left to be joined with each other.
 */
function swept(pieces: readonly Part[], pile: Pile, rows: number): Part[] {
  const { of: partOf, most } = pile.parts;
  const { ofParts } = sizesOf(pile);
  const isCrumb = ({ rows: held }: Part): boolean =>
    4 * most * held.length < rows && 2 * held.length < ofParts[partOf[held[0]!]!]!;
  const crumbs = pieces.filter(isCrumb);
  if (most * crumbs.reduce((sum, { rows: held }) => sum + held.length, 0) > rows) return [...pieces];
  return intoNearest(pieces.filter((piece) => !isCrumb(piece)), crumbs);
}

function intoNearest(kept: readonly Part[], others: readonly Part[]): Part[] {
  const left = [...kept];
  for (const other of others) {
    let best = 0;
    left.forEach(({ place }, i) => {
      if (squared(place, other.place) < squared(left[best]!.place, other.place)) best = i;
    });
    left[best] = both(left[best]!, other);
  }
  return left;
}

const COMPARED = 100; // pieces whose pairs are all compared; of more, the smaller ones join the nearest of these first

function joined(pieces: readonly Part[], most: number): Part[] {
  const bySize = [...pieces].sort((a, b) => b.rows.length - a.rows.length);
  const left = intoNearest(bySize.slice(0, COMPARED), bySize.slice(COMPARED));
  while (left.length > most) {
    let [first, second, least] = [0, 1, Infinity];
    for (let i = 0; i < left.length; i++) {
      for (let j = i + 1; j < left.length; j++) {
        const cost = loss(left[i]!, left[j]!);
        if (cost < least) [first, second, least] = [i, j, cost];
      }
    }
    left[first] = both(left[first]!, left[second]!);
    left.splice(second, 1);
  }
  return left;
}

function divided(pieces: readonly Part[], points: Float32Array, most: number): Part[] {
  const left = [...pieces];
  const single = new Set<Part>(); // all in one place
  while (left.length < most) {
    const [largest] = left.filter((piece) => !single.has(piece)).sort((a, b) => b.rows.length - a.rows.length);
    if (!largest || largest.rows.length < 2) break;
    const side = splitOnMap(points, largest.rows, 2);
    const halves = [0, 1].map((half) => largest.rows.filter((_row, i) => side[i] === half));
    if (!halves[1]!.length) single.add(largest);
    else left.splice(left.indexOf(largest), 1, ...halves.map((held) => ({ rows: held, place: largest.place })));
  }
  return left;
}

/** What the sum of squared distances from the middles rises by when two are joined. */
function loss(a: Part, b: Part): number {
  const [n, m] = [a.rows.length, b.rows.length];
  return ((n * m) / (n + m)) * squared(a.place, b.place);
}

/** The most central row of the larger one stands for both. */
function both(a: Part, b: Part): Part {
  const [n, m] = [a.rows.length, b.rows.length];
  const rows = n >= m ? [...a.rows, ...b.rows] : [...b.rows, ...a.rows];
  const place = Float64Array.from(a.place, (value, axis) => (n * value + m * b.place[axis]!) / (n + m));
  return { rows, place };
}

function squared(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let axis = 0; axis < a.length; axis++) sum += (a[axis]! - b[axis]!) ** 2;
  return sum;
}
