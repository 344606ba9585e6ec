/** The map: points one can fly over, point at, and draw around. */

import { Camera } from "./camera";
import { colouring, fill, type Legend } from "./colouring";
import { button, counted, h, percent, short, tint } from "./dom";
import { Near } from "./near";
import { painter, type Painter } from "./points";
import type { How, State } from "./state";

export type Tool = "pan" | "lasso" | "box" | "draw";

const PICK = 14; // pixels around the pointer in which a point is found
const DWELL = 125; // milliseconds the pointer rests before a thumbnail appears
const SMOOTH = 300_000; // points drawn at most while the map moves
const REST = 160; // milliseconds after the last movement until all are drawn

export class MapView {
  readonly element: HTMLElement;
  readonly camera = new Camera();
  readonly near: Near;
  tool: Tool = "pan";
  legend: Legend = { entries: [], scale: null, shared: false };
  onLook: (row: number) => void;
  onDraw: (x: number, y: number) => void = () => {};
  onView: () => void = () => {};
  private readonly canvas = h("canvas", { class: "points" });
  private readonly overlay = h("canvas", { class: "overlay", tabindex: 0, role: "application" });
  private readonly thumb = h("canvas", { class: "thumb" });
  private readonly caption = h("div", { class: "caption" });
  private readonly tip = h("div", { class: "tip", hidden: true, role: "tooltip" }, this.thumb, this.caption);
  private readonly painter: Painter;
  private readonly colours: Uint8Array;
  private path: [number, number][] = []; // of the lasso, or two corners of the box, in pixels
  private from: { x: number; y: number; moved: boolean } | null = null;
  private readonly fingers = new Map<number, [number, number]>();
  private hovered = -1;
  private dwell = 0;
  private resting = 0;
  private pending = false;
  private pinching = false; // two fingers: nothing is drawn until both are up
  private moving = false;
  private readonly leave: (() => void)[] = [];
  marks: { x: number; y: number; text: string }[] = [];

  constructor(
    private readonly state: State,
    withoutWebGL: boolean,
  ) {
    this.near = new Near(state.pile.points);
    this.colours = new Uint8Array(4 * state.pile.rows);
    this.painter = painter(this.canvas, state.pile.points, withoutWebGL);
    this.onLook = (row) => state.look(row);
    const notice =
      this.painter.kind === "WebGL" ? null : h("p", { class: "notice", role: "note" }, "Drawn without WebGL, which this browser lacks: slower with many points.");
    this.element = h("div", { class: "map" }, this.canvas, this.overlay, this.tip, notice);
    this.overlay.setAttribute(
      "aria-label",
      `Map of ${counted(state.pile.rows, "row")}. Arrow keys move it, plus and minus zoom, 0 shows all, Enter looks at the point in the middle.`,
    );
    this.listen();
    new ResizeObserver(() => this.resized()).observe(this.element);
    for (const change of ["selection", "shown", "colour", "edits"] as const) {
      this.leave.push(state.on(change, () => this.recolour()));
    }
    this.leave.push(state.on("focus", () => this.draw()));
    this.painter.onLost = () => this.recolour();
  }

  /** Lets go of the canvas, of which a browser has only so many. */
  close(): void {
    for (const leave of this.leave) leave();
    this.painter.close();
  }

  get kind(): string {
    return this.painter.kind;
  }

  setTool(tool: Tool): void {
    this.tool = tool;
    this.overlay.dataset.tool = tool;
  }

  recolour(): void {
    const { of, legend } = colouring(this.state);
    this.legend = legend;
    fill(this.state, this.colours, of, document.documentElement.dataset.theme === "dark");
    this.painter.colour(this.colours);
    this.draw();
  }

  /** Shows a place of the map, in its own units. */
  goTo(row: number): void {
    const { points } = this.state.pile;
    this.camera.show(points[2 * row]!, points[2 * row + 1]!);
    this.moved();
  }

  fit(): void {
    this.camera.fit();
    this.moved();
  }

  zoom(factor: number): void {
    this.camera.zoomAt(factor, this.camera.width / 2, this.camera.height / 2);
    this.moved();
  }

  /** Selects what lies in the window: with the keys that move the map, what a box does for a pointer. */
  takeWindow(how: How): void {
    const { width, height } = this.camera;
    this.take([[0, 0], [width, 0], [width, height], [0, height]], how);
  }

  draw(): void {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.painter.draw(this.camera, this.pointSize(), this.moving ? SMOOTH : Infinity);
      this.drawOverlay();
    });
  }

  private pointSize(): number {
    const room = Math.sqrt((this.camera.width * this.camera.height) / Math.max(1, this.state.pile.rows));
    return Math.min(14, Math.max(1.2, 0.32 * room * Math.sqrt(Math.max(1, this.camera.zoom))));
  }

  private drawOverlay(): void {
    const context = this.overlay.getContext("2d")!;
    const ratio = this.ratio();
    const style = getComputedStyle(this.element);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.camera.width, this.camera.height);
    context.strokeStyle = context.fillStyle = style.getPropertyValue("--ink");
    context.lineWidth = 1.5;
    const { points } = this.state.pile;
    const ring = (x: number, y: number, radius: number): void => {
      const [left, top] = this.camera.toScreen(x, y);
      context.beginPath();
      context.arc(left, top, radius, 0, 2 * Math.PI);
      context.stroke();
    };
    const { focus } = this.state;
    if (focus !== null) ring(points[2 * focus]!, points[2 * focus + 1]!, 9);
    if (this.hovered >= 0) ring(points[2 * this.hovered]!, points[2 * this.hovered + 1]!, 7);
    context.font = "12px system-ui, sans-serif";
    for (const { x, y, text } of this.marks) {
      ring(x, y, 6);
      const [left, top] = this.camera.toScreen(x, y);
      context.fillText(text, left + 9, top + 4);
    }
    if (this.path.length > 1) {
      context.beginPath();
      for (const [left, top] of this.outline()) context.lineTo(left, top);
      context.closePath();
      context.globalAlpha = 0.12;
      context.fill();
      context.globalAlpha = 1;
      context.setLineDash([5, 4]);
      context.stroke();
      context.setLineDash([]);
    }
  }

  /** The lasso, or the four corners of the box. */
  private outline(): [number, number][] {
    if (this.tool !== "box") return this.path;
    const [[left, top], [right, bottom]] = [this.path[0]!, this.path.at(-1)!];
    return [[left, top], [right, top], [right, bottom], [left, bottom]];
  }

  /** Returns the shown rows inside the outline, by drawing it and looking what lies under each point. */
  private inside(outline: [number, number][]): number[] {
    const { width, height } = this.camera;
    const mask = new OffscreenCanvas(Math.ceil(width), Math.ceil(height));
    const context = mask.getContext("2d", { willReadFrequently: true })!;
    context.beginPath();
    for (const [left, top] of outline) context.lineTo(left, top);
    context.fill("evenodd");
    const pixels = context.getImageData(0, 0, mask.width, mask.height).data;
    const { points } = this.state.pile;
    const { scale } = this.camera;
    const found: number[] = [];
    for (let row = 0; row < this.state.shown.length; row++) {
      if (!this.state.shown[row]) continue;
      const left = Math.floor(width / 2 + (points[2 * row]! - this.camera.x) * scale);
      const top = Math.floor(height / 2 - (points[2 * row + 1]! - this.camera.y) * scale);
      if (left < 0 || top < 0 || left >= mask.width || top >= mask.height) continue;
      if (pixels[4 * (top * mask.width + left) + 3]! > 127) found.push(row);
    }
    return found;
  }

  private take(outline: [number, number][], how: How): void {
    this.state.select(this.inside(outline), how);
    this.state.say(`${counted(this.state.selectedCount, "row")} selected.`);
  }

  private at(left: number, top: number): number {
    const [x, y] = this.camera.toMap(left, top);
    return this.near.find(x, y, PICK / this.camera.scale, (row) => this.state.shown[row] === 1);
  }

  private listen(): void {
    const { overlay } = this;
    overlay.addEventListener("pointerdown", (event) => this.pressed(event));
    overlay.addEventListener("pointermove", (event) => this.pointed(event));
    overlay.addEventListener("pointerup", (event) => this.released(event));
    overlay.addEventListener("pointercancel", (event) => this.released(event));
    overlay.addEventListener("pointerleave", () => this.hover(-1, 0, 0));
    overlay.addEventListener("dblclick", (event) => {
      const [left, top] = this.place(event);
      this.camera.zoomAt(event.shiftKey ? 0.5 : 2, left, top);
      this.moved();
    });
    overlay.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const [left, top] = this.place(event);
        this.camera.zoomAt(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), left, top);
        this.moved();
      },
      { passive: false },
    );
    overlay.addEventListener("keydown", (event) => {
      const steps: Record<string, [number, number]> = {
        ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60],
      };
      const step = steps[event.key];
      if (step) {
        this.camera.pan(...step);
        this.moved();
        event.preventDefault();
      } else if (event.key === "Enter") {
        const [x, y] = [this.camera.x, this.camera.y];
        const row = this.near.find(x, y, 4, (found) => this.state.shown[found] === 1);
        if (row >= 0) this.onLook(row);
      }
    });
  }

  private pressed(event: PointerEvent): void {
    if (event.button !== 0) return;
    const [x, y] = this.place(event);
    this.overlay.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, [x, y]);
    this.from = { x, y, moved: false };
    this.hover(-1, 0, 0);
    if (this.fingers.size > 1) {
      this.path = [];
      this.pinching = true;
    } else if (this.tool === "lasso" || this.tool === "box") this.path = [[x, y]];
    else if (this.tool === "draw") this.onDraw(...this.camera.toMap(x, y));
  }

  private pointed(event: PointerEvent): void {
    const [x, y] = this.place(event);
    const before = this.fingers.get(event.pointerId);
    if (!before || !this.from) {
      if (event.pointerType !== "touch") this.hover(this.at(x, y), x, y);
      return;
    }
    if (this.fingers.size === 2) {
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)![1];
      const factor = Math.hypot(x - other[0], y - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1]));
      this.camera.zoomAt(factor, (x + other[0]) / 2, (y + other[1]) / 2);
      this.from.moved = true;
      this.moved();
    } else if (this.tool === "pan") {
      if (this.from.moved || Math.hypot(x - this.from.x, y - this.from.y) > 3) {
        this.from.moved = true;
        this.camera.pan(x - before[0], y - before[1]);
        this.moved();
      }
    } else if (this.tool === "draw") {
      this.onDraw(...this.camera.toMap(x, y));
    } else if (!this.pinching) {
      this.from.moved = true;
      this.path.push([x, y]);
      this.draw();
    }
    this.fingers.set(event.pointerId, [x, y]);
  }

  private released(event: PointerEvent): void {
    if (!this.fingers.delete(event.pointerId) || !this.from) return;
    const { moved, x, y } = this.from;
    const drawn = this.path.length > 1 && event.type === "pointerup" && !this.pinching;
    if (drawn) {
      this.take(this.outline(), howOf(event));
    } else if (!moved && this.tool !== "draw" && event.type === "pointerup") {
      const row = this.at(x, y);
      if (row >= 0) {
        if (event.shiftKey) this.state.select([row], this.state.selected[row] ? "subtract" : "add");
        this.onLook(row);
      }
    }
    this.path = [];
    if (this.fingers.size === 0) {
      this.from = null;
      this.pinching = false;
    }
    this.draw();
  }

  private hover(row: number, x: number, y: number): void {
    if (row !== this.hovered) {
      this.hovered = row;
      this.tip.hidden = true;
      clearTimeout(this.dwell);
      if (row >= 0) this.dwell = window.setTimeout(() => this.showTip(row, x, y), DWELL);
      this.draw();
    }
  }

  private showTip(row: number, x: number, y: number): void {
    const { pile, edits, pictures } = this.state;
    const confidence = pile.column("confidence");
    const novelty = pile.column("novelty");
    const label = pile.column("label");
    this.caption.replaceChildren(
      h("strong", {}, pile.ids[row]!),
      h("span", {}, edits.nameOf(edits.clusters[row]!)),
      confidence ? h("span", {}, `confidence ${percent(confidence.values[row]!)}`) : "",
      novelty ? h("span", {}, `novelty ${short(novelty.values[row]!)}`) : "",
      label ? h("span", {}, `label ${label.names[label.values[row]!] ?? ""}`) : "",
    );
    this.thumb.hidden = !pictures.has("images");
    void pictures.draw(this.thumb, row);
    this.tip.dataset.row = String(row);
    const right = x > this.camera.width * 0.6;
    const below = y > this.camera.height * 0.6;
    tint(this.tip, "left", right ? "auto" : `${x + 16}px`);
    tint(this.tip, "right", right ? `${this.camera.width - x + 16}px` : "auto");
    tint(this.tip, "top", below ? "auto" : `${y + 16}px`);
    tint(this.tip, "bottom", below ? `${this.camera.height - y + 16}px` : "auto");
    this.tip.hidden = false;
  }

  moved(): void {
    this.moving = true;
    this.draw();
    clearTimeout(this.resting);
    this.resting = window.setTimeout(() => {
      this.moving = false;
      this.draw();
      this.onView();
    }, REST);
  }

  private place(event: MouseEvent): [number, number] {
    const box = this.overlay.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private ratio(): number {
    return Math.min(2, window.devicePixelRatio || 1);
  }

  private resized(): void {
    const { width, height } = this.element.getBoundingClientRect();
    if (width < 1 || height < 1) return;
    [this.camera.width, this.camera.height] = [width, height];
    this.painter.resize(width, height, this.ratio());
    this.overlay.width = Math.round(width * this.ratio());
    this.overlay.height = Math.round(height * this.ratio());
    this.draw();
  }
}

/** The buttons beside a map. */
export function tools(map: MapView, canDraw: boolean, chosen: (tool: Tool) => void): HTMLElement {
  const made: [Tool, string, string][] = [
    ["pan", "Move", "v"],
    ["lasso", "Lasso", "l"],
    ["box", "Box", "b"],
  ];
  if (canDraw) made.push(["draw", "Draw", "d"]);
  const group = h("div", { class: "tools", role: "toolbar", "aria-label": "What dragging on the map does" });
  for (const [tool, text, key] of made) {
    group.append(
      button(text, () => chosen(tool), {
        "data-tool": tool, title: `${text} (${key})`, "aria-keyshortcuts": key, "aria-pressed": String(map.tool === tool),
      }),
    );
  }
  return group;
}

/** What the keys that are held mean for a selection. */
export function howOf(held: { shiftKey: boolean; altKey: boolean }): How {
  return held.shiftKey ? "add" : held.altKey ? "subtract" : "replace";
}
