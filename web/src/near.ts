/** Points in square cells, so that the nearest to a place is found without looking at all of them. */

export class Near {
  private readonly side: number;
  private readonly starts: Int32Array; // where the rows of each cell start in `rows`
  private readonly rows: Int32Array;

  constructor(private readonly points: Float32Array) {
    const count = points.length / 2;
    this.side = Math.max(1, Math.min(1024, Math.round(Math.sqrt(count / 4))));
    const cells = new Int32Array(count);
    this.starts = new Int32Array(this.side * this.side + 1);
    for (let row = 0; row < count; row++) {
      const cell = this.cell(points[2 * row + 1] as number) * this.side + this.cell(points[2 * row] as number);
      cells[row] = cell;
      this.starts[cell + 1]!++;
    }
    for (let cell = 0; cell < this.side * this.side; cell++) this.starts[cell + 1]! += this.starts[cell]!;
    const next = this.starts.slice();
    this.rows = new Int32Array(count);
    for (let row = 0; row < count; row++) this.rows[next[cells[row]!]!++] = row;
  }

  /** Returns the row nearest to a place, at most `radius` away and not left out; -1 where there is none. */
  find(x: number, y: number, radius: number, takes: (row: number) => boolean): number {
    let best = -1;
    let least = radius * radius;
    for (let i = this.cell(y - radius); i <= this.cell(y + radius); i++) {
      for (let j = this.cell(x - radius); j <= this.cell(x + radius); j++) {
        const cell = i * this.side + j;
        for (let k = this.starts[cell]!; k < this.starts[cell + 1]!; k++) {
          const row = this.rows[k]!;
          const away = (this.points[2 * row]! - x) ** 2 + (this.points[2 * row + 1]! - y) ** 2;
          if (away <= least && takes(row)) [best, least] = [row, away];
        }
      }
    }
    return best;
  }

  private cell(coordinate: number): number {
    return Math.min(this.side - 1, Math.max(0, Math.floor(((coordinate + 1) / 2) * this.side)));
  }
}
