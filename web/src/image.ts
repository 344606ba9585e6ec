/** One row: its image, what the model makes of it, what is known of it, and its nearest neighbours. */

import { confirm, move } from "./actions";
import { trying } from "./clusters";
import { button, counted, h, option, whenShown, type Panel } from "./dom";
import type { State } from "./state";
import { figure, thumb } from "./thumbs";

const COPIES = 24; // of one image, shown

export function imagePanel(state: State, goTo: (row: number) => void): Panel {
  const panel = h("section", { class: "panel image", "aria-label": "Image" });

  function render(): void {
    const row = state.focus;
    if (row === null) {
      panel.replaceChildren(h("h2", {}, "No image chosen"), h("p", { class: "hint" }, "Click a point of the map, or a picture."));
      return;
    }
    const { pile, edits, pictures } = state;
    const cluster = edits.clusters[row]!;
    const to = h(
      "select",
      { "aria-label": "Cluster to move this image to" },
      ...state.present().map((one) => option(String(one.cluster), edits.nameOf(one.cluster), one.cluster === cluster)),
    );
    const facts = h("dl", {}, ...pair("cluster", edits.nameOf(cluster)));
    for (const column of pile.columns) {
      const rank = column.name === "distance" ? ` (rank ${state.rank("distance", row)!.toLocaleString("en")} of ${pile.rows.toLocaleString("en")})` : "";
      facts.append(...pair(column.title, (pile.said(column, row) || "none") + rank, column.hint));
    }
    facts.append(...pair("you", edits.confirmed[row] ? "confirmed" : "not yet confirmed"));
    const shown = h("div", { class: "figures" });
    if (pictures.has("images")) {
      shown.append(figure(state, row, "images", "image"));
      if (pictures.has("rebuilt")) shown.append(figure(state, row, "rebuilt", "rebuilt from its code"));
      if (pictures.has("cleaned")) shown.append(figure(state, row, "cleaned", "made noisy, then cleaned"));
    }
    const neighbours = pile.neighboursOf(row);
    const copies = pile.copiesOf(row);
    panel.replaceChildren(
      h("h2", {}, pile.ids[row]!),
      shown,
      facts,
      h(
        "div",
        { class: "bar wrap" },
        h("span", { class: "pair" }, button("Move to", () => void move(state, [row], Number(to.value))), to),
        button("Confirm", () => void confirm(state, [row])),
        button("Show on map", () => goTo(row)),
        button("Select", () => state.select([row], "add")),
        button("Select neighbours", () => state.select([row, ...neighbours.map((one) => one.row)])),
        copies.length > 0 && button("Select copies of it", () => state.select([row, ...copies])),
        state.server && pictures.has("images") && button("Full size", () => void trying(state, fullSize(row))),
      ),
      ...(copies.length ? [
        h("h3", {}, copies.length > COPIES ? `${COPIES} of ${counted(copies.length, "copy", "copies")}` : counted(copies.length, "copy", "copies")),
        h("div", { class: "sheet" }, ...copies.slice(0, COPIES).map((one) => thumb(state, one, () => state.look(one)))),
      ] : []),
      h("h3", {}, `${counted(neighbours.length, "nearest neighbour")} by code`),
      h("div", { class: "sheet" }, ...neighbours.map((one) => thumb(state, one.row, () => state.look(one.row)))),
    );
  }

  async function fullSize(row: number): Promise<void> {
    const response = await state.server!.get(`/api/runs/0/pictures/${row}`);
    const url = URL.createObjectURL(await response.blob());
    const picture = h("img", { src: url, alt: state.pile.ids[row]! });
    const dialog = h("dialog", { class: "full", click: () => dialog.close(), close: () => {
      URL.revokeObjectURL(url);
      dialog.remove();
    } }, picture, h("p", {}, state.pile.ids[row]!), button("Close", () => dialog.close()));
    document.body.append(dialog);
    dialog.showModal();
  }

  const { changed, opened } = whenShown(panel, render);
  state.on("focus", changed);
  state.on("edits", changed);
  return { element: panel, opened };
}

function pair(name: string, value: string | Node, hint?: string): [HTMLElement, HTMLElement] {
  return [h("dt", { title: hint }, name), h("dd", { title: hint }, value)];
}
