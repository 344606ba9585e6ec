/** Where the data come from: elements of this very page, a page chosen from the disk, or the server. */

import type { Blob as Where, Header } from "./types";

export interface Source {
  header(): Promise<Header>;
  bytes(blob: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Reads a page that holds its own data: this one, or another as a document that was never shown. */
export class PageSource implements Source {
  constructor(private readonly page: Document) {}

  async header(): Promise<Header> {
    const element = this.page.getElementById("header");
    if (!element) throw new Error("This page contains no run.");
    return JSON.parse(element.textContent ?? "") as Header;
  }

  async bytes(blob: number): Promise<Uint8Array<ArrayBuffer>> {
    const text = this.page.getElementById(`blob-${blob}`)?.textContent;
    if (text == null) throw new Error(`This page lacks its part ${blob}.`);
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }
}

export class ServerSource implements Source {
  constructor(
    private readonly server: Server,
    private readonly run: number,
  ) {}

  async header(): Promise<Header> {
    return (await (await this.server.get(`/api/runs/${this.run}/header`)).json()) as Header;
  }

  async bytes(blob: number): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await (await this.server.get(`/api/runs/${this.run}/blobs/${blob}`)).arrayBuffer());
  }
}

/** Asks the server, with the token, which came behind the "#" of the address. */
export class Server {
  constructor(private readonly token: string) {}

  get(path: string): Promise<Response> {
    return this.ask(path, { method: "GET" });
  }

  async post<T>(path: string, content: unknown): Promise<T> {
    return (await (await this.postRaw(path, JSON.stringify(content), "application/json")).json()) as T;
  }

  postRaw(path: string, body: BodyInit, type: string): Promise<Response> {
    return this.ask(path, { method: "POST", body, headers: { "Content-Type": type } });
  }

  private async ask(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...init.headers, Authorization: `Bearer ${this.token}` };
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers, cache: "no-store" });
    } catch {
      throw new Error("The server does not answer. Is `narrows explore` still running?");
    }
    if (response.ok) return response;
    const said = (await response.json().catch(() => ({}))) as { error?: string; edits?: unknown };
    throw new Refused(response.status, said.error ?? `The server answered ${response.status}.`, said.edits);
  }
}

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly edits: unknown,
  ) {
    super(message);
  }
}

export type Numbers = Float32Array | Float64Array | Int32Array | Uint16Array;

export async function numbers(source: Source, where: Where): Promise<Numbers> {
  const buffer = await inflated(await source.bytes(where.blob));
  switch (where.type) {
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    default:
      throw new Error(`This page cannot read numbers of the type ${where.type}.`);
  }
}

export async function texts(source: Source, where: Where): Promise<string[]> {
  return JSON.parse(new TextDecoder().decode(await inflated(await source.bytes(where.blob)))) as string[];
}

async function inflated(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}
