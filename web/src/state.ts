/** What is selected, shown, coloured and looked at; everybody who shows something of it is told of changes. */

import type { Edits } from "./edits";
import { examplesOf, type Example } from "./examples";
import type { Pile } from "./pile";
import type { Pictures } from "./pictures";
import type { Server } from "./source";

export type Change = "selection" | "shown" | "colour" | "edits" | "focus" | "view";
export type How = "replace" | "add" | "subtract";

export interface Range {
  low: number;
  high: number;
}

/** Which rows are shown: all filters at once. */
export interface Filters {
  ranges: Map<string, Range>; // of columns of numbers
  categories: Map<string, Set<number>>; // of other columns: what is shown
  clusters: Set<number> | null;
  review: "all" | "confirmed" | "open";
  copies: boolean;
  text: string; // in ids
}

export function noFilters(): Filters {
  return { ranges: new Map(), categories: new Map(), clusters: null, review: "all", copies: false, text: "" };
}

export class State {
  readonly selected: Uint8Array;
  readonly shown: Uint8Array;
  selectedCount = 0;
  shownCount: number;
  colourBy = "cluster";
  focus: number | null = null;
  filters = noFilters();
  private readonly listeners = new Map<Change, (() => void)[]>();
  private readonly ranked = new Map<string, Int32Array>();

  constructor(
    readonly pile: Pile,
    readonly edits: Edits,
    readonly pictures: Pictures,
    readonly server: Server | null,
    readonly say: (text: string) => void,
  ) {
    this.selected = new Uint8Array(pile.rows);
    this.shown = new Uint8Array(pile.rows).fill(1);
    this.shownCount = pile.rows;
  }

  /** Calls a listener at every change of this kind, until what is returned is called. */
  on(change: Change, listener: () => void): () => void {
    this.listeners.set(change, [...(this.listeners.get(change) ?? []), listener]);
    return () => this.listeners.set(change, (this.listeners.get(change) ?? []).filter((one) => one !== listener));
  }

  tell(change: Change): void {
    for (const listener of this.listeners.get(change) ?? []) listener();
  }

  // Selection

  select(rows: Iterable<number>, how: How = "replace"): void {
    if (how === "replace") this.selected.fill(0);
    const value = how === "subtract" ? 0 : 1;
    for (const row of rows) this.selected[row] = value;
    this.selectionChanged();
  }

  selectNone(): void {
    this.select([]);
  }

  selectShown(): void {
    this.selected.set(this.shown);
    this.selectionChanged();
  }

  /** Selects what is shown and was not selected, and nothing else. */
  invert(): void {
    for (let row = 0; row < this.selected.length; row++) this.selected[row] = this.shown[row]! & (1 - this.selected[row]!);
    this.selectionChanged();
  }

  rowsSelected(): number[] {
    return rowsOf(this.selected);
  }

  look(row: number | null): void {
    this.focus = row;
    this.tell("focus");
  }

  // Filters

  refilter(): void {
    const { ranges, categories, clusters, review, copies, text } = this.filters;
    const { pile, edits, shown } = this;
    shown.fill(1);
    const leave = (keep: (row: number) => boolean): void => {
      for (let row = 0; row < shown.length; row++) if (shown[row] && !keep(row)) shown[row] = 0;
    };
    for (const [name, { low, high }] of ranges) {
      const values = pile.column(name)!.values;
      leave((row) => values[row]! >= low && values[row]! <= high);
    }
    for (const [name, wanted] of categories) {
      const values = pile.column(name)!.values;
      leave((row) => wanted.has(values[row]!));
    }
    if (clusters) leave((row) => clusters.has(edits.clusters[row]!));
    if (review !== "all") leave((row) => (edits.confirmed[row] === 1) === (review === "confirmed"));
    if (copies) leave((row) => pile.copyGroup[row]! >= 0);
    if (text) {
      const wanted = text.toLowerCase();
      const words = pile.columns.filter(({ kind, name }) => kind !== "number" && name !== "label" && name !== "split");
      const has = (text: string): boolean => text.toLowerCase().includes(wanted);
      leave((row) => has(pile.ids[row]!) || words.some((column) => has(column.names[column.values[row]!]!)));
    }
    this.shownCount = shown.reduce((sum, one) => sum + one, 0);
    this.tell("shown");
  }

  // Edits

  /** Makes an edit; what goes wrong is said. */
  async edit(edit: Parameters<Edits["add"]>[0]): Promise<boolean> {
    try {
      await this.edits.add(edit);
    } catch (error) {
      this.say((error as Error).message);
      this.tell("edits");
      return false;
    }
    if (this.filters.clusters || this.filters.review !== "all") this.refilter();
    this.tell("edits");
    this.say(edit.undo ? "Undone." : edit.redo ? "Done again." : `${edit.what ?? "Done"}.`);
    return true;
  }

  // What is known

  /** The rank of a row in a column, 1 the greatest. */
  rank(name: string, row: number): number | null {
    const column = this.pile.column(name);
    if (!column) return null;
    let ranks = this.ranked.get(name);
    if (!ranks) this.ranked.set(name, (ranks = this.pile.ranks(column)));
    return ranks[row]!;
  }

  /** The rows of a cluster, by the parts in which they were found. */
  rowsOf(cluster: number): readonly number[] {
    return this.grouped().get(cluster) ?? [];
  }

  /** The rows that stand for a cluster as it is now, the largest share first. */
  examplesOf(cluster: number): readonly Example[] {
    const rows = this.rowsOf(cluster); // which forgets, after an edit, what was chosen before
    let examples = this.chosen.get(cluster);
    if (!examples) this.chosen.set(cluster, (examples = examplesOf(this.pile, cluster, rows)));
    return examples;
  }

  /** The numbers of clusters that hold a row, the largest first. */
  present(): { cluster: number; size: number }[] {
    return [...this.grouped()]
      .map(([cluster, rows]) => ({ cluster, size: rows.length }))
      .sort((a, b) => b.size - a.size || a.cluster - b.cluster);
  }

  /** The rows of each cluster; worked out once after every edit. */
  private grouped(): Map<number, number[]> {
    if (this.groups && this.groupsAt === this.edits.log.length) return this.groups;
    const groups = new Map<number, number[]>();
    for (const row of this.pile.parts.order) {
      const cluster = this.edits.clusters[row]!;
      const held = groups.get(cluster);
      if (held) held.push(row);
      else groups.set(cluster, [row]);
    }
    this.chosen.clear();
    [this.groups, this.groupsAt] = [groups, this.edits.log.length];
    return groups;
  }

  private groups: Map<number, number[]> | null = null;
  private groupsAt = -1;
  private readonly chosen = new Map<number, readonly Example[]>(); // of the clusters in groups

  private selectionChanged(): void {
    this.selectedCount = this.selected.reduce((sum, one) => sum + one, 0);
    this.tell("selection");
  }
}

export function rowsOf(mask: Uint8Array): number[] {
  const rows: number[] = [];
  for (let row = 0; row < mask.length; row++) if (mask[row]) rows.push(row);
  return rows;
}
