/** What happens when the page opens, and whenever somebody has signed in. */

import { signal } from "@preact/signals";
import { Refused, signOut } from "../shared/api";
import { session } from "../shared/session";
import { beginAnew, loadAccount } from "./state/account";
import { restore } from "./state/draft";
import { hush, listen } from "./state/live";
import { catalogue, loadModes } from "./state/modes";
import { catchUp } from "./state/pictures";

/** Why nothing is shown yet, if something went wrong. */
export const trouble = signal<Refused | null>(null);

const PAUSE = 3000;

/** The modes, which need no sign-in, and whoever's page it is. What can't be reached is asked again. */
export async function begin(): Promise<void> {
  try {
    if (catalogue.value === null) {
      await loadModes();
      restore();
    }
    await enter();
    trouble.value = null;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (session.value === "out" || session.value === "expired") return;
    trouble.value = error;
    setTimeout(() => void begin(), PAUSE);
  }
}

// A page that Back brings as it was left: somebody else may be signed in, and what happened meanwhile wasn't told.
addEventListener("pageshow", (event) => {
  if (event.persisted) void begin();
});

/** Everything that belongs to whoever is signed in. */
export async function enter(): Promise<void> {
  const account = await loadAccount();
  listen(account.events_url);
  await catchUp();
}

export async function leave(): Promise<void> {
  await signOut();
  hush();
  beginAnew();
}
