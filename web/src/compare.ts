/** A second run of the same data beside the first: what is selected in one is selected in the other. */

import { counted, h } from "./dom";
import { Edits, ServerStore, type Store } from "./edits";
import { MapView } from "./map";
import { Pictures } from "./pictures";
import { Pile } from "./pile";
import { PageSource, ServerSource, type Source } from "./source";
import { State } from "./state";

/** A page from the disk shows its clusters as they were found. */
const NOTHING: Store = { read: async () => [], keep: async () => {} };

export function comparePanel(state: State, place: HTMLElement, withoutWebGL: boolean, setTool: (map: MapView) => void): HTMLElement {
  let leave: (() => void)[] = []; // the run that was beside this one
  const said = h("p", { class: "hint", role: "status" });
  const chooser = h("input", {
    type: "file", accept: ".html", "aria-label": "explorer.html of another run",
    change: () => {
      const [file] = chooser.files ?? [];
      if (file) void file.text().then((text) => open(new PageSource(new DOMParser().parseFromString(text, "text/html")), NOTHING));
    },
  });
  const panel = h(
    "section",
    { class: "panel", "aria-label": "Compare" },
    h("h2", {}, "Compare"),
    h("p", { class: "hint" }, "Choose the explorer.html of another run of the same data. Its map opens beside this one, and the selection is shared."),
    chooser,
    said,
  );

  async function open(source: Source, store: Store): Promise<void> {
    try {
      const pile = await Pile.load(source);
      const here = new Map(state.pile.ids.map((id, row) => [id, row]));
      const mine = Int32Array.from(pile.ids, (id) => here.get(id) ?? -1); // the row of this run that each row of the other is
      const common = mine.reduce((sum, row) => sum + Number(row >= 0), 0);
      if (!common) throw new Error("The two runs have no id in common.");
      const edits = await Edits.open(pile.found, store);
      const other = new State(pile, edits, new Pictures(source, pile.header.pictures, pile.order), null, state.say);
      for (const part of leave) part();
      const map = new MapView(other, withoutWebGL);
      leave = [() => map.close()];
      setTool(map);
      let linking = false;
      const link = (work: () => void): void => {
        if (linking) return;
        linking = true;
        work();
        linking = false;
      };
      const theirs = new Int32Array(state.pile.rows).fill(-1);
      mine.forEach((row, i) => row >= 0 && (theirs[row] = i));
      const follow = (): void => link(() => other.select(state.rowsSelected().map((row) => theirs[row]!).filter((row) => row >= 0)));
      leave.push(state.on("selection", follow));
      leave.push(state.on("focus", () => link(() => other.look(state.focus === null || theirs[state.focus]! < 0 ? null : theirs[state.focus]!))));
      other.on("selection", () => link(() => state.select(other.rowsSelected().map((row) => mine[row]!).filter((row) => row >= 0))));
      other.on("focus", () => link(() => state.look(other.focus === null || mine[other.focus]! < 0 ? null : mine[other.focus]!)));
      map.element.dataset.other = pile.header.name;
      place.replaceChildren(h("p", { class: "other" }, pile.header.name), map.element);
      place.hidden = false;
      map.recolour();
      follow();
      said.textContent = `${pile.header.name}: ${counted(common, "row")} in common.${agreement(state, edits.clusters, mine)}`;
    } catch (error) {
      said.textContent = (error as Error).message;
    }
  }

  if (state.server && (state.pile.header.runs ?? 1) > 1) void open(new ServerSource(state.server, 1), new ServerStore(state.server, 1));
  return panel;
}

/** How much the clusters of two runs agree: the adjusted Rand index (Hubert and Arabie 1985), in a sentence. */
function agreement(state: State, theirClusters: Int32Array, mine: Int32Array): string {
  const cells = new Map<string, number>();
  const ours = new Map<number, number>();
  const theirs = new Map<number, number>();
  let count = 0;
  const add = <K>(table: Map<K, number>, key: K): void => void table.set(key, (table.get(key) ?? 0) + 1);
  mine.forEach((row, i) => {
    if (row < 0) return;
    const [a, b] = [state.edits.clusters[row]!, theirClusters[i]!];
    add(cells, `${a} ${b}`);
    add(ours, a);
    add(theirs, b);
    count++;
  });
  const pairs = (table: Map<unknown, number>): number => [...table.values()].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
  const all = (count * (count - 1)) / 2;
  if (!all) return ""; // one row has nobody to be together with
  const expected = (pairs(ours) * pairs(theirs)) / all;
  const most = (pairs(ours) + pairs(theirs)) / 2;
  const index = most === expected ? 1 : (pairs(cells) - expected) / (most - expected);
  return ` Their clusters agree with these by ${index.toFixed(2).replace(/^-0\.00$/, "0.00")} (adjusted Rand index; 1 is the same, 0 is chance).`;
}
