/** Filters: only what passes all of them is shown, selected and exported as "shown". */

import { button, counted, h, option, short, tint } from "./dom";
import { sortedRows, type Column, type Pile } from "./pile";
import { noFilters, type State } from "./state";

const BINS = 24;
const OUTLIERS = 100;
const ODD = 0.05; // novelty of one in twenty held-out rows

/** The panel, and what fills it anew from the filters there are when it is opened. */
export function filterPanel(state: State): { element: HTMLElement; opened: () => void } {
  const panel = h("section", { class: "panel", "aria-label": "Filters" });
  const count = h("p", { class: "hint" });

  function build(): void {
    const { filters, pile } = state;
    const review = h(
      "select",
      { "aria-label": "Confirmed by you", change: () => {
        filters.review = review.value as typeof filters.review;
        state.refilter();
      } },
      option("all", "confirmed or not", filters.review === "all"),
      option("confirmed", "confirmed only", filters.review === "confirmed"),
      option("open", "not yet confirmed", filters.review === "open"),
    );
    const copies = h("input", { type: "checkbox", id: "copies", change: () => {
      filters.copies = copies.checked;
      state.refilter();
    } });
    copies.checked = filters.copies;
    panel.replaceChildren(
      h("h2", {}, "Filters"),
      count,
      h(
        "div",
        { class: "bar wrap" },
        button("Show everything", () => {
          state.filters = noFilters();
          state.refilter();
          build();
        }),
        button("Only the selection’s clusters", () => {
          filters.clusters = new Set(state.rowsSelected().map((row) => state.edits.clusters[row]!));
          if (!filters.clusters.size) filters.clusters = null;
          state.refilter();
        }),
      ),
      h("div", { class: "bar wrap" }, review, h("label", { for: "copies" }, copies, ` copies only (${copiesText(pile)})`)),
      h("div", { class: "bar wrap" }, ...finds()),
      ...pile.sorting.map((column) => (column.kind === "number" ? range(column) : categories(column))),
    );
    said();
  }

  function finds(): HTMLElement[] {
    const made: HTMLElement[] = [];
    const most = Math.min(OUTLIERS, state.pile.rows);
    const greatest = (name: string, text: string): void => {
      const column = state.pile.column(name);
      if (!column) return;
      made.push(button(text, () => {
        const found: number[] = [];
        for (const row of sortedRows(column.values, -1)) {
          if (found.length === OUTLIERS) break;
          if (state.shown[row]) found.push(row);
        }
        state.select(found);
        state.say(`${counted(found.length, "row")} with the greatest ${column.title} selected.`);
      }));
    };
    greatest("distance", `Select ${counted(most, "outlier")}`);
    greatest("error", `Select ${most} worst rebuilt`);
    const novelty = state.pile.column("novelty");
    if (novelty) {
      made.push(button(`Select odd (novelty ≤ ${ODD})`, () => {
        state.select([...state.shown.keys()].filter((row) => state.shown[row] && novelty.values[row]! <= ODD));
      }, { title: `Novelty: ${novelty.hint ?? ""}` }));
    }
    if (state.pile.header.copies.rows) {
      made.push(button("Select copies", () => state.select(state.pile.copies())));
      made.push(button("Select all but the first of each group", () => state.select(state.pile.copies(true))));
    }
    return made;
  }

  function range(column: Column): HTMLElement {
    const { ranges } = state.filters;
    const bins = new Float64Array(BINS);
    const span = column.high - column.low || 1;
    for (let row = 0; row < state.pile.rows; row++) {
      bins[Math.min(BINS - 1, Math.floor(((column.values[row]! - column.low) / span) * BINS))]!++;
    }
    const most = Math.max(...bins);
    const bars = h("div", { class: "histogram", "aria-hidden": "true" });
    for (const bin of bins) {
      const bar = h("span");
      tint(bar, "height", `${Math.max(bin ? 2 : 0, (100 * bin) / most)}%`);
      bars.append(bar);
    }
    const held = ranges.get(column.name);
    const field = (what: "low" | "high"): HTMLInputElement => {
      const made = h("input", {
        type: "number", step: "any", value: held && held[what] !== column[what] ? held[what] : "",
        placeholder: short(column[what]), "aria-label": `${column.title}: ${what === "low" ? "from" : "to"}`,
        change: () => {
          const now = ranges.get(column.name) ?? { low: -Infinity, high: Infinity };
          const typed = made.value.trim() === "" || Number.isNaN(made.valueAsNumber) ? null : made.valueAsNumber;
          now[what] = typed ?? (what === "low" ? -Infinity : Infinity);
          ranges.set(column.name, now);
          if (now.low === -Infinity && now.high === Infinity) ranges.delete(column.name);
          state.refilter();
        },
      });
      return made;
    };
    return h("fieldset", {}, h("legend", {}, column.title), column.hint && h("p", { class: "hint" }, column.hint), bars, h("div", { class: "bar" }, field("low"), " to ", field("high")));
  }

  function categories(column: Column): HTMLElement {
    const { categories: held } = state.filters;
    const counts = new Map<number, number>();
    for (let row = 0; row < state.pile.rows; row++) counts.set(column.values[row]!, (counts.get(column.values[row]!) ?? 0) + 1);
    const boxes = column.names.map((name, value) => {
      const id = `filter-${column.name}-${value}`;
      const box = h("input", { type: "checkbox", id, change: () => {
        const wanted = new Set(boxes.flatMap(({ box: other }, i) => (other.checked ? [i] : [])));
        if (wanted.size === column.names.length) held.delete(column.name);
        else held.set(column.name, wanted);
        state.refilter();
      } });
      box.checked = held.get(column.name)?.has(value) ?? true;
      return { box, element: h("label", { for: id }, box, ` ${name || "none"} (${(counts.get(value) ?? 0).toLocaleString("en")})`) };
    });
    const all = (checked: boolean): void => {
      for (const { box } of boxes) box.checked = checked;
      boxes[0]?.box.dispatchEvent(new Event("change"));
    };
    return h(
      "fieldset",
      {},
      h("legend", {}, column.title),
      h("div", { class: "boxes" }, ...boxes.map(({ element }) => element)),
      h("div", { class: "bar small" }, button("all", () => all(true)), button("none", () => all(false))),
    );
  }

  function said(): void {
    count.textContent = `${state.shownCount.toLocaleString("en")} of ${counted(state.pile.rows, "row")} shown.`;
  }
  state.on("shown", said);
  return { element: panel, opened: build };
}

function copiesText(pile: Pile): string {
  const { groups, rows } = pile.header.copies;
  return `${counted(rows, "row")} in ${counted(groups, "group")}`;
}
