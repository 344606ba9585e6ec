/** What the decoder draws: at a place of the map, between two images, around one, and along each number of the code. */

import { button, h, option, short } from "./dom";
import type { MapView } from "./map";
import type { State } from "./state";

interface Drawn {
  codes: number[][];
  count?: number;
  sheet?: string; // images side by side, as a data URI
  vectors?: number[][];
}

const STEPS = 9;
const SLIDERS = 64; // of a code; of longer ones, the first

export class Decoder {
  readonly element = h("section", { class: "panel decoder", "aria-label": "Decoder" });
  private readonly cursor = h("div", { class: "drawn large" });
  private readonly strip = h("div", { class: "drawn" });
  private readonly around = h("div", { class: "drawn" });
  private readonly sliders = h("div", { class: "sliders" });
  private readonly ends: [number | null, number | null] = [null, null];
  private readonly endText = h("span", {}, "");
  private code: number[] = [];
  private asked: unknown = null; // what to draw next at the cursor: only the newest is asked for
  private busy = false;
  private seed = 0;

  constructor(
    private readonly state: State,
    private readonly map: MapView,
    start: () => void, // begins drawing on the map
  ) {
    const spread = h("select", { "aria-label": "How far around" }, ...["0.1", "0.3", "0.6", "1"].map((v) => option(v, `${v} sd`, v === "0.3")));
    this.element.append(
      h("h2", {}, "Decoder"),
      h("p", { class: "hint" }, "Drag on the map: the decoder draws the image of that place, from the mean code of the nearest points."),
      h("div", { class: "bar" }, button("Draw on the map", start, { title: "d" })),
      this.cursor,
      h("h3", {}, "Between two images"),
      h(
        "div",
        { class: "bar wrap" },
        button("First is this image", () => this.end(0)),
        button("Last is this image", () => this.end(1)),
        this.endText,
      ),
      this.strip,
      h("h3", {}, "Around an image"),
      h("div", { class: "bar" }, button("Draw around this image", () => void this.drawAround(Number(spread.value))), spread),
      this.around,
      h("h3", {}, "Number by number"),
      h("div", { class: "bar" }, button("Take this image’s code", () => void this.take())),
      this.sliders,
    );
    map.onDraw = (x, y) => {
      map.marks = [{ x, y, text: "" }];
      map.draw();
      this.draw({ at: [x, y] });
    };
  }

  /** Asks for one image to be drawn at the cursor; of many that are asked for quickly, the newest. */
  private draw(asked: unknown): void {
    this.asked = asked;
    if (!this.busy) void this.next();
  }

  private async next(): Promise<void> {
    this.busy = true;
    while (this.asked) {
      const asked = this.asked;
      this.asked = null;
      const made = await this.ask(asked);
      if (!made) continue;
      this.show(this.cursor, made, "drawn by the decoder");
      const moved = typeof asked === "object" && asked !== null && "at" in asked;
      if (moved) this.setCode(made.codes[0]!);
    }
    this.busy = false;
  }

  private end(which: 0 | 1): void {
    if (this.state.focus === null) return this.state.say("Choose an image first.");
    this.ends[which] = this.state.focus;
    const { points, ids } = this.state.pile;
    this.map.marks = this.ends.flatMap((row, i) => (row === null ? [] : [{ x: points[2 * row]!, y: points[2 * row + 1]!, text: i ? "last" : "first" }]));
    this.map.draw();
    this.endText.textContent = this.ends.map((row) => (row === null ? "…" : ids[row])).join(" → ");
    const [first, last] = this.ends;
    if (first !== null && last !== null) void this.ask({ between: [first, last], steps: STEPS }).then((made) => made && this.show(this.strip, made, `${STEPS} steps from first to last`));
  }

  private async drawAround(spread: number): Promise<void> {
    if (this.state.focus === null) return this.state.say("Choose an image first.");
    const made = await this.ask({ around: this.state.focus, spread, n: 16, seed: this.seed++ });
    if (made) this.show(this.around, made, "16 codes drawn around that of the image");
  }

  private async take(): Promise<void> {
    if (this.state.focus === null) return this.state.say("Choose an image first.");
    const made = await this.ask({ between: [this.state.focus, this.state.focus], steps: 1 });
    if (!made) return;
    this.setCode(made.codes[0]!);
    this.show(this.cursor, made, "drawn by the decoder");
  }

  private setCode(code: number[]): void {
    this.code = [...code];
    if (this.sliders.childElementCount !== Math.min(SLIDERS, code.length)) this.makeSliders();
    this.sliders.querySelectorAll("input").forEach((slider, i) => this.place(slider, i));
  }

  private makeSliders(): void {
    const made = this.code.slice(0, SLIDERS).map((_, i) => {
      const slider = h("input", { type: "range", step: "any", "aria-label": `code ${i}`, input: () => {
        this.code[i] = slider.valueAsNumber;
        slider.title = short(slider.valueAsNumber);
        this.draw({ codes: [this.code] });
      } });
      return h("label", {}, `${i}`, slider);
    });
    this.sliders.replaceChildren(...made);
  }

  private place(slider: HTMLInputElement, i: number): void {
    const reach = Math.max(3, 2 * Math.max(...this.code.map(Math.abs)));
    slider.min = String(-reach);
    slider.max = String(reach);
    slider.value = String(this.code[i]);
    slider.title = short(this.code[i]!);
  }

  private async ask(asked: unknown): Promise<Drawn | null> {
    try {
      return await this.state.server!.post<Drawn>("/api/draw", asked);
    } catch (error) {
      this.state.say((error as Error).message);
      return null;
    }
  }

  private show(where: HTMLElement, made: Drawn, text: string): void {
    if (made.sheet) {
      const picture = h("img", { src: made.sheet, alt: text, "data-count": made.count });
      where.replaceChildren(picture);
    } else where.replaceChildren(h("pre", {}, (made.vectors ?? []).map((row) => row.map(short).join("  ")).join("\n")));
  }
}
