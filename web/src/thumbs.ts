/** Rows of pictures to look at and choose from. */

import { counted, h, percent, shortPercent } from "./dom";
import type { State } from "./state";
import type { PictureKind } from "./types";

/** One picture as a button; what has no picture is a button with its id. */
export function thumb(state: State, row: number, action: (row: number, event: MouseEvent) => void): HTMLButtonElement {
  const { pile, edits } = state;
  const canvas = h("canvas", { class: "thumb" });
  const made = h(
    "button",
    {
      type: "button", class: "cell", "data-row": row, title: pile.ids[row]!,
      "aria-label": `${pile.ids[row]}, ${edits.nameOf(edits.clusters[row]!)}`,
      click: (event: MouseEvent) => action(row, event),
    },
    state.pictures.has("images") ? canvas : h("span", { class: "id" }, pile.ids[row]!),
  );
  void state.pictures.draw(canvas, row);
  return made;
}

/** The rows that stand for a cluster, each with the share of the cluster that it stands for. */
export function examples(state: State, cluster: number): HTMLElement {
  return h(
    "div",
    { class: "examples" },
    ...state.examplesOf(cluster).map(({ row, share }) => {
      const picture = thumb(state, row, () => state.look(row));
      const stands = `stands for ${percent(share)} of ${state.edits.nameOf(cluster)}`;
      picture.title = `${state.pile.ids[row]}: ${stands}`;
      picture.setAttribute("aria-label", `${state.pile.ids[row]}, ${stands}`);
      return h("div", {}, picture, h("span", { class: "share", "aria-hidden": "true" }, shortPercent(share)));
    }),
  );
}

export function figure(state: State, row: number, kind: PictureKind, text: string): HTMLElement {
  const canvas = h("canvas", { class: "thumb" });
  void state.pictures.draw(canvas, row, kind);
  return h("figure", {}, canvas, h("figcaption", {}, text));
}

const PAGE = 120;

/** Many pictures: more are put in as one scrolls to the end. */
export class Grid {
  readonly element = h("div", { class: "grid", role: "group", tabindex: 0 });
  private rows: readonly number[] = [];
  private readonly end = h("div", { class: "end" });
  private readonly seen: IntersectionObserver;

  constructor(
    private readonly state: State,
    private readonly action: (row: number, event: MouseEvent) => void,
  ) {
    this.seen = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.more(), {
      root: this.element, rootMargin: "300px",
    });
  }

  show(rows: readonly number[], what: string): void {
    this.rows = rows;
    this.element.setAttribute("aria-label", `${what}: ${counted(rows.length, "row")}`);
    this.element.replaceChildren(this.end);
    this.more();
  }

  private more(): void {
    const there = this.element.childElementCount - 1;
    for (const row of this.rows.slice(there, there + PAGE)) this.end.before(thumb(this.state, row, this.action));
    this.seen.unobserve(this.end); // an end that is still in sight is seen again
    if (there + PAGE < this.rows.length) this.seen.observe(this.end);
  }
}
