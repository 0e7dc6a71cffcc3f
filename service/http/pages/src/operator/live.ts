/** The one stream that everything on this page comes from. */

import { computed, signal } from "@preact/signals";
import type { Overview } from "../shared/schema";

export interface Finding {
  check: string;
  health: "ok" | "wrong" | "unknown";
  message: string;
  remedy: string | null;
}

export type State = "connecting" | "live" | "away" | "out" | "forbidden";

export const STREAM = "/api/v1/operator/events";
const AGAIN_AFTER = 3000;
/** Milliseconds without a word, which comes every ten seconds: the server, or the way to it, is gone, and nobody says so. */
const SILENCE = 25_000;
let silence: ReturnType<typeof setTimeout> | undefined;

export const state = signal<State>("connecting");
export const overview = signal<Overview | null>(null);
export const findings = signal<Finding[] | null>(null);
export const trouble = signal<string | null>(null);

/** The mode whose ends are shown; null: all. */
export const mode = signal<string | null>(null);

export interface Ends {
  done: number;
  failed: number;
  cancelled: number;
}

export const ends = computed<Ends>(() => {
  const sums: Ends = { done: 0, failed: 0, cancelled: 0 };
  for (const one of overview.value?.ended ?? []) sums[one.status as keyof Ends] += one.tasks;
  return sums;
});

export const failures = computed<{ code: string; tasks: number }[]>(() => {
  const sums = new Map<string, number>();
  for (const one of overview.value?.ended ?? []) {
    if (one.status === "failed") sums.set(one.code ?? "?", (sums.get(one.code ?? "?") ?? 0) + one.tasks);
  }
  return [...sums].map(([code, tasks]) => ({ code, tasks })).sort((a, b) => b.tasks - a.tasks);
});

export function open(): void {
  const stream = new EventSource(STREAM);
  const heard = (): void => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      stream.close();
      state.value = "away";
      open();
    }, SILENCE);
  };
  heard();
  for (const name of ["overview", "findings", "trouble"]) stream.addEventListener(name, heard);
  stream.addEventListener("overview", (event) => {
    overview.value = JSON.parse((event as MessageEvent<string>).data) as Overview;
    trouble.value = null;
    state.value = "live";
  });
  stream.addEventListener("findings", (event) => {
    findings.value = JSON.parse((event as MessageEvent<string>).data) as Finding[];
  });
  stream.addEventListener("trouble", (event) => {
    trouble.value = (JSON.parse((event as MessageEvent<string>).data) as { message: string }).message;
  });
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) {
      state.value = "away";
      return;
    }
    clearTimeout(silence);
    void why();
  };
}

/** An EventSource doesn't tell why it was refused. */
async function why(): Promise<void> {
  let status = 0;
  try {
    status = (await fetch(STREAM, { method: "HEAD", signal: AbortSignal.timeout(SILENCE) })).status;
  } catch {
    // Not even an answer: away, as below.
  }
  state.value = status === 401 ? "out" : status === 403 ? "forbidden" : "away";
  if (state.value === "away") setTimeout(open, AGAIN_AFTER);
}
