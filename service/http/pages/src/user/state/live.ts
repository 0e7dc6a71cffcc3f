/** One stream of events for all of the user's tasks, opened again for as long as the page is. */

import { signal } from "@preact/signals";
import { AWAY, local, Refused } from "../../shared/api";
import type { Task } from "../../shared/schema";
import { session } from "../../shared/session";
import { loadAccount } from "./account";
import { resend } from "./draft";
import { askForUnfinished, catchUp, readAgain, refresh, told, unread, waiting } from "./pictures";

export const connected = signal(true);
/** How often the server was reached anew: what couldn't be had before is asked for once more. */
export const reached = signal(0);

const LONGEST_PAUSE = 15_000;
/** Places in line change with what others do, which no event of one's own tells. */
const PLACES_EVERY = 5000;
const PLACES = 5;
/** Milliseconds without an event after which what is under way is asked for: proxies hold streams back, or drop them. */
const SILENCE = 15_000;
let heard = Date.now();
let stream: EventSource | null = null;
let pause = 500;

export function listen(address: string): void {
  stream?.close();
  stream = new EventSource(local(address));
  stream.onopen = () => {
    connected.value = true;
    pause = 500;
    again();
  };
  const hear = (event: MessageEvent<string>): void => {
    heard = Date.now();
    told(JSON.parse(event.data) as Task);
  };
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
  setTimeout(() => void anew(), pause);
  pause = Math.min(pause * 2, LONGEST_PAUSE);
}

/** A fresh address, and what was missed meanwhile. Signed out, this waits for the next sign-in. */
async function anew(): Promise<void> {
  if (session.value !== "in") return;
  try {
    listen((await loadAccount()).events_url);
    await catchUp();
  } catch {
    if (session.value === "in") later();
  }
}

/** Whatever broke off meanwhile. */
function again(): void {
  reached.value += 1;
  resend();
  if (unread.peek() !== null) quietly(readAgain());
}

// The stream may have outlived that.
addEventListener("online", again);

setInterval(() => {
  if (session.value !== "in" || document.hidden) return;
  for (const task of waiting().slice(0, PLACES)) quietly(refresh(task.task_id));
  if (Date.now() - heard < SILENCE) return;
  heard = Date.now();
  askForUnfinished().catch(unanswered);
}, PLACES_EVERY);

/** Nobody says anything, and nobody answers: what seems to be connected leads nowhere. */
function unanswered(error: unknown): void {
  if (!(error instanceof Refused)) throw error;
  if (error.code !== AWAY || stream === null) return;
  connected.value = false;
  later();
}

/** What can't be had now is asked for again in a while. */
function quietly(asked: Promise<void>): void {
  asked.catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
  });
}
