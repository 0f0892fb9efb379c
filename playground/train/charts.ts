// The curves of loss and accuracy, as they grow.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Curve, Curves } from './state.ts';

const HEIGHT = 210;

const style = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const short = (value: number): string => (value === 0 ? '0' : Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3))));

/** A legend's text for a value. Where a new run has fewer points than the one before, uPlot asks once for one that is not there. */
const legend = (format: (value: number) => string) => (_: uPlot, value: number | null | undefined): string => (value === null || value === undefined ? '' : format(value));

export interface Charts {
  /** Draws the curves; `epochs` is the length of the axis. */
  readonly draw: (curves: Curves, epochs: number) => void;
}

export function createCharts(places: { readonly loss: HTMLElement; readonly accuracy: HTMLElement }): Charts {
  let shown: { readonly curves: Curves; readonly epochs: number } | undefined;
  let plots: readonly { readonly plot: uPlot; readonly place: HTMLElement; readonly curve: 'loss' | 'accuracy' }[] = [];

  const make = (): void => {
    for (const { plot } of plots) plot.destroy();
    plots = (['loss', 'accuracy'] as const).map((curve) => ({ curve, place: places[curve], plot: chart(places[curve], curve === 'accuracy' ? ' %' : '', () => shown?.epochs ?? 1) }));
    put();
  };
  const put = (): void => {
    if (!shown) return;
    const { curves } = shown;
    for (const { plot, curve } of plots) {
      plot.setData(dataOf(curves.x, curves[curve]));
      rest(plot);
    }
  };
  make();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', make);
  const resize = new ResizeObserver(() => {
    for (const { plot, place } of plots) if (place.clientWidth > 0) plot.setSize({ width: place.clientWidth, height: HEIGHT });
  });
  for (const place of Object.values(places)) resize.observe(place);
  return {
    draw(curves, epochs) {
      shown = { curves, epochs };
      put();
    },
  };
}

const dataOf = (x: readonly number[], { train, test }: Curve): uPlot.AlignedData => [[...x], [...train], [...test]];

function chart(place: HTMLElement, unit: string, epochs: () => number): uPlot {
  const axis = { stroke: style('--soft'), grid: { stroke: style('--line'), width: 1 }, ticks: { stroke: style('--line'), width: 1 }, font: '11px system-ui, sans-serif' };
  const range = (_: uPlot, low: number | null, high: number | null): [number, number] => {
    if (low === null || high === null) return [0, 1];
    const room = (high - low) * 0.06 || 0.1;
    return [Math.max(0, low - room), unit === '' ? high + room : Math.min(100, high + room)];
  };
  const plot = new uPlot(
    {
      width: Math.max(200, place.clientWidth),
      height: HEIGHT,
      // Room for the mark of the last epoch.
      padding: [10, 8, 0, 0],
      scales: { x: { time: false, range: () => [0, epochs()] }, y: { range } },
      axes: [
        { ...axis, label: 'epoch', labelSize: 16, labelFont: '11px system-ui, sans-serif', size: 30, incrs: [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100] },
        { ...axis, size: 48, values: (_, ticks) => ticks.map((tick) => short(tick) + unit) },
      ],
      series: [
        { label: 'epoch', value: legend(short) },
        { label: 'training', stroke: style('--c0'), width: 2, points: { show: false }, value: legend((value) => short(value) + unit) },
        { label: 'test', stroke: style('--c1'), width: 2, spanGaps: true, points: { show: true, size: 7, fill: style('--c1') }, value: legend((value) => short(value) + unit) },
      ],
    },
    [[], [], []],
    place,
  );
  plot.over.addEventListener('mouseleave', () => setTimeout(() => rest(plot)));
  return plot;
}

/** Until the pointer is over a chart its legend shows the last values. */
function rest(plot: uPlot): void {
  const last = plot.data[0].length - 1;
  if (last >= 0 && (plot.cursor.left ?? -1) < 0) plot.setLegend({ idx: last });
}
