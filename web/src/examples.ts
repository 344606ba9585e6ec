/** Which rows stand for a cluster: one of each part it falls into, with the part's share, whatever a person moved. */

import { splitOnMap } from "./actions";
import type { Parts, Pile } from "./pile";

export interface Example {
  readonly row: number;
  readonly share: number; // of the cluster
}

interface Part {
  readonly rows: number[]; // the most central first
  readonly place: ArrayLike<number>; // its middle, on some axes of the codes
  readonly whole: boolean; // nearly all of a part as it was found
}

/**
 * Returns the examples of a cluster, the largest share first; shares add up to 1.
 *
 * A cluster that nobody changed has the parts that were found. Of one that was edited, the pieces of found parts that it
 * holds are joined where there are more than can be shown, the nearest first (Ward 1963), so that nothing large goes
 * unseen; where there are fewer, what is only a piece of a part is divided by places on the map.
 *
 * @param rows - of the cluster, in the order of `pile.parts`
 */
export function examplesOf(pile: Pile, rows: readonly number[]): Example[] {
  const { parts } = pile;
  const sizes = sizesOf(parts);
  let pieces = [...grouped(rows, (row) => parts.of[row]!)].map(
    ([part, held]): Part => ({
      rows: held,
      place: parts.middles.subarray(part * parts.axes, (part + 1) * parts.axes),
      whole: 2 * held.length > sizes[part]!,
    }),
  );
  if (pieces.length > parts.most) pieces = joined(pieces, parts.most);
  while (pieces.length < parts.most) {
    const largest = pieces.filter(({ rows: held, whole }) => !whole && held.length > 1).sort((a, b) => b.rows.length - a.rows.length)[0];
    if (!largest) break;
    const side = splitOnMap(pile.points, largest.rows, 2);
    const halves = [0, 1].map((half) => largest.rows.filter((_row, i) => side[i] === half)).filter((held) => held.length);
    pieces = [
      ...pieces.filter((piece) => piece !== largest),
      ...halves.map((held) => ({ rows: held, place: largest.place, whole: halves.length === 1 })), // all in one place
    ];
  }
  return pieces
    .sort((a, b) => b.rows.length - a.rows.length || a.rows[0]! - b.rows[0]!)
    .map(({ rows: held }) => ({ row: held[0]!, share: held.length / rows.length }));
}

/** Returns a share as whole percent; what is there is not called nothing. */
export function percent(share: number): string {
  return share < 0.005 ? "<1 %" : `${(100 * share).toFixed(0)} %`;
}

const known = new WeakMap<Parts, Int32Array>();

function sizesOf(parts: Parts): Int32Array {
  let sizes = known.get(parts);
  if (!sizes) {
    sizes = new Int32Array(parts.of.reduce((most, part) => Math.max(most, part), -1) + 1);
    for (const part of parts.of) sizes[part]!++;
    known.set(parts, sizes);
  }
  return sizes;
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

const COMPARED = 100; // pieces whose pairs are all compared; of more, the smaller ones join the nearest of these first

function joined(pieces: readonly Part[], most: number): Part[] {
  const bySize = [...pieces].sort((a, b) => b.rows.length - a.rows.length);
  const left = bySize.slice(0, COMPARED);
  for (const crumb of bySize.slice(COMPARED)) {
    let best = 0;
    left.forEach(({ place }, i) => {
      if (squared(place, crumb.place) < squared(left[best]!.place, crumb.place)) best = i;
    });
    left[best] = both(left[best]!, crumb);
  }
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
  return { rows, place, whole: true };
}

function squared(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let axis = 0; axis < a.length; axis++) sum += (a[axis]! - b[axis]!) ** 2;
  return sum;
}
