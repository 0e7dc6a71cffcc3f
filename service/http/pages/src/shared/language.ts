/** English and Chinese. Words are plain objects, an entry's own; a language that lacks one doesn't compile. */

import { effect, signal } from "@preact/signals";

export type Language = "en" | "zh";

const KEPT = "darkroom.language";

function preferred(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const language = signal<Language>(preferred());

export function speak(chosen: Language): void {
  localStorage.setItem(KEPT, chosen);
  language.value = chosen;
}

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});

/** The words of the language that is spoken; what reads them in a component is shown anew when it changes. */
export function wordsOf<W>(languages: Record<Language, W>): () => W {
  return () => languages[language.value];
}

/** How dates and numbers are written: as where the browser is at home, if it speaks the language there. */
export function region(): string {
  // A system without languages has some browsers name "en-US@posix", at which Intl throws.
  const home = navigator.languages.find((one) => one.startsWith(language.value) && /^[\w-]+$/.test(one));
  return home ?? (language.value === "zh" ? "zh-CN" : "en");
}

/** A moment as people say it: today's by its hour, others by their day. */
export function moment(time: string): string {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(region(), {
    ...(today ? {} : { month: "short", day: "numeric" }),
    hour: "2-digit",
    minute: "2-digit",
  }).format(date);
}

export function number(value: number): string {
  return new Intl.NumberFormat(region()).format(value);
}

/** A size as people say it. */
export function bytes(size: number): string {
  const [unit, value] = size < 1e6 ? ["kilobyte", Math.ceil(size / 1e3)] : ["megabyte", size / 1e6];
  return new Intl.NumberFormat(region(), { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
}
