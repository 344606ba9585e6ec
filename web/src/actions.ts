/** What can be done to clusters: every change the page makes is made here. */

import { counted } from "./dom";
import type { State } from "./state";
import type { Edit } from "./types";

/** Moves rows to a cluster, by a person's hand: they count as looked at. */
export function move(state: State, rows: number[], to: number, what?: string): Promise<boolean> {
  if (!rows.length) return nothing(state);
  const edit: Edit = {
    what: what ?? `Moved ${counted(rows.length, "row")} to ${state.edits.nameOf(to)}`,
    move: [{ to, rows }],
    confirm: rows,
  };
  return state.edit(cut(edit));
}

export function gather(state: State, rows: number[], name = ""): Promise<boolean> {
  if (!rows.length) return nothing(state);
  const to = state.edits.unused();
  const what = `Made ${name || `cluster ${to}`} of ${counted(rows.length, "row")}`;
  return state.edit(cut({ what, move: [{ to, rows }], ...(name ? { names: { [to]: clean(name) } } : {}) }));
}

export function confirm(state: State, rows: number[]): Promise<boolean> {
  if (!rows.length) return nothing(state);
  return state.edit({ what: `Confirmed ${counted(rows.length, "row")}`, confirm: rows });
}

export function rename(state: State, cluster: number, name: string): Promise<boolean> {
  const before = state.edits.nameOf(cluster);
  return state.edit(cut({ what: `Named ${before} “${clean(name)}”`, names: { [cluster]: clean(name) } }));
}

export function merge(state: State, clusters: number[], to: number): Promise<boolean> {
  const others = clusters.filter((cluster) => cluster !== to);
  if (!others.length) return nothing(state);
  const wanted = new Set(others);
  const rows: number[] = [];
  state.edits.clusters.forEach((cluster, row) => wanted.has(cluster) && rows.push(row));
  const names = others.map((cluster) => state.edits.nameOf(cluster)).join(", ");
  return state.edit(cut({ what: `Merged ${names} into ${state.edits.nameOf(to)}`, move: [{ to, rows }] }));
}

/** Splits rows into parts; the largest part keeps its cluster, where all rows are of one. */
export async function split(state: State, rows: number[], parts: number): Promise<boolean> {
  if (rows.length < parts) return nothing(state);
  const found = state.server
    ? (await state.server.post<{ parts: number[] }>("/api/split", { rows, parts })).parts
    : splitOnMap(state.pile.points, rows, parts);
  const free = state.edits.unused();
  const home = state.edits.clusters[rows[0]!]!;
  const together = rows.every((row) => state.edits.clusters[row] === home);
  const groups = Array.from({ length: parts }, (_, part) => rows.filter((_row, i) => found[i] === part));
  const moves = groups
    .map((held, part) => ({ to: together ? (part ? free + part - 1 : home) : free + part, rows: held }))
    .filter(({ to, rows: held }) => held.length && !(together && to === home));
  return state.edit(cut({ what: `Split ${counted(rows.length, "row")} into ${moves.length + Number(together)}`, move: moves }));
}

/** k-means on places of the map, for a page without a server, which has no codes. Parts are numbered by size. */
export function splitOnMap(points: Float32Array, rows: number[], parts: number): number[] {
  const place = (row: number): [number, number] => [points[2 * row]!, points[2 * row + 1]!];
  const centres = [place(rows[0]!)];
  while (centres.length < parts) {
    // The farthest from all centres so far comes next.
    let best = rows[0]!;
    let most = -1;
    for (const row of rows) {
      const away = Math.min(...centres.map((centre) => distance(centre, place(row))));
      if (away > most) [best, most] = [row, away];
    }
    centres.push(place(best));
  }
  let found: number[] = [];
  for (let pass = 0; pass < 50; pass++) {
    const sums = centres.map(() => [0, 0, 0]);
    const next = rows.map((row) => {
      const here = place(row);
      let best = 0;
      centres.forEach((centre, part) => {
        if (distance(centre, here) < distance(centres[best]!, here)) best = part;
      });
      const sum = sums[best]!;
      sum[0]! += here[0];
      sum[1]! += here[1];
      sum[2]!++;
      return best;
    });
    sums.forEach(([x, y, n], part) => n && (centres[part] = [x! / n, y! / n]));
    if (next.every((part, i) => part === found[i])) break;
    found = next;
  }
  const sizes = centres.map((_, part) => found.filter((one) => one === part).length);
  const order = sizes.map((_, part) => part).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  return found.map((part) => order.indexOf(part));
}

function distance(a: readonly [number, number], b: readonly [number, number]): number {
  return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2;
}

/** Names are plain text of at most 80 letters. */
function clean(name: string): string {
  return name.replace(/[\u0000-\u001f]/g, " ").trim().match(/^.{0,80}/u)![0];
}

function cut(edit: Edit): Edit {
  const letters = [...(edit.what ?? "")]; // whole ones, which a string's own length may halve
  return letters.length > 150 ? { ...edit, what: `${letters.slice(0, 150).join("")}…` } : edit;
}

async function nothing(state: State): Promise<boolean> {
  state.say("Nothing suitable is selected.");
  return false;
}
