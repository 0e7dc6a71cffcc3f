/** Whose page it is, what is left, and what became of it. */

import { signal } from "@preact/signals";
import { api, data } from "../../shared/api";
import type { LedgerEntry, OwnAccount } from "../../shared/schema";
import { session, signedIn } from "../../shared/session";

export const account = signal<OwnAccount | null>(null);

/** Asks who is signed in; the answer says it to `session`, whichever it is. */
export async function loadAccount(): Promise<OwnAccount> {
  const whose = await data(api.GET("/api/v1/me"));
  if (account.value !== null && account.value.user_id !== whose.user_id) beginAnew();
  account.value = whose;
  if (session.value !== "in") signedIn();
  return account.value;
}

/** Somebody else is signed in, in another tab say: nothing that is here is theirs. */
export function beginAnew(): void {
  sessionStorage.clear();
  location.reload();
}

let due: ReturnType<typeof setTimeout> | null = null;

/** Credits may have moved: asked once for everything that happens within a moment. */
export function creditsMoved(): void {
  due ??= setTimeout(() => {
    due = null;
    // What fails here is told by whatever the user does next.
    loadAccount().catch(() => undefined);
  }, 400);
}

export interface LedgerSoFar {
  entries: LedgerEntry[];
  next: string | null;
}

export async function ledgerAfter(soFar: LedgerSoFar | null): Promise<LedgerSoFar> {
  const cursor = soFar?.next ?? null;
  const page = await data(api.GET("/api/v1/me/credits", { params: { query: cursor === null ? {} : { cursor } } }));
  return { entries: [...(soFar?.entries ?? []), ...page.entries], next: page.pagination.next_cursor };
}
