/** The colour of every point, and the legend that explains it. */

import { assign, css, onScale, UNKNOWN, type Rgb } from "./palette";
import type { Colours } from "./points";
import type { State } from "./state";

const DIM = 90; // alpha of what is not selected, where something is

export interface Legend {
  readonly entries: readonly { readonly colour: string; readonly text: string; readonly value: number }[];
  readonly scale: { readonly low: number; readonly high: number } | null;
  readonly shared: boolean; // whether colours come again
  readonly hint?: string | undefined; // what is shown
}

/** What points can be coloured by: clusters, the person's review, and every column. */
export function choices(state: State): { value: string; text: string }[] {
  return [
    { value: "cluster", text: "cluster" },
    ...state.pile.sorting.map((column) => ({ value: column.name, text: column.title })),
    { value: "review", text: "confirmed by you" },
  ];
}

/** Returns the colour of a row, before it is known whether it is selected. */
export function colouring(state: State): { of: (row: number) => Rgb; legend: Legend } {
  const { pile, edits } = state;
  const column = pile.sorting.find(({ name }) => name === state.colourBy);
  if (column?.kind === "number") {
    const { low, high } = column;
    const span = high - low || 1;
    return {
      of: (row) => onScale((column.values[row]! - low) / span),
      legend: { entries: [], scale: { low, high }, shared: false, hint: column.hint },
    };
  }
  const review = state.colourBy === "review";
  const classes: ArrayLike<number> = column ? column.values : review ? edits.confirmed : edits.clusters;
  const colours = assign(classes, pile.points);
  if (column) for (const value of colours.keys()) if (!column.names[value]) colours.set(value, UNKNOWN);
  const text = (value: number): string =>
    column ? column.names[value] || (column.name === "label" ? "no label" : "none") : review ? (value ? "confirmed" : "not yet") : edits.nameOf(value);
  const entries = [...colours].map(([value, colour]) => ({ colour: css(colour), text: text(value), value }));
  return {
    of: (row) => colours.get(classes[row]!)!,
    legend: { entries, scale: null, shared: colours.size > new Set(entries.map((entry) => entry.colour)).size },
  };
}

/** Fills in RGBA of all points: what is filtered out is left out, what is not selected stays in grey. */
export function fill(state: State, into: Colours, of: (row: number) => Rgb, dark: boolean): void {
  const grey = dark ? 110 : 165;
  const some = state.selectedCount > 0;
  for (let row = 0; row < state.shown.length; row++) {
    const at = 4 * row;
    if (!state.shown[row]) {
      into[at + 3] = 0;
    } else if (some && !state.selected[row]) {
      into[at] = into[at + 1] = into[at + 2] = grey;
      into[at + 3] = DIM;
    } else {
      const [red, green, blue] = of(row);
      into[at] = red;
      into[at + 1] = green;
      into[at + 2] = blue;
      into[at + 3] = some ? 255 : 210;
    }
  }
}
