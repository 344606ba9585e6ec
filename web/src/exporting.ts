/** Out of the explorer: tables and labels as files; served, also Parquet and a folder per cluster. */

import { trying } from "./clusters";
import { button, counted, download, h, option } from "./dom";
import { rowsOf, type State } from "./state";

type Cell = string | number | boolean | null; // null: not known
type Scope = "all" | "selection" | "shown" | "confirmed";

export function exportPanel(state: State): HTMLElement {
  const scope = h(
    "select",
    {},
    option("selection", "the selection"),
    option("shown", "what is shown"),
    option("confirmed", "what you confirmed"),
    option("all", "all rows", true),
  );
  const done = h("p", { class: "hint", role: "status" });
  const name = state.pile.header.name.replace(/[^\w.-]+/g, "-") || "run";
  const rows = (): number[] => rowsIn(state, scope.value as Scope);
  const taking = (action: (rows: number[]) => void | Promise<void>) => (): void => {
    const found = rows();
    if (!found.length) state.say("There are no rows to export.");
    else void trying(state, (async () => action(found))());
  };
  const finished = (text: string): void => {
    done.textContent = text;
    state.say(text);
  };
  const file = (found: number[], suffix: string, content: string, type: string): void => {
    download(`${name}-${suffix}`, content, type);
    finished(`${counted(found.length, "row")} exported as ${name}-${suffix}.`);
  };
  const server = state.server;
  const folders = (how: "copy" | "link") =>
    taking(async (found) => {
      finished("Writing folders …");
      const made = await server!.post<{ folder: string }>("/api/folders", { rows: found, how });
      finished(`${counted(found.length, "image")} written to ${made.folder}, in the run’s folder.`);
    });
  return h(
    "section",
    { class: "panel", "aria-label": "Export" },
    h("h2", {}, "Export"),
    h("div", { class: "bar" }, h("label", {}, "Rows: ", scope)),
    h(
      "div",
      { class: "bar wrap" },
      button("CSV", taking((found) => file(found, "rows.csv", csv(state, found), "text/csv"))),
      button("JSON", taking((found) => file(found, "rows.json", JSON.stringify(records(state, found), null, 1), "application/json"))),
      button("labels.csv", taking((found) => {
        file(found, "labels.csv", labels(state, found), "text/csv");
        const twice = sameNames(state);
        if (twice) finished(`${done.textContent} Two clusters are called “${twice}”: they become one label.`);
      })),
      server && button("Parquet", taking(async (found) => {
        const body = JSON.stringify({ rows: found });
        const made = await server.postRaw("/api/parquet", body, "application/json");
        download(`${name}-rows.parquet`, await made.blob(), "application/vnd.apache.parquet");
        finished(`${counted(found.length, "row")} exported as ${name}-rows.parquet.`);
      })),
      button("Edits", () => {
        download(`${name}-edits.json`, JSON.stringify(state.edits.log), "application/json");
        finished(`${counted(state.edits.log.length, "edit")} exported.`);
      }),
    ),
    server && state.pictures.has("images") &&
      h("div", { class: "bar wrap" }, button("A folder per cluster: copies", folders("copy")), button("links", folders("link"))),
    done,
    h(
      "p",
      { class: "hint" },
      "labels.csv holds an id and the name of its cluster. `narrows run --data … --labels labels.csv` reads it back, so that a probe or a classifier learns what you named.",
    ),
  );
}

export function rowsIn(state: State, scope: Scope): number[] {
  const { selected, shown, edits, pile } = state;
  if (scope === "all") return Array.from({ length: pile.rows }, (_, row) => row);
  return rowsOf(scope === "selection" ? selected : scope === "shown" ? shown : edits.confirmed);
}

export function records(state: State, rows: readonly number[]): Record<string, Cell>[] {
  const { pile, edits } = state;
  return rows.map((row) => {
    const cluster = edits.clusters[row]!;
    const record: Record<string, Cell> = {
      id: pile.ids[row]!, row, cluster, cluster_name: edits.nameOf(cluster), confirmed: edits.confirmed[row] === 1,
      x: Number(pile.points[2 * row]!.toPrecision(6)), y: Number(pile.points[2 * row + 1]!.toPrecision(6)),
    };
    for (const column of pile.columns) {
      const value = column.values[row]!;
      if (column.kind !== "number") record[column.name] = column.names[value] ?? "";
      else if (Number.isNaN(value)) record[column.name] = null;
      else record[column.name] = column.values instanceof Float64Array ? value : Number(value.toPrecision(6));
    }
    return record;
  });
}

export function csv(state: State, rows: readonly number[]): string {
  const made = records(state, rows);
  const names = Object.keys(made[0] ?? {});
  return [names, ...made.map((record) => names.map((name) => record[name] ?? null))].map((cells) => line(cells.map(guarded))).join("");
}

/** A text that a spreadsheet would take for a formula, with an apostrophe before it; numbers stay as they are. */
function guarded(value: Cell): Cell {
  if (typeof value !== "string" || !/^'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/.test(value)) return value;
  return /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|nan)$/.test(value) ? value : `'${value}`;
}

/** For narrows to read again: ids and names as they are. */
function labels(state: State, rows: readonly number[]): string {
  const { pile, edits } = state;
  return [["id", "label"], ...rows.map((row) => [pile.ids[row]!, edits.nameOf(edits.clusters[row]!)])].map(line).join("");
}

function line(cells: readonly Cell[]): string {
  return `${cells.map(cell).join(",")}\n`;
}

function cell(value: Cell): string {
  const text = String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A name that two clusters have; none where all differ. */
function sameNames(state: State): string | undefined {
  const names = state.present().map(({ cluster }) => state.edits.nameOf(cluster));
  return names.find((name, i) => names.indexOf(name) !== i);
}
