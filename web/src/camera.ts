/** Where one looks at the map from: map units (x right, y up) to pixels of the canvas (y down), and back. */

export class Camera {
  x = 0;
  y = 0;
  zoom = 1; // 1 shows the whole map
  width = 1; // of the canvas, in CSS pixels
  height = 1;

  /** Pixels per map unit. */
  get scale(): number {
    return (Math.min(this.width, this.height) / 2.1) * this.zoom;
  }

  toScreen(x: number, y: number): [number, number] {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  toMap(left: number, top: number): [number, number] {
    return [this.x + (left - this.width / 2) / this.scale, this.y - (top - this.height / 2) / this.scale];
  }

  pan(right: number, down: number): void {
    this.x = clamp(this.x - right / this.scale, -1.5, 1.5);
    this.y = clamp(this.y + down / this.scale, -1.5, 1.5);
  }

  /** Zooms so that what lies under a pixel stays there. */
  zoomAt(factor: number, left: number, top: number): void {
    const [x, y] = this.toMap(left, top);
    this.zoom = clamp(this.zoom * factor, 0.5, 5000);
    const [nowX, nowY] = this.toMap(left, top);
    this.x += x - nowX;
    this.y += y - nowY;
  }

  fit(): void {
    this.x = this.y = 0;
    this.zoom = 1;
  }

  show(x: number, y: number, zoom = Math.max(this.zoom, 4)): void {
    [this.x, this.y, this.zoom] = [x, y, zoom];
  }
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
