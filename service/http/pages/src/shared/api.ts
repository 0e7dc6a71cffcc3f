/** The API as the pages speak to it: typed by the OpenAPI document, errors as `Refused`, whoever is signed out told. */

import createClient from "openapi-fetch";
import type { paths, Problem } from "./schema";
import { signedIn, signedOut } from "./session";

/** What the API refuses, or that it can't be reached: `code` is what pages translate. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly problem: Problem | null = null,
  ) {
    super(message);
  }
}

export const AWAY = "AWAY";

const client = createClient<paths>({ credentials: "same-origin" });

/** Milliseconds that a request may take: who is gone without a word would be waited for by the minute. What is asked once
 * more has the Idempotency-Key that it had. */
const PATIENCE = 30_000;

client.use({
  onRequest({ request }) {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), PATIENCE);
    return new Request(request, { signal: stop.signal });
  },
  async onResponse({ response }) {
    // A network that wants a sign-in of its own answers with a page, and calls that a success.
    const isOurs = response.status === 204 || response.headers.get("content-type")?.includes("json") === true;
    if (!response.ok || !isOurs) throw refusal(await response.text(), response.status);
  },
  onError({ error }) {
    return error instanceof Refused ? error : new Refused(AWAY, String(error));
  },
});

/** An answer's body that isn't a success; one that isn't ours (a proxy's page) is told like an absence. */
export function refusal(body: string, status: number): Refused {
  let problem: Partial<Problem> | null = null;
  try {
    problem = JSON.parse(body) as Partial<Problem> | null;
  } catch {
    // Told below, as JSON that isn't ours is.
  }
  if (!isProblem(problem)) return new Refused(AWAY, `HTTP ${status}`);
  if (problem.code === "UNAUTHORIZED") signedOut();
  return new Refused(problem.code, problem.detail, problem);
}

function isProblem(told: Partial<Problem> | null): told is Problem {
  return typeof told?.code === "string" && typeof told.detail === "string";
}

/** The data of an answer; it threw before if there is none. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

export const api = client;

/** Begins this browser's session. */
export async function signIn(by: { token: string }): Promise<void> {
  await client.POST("/api/v1/session", { body: by });
  signedIn();
}

export async function signOut(): Promise<void> {
  await client.DELETE("/api/v1/session");
}

/** A signed address as this page can load it: on its own origin, whatever PUBLIC_URL says; elsewhere (S3) as it is. */
export function local(address: string): string {
  const url = new URL(address, location.href);
  const at = url.pathname.indexOf("/api/v1/");
  return at === -1 ? url.href : url.pathname.slice(at) + url.search;
}

/** A new Idempotency-Key. `crypto.randomUUID` isn't there over plain http in a network. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
