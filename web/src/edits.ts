/** The clusters as a person left them: a log of edits, replayed; undo and redo are entries of it too. */

import { Refused, type Server } from "./source";
import type { Edit } from "./types";

export class Edits {
  clusters: Int32Array;
  confirmed: Uint8Array;
  names = new Map<number, string>();
  private done: Edit[] = [];
  private undone: Edit[] = [];

  private constructor(
    private readonly found: Int32Array,
    private readonly store: Store,
    readonly log: Edit[],
  ) {
    this.clusters = found.slice();
    this.confirmed = new Uint8Array(found.length);
    this.replay();
  }

  static async open(found: Int32Array, store: Store): Promise<Edits> {
    return new Edits(found, store, await store.read());
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  /** What undo would take back, and redo bring again, in words. */
  get next(): { undo: string; redo: string } {
    return { undo: this.done.at(-1)?.what ?? "", redo: this.undone.at(-1)?.what ?? "" };
  }

  /** Keeps an edit, and only then makes it; one after the other, in the order they were asked for. */
  add(edit: Edit): Promise<void> {
    const made = this.last.then(() => this.addNow(edit));
    this.last = made.catch(() => undefined);
    return made;
  }

  private last: Promise<void> = Promise.resolve();

  private async addNow(edit: Edit): Promise<void> {
    try {
      await this.store.keep(edit, this.log.length);
    } catch (error) {
      if (error instanceof Refused && error.status === 409 && Array.isArray(error.edits)) {
        this.log.splice(0, this.log.length, ...(error.edits as Edit[]));
        this.replay();
        throw new Error("Edits were made in another window and are now shown here. Repeat this one.");
      }
      throw error;
    }
    this.log.push(edit);
    this.replay();
  }

  nameOf(cluster: number): string {
    return this.names.get(cluster) || `cluster ${cluster}`;
  }

  /** A number that no cluster ever had. */
  unused(): number {
    let highest = 0;
    for (const cluster of this.found) if (cluster > highest) highest = cluster;
    for (const edit of this.log) for (const move of edit.move ?? []) highest = Math.max(highest, move.to);
    return highest + 1;
  }

  private replay(): void {
    this.done = [];
    this.undone = [];
    for (const edit of this.log) {
      if (edit.undo) {
        const last = this.done.pop();
        if (last) this.undone.push(last);
      } else if (edit.redo) {
        const last = this.undone.pop();
        if (last) this.done.push(last);
      } else {
        this.done.push(edit);
        this.undone = [];
      }
    }
    this.clusters.set(this.found);
    this.confirmed.fill(0);
    this.names.clear();
    for (const edit of this.done) {
      for (const move of edit.move ?? []) for (const row of move.rows) this.clusters[row] = move.to;
      for (const [cluster, name] of Object.entries(edit.names ?? {})) this.names.set(Number(cluster), name);
      for (const row of edit.confirm ?? []) this.confirmed[row] = 1;
    }
  }
}

export interface Store {
  read(): Promise<Edit[]>;
  keep(edit: Edit, after: number): Promise<void>;
}

export class ServerStore implements Store {
  constructor(
    private readonly server: Server,
    private readonly run = 0,
  ) {}

  async read(): Promise<Edit[]> {
    return ((await (await this.server.get(`/api/runs/${this.run}/edits`)).json()) as { edits: Edit[] }).edits;
  }

  async keep(edit: Edit, after: number): Promise<void> {
    await this.server.post("/api/edits", { after, edit });
  }
}

/** Keeps edits in the browser, under the name of the run; they can be exported, and a browser can be told to forget. */
export class BrowserStore implements Store {
  private readonly key: string;

  constructor(run: string) {
    this.key = `narrows-edits-${run}`;
  }

  async read(): Promise<Edit[]> {
    let text: string | null = null;
    try {
      text = localStorage.getItem(this.key);
    } catch {
      return []; // a browser that keeps nothing for pages from the disk
    }
    return text ? (JSON.parse(text) as Edit[]) : [];
  }

  /** Reads what is kept anew, since another window may have added to it; all in one breath, so that none comes between. */
  async keep(edit: Edit, after: number): Promise<void> {
    try {
      const edits = JSON.parse(localStorage.getItem(this.key) ?? "[]") as Edit[];
      if (edits.length !== after) throw new Refused(409, "edits were made since", edits);
      localStorage.setItem(this.key, JSON.stringify([...edits, edit]));
    } catch (error) {
      if (error instanceof Refused) throw error;
      throw new Error("This browser keeps no more edits. Export them, or use `narrows explore`.");
    }
  }
}
