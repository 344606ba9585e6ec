/** Colours that stay apart for all kinds of sight. */

export type Rgb = readonly [number, number, number];

/**
 * Twenty colours for clusters. The first six are those of Okabe and Ito (2008); each further one is as far as possible, in
 * OKLab, from those before it, for usual sight and for the two commonest kinds of colour blindness as Machado et al. (2009)
 * compute them. No two are nearer than .077 for any of the three.
 */
const CLUSTERS = (
  "0072b2 e69f00 009e73 d55e00 cc79a7 56b4e9 87003c 69f0c3 4b3c87 875a69 " +
  "d2e12d 4b87ff b41e00 87c387 a5d2ff 3c4bc3 00d2c3 f0695a e1d287 8787d2"
)
  .split(" ")
  .map(parsed);

/** Cividis (Nuñez et al. 2018) at nine places: even for all kinds of sight, from low to high. */
const SCALE = "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 fee838".split(" ").map(parsed);

export const UNKNOWN: Rgb = [128, 128, 128];

const MANY = 300; // classes of which nobody can tell colours apart anyway

function parsed(text: string): Rgb {
  return [0, 2, 4].map((at) => Number.parseInt(text.slice(at, at + 2), 16)) as unknown as Rgb;
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

export function onScale(share: number): Rgb {
  if (Number.isNaN(share)) return UNKNOWN;
  const place = Math.min(1, Math.max(0, share)) * (SCALE.length - 1);
  const low = Math.min(SCALE.length - 2, Math.floor(place));
  const [a, b] = [SCALE[low]!, SCALE[low + 1]!];
  return a.map((part, i) => Math.round(part + (place - low) * (b[i]! - part))) as unknown as Rgb;
}

/**
 * Gives each class a colour. The first twenty have one of their own; of more, those that share one lie as far from each other on
 * the map as can be, so that neighbours differ.
 *
 * @param classes the class of each row
 * @param points x, y, x, y, ...
 */
export function assign(classes: ArrayLike<number>, points: Float32Array): Map<number, Rgb> {
  const middles = new Map<number, [number, number, number]>(); // sum of x, sum of y, rows
  for (let row = 0; row < classes.length; row++) {
    const held = middles.get(classes[row]!) ?? [0, 0, 0];
    held[0] += points[2 * row]!;
    held[1] += points[2 * row + 1]!;
    held[2]++;
    middles.set(classes[row]!, held);
  }
  const given = new Map<number, Rgb>();
  const users: [number, number][][] = CLUSTERS.map(() => []);
  const ordered = [...middles].sort((a, b) => a[0] - b[0]);
  ordered.forEach(([name, [x, y, count]]) => {
    const middle: [number, number] = [x / count, y / count];
    let chosen = name; // so that a class keeps its colour when others come and go
    if (ordered.length > MANY) chosen %= CLUSTERS.length;
    else if (name >= CLUSTERS.length) {
      const away = users.map((places) => Math.min(...places.map(([u, v]) => Math.hypot(u - middle[0], v - middle[1]))));
      chosen = away.indexOf(Math.max(...away));
    }
    users[chosen]!.push(middle);
    given.set(name, CLUSTERS[chosen]!);
  });
  return given;
}
