/** Thumbnails, cut from sheets that are read when one of their images is first asked for. */

import type { Source } from "./source";
import type { PictureKind, Sheets } from "./types";

const HELD = 32; // sheets of 4 MiB at once

export class Pictures {
  private readonly held = new Map<number, Promise<ImageBitmap>>();
  private readonly placeOf: Int32Array; // of each row, on the sheets

  constructor(
    private readonly source: Source,
    private readonly kinds: Partial<Record<PictureKind, Sheets>>,
    order: Int32Array,
  ) {
    this.placeOf = new Int32Array(order.length);
    order.forEach((row, place) => (this.placeOf[row] = place));
  }

  has(kind: PictureKind): boolean {
    return this.kinds[kind] !== undefined;
  }

  size(kind: PictureKind = "images"): { width: number; height: number } {
    return this.kinds[kind] ?? { width: 1, height: 1 };
  }

  /** Draws the picture of a row over the whole canvas, whose pixels become those of the picture. */
  async draw(canvas: HTMLCanvasElement, row: number, kind: PictureKind = "images"): Promise<void> {
    const sheets = this.kinds[kind];
    if (!sheets) return;
    canvas.dataset.row = String(row);
    const all = this.placeOf[row]!;
    const bitmap = await this.sheet(sheets.sheets[Math.floor(all / sheets.perSheet)]!);
    if (canvas.dataset.row !== String(row)) return; // another picture was asked for meanwhile
    const place = all % sheets.perSheet;
    const { width, height, across } = sheets;
    canvas.width = width;
    canvas.height = height;
    canvas
      .getContext("2d")!
      .drawImage(bitmap, (place % across) * width, Math.floor(place / across) * height, width, height, 0, 0, width, height);
  }

  private sheet(blob: number): Promise<ImageBitmap> {
    let found = this.held.get(blob);
    if (found) this.held.delete(blob); // and put it at the end, as the one used last
    else {
      found = this.source.bytes(blob).then((bytes) => createImageBitmap(new Blob([bytes], { type: "image/webp" })));
      found.catch(() => this.held.delete(blob)); // and it is asked for again
    }
    this.held.set(blob, found);
    if (this.held.size > HELD) {
      const [oldest] = this.held.keys();
      void this.held.get(oldest!)?.then((bitmap) => setTimeout(() => bitmap.close(), 5000));
      this.held.delete(oldest!);
    }
    return found;
  }
}
