/** A new image, dropped on the page or chosen: where on the map it belongs, and what is nearest to it. */

import { counted, percent, short } from "./dom";
import type { MapView } from "./map";
import type { State } from "./state";

interface Placed {
  cluster: number;
  confidence: number;
  novelty: number | null; // of a run that an earlier narrows made
  point: [number, number];
  rows: number[];
  distances: number[];
}

const LARGEST = 20_000_000; // bytes, as the server has it

/** Takes images that are dropped anywhere on the page. */
export function takeDrops(state: State, map: MapView): void {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer?.files ?? [];
    if (file) void place(state, map, file);
  });
}

export async function place(state: State, map: MapView, file: File): Promise<void> {
  if (!state.server) return state.say("This file cannot place new images; `narrows explore RUN` can.");
  if (file.size > LARGEST) return state.say("An image may have at most 20 MB.");
  try {
    const response = await state.server.postRaw("/api/place", file, file.type || "image/png");
    const found = (await response.json()) as Placed;
    const [x, y] = found.point;
    map.marks = [{ x, y, text: file.name.slice(0, 40) }];
    map.camera.show(x, y);
    map.moved();
    state.select(found.rows);
    state.say(
      `${counted(found.rows.length, "row")} nearest to the new image selected; it belongs to ${state.edits.nameOf(found.cluster)}, ` +
      `confidence ${percent(found.confidence)}${unlike(found.novelty)}.`,
    );
  } catch (error) {
    state.say((error as Error).message);
  }
}

/** Says how unlike the fitted rows something is, which confidence does not tell. */
function unlike(novelty: number | null): string {
  if (novelty === null) return "";
  return `; novelty ${short(novelty)}: the share of held-out rows that are odder${novelty <= 0.05 ? ", so it is unlike what was fitted" : ""}`;
}
