/** The queue: the least confident images, each beside examples of clusters, to confirm or correct one after the other. */

import { confirm, move } from "./actions";
import { button, counted, h, percent } from "./dom";
import { sortedRows } from "./pile";
import type { State } from "./state";
import { examples, figure } from "./thumbs";

const CHOICES = 9; // clusters offered, each under a digit

export class Queue {
  readonly element = h("section", { class: "panel queue", "aria-label": "Queue", tabindex: -1 });
  private order: Int32Array | null = null; // the least confident first
  private pending = false; // an edit is being kept
  private readonly passed = new Set<number>();
  private current: number | null = null;
  private offered: number[] = [];

  constructor(private readonly state: State) {
    for (const change of ["edits", "shown"] as const) state.on(change, () => this.element.isConnected && this.render());
  }

  /** Shows what is to be looked at next. */
  open(): void {
    const confidence = this.state.pile.column("confidence");
    this.order ??= confidence ? sortedRows(confidence.values) : this.state.pile.order;
    this.render();
  }

  render(): void {
    const { state } = this;
    let open = 0;
    this.current = null;
    for (const row of this.order ?? []) {
      if (!state.shown[row] || state.edits.confirmed[row]) continue;
      open++;
      if (this.current === null && !this.passed.has(row)) this.current = row;
    }
    if (this.current === null) {
      const text = open ? `${counted(open, "row")} skipped.` : "Every row shown is confirmed.";
      this.element.replaceChildren(h("h2", {}, "Queue"), h("p", { class: "hint" }, text));
      if (open) {
        this.element.append(button("Begin again", () => {
          this.passed.clear();
          this.render();
        }));
      }
      return;
    }
    const row = this.current;
    const { edits, pile } = state;
    const own = edits.clusters[row]!;
    this.offered = [own, ...this.likely(row).filter((cluster) => cluster !== own)].slice(0, CHOICES);
    const confidence = pile.column("confidence");
    this.element.replaceChildren(
      h("h2", {}, `${counted(open, "row")} to look at`),
      h("p", { class: "hint" }, "The least confident comes first. Enter confirms; a digit moves it to that cluster; Space skips it."),
      h(
        "div",
        { class: "figures" },
        state.pictures.has("images") ? figure(state, row, "images", pile.ids[row]!) : h("p", {}, pile.ids[row]!),
        h("p", {}, `In ${edits.nameOf(own)}${confidence ? `, confidence ${percent(confidence.values[row]!)}` : ""}.`),
      ),
      h(
        "ol",
        { class: "choices" },
        ...this.offered.map((cluster, i) =>
          h(
            "li",
            {},
            button(`${i + 1}  ${edits.nameOf(cluster)}${cluster === own ? " (as it is)" : ""}`, () => this.choose(cluster)),
            examples(state, cluster),
          ),
        ),
      ),
      h("div", { class: "bar" }, button("Confirm", () => this.choose(own)), button("Pass", () => this.pass())),
    );
  }

  /** Takes a key; returns whether it was one of the queue's. */
  key(event: KeyboardEvent): boolean {
    if (this.current === null || !this.element.isConnected) return false;
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.repeat || this.pending) return /^[1-9]$|^Enter$/.test(event.key); // a key held down is one decision
    const digit = Number(event.key);
    const elsewhere = event.target instanceof HTMLButtonElement && event.target.role !== "tab";
    if (event.key === "Enter" && !elsewhere) this.choose(this.offered[0]!);
    else if (event.key === " " && !elsewhere) this.pass();
    else if (digit >= 1 && digit <= this.offered.length) this.choose(this.offered[digit - 1]!);
    else return false;
    return true;
  }

  /** The clusters of its neighbours, the commonest first, then the largest of the others. */
  private likely(row: number): number[] {
    const { edits, pile } = this.state;
    const votes = new Map<number, number>();
    for (const { cluster } of this.state.present()) votes.set(cluster, 0);
    for (const near of pile.neighboursOf(row)) {
      const cluster = edits.clusters[near.row]!;
      votes.set(cluster, (votes.get(cluster) ?? 0) + 1);
    }
    return [...votes].sort((a, b) => b[1] - a[1]).map(([cluster]) => cluster);
  }

  private choose(cluster: number): void {
    const row = this.current!;
    const { state } = this;
    this.pending = true;
    const made = cluster === state.edits.clusters[row] ? confirm(state, [row]) : move(state, [row], cluster);
    void made.finally(() => (this.pending = false));
  }

  private pass(): void {
    this.passed.add(this.current!);
    this.render();
  }
}
