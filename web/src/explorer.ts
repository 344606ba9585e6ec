/** The page: opens the data, puts the parts together, and sends keys to where they belong. */

import { read as readAddress, readToken, write as writeAddress } from "./address";
import { confirm, gather } from "./actions";
import { clusterList } from "./clusters";
import { choices } from "./colouring";
import { comparePanel } from "./compare";
import { Decoder } from "./decoder";
import { button, counted, h, option, short, tint } from "./dom";
import { place, takeDrops } from "./dropping";
import { BrowserStore, Edits, ServerStore } from "./edits";
import { exportPanel } from "./exporting";
import { filterPanel } from "./filters";
import { imagePanel } from "./image";
import { howOf, MapView, tools, type Tool } from "./map";
import { css, onScale } from "./palette";
import { Pictures } from "./pictures";
import { Pile } from "./pile";
import { Queue } from "./queue";
import { selectionPanel } from "./selection";
import { PageSource, Server, ServerSource } from "./source";
import { State } from "./state";

const KEYS: readonly (readonly [string, string])[] = [
  ["v, l, b, d", "drag to move, draw a lasso, draw a box, draw with the decoder"],
  ["Shift, Alt", "while drawing: add to the selection, take away from it"],
  ["w", "select everything in the map's window; Shift adds it, Alt takes it away"],
  ["a, i, Escape", "select all that is shown, invert, select nothing"],
  ["+, -, 0", "zoom in, zoom out, show all"],
  ["Arrows", "on the map: move it"],
  ["/", "search"],
  ["z, y", "undo, redo"],
  ["c, n", "confirm the selection, make it a new cluster"],
  ["1 to 9, Enter, Space", "in the queue: move to that cluster, confirm, skip"],
  ["?", "this list"],
];

async function start(): Promise<void> {
  const app = document.getElementById("app")!;
  theme(localTheme());
  try {
    const served = document.documentElement.dataset.form === "served";
    const server = served ? new Server(readToken() ?? "") : null;
    const source = server ? new ServerSource(server, 0) : new PageSource(document);
    const began = performance.now();
    const pile = await Pile.load(source);
    const store = server ? new ServerStore(server) : new BrowserStore(pile.header.run);
    const edits = await Edits.open(pile.found, store);
    build(app, pile, edits, server);
    // The canvas gets its size in the first frame, and its points in the second.
    const frames = (n: number, done: () => void): number => requestAnimationFrame(() => (n > 1 ? frames(n - 1, done) : done()));
    frames(3, () => {
      app.dataset.ready = (performance.now() - began).toFixed(0); // milliseconds from the data to the first picture
    });
  } catch (error) {
    app.replaceChildren(h("p", { class: "loading", role: "alert" }, (error as Error).message));
  }
}

function build(app: HTMLElement, pile: Pile, edits: Edits, server: Server | null): void {
  const status = h("div", { class: "status", role: "status", "aria-live": "polite" });
  let fading = 0;
  const say = (text: string): void => {
    status.textContent = text;
    status.dataset.fresh = "";
    clearTimeout(fading);
    fading = window.setTimeout(() => delete status.dataset.fresh, 4000);
  };
  const withoutWebGL = new URLSearchParams(location.search).has("canvas");
  const state = new State(pile, edits, new Pictures(pile.source, pile.header.pictures, pile.order), server, say);
  const map = new MapView(state, withoutWebGL);
  const canDraw = server !== null && pile.header.decodes;
  const others: MapView[] = [map];

  const setTool = (tool: Tool): void => {
    for (const one of others) one.setTool(tool === "draw" && one !== map ? "pan" : tool);
    for (const item of toolbar.querySelectorAll("button")) item.setAttribute("aria-pressed", String(item.dataset.tool === tool));
    if (tool !== "draw" && map.marks.length) {
      map.marks = [];
      map.draw();
    }
  };
  const toolbar = tools(map, canDraw, setTool);
  map.setTool("pan");

  // Above

  const colour = h("select", { "aria-label": "Colour by", change: () => {
    state.colourBy = colour.value;
    state.tell("colour");
  } }, ...choices(state).map(({ value, text }) => option(value, text)));
  const search = h("input", { type: "search", placeholder: "Search ids and words", "aria-label": "Search ids and words", "aria-keyshortcuts": "/" });
  const searched = h("span", { class: "searched" });
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => {
      state.filters.text = search.value.trim();
      state.refilter();
    }, 120);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      clearTimeout(typing); // what was typed counts now
      state.filters.text = search.value.trim();
      state.refilter();
      state.selectShown();
      show("selection");
    }
    if (event.key === "Escape") {
      search.value = state.filters.text = "";
      state.refilter();
      search.blur();
    }
  });
  const undo = button("Undo", () => edits.canUndo && void state.edit({ undo: true }), { "aria-keyshortcuts": "z" });
  const redo = button("Redo", () => edits.canRedo && void state.edit({ redo: true }), { "aria-keyshortcuts": "y" });
  const dark = button("Dark", () => {
    theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark", true);
    for (const one of others) one.recolour();
  });
  const chooser = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "New image", change: () => {
    const [file] = chooser.files ?? [];
    if (file) void place(state, map, file);
    chooser.value = "";
  } });
  const newImage = button("New image", () => chooser.click(), { title: "See where a new image belongs; or drop it on the page" });
  newImage.hidden = server === null || pile.header.kind !== "images";
  const verdict = button("Verdict", () => verdictDialog(), { title: "What this run is worth, and what to be careful about" });
  verdict.hidden = !pile.header.verdict?.length;
  const help = button("?", () => helpDialog(), { "aria-label": "Keys", title: "Keys (?)" });
  const header = h(
    "header",
    {},
    h("h1", {}, pile.header.name),
    h("span", { class: "count" }, counted(pile.rows, pile.header.kind === "images" ? "image" : "vector")),
    h("label", {}, "Colour by ", colour),
    h("span", { class: "searching" }, search, searched),
    newImage, chooser, undo, redo, dark, verdict, help,
  );

  // Beside

  const queue = new Queue(state);
  const decoder = canDraw ? new Decoder(state, map, () => setTool("draw")) : null;
  const second = h("div", { class: "second", hidden: true });
  const panels: Record<string, { title: string; element: HTMLElement; opened?: () => void }> = {
    clusters: { title: "Clusters", ...clusterList(state, map) },
    selection: { title: "Selection", ...selectionPanel(state) },
    image: { title: "Image", ...imagePanel(state, (row) => map.goTo(row)) },
    queue: { title: "Queue", element: queue.element, opened: () => queue.open() },
    filters: { title: "Filters", ...filterPanel(state) },
    decoder: { title: "Decoder", element: decoder?.element ?? withoutDecoder(server !== null) },
    compare: {
      title: "Compare",
      element: comparePanel(state, second, withoutWebGL, (other) => {
        others.splice(1, others.length, other);
        other.setTool(map.tool === "draw" ? "pan" : map.tool);
      }),
    },
    export: { title: "Export", element: exportPanel(state) },
  };
  const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Panels" });
  const side = h("aside", {}, tabs, h("div", { class: "panels", role: "tabpanel", id: "panel" }));
  const show = (name: string): void => {
    const { element, opened } = panels[name]!;
    for (const tab of tabs.querySelectorAll("button")) {
      const own = tab.dataset.panel === name;
      tab.setAttribute("aria-selected", String(own));
      tab.tabIndex = own ? 0 : -1;
      if (own) side.lastElementChild!.setAttribute("aria-label", tab.textContent ?? "");
    }
    side.lastElementChild!.replaceChildren(element);
    opened?.();
  };
  for (const [name, { title }] of Object.entries(panels)) {
    tabs.append(button(title, () => show(name), { role: "tab", "data-panel": name, "aria-selected": "false", "aria-controls": "panel" }));
  }
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...tabs.querySelectorAll("button")];
    const next = all[(all.indexOf(document.activeElement as HTMLButtonElement) + step + all.length) % all.length]!;
    next.focus();
    next.click();
    event.stopPropagation();
  });

  // Below

  const legend = h("div", { class: "legend", "aria-label": "Legend" });
  const renderLegend = (): void => {
    const { entries, scale, shared, hint } = map.legend;
    legend.replaceChildren();
    if (scale) {
      const bar = h("span", { class: "scale", "aria-hidden": "true" });
      const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => css(onScale(share))).join(", ");
      tint(bar, "background", `linear-gradient(to right, ${stops})`);
      legend.append(short(scale.low), bar, short(scale.high));
    }
    for (const { colour: shade, text } of entries.slice(0, 40)) {
      const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
      tint(swatch, "background", shade);
      legend.append(h("span", { class: "entry" }, swatch, text));
    }
    if (hint) legend.append(h("span", { class: "entry" }, hint));
    if (shared) legend.append(h("span", { class: "entry" }, "Colours repeat, far apart on the map; click a name to see one cluster alone."));
  };
  const zooms = h(
    "div",
    { class: "zooms" },
    button("+", () => map.zoom(1.5), { "aria-label": "Zoom in" }),
    button("−", () => map.zoom(1 / 1.5), { "aria-label": "Zoom out" }),
    button("0", () => map.fit(), { "aria-label": "Show all" }),
  );

  const main = h("main", {}, h("div", { class: "maps" }, h("div", { class: "first" }, map.element, toolbar, zooms), second), legend);
  app.className = "explorer";
  app.replaceChildren(header, main, side, status);

  // Who follows whom

  const renderHeader = (): void => {
    undo.disabled = !edits.canUndo;
    redo.disabled = !edits.canRedo;
    undo.title = edits.canUndo ? `Undo (z): ${edits.next.undo}` : "Nothing to undo";
    redo.title = edits.canRedo ? `Redo (y): ${edits.next.redo}` : "Nothing to redo";
    searched.textContent = state.shownCount === pile.rows ? "" : `${state.shownCount.toLocaleString("en")} shown`;
  };
  const keep = (): void => writeAddress(state, map.camera);
  map.onView = keep;
  state.on("edits", renderHeader);
  state.on("shown", () => {
    if (document.activeElement !== search) search.value = state.filters.text;
    renderHeader();
    keep();
  });
  for (const change of ["colour", "edits"] as const) state.on(change, renderLegend);
  state.on("colour", keep);
  state.on("focus", () => {
    keep();
    if (state.focus !== null && !decoderShown()) show("image");
  });
  state.on("selection", () => state.selectedCount && !queueShown() && !decoderShown() && show("selection"));
  const queueShown = (): boolean => queue.element.isConnected;
  const decoderShown = (): boolean => decoder?.element.isConnected ?? false;

  readAddress(state, map.camera);
  colour.value = state.colourBy;
  search.value = state.filters.text;
  state.tell("colour");
  renderHeader();
  show("clusters");
  if (state.focus !== null) state.tell("focus");
  window.addEventListener("hashchange", () => {
    readAddress(state, map.camera);
    colour.value = state.colourBy;
    search.value = state.filters.text;
    if (panels.filters!.element.isConnected) show("filters");
    state.tell("colour");
    state.tell("focus");
    map.draw();
  });

  takeDrops(state, map);

  // Keys

  const openDialog = (...content: HTMLElement[]): void => {
    const dialog = h("dialog", { close: () => dialog.remove() }, ...content, button("Close", () => dialog.close()));
    document.body.append(dialog);
    dialog.showModal();
  };
  const helpDialog = (): void =>
    openDialog(
      h("h2", {}, "Keys"),
      h("dl", { class: "keys" }, ...KEYS.flatMap(([key, text]) => [h("dt", {}, key), h("dd", {}, text)])),
      h("p", { class: "hint" }, `Points are drawn with ${map.kind}.`),
    );
  const verdictDialog = (): void => openDialog(h("h2", {}, "Verdict"), ...(pile.header.verdict ?? []).map((text) => h("p", {}, text)));
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (target.matches("input:not([type=checkbox], [type=range]), select") || document.querySelector("dialog[open]")) return;
    if (queue.key(event)) return event.preventDefault();
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (control && key === "z") undoOrRedo(event.shiftKey);
    else if (control && key === "a") state.selectShown();
    else if (!control && isW(event)) map.takeWindow(howOf(event));
    else if (control || event.altKey) return;
    else if (key === "z") undoOrRedo(event.shiftKey);
    else if (key === "y") undoOrRedo(true);
    else if (key === "v") setTool("pan");
    else if (key === "l") setTool("lasso");
    else if (key === "b") setTool("box");
    else if (key === "d" && canDraw) {
      setTool("draw");
      show("decoder");
    } else if (key === "a") state.selectShown();
    else if (key === "i") state.invert();
    else if (key === "escape") state.selectNone();
    else if (key === "+" || key === "=") map.zoom(1.5);
    else if (key === "-") map.zoom(1 / 1.5);
    else if (key === "0") map.fit();
    else if (key === "/") search.focus();
    else if (key === "c") void confirm(state, state.rowsSelected());
    else if (key === "n") void gather(state, state.rowsSelected());
    else if (key === "?") helpDialog();
    else return;
    event.preventDefault();
  });
  function undoOrRedo(again: boolean): void {
    if (again ? edits.canRedo : edits.canUndo) void state.edit(again ? { redo: true } : { undo: true });
  }
}

/** Whether the key is a w. With Alt it may make a sign of its own, such as ∑: then where it lies on the keyboard tells. */
function isW(event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  return key === "w" || (event.altKey && event.code === "KeyW" && !/^[a-z]$/.test(key));
}

function withoutDecoder(served: boolean): HTMLElement {
  const why = served
    ? "This run has no decoder, so there is nothing to draw with."
    : "A file cannot run the network. `narrows explore RUN` opens this page with its decoder.";
  return h("section", { class: "panel", "aria-label": "Decoder" }, h("h2", {}, "Decoder"), h("p", { class: "hint" }, why));
}

function localTheme(): string {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem("narrows-theme");
  } catch {
    // a browser that keeps nothing for pages from the disk
  }
  return kept ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function theme(name: string, keep = false): void {
  document.documentElement.dataset.theme = name;
  if (!keep) return;
  try {
    localStorage.setItem("narrows-theme", name);
  } catch {
    // as above
  }
}

void start();
