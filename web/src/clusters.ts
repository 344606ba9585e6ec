/** The list of clusters: size, examples, purity where labels are known; rename, merge, split. */

import { merge, rename, split } from "./actions";
import { button, counted, h, option, percent, tint, whenShown, type Panel } from "./dom";
import type { MapView } from "./map";
import type { State } from "./state";
import { examples } from "./thumbs";

const LISTED = 60; // clusters with pictures at first: of very many, more on request

export function clusterList(state: State, map: MapView): Panel {
  const list = h("ol", { class: "clusters" });
  const chosen = new Set<number>();
  const into = h("select", { "aria-label": "Merge into" });
  const mergeButton = button("Merge", () => {
    void merge(state, [...chosen], Number(into.value)).then((done) => done && chosen.clear());
  });
  const bar = h("div", { class: "bar merge" }, h("label", {}, "Merge checked into ", into), mergeButton);
  let listed = LISTED;
  const more = button("Show more clusters", () => {
    listed *= 2;
    render();
  });

  function render(): void {
    const present = state.present();
    const names = new Set(present.map(({ cluster }) => cluster));
    for (const cluster of chosen) if (!names.has(cluster)) chosen.delete(cluster);
    const colours = new Map(state.colourBy === "cluster" ? map.legend.entries.map((entry) => [entry.value, entry.colour]) : []);
    const kept = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    list.replaceChildren(...present.slice(0, listed).map(({ cluster, size }) => item(cluster, size, colours.get(cluster))));
    if (kept) list.querySelector<HTMLElement>(`[data-key="${CSS.escape(kept)}"]`)?.focus();
    more.hidden = present.length <= listed;
    merging();
  }

  function merging(): void {
    const kept = into.value;
    into.replaceChildren(
      ...[...chosen].map((cluster) => option(String(cluster), state.edits.nameOf(cluster), String(cluster) === kept)),
    );
    mergeButton.disabled = chosen.size < 2;
    bar.hidden = chosen.size === 0;
  }

  function item(cluster: number, size: number, colour: string | undefined): HTMLElement {
    const { edits } = state;
    const name = edits.nameOf(cluster);
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    if (colour) tint(swatch, "background", colour);
    const check = h("input", {
      type: "checkbox", "aria-label": `Check ${name} for merging`, "data-key": `check-${cluster}`,
      change: () => {
        if (check.checked) chosen.add(cluster);
        else chosen.delete(cluster);
        merging();
      },
    });
    check.checked = chosen.has(cluster);
    const title = h("span", { class: "title" });
    const showName = (): void =>
      title.replaceChildren(
        button(name, () => select(cluster), { class: "name", title: "Select this cluster", "data-key": `name-${cluster}` }),
      );
    const editName = (): void => {
      const field = h("input", { value: edits.names.get(cluster) ?? "", maxlength: 80, "aria-label": `Name of ${name}`, placeholder: name });
      let left = false;
      const leave = (keep: boolean): void => {
        if (left) return;
        left = true;
        if (keep && field.value.trim() !== (edits.names.get(cluster) ?? "")) void rename(state, cluster, field.value);
        else showName();
      };
      field.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (event.key === "Enter") leave(true);
        if (event.key === "Escape") leave(false);
      });
      field.addEventListener("blur", () => leave(true));
      title.replaceChildren(field);
      field.focus();
      field.select();
    };
    showName();
    const parts = h("select", { "aria-label": `Parts to split ${name} into` }, ...[2, 3, 4, 5].map((n) => option(String(n), String(n))));
    const rows = state.rowsOf(cluster);
    return h(
      "li",
      { "data-cluster": cluster },
      h("div", { class: "bar" }, check, swatch, title, h("span", { class: "size" }, size.toLocaleString("en"))),
      examples(state, cluster),
      h(
        "div",
        { class: "bar small" },
        purity(cluster, rows),
        button("Rename", editName, { "data-key": `rename-${cluster}` }),
        button("Split into", () => void trying(state, split(state, [...rows], Number(parts.value))), { "data-key": `split-${cluster}` }),
        parts,
      ),
    );
  }

  function select(cluster: number): void {
    const rows = state.rowsOf(cluster);
    state.select(rows);
    state.say(`${counted(rows.length, "row")} of ${state.edits.nameOf(cluster)} selected.`);
  }

  /** The commonest label and its share, where labels are known. */
  function purity(cluster: number, rows: readonly number[]): HTMLElement {
    const label = state.pile.column("label");
    if (!label) return h("span", { class: "purity" });
    const counts = new Map<number, number>();
    let known = 0;
    for (const row of rows) {
      const value = label.values[row]!;
      if (!label.names[value]) continue; // not labelled
      counts.set(value, (counts.get(value) ?? 0) + 1);
      known++;
    }
    const [best, count] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [0, 0];
    if (!known) return h("span", { class: "purity" }, "no labels");
    const share = percent(count / known);
    const title = `Of ${counted(known, "labelled row")} of ${state.edits.nameOf(cluster)}, ${share} have the label ${label.names[best]}`;
    return h("span", { class: "purity", title }, `${share} ${label.names[best]}`);
  }

  const hint = h("p", { class: "hint" }, "Below each cluster: one row of each of its parts, and the share of the cluster in that part.");
  const element = h("section", { class: "panel", "aria-label": "Clusters" }, hint, bar, list, more);
  const { changed, opened } = whenShown(element, render);
  state.on("edits", changed);
  state.on("colour", changed);
  return { element, opened };
}

/** Waits for something the server may refuse, and says why. */
export async function trying(state: State, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    state.say((error as Error).message);
  }
}
