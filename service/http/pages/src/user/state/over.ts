/** What lies over the page: a task that is looked at, the ledger, or the photos that were sent. A place in the browser's history: Back leaves it. */

import { effect, signal } from "@preact/signals";

export const LEDGER = "ledger";
export const UPLOADS = "uploads";

/** A task's id, LEDGER or UPLOADS. */
export const opened = signal<string | null>(null);

let leaving = false;

function place(): string | null {
  return (history.state as { over?: string } | null)?.over ?? null;
}

function follow(): void {
  const over = opened.value;
  if (leaving || over === place()) return;
  if (over === null) {
    leaving = true;
    history.back();
  } else if (place() === null) {
    // The page stays where it is, or where whoever closed this was led.
    history.scrollRestoration = "manual";
    history.pushState({ over }, "");
  } else {
    history.replaceState({ over }, "");
  }
}

effect(follow);
addEventListener("popstate", () => {
  if (place() === null) history.scrollRestoration = "auto";
  if (leaving) {
    leaving = false;
    follow();
  } else {
    opened.value = place();
  }
});
