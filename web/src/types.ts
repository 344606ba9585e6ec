/** The header of a bundle, as `explorer/bundle.py` writes it. */

export interface Blob {
  readonly blob: number;
  readonly type: string;
}

export interface Sheets {
  readonly width: number; // of a thumbnail, in pixels
  readonly height: number;
  readonly across: number; // thumbnails in a row of a sheet
  readonly perSheet: number;
  readonly sheets: readonly number[]; // numbers of blobs
}

export interface ColumnHeader {
  readonly name: string;
  readonly title: string;
  readonly hint?: string; // what the title does not say
  readonly kind: "number" | "category" | "text";
  readonly values: Blob;
  readonly names?: readonly string[];
}

/** The parts into which each cluster falls, as it was found. */
export interface ExamplesHeader {
  readonly most: number; // examples of a cluster
  readonly order: Blob; // rows by cluster, by part (the largest first), the most central first
  readonly parts: Blob; // the part of each row
  readonly axes: number;
  readonly middles: Blob; // parts x axes
}

export type PictureKind = "images" | "rebuilt" | "cleaned";

export interface Header {
  readonly format: number;
  readonly name: string;
  readonly run: string; // which clusters and which map these are
  readonly rows: number;
  readonly kind: "images" | "vectors";
  readonly decodes: boolean;
  readonly points: Blob;
  readonly clusterOf: Blob;
  readonly ids: Blob;
  readonly neighbours: { readonly count: number; readonly rows: Blob; readonly distances: Blob };
  readonly order: Blob; // rows; thumbnails lie on their sheets in this order
  readonly examples?: ExamplesHeader; // not in pages of earlier versions
  readonly copies: { readonly groups: number; readonly rows: number; readonly groupOf: Blob; readonly firsts: Blob };
  readonly verdict?: readonly string[]; // the sentences that stand at the top of the report
  readonly columns: readonly ColumnHeader[];
  readonly pictures: Partial<Record<PictureKind, Sheets>>;
  readonly runs?: number; // how many runs the server has opened
}

/** One change to the clusters; see `explorer/edits.py`. */
export interface Edit {
  what?: string;
  move?: { to: number; rows: number[] }[];
  names?: Record<string, string>;
  confirm?: number[];
  undo?: true;
  redo?: true;
}
