/** Who is signed in: a cookie that scripts can't see, or an API key or token that was typed in, for this tab. */

import { signal } from "@preact/signals";

const KEY = "darkroom.key";

/** `unknown` until the first answer came. */
export const session = signal<"unknown" | "in" | "out" | "expired">("unknown");

export function heldKey(): string | null {
  return sessionStorage.getItem(KEY);
}

export function hold(key: string): void {
  sessionStorage.setItem(KEY, key.trim());
}

export function letGo(): void {
  sessionStorage.removeItem(KEY);
  session.value = "out";
}

export function signedIn(): void {
  session.value = "in";
}

/** An answer said so: whoever was in is asked again, without losing what is on the page. */
export function signedOut(): void {
  sessionStorage.removeItem(KEY);
  session.value = session.value === "in" || session.value === "expired" ? "expired" : "out";
}
