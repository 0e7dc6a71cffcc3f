/** What ended within a day, in stacked bars: done at the bottom, failed above, cancelled on top. */

import { computed, effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { language, moment, number } from "../shared/language";
import { mode, overview } from "./live";
import { words } from "./words";

const SLOT = 1800;
const SLOTS = 48;
const HEIGHT = 220;

type Columns = [times: number[], all: number[], doneAndFailed: number[], done: number[]];

const columns = computed<Columns>(() => {
  const last = Math.floor(Date.parse(overview.value?.at ?? new Date().toISOString()) / 1000 / SLOT) * SLOT;
  const first = last - (SLOTS - 1) * SLOT;
  const made: Columns = [[], [], [], []];
  for (let at = first; at <= last; at += SLOT) {
    made[0].push(at);
    for (const column of made.slice(1)) column.push(0);
  }
  for (const one of overview.value?.ended ?? []) {
    const place = (Date.parse(one.slot) / 1000 - first) / SLOT;
    if (place < 0 || (mode.value !== null && one.mode !== mode.value)) continue;
    made[1][place]! += one.tasks;
    if (one.status !== "cancelled") made[2][place]! += one.tasks;
    if (one.status === "done") made[3][place]! += one.tasks;
  }
  return made;
});

/** The bar that is pointed at; otherwise the sum of all. */
const pointed = signal<number | null>(null);

function colours(of: HTMLElement): Record<"good" | "bad" | "soft" | "line" | "ink", string> {
  const probe = of.appendChild(document.createElement("i"));
  const resolve = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    good: resolve("good"),
    bad: resolve("bad"),
    soft: resolve("line-strong"),
    line: resolve("line"),
    ink: resolve("ink-soft"),
  };
  probe.remove();
  return found;
}

function hour(time: number): string {
  const options: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language.value, options).format(new Date(time * 1000));
}

function draw(place: HTMLElement): uPlot {
  const { good, bad, soft, line, ink } = colours(place);
  const bars = uPlot.paths.bars!({ size: [0.72, 40], radius: 0.15 });
  const series = (fill: string): uPlot.Series => ({ fill, width: 0, paths: bars, points: { show: false } });
  const axis: uPlot.Axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      // At the right the last hour's name needs room.
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false } },
      scales: {
        x: { range: (_, first, last) => [first - SLOT / 2, last + SLOT / 2] },
        y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          values: (_, times) => times.map(hour),
          space: 60,
          size: 30,
        },
        { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000] },
      ],
      series: [{}, series(soft), series(bad), series(good)],
      hooks: { setCursor: [(plot) => (pointed.value = plot.cursor.idx ?? null)] },
    },
    columns.peek() as uPlot.AlignedData,
    place,
  );
}

function Told() {
  const [times, all, doneAndFailed, done] = columns.value;
  const at = pointed.value;
  const sum = (column: number[]): number => (at === null ? column.reduce((a, b) => a + b, 0) : (column[at] ?? 0));
  const [every, two, one] = [sum(all), sum(doneAndFailed), sum(done)];
  const from = at === null ? words().lastDay : moment(new Date((times[at] ?? 0) * 1000).toISOString());
  return (
    <p class="soft small told">{words().slot(from, number(one), number(two - one), number(every - two))}</p>
  );
}

export function Chart() {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current!;
    let plot = draw(element);
    const redraw = (): void => {
      plot.destroy();
      plot = draw(element);
    };
    const stop = effect(() => plot.setData(columns.value as uPlot.AlignedData));
    const stopSpeaking = effect(() => {
      if (language.value) redraw();
    });
    const sizes = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    return () => {
      stop();
      stopSpeaking();
      sizes.disconnect();
      dark.removeEventListener("change", redraw);
      plot.destroy();
    };
  }, []);
  const modes = [null, "BACKGROUND_CHANGE", "HEAD_SWAP", "POSE_CHANGE"];
  return (
    <section class="card wide" aria-labelledby="ended">
      <header>
        <h2 id="ended">{words().ended}</h2>
        <div class="chips">
          {modes.map((one) => (
            <button class="chip" aria-pressed={mode.value === one} onClick={() => (mode.value = one)}>
              {one === null ? words().allModes : words().modes[one]}
            </button>
          ))}
        </div>
      </header>
      <Told />
      <div ref={place} class="chart" aria-hidden="true" />
    </section>
  );
}
