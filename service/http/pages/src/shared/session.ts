/** Who is signed in: a cookie that scripts can't see. It begins with a one-time link, an API key or a JWT. */

import { signal } from "@preact/signals";

/** `unknown` until the first answer came; `expired` when somebody was in. */
export const session = signal<"unknown" | "in" | "out" | "expired">("unknown");

export function signedIn(): void {
  session.value = "in";
}

/** An answer said so: whoever was in is asked again, without losing what is on the page. */
export function signedOut(): void {
  session.value = session.value === "in" || session.value === "expired" ? "expired" : "out";
}
