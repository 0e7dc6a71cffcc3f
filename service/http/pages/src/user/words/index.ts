import { wordsOf } from "../../shared/language";
import { Refused } from "../../shared/api";
import type { TaskFailure } from "../../shared/schema";
import { en } from "./en";
import { zh } from "./zh";

/** The page's words, as spoken now. */
export const words = wordsOf({ en, zh });

/** A name the API gives, for people: what no language knows is spelled out. */
export function named(names: Record<string, string>, name: string): string {
  return names[name] ?? name.replaceAll("_", " ").toLowerCase().replace(/^./, (first) => first.toUpperCase());
}

export function modeName(mode: string): string {
  return words().modes[mode]?.name ?? named({}, mode);
}

/** What was refused, in the language spoken: the API's own sentence where that is its language. */
export function explained(refused: unknown): string {
  if (!(refused instanceof Refused)) throw refused;
  return words().codes[refused.code] ?? refused.message;
}

export function failure(error: TaskFailure): string {
  return words().codes[error.code] ?? error.message;
}

export function step(told: string): string {
  return words().steps[told] ?? told;
}
