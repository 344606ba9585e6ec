/** What is selected, as pictures, and what can be done with it. */

import { confirm, gather, move, split } from "./actions";
import { trying } from "./clusters";
import { button, counted, h, option, whenShown, type Panel } from "./dom";
import type { State } from "./state";
import { Grid } from "./thumbs";

export function selectionPanel(state: State): Panel {
  const title = h("h2", {}, "");
  const grid = new Grid(state, (row, event) => {
    if (event.shiftKey || event.altKey) state.select([row], "subtract");
    else state.look(row);
  });
  const to = h("select", { "aria-label": "Cluster to move the selection to" });
  const name = h("input", { placeholder: "name of a new cluster", "aria-label": "Name of a new cluster", maxlength: 80 });
  const parts = h("select", { "aria-label": "Parts" }, ...[2, 3, 4, 5, 8].map((n) => option(String(n), String(n))));
  const rows = (): number[] => state.rowsSelected();
  const actions = h(
    "div",
    { class: "bar wrap" },
    h("span", { class: "pair" }, button("Move to", () => void move(state, rows(), Number(to.value))), to),
    h("span", { class: "pair" }, button("New cluster", () => void gather(state, rows(), name.value).then((done) => done && (name.value = ""))), name),
    h("span", { class: "pair" }, button("Split into", () => void trying(state, split(state, rows(), Number(parts.value)))), parts),
    button("Confirm", () => void confirm(state, rows())),
    button("Invert", () => state.invert(), { title: "i" }),
    button("All shown", () => state.selectShown(), { title: "a" }),
    button("None", () => state.selectNone(), { title: "Escape" }),
  );
  const hint = h(
    "p",
    { class: "hint" },
    "Draw a lasso (l) or a box (b) on the map, click a cluster’s name, or search. Shift adds, Alt takes away.",
  );

  function render(): void {
    title.textContent = state.selectedCount ? `${counted(state.selectedCount, "row")} selected` : "Nothing selected";
    hint.hidden = state.selectedCount > 0;
    grid.show(state.selectedCount ? rows() : [], "Selection");
  }
  function clusters(): void {
    const kept = to.value;
    to.replaceChildren(
      ...state.present().map(({ cluster }) => option(String(cluster), state.edits.nameOf(cluster), String(cluster) === kept)),
    );
  }
  const element = h("section", { class: "panel", "aria-label": "Selection" }, title, actions, hint, grid.element);
  const pictures = whenShown(element, render);
  const menu = whenShown(element, clusters);
  state.on("selection", pictures.changed);
  state.on("edits", menu.changed);
  return {
    element,
    opened: () => {
      pictures.opened();
      menu.opened();
    },
  };
}
