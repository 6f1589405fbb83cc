/** A quantity as Kubernetes writes it, such as `100m` of a processor or `1.5Gi` of memory. */

const QUANTITY = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;
const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

export function isQuantity(text: string): boolean {
  return QUANTITY.test(text);
}

/** Only compared: as a double it is exact enough for that. */
export class Quantity {
  readonly #value: number;

  /** @throws for what is not one; ask {@link isQuantity} first */
  constructor(text: string) {
    const [, digits, suffix = ''] = QUANTITY.exec(text) ?? [];
    if (digits === undefined) throw new Error('not a quantity');
    this.#value = Number(digits) * factorOf(suffix);
  }

  isLessThan(other: Quantity): boolean {
    return this.#value < other.#value;
  }
}

function factorOf(suffix: string): number {
  if (BINARY.includes(suffix)) return 1024 ** (BINARY.indexOf(suffix) + 1);
  if (/^[eE]./.test(suffix)) return 10 ** Number(suffix.slice(1));
  return 10 ** (DECIMAL[suffix] ?? 0);
}
