/** Drawing many points: with WebGL, and without where there is none. */

import type { Camera } from "./camera";

/** RGBA of each point, one byte each; alpha 0 is left out, and alpha below 128 is drawn beneath the others. */
export type Colours = Uint8Array;

export interface Painter {
  readonly kind: "WebGL" | "Canvas 2D";
  colour(colours: Colours): void;
  /** Draws at most `most` points, a fair choice of all, each `size` pixels wide. */
  draw(camera: Camera, size: number, most: number): void;
  resize(width: number, height: number, ratio: number): void;
  /** Called when everything must be coloured and drawn again, since the graphics driver began anew. */
  onLost: () => void;
  close(): void;
}

/** Returns a painter for the canvas: Canvas 2D where WebGL is missing, or is not wanted. */
export function painter(canvas: HTMLCanvasElement, points: Float32Array, withoutWebGL = false): Painter {
  const order = shuffled(points.length / 2);
  const gl = withoutWebGL ? null : canvas.getContext("webgl2", { antialias: false, alpha: true, powerPreference: "low-power" });
  return gl ? new GlPainter(gl, canvas, points, order) : new PlainPainter(canvas, points, order);
}

/** Rows in a random order, the same each time: no cluster lies above another, and the first ones are a fair choice. */
function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  let state = 0x9e3779b9;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 0x100000000) * (i + 1));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}

const VERTEX = `#version 300 es
in vec2 place;
in vec4 colour;
uniform vec2 centre;
uniform vec2 scale;
uniform float size;
uniform float beneath;
out vec4 shade;
void main() {
  bool dim = colour.a < 0.5;
  bool skip = colour.a == 0.0 || dim != (beneath > 0.5);
  gl_Position = skip ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((place - centre) * scale, 0.0, 1.0);
  gl_PointSize = dim ? max(1.0, size * 0.8) : size;
  shade = colour;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 shade;
out vec4 pixel;
uniform float round_;
void main() {
  vec2 from = gl_PointCoord - 0.5;
  if (round_ > 0.5 && dot(from, from) > 0.25) discard;
  pixel = vec4(shade.rgb * shade.a, shade.a);
}`;

class GlPainter implements Painter {
  readonly kind = "WebGL";
  onLost = (): void => {};
  private readonly at: Record<string, WebGLUniformLocation | null> = {};
  private colours!: WebGLBuffer;
  private readonly held: Uint8Array;
  private readonly places: Float32Array;
  private ratio = 1;
  private dims = false; // whether any point lies beneath

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly canvas: HTMLCanvasElement,
    points: Float32Array,
    private readonly order: Uint32Array,
  ) {
    this.places = new Float32Array(points.length);
    order.forEach((row, i) => {
      this.places[2 * i] = points[2 * row]!;
      this.places[2 * i + 1] = points[2 * row + 1]!;
    });
    this.held = new Uint8Array(4 * order.length);
    this.begin();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.begin();
      this.onLost();
    });
  }

  close(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private begin(): void {
    const { gl } = this;
    const program = linked(gl);
    gl.useProgram(program);
    for (const name of ["centre", "scale", "size", "beneath", "round_"]) this.at[name] = gl.getUniformLocation(program, name);
    this.attribute(program, "place", this.places, 2, gl.FLOAT, false);
    this.colours = this.attribute(program, "colour", this.held, 4, gl.UNSIGNED_BYTE, true);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  colour(colours: Colours): void {
    const from = new Uint32Array(colours.buffer, colours.byteOffset, colours.length / 4);
    const to = new Uint32Array(this.held.buffer);
    this.dims = false;
    for (let i = 0; i < this.order.length; i++) {
      const row = this.order[i]!;
      to[i] = from[row]!;
      const alpha = colours[4 * row + 3]!;
      this.dims ||= alpha > 0 && alpha < 128;
    }
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.colours);
    this.gl.bufferSubData(this.gl.ARRAY_BUFFER, 0, this.held);
  }

  draw(camera: Camera, size: number, most: number): void {
    const { gl } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.at.centre!, camera.x, camera.y);
    gl.uniform2f(this.at.scale!, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(this.at.size!, Math.max(1, size * this.ratio));
    gl.uniform1f(this.at.round_!, size * this.ratio >= 4 ? 1 : 0);
    const count = Math.min(most, this.order.length);
    for (const beneath of this.dims ? [1, 0] : [0]) {
      gl.uniform1f(this.at.beneath!, beneath);
      gl.drawArrays(gl.POINTS, 0, count);
    }
  }

  resize(width: number, height: number, ratio: number): void {
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
  }

  private attribute(
    program: WebGLProgram, name: string, content: Float32Array | Uint8Array, parts: number, type: number, scaled: boolean,
  ): WebGLBuffer {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, content, gl.DYNAMIC_DRAW);
    const place = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, parts, type, scaled, 0, 0);
    return buffer;
  }
}

function linked(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, text] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`The points cannot be drawn: ${gl.getProgramInfoLog(program) ?? "no reason given"}`);
  }
  return program;
}

class PlainPainter implements Painter {
  readonly kind = "Canvas 2D";
  onLost = (): void => {};
  private readonly context: CanvasRenderingContext2D;
  private colours: Colours = new Uint8Array(0);
  private ratio = 1;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly points: Float32Array,
    private readonly order: Uint32Array,
  ) {
    this.context = canvas.getContext("2d")!;
  }

  colour(colours: Colours): void {
    this.colours = colours;
  }

  close(): void {}

  draw(camera: Camera, size: number, most: number): void {
    const { width, height } = this.canvas;
    const image = this.context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const from = new Uint32Array(this.colours.buffer, this.colours.byteOffset, this.colours.length / 4);
    const side = Math.max(1, Math.round(size * this.ratio));
    const scale = camera.scale * this.ratio;
    const count = Math.min(most, this.order.length);
    for (const beneath of [true, false]) {
      for (let i = 0; i < count; i++) {
        const row = this.order[i]!;
        const alpha = this.colours[4 * row + 3]!;
        if (alpha === 0 || alpha < 128 !== beneath) continue;
        const left = Math.round(width / 2 + (this.points[2 * row]! - camera.x) * scale - side / 2);
        const top = Math.round(height / 2 - (this.points[2 * row + 1]! - camera.y) * scale - side / 2);
        if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
        for (let y = top; y < top + side; y++) pixels.fill(from[row]!, y * width + left, y * width + left + side);
      }
    }
    this.context.putImageData(image, 0, 0);
  }

  resize(width: number, height: number, ratio: number): void {
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
  }
}
