import { percentile } from '../kit/figures.ts';

/** The middle of several values, with the lowest and the highest of them. */
export function medianAndSpread(values: readonly number[], digits = 0): string {
  const text = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: digits });
  const middle = text(percentile(values, 0.5));
  return values.length < 2 ? middle : `${middle} [${text(Math.min(...values))} to ${text(Math.max(...values))}]`;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Three percentiles of many values, as one cell of a table. */
export function percentiles(values: readonly number[]): string {
  return [0.5, 0.99, 0.999].map((share) => percentile(values, share).toFixed(1)).join(' / ');
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** Drawn in another colour. */
  readonly isOurs: boolean;
}

const [WIDTH, LABELS, BAR, GAP, TOP] = [760, 250, 26, 12, 46];

/** Horizontal bars with their values, as a picture that any browser shows. Names are ours, so nothing in them has to be escaped. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value }) => value));
  const room = WIDTH - LABELS - 90;
  const height = TOP + bars.length * (BAR + GAP);
  const drawn = bars.flatMap(({ name, value, isOurs }, index) => {
    const y = TOP + index * (BAR + GAP);
    const width = Math.round((value / most) * room);
    const middle = y + BAR / 2 + 5;
    return [
      `<text x="${LABELS - 10}" y="${middle}" text-anchor="end">${name}</text>`,
      `<rect x="${LABELS}" y="${y}" width="${width}" height="${BAR}" fill="${isOurs ? '#1769aa' : '#9aa5b1'}"/>`,
      `<text x="${LABELS + width + 8}" y="${middle}">${Math.round(value).toLocaleString('en')}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`,
    `  font-family="sans-serif" font-size="14">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="10" y="26" font-weight="bold">${title}</text>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}
