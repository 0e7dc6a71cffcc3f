/** One stream of events for all of the user's tasks, opened again for as long as the page is. */

import { signal } from "@preact/signals";
import { local, Refused } from "../../shared/api";
import type { Task } from "../../shared/schema";
import { session } from "../../shared/session";
import { loadAccount } from "./account";
import { resend } from "./draft";
import { refresh, reload, told, waiting } from "./pictures";

export const connected = signal(true);

const LONGEST_PAUSE = 15_000;
/** Places in line change with what others do, which no event of one's own tells. */
const PLACES_EVERY = 5000;
const PLACES = 5;
let stream: EventSource | null = null;
let pause = 500;

export function listen(address: string): void {
  stream?.close();
  stream = new EventSource(local(address));
  stream.onopen = () => {
    connected.value = true;
    pause = 500;
    resend();
  };
  const hear = (event: MessageEvent<string>): void => told(JSON.parse(event.data) as Task);
  stream.addEventListener("status", hear);
  stream.addEventListener("progress", hear);
  stream.onerror = () => {
    connected.value = false;
    // The browser connects again by itself, but not after a refusal: the address has expired.
    if (stream?.readyState === EventSource.CLOSED) later();
  };
}

export function hush(): void {
  stream?.close();
  stream = null;
}

function later(): void {
  hush();
  setTimeout(() => void again(), pause);
  pause = Math.min(pause * 2, LONGEST_PAUSE);
}

/** A fresh address, and what was missed meanwhile. Signed out, this waits for the next sign-in. */
async function again(): Promise<void> {
  if (session.value !== "in") return;
  try {
    listen((await loadAccount()).events_url);
    await reload();
  } catch {
    if (session.value === "in") later();
  }
}

// The stream may have outlived what broke off uploads.
addEventListener("online", resend);

setInterval(() => {
  if (session.value !== "in" || document.hidden) return;
  for (const task of waiting().slice(0, PLACES)) {
    refresh(task.task_id).catch((error: unknown) => {
      if (!(error instanceof Refused)) throw error;
    });
  }
}, PLACES_EVERY);
