/** Everything known about the rows of one run, as typed arrays. */

import { numbers, texts, type Numbers, type Source } from "./source";
import { short } from "./dom";
import type { Header } from "./types";

export interface Column {
  readonly name: string;
  readonly title: string;
  readonly hint?: string; // what the title does not say
  readonly kind: "number" | "category" | "text";
  readonly values: Numbers;
  readonly names: readonly string[]; // of categories; of texts one for each row
  readonly low: number; // of numbers
  readonly high: number;
}

/** The parts into which each cluster falls, as it was found. */
export interface Parts {
  readonly most: number; // examples of a cluster
  readonly order: Int32Array; // rows by cluster, by part (the largest first), the most central first
  readonly of: Int32Array; // the part of each row
  readonly axes: number;
  readonly middles: Float32Array; // parts x axes
}

export class Pile {
  private constructor(
    readonly source: Source,
    readonly header: Header,
    readonly points: Float32Array, // x, y, x, y, ... from -1 to 1
    readonly found: Int32Array, // the cluster of each row, as the run found it
    readonly ids: readonly string[],
    readonly neighbours: Int32Array, // rows x count
    readonly distances: Float32Array,
    readonly order: Int32Array, // rows, as their thumbnails lie on the sheets
    readonly parts: Parts,
    readonly copyGroup: Int32Array, // the group of copies of each row, -1 where it is in none
    readonly copyFirsts: Int32Array, // the first row of each group
    readonly columns: readonly Column[],
  ) {}

  static async load(source: Source): Promise<Pile> {
    const header = await source.header();
    if (header.format !== 1) throw new Error(`This page reads format 1, and the data have ${header.format}.`);
    const { examples } = header;
    const [
      points, found, ids, neighbours, distances, order, central, partOf, middles, copyGroup, copyFirsts, ...values
    ] = await Promise.all([
      numbers(source, header.points),
      numbers(source, header.clusterOf),
      texts(source, header.ids),
      numbers(source, header.neighbours.rows),
      numbers(source, header.neighbours.distances),
      numbers(source, header.order),
      numbers(source, examples?.order ?? header.order),
      examples ? numbers(source, examples.parts) : numbers(source, header.clusterOf), // the whole of each cluster
      examples && numbers(source, examples.middles),
      numbers(source, header.copies.groupOf),
      numbers(source, header.copies.firsts),
      ...header.columns.map((column) => (column.kind === "text" ? texts : numbers)(source, column.values)),
    ] as const);
    const columns = header.columns.map((column, i): Column => {
      const read = values[i] as Numbers | string[];
      if (Array.isArray(read)) return { ...column, values: Int32Array.from(read, (_, row) => row), names: read, low: 0, high: 0 };
      const held = read;
      let low = Infinity;
      let high = -Infinity;
      for (const value of held) {
        if (value < low) low = value; // NaN is neither
        if (value > high) high = value;
      }
      if (low > high) low = high = 0;
      return { ...column, values: held, names: column.names ?? [], low, high };
    });
    return new Pile(
      source,
      header,
      points as Float32Array,
      found as Int32Array,
      ids as string[],
      neighbours as Int32Array,
      distances as Float32Array,
      order as Int32Array,
      {
        most: examples?.most ?? 1, order: central as Int32Array, of: partOf as Int32Array,
        axes: examples?.axes ?? 0, middles: middles as Float32Array | undefined ?? new Float32Array(),
      },
      copyGroup as Int32Array,
      copyFirsts as Int32Array,
      columns,
    );
  }

  get rows(): number {
    return this.header.rows;
  }

  column(name: string): Column | undefined {
    return this.columns.find((column) => column.name === name);
  }

  /** The columns that points can be coloured and filtered by: not those in which most rows have a text of their own. */
  get sorting(): readonly Column[] {
    return this.columns.filter((column) => column.kind !== "text");
  }

  /** What a column says of a row, as a person reads it; "" where that is not known. */
  said(column: Column, row: number): string {
    const value = column.values[row]!;
    if (column.kind !== "number") return column.names[value] ?? "";
    if (Number.isNaN(value)) return "";
    return column.values instanceof Float64Array ? String(value) : short(value);
  }

  /** All rows of groups of copies; without the first of each group where `further`. */
  copies(further = false): number[] {
    const firsts = new Set(further ? this.copyFirsts : []);
    return this.rowsWhere((group, row) => group >= 0 && !firsts.has(row));
  }

  /** The other rows of a row's group of copies. */
  copiesOf(row: number): number[] {
    const own = this.copyGroup[row]!;
    return own < 0 ? [] : this.rowsWhere((group, other) => group === own && other !== row);
  }

  private rowsWhere(takes: (group: number, row: number) => boolean): number[] {
    const found: number[] = [];
    this.copyGroup.forEach((group, row) => {
      if (takes(group, row)) found.push(row);
    });
    return found;
  }

  neighboursOf(row: number): { row: number; distance: number }[] {
    const count = this.header.neighbours.count;
    return Array.from({ length: count }, (_, i) => ({
      row: this.neighbours[row * count + i] as number,
      distance: this.distances[row * count + i] as number,
    }));
  }

  /** Ranks rows by a column, the greatest first: rank[row] is 1 for the greatest. */
  ranks(column: Column): Int32Array {
    const order = sortedRows(column.values, -1);
    const ranks = new Int32Array(this.rows);
    order.forEach((row, i) => (ranks[row] = i + 1));
    return ranks;
  }
}

/** Returns all rows in the order of their values: rising, or falling where `sign` is -1. */
export function sortedRows(values: ArrayLike<number>, sign = 1): Int32Array {
  return Int32Array.from({ length: values.length }, (_, row) => row).sort(
    (a, b) => sign * ((values[a] as number) - (values[b] as number)) || a - b,
  );
}
