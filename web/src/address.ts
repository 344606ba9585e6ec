/** The view, kept behind the "#" of the address: where one looks, at what, coloured and filtered how. */

import type { Camera } from "./camera";
import { noFilters, type State } from "./state";

export function readToken(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}

export function write(state: State, camera: Camera): void {
  const { filters } = state;
  const kept = new URLSearchParams();
  const token = readToken();
  if (token) kept.set("token", token);
  if (camera.zoom !== 1 || camera.x || camera.y) kept.set("view", [camera.x, camera.y, camera.zoom].map((n) => n.toPrecision(5)).join(","));
  if (state.colourBy !== "cluster") kept.set("colour", state.colourBy);
  if (state.focus !== null) kept.set("row", String(state.focus));
  for (const [name, { low, high }] of filters.ranges) kept.append("range", `${encodeURIComponent(name)},${low},${high}`);
  for (const [name, wanted] of filters.categories) kept.append("only", [encodeURIComponent(name), ...wanted].join(","));
  if (filters.clusters) kept.set("clusters", [...filters.clusters].join(","));
  if (filters.review !== "all") kept.set("review", filters.review);
  if (filters.copies) kept.set("copies", "1");
  if (filters.text) kept.set("text", filters.text);
  const hash = `#${kept.toString()}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

/** Takes up the view of the address; what it says that cannot be is passed over. */
export function read(state: State, camera: Camera): void {
  const kept = new URLSearchParams(location.hash.slice(1));
  const numbers = (text: string | null): number[] => (text ? text.split(",").map(Number) : []);
  const [x, y, zoom] = numbers(kept.get("view"));
  if ([x, y, zoom].every((n) => n !== undefined && Number.isFinite(n)) && zoom! > 0) camera.show(x!, y!, zoom!);
  const colour = kept.get("colour");
  if (colour === "review" || (colour && state.pile.sorting.some((column) => column.name === colour))) state.colourBy = colour;
  const row = Number(kept.get("row") ?? Number.NaN);
  if (Number.isInteger(row) && row >= 0 && row < state.pile.rows) state.focus = row;
  const filters = noFilters();
  for (const text of kept.getAll("range")) {
    const [written, low, high] = text.split(",");
    const name = plain(written!);
    const [from, to] = [Number(low), Number(high)];
    if (state.pile.column(name)?.kind === "number" && !Number.isNaN(from) && !Number.isNaN(to)) filters.ranges.set(name, { low: from, high: to });
  }
  for (const text of kept.getAll("only")) {
    const [written, ...values] = text.split(",");
    const name = plain(written!);
    if (state.pile.column(name)?.kind === "category") filters.categories.set(name, new Set(values.map(Number)));
  }
  const clusters = numbers(kept.get("clusters"));
  if (clusters.length) filters.clusters = new Set(clusters);
  const review = kept.get("review");
  if (review === "confirmed" || review === "open") filters.review = review;
  filters.copies = kept.get("copies") === "1";
  filters.text = kept.get("text") ?? "";
  state.filters = filters;
  state.refilter();
}

/** A name of a column, in which a comma was written as %2C; one that is no such writing stays as it is. */
function plain(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
