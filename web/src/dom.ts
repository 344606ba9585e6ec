/** A few lines in place of a library: elements from nested calls, and files for the person to keep. */

type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | ((event: never) => void) | null | undefined;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (typeof value === "function") element.addEventListener(name, value as unknown as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child != null && child !== false));
  return element;
}

/** Sets a custom property, which the policy of the page allows where it forbids style attributes. */
export function tint(element: HTMLElement, property: string, value: string): void {
  element.style.setProperty(property, value);
}

export function button(text: string, action: () => void, attributes: Record<string, Value> = {}): HTMLButtonElement {
  return h("button", { type: "button", click: action, ...attributes }, text);
}

export function option(value: string, text: string, selected = false): HTMLOptionElement {
  return h("option", { value, selected }, text);
}

/** Hands a file to the browser's downloads. */
export function download(name: string, content: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** A share as per cent; 0 % and 100 % are said of nothing and of all alone. */
export function percent(share: number, less = "less than ", more = "more than "): string {
  if (!Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.005) return `${less}1 %`;
  if (share < 1 && share >= 0.995) return `${more}99 %`;
  return `${(100 * share).toFixed(0)} %`;
}

/** The same in few letters, to stand below a picture. */
export function shortPercent(share: number): string {
  return percent(share, "<", ">");
}

export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value); // a year is no 2.02e3
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

/** What is shown in a panel is drawn anew when it changes; while the panel is not shown, when it is opened. */
export function whenShown(element: HTMLElement, draw: () => void): { changed: () => void; opened: () => void } {
  let stale = true;
  const opened = (): void => {
    if (!stale) return;
    stale = false;
    draw();
  };
  const changed = (): void => {
    stale = true;
    if (element.isConnected) opened();
  };
  return { changed, opened };
}

export interface Panel {
  readonly element: HTMLElement;
  readonly opened: () => void;
}
