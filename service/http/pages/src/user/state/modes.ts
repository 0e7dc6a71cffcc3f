/** The edits this server makes, as /modes tells them: prices, presets, examples, and the options of each. */

import { signal } from "@preact/signals";
import { api, data } from "../../shared/api";
import type { Mode, ModeDescription, ModeList, Quality, Size } from "../../shared/schema";

export const catalogue = signal<ModeList | null>(null);

export async function loadModes(): Promise<void> {
  catalogue.value = await data(api.GET("/api/v1/modes"));
}

export function described(mode: Mode): ModeDescription {
  const found = catalogue.value?.modes.find((one) => one.mode === mode);
  if (found === undefined) throw new Error(`${mode} isn't among the modes`);
  return found;
}

export function priceOf(mode: ModeDescription, config: Record<string, unknown>): number {
  const quality = (config.quality ?? "standard") as Quality;
  const size = (config.size ?? "medium") as Size;
  return mode.prices.find((price) => price.quality === quality && price.size === size)?.credits ?? mode.base_price;
}

/** The name in `config`, and the value, that asks for no new picture at all: a transparent background. */
export function removal(mode: ModeDescription): [string, string] | null {
  for (const option of everyOption(mode)) {
    if (option.kind === "choice" && option.values.includes("remove")) return [option.name, "remove"];
  }
  return null;
}

interface Named {
  name: string;
  description: string;
}

export type Option = Named &
  (
    | { kind: "choice"; values: string[] }
    | { kind: "share"; least: number; most: number; usual: number }
    | { kind: "switch"; usual: boolean }
  );

/** JSON Schema, as far as msgspec's says what an option takes. */
interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  type?: string;
  enum?: (string | null)[];
  minimum?: number;
  maximum?: number;
  description?: string;
  "x-absent"?: unknown;
}

/** What a user may choose beside the look itself, the plain ones (those every mode has) first. */
export function options(mode: ModeDescription): Option[] {
  const look = new Set([mode.preset_field, removal(mode)?.[0]]);
  return everyOption(mode).filter((option) => !look.has(option.name));
}

function everyOption(mode: ModeDescription): Option[] {
  const whole = mode.config_schema as Schema;
  const found: Option[] = [];
  for (const [name, property] of Object.entries(whole.properties ?? {})) {
    const option = read(name, property, whole);
    if (option !== null) found.push(option);
  }
  return found;
}

function read(name: string, property: Schema, whole: Schema): Option | null {
  const named = { name, description: property.description ?? "" };
  const taken = [property, ...(property.anyOf ?? [])].map((one) => resolved(one, whole));
  const kind = taken.find((one) => one.enum !== undefined || (one.type !== undefined && one.type !== "null"));
  const usual = property["x-absent"];
  if (kind?.enum !== undefined) {
    const offered = offer(name) ?? kind.enum.filter((value) => value !== null);
    return { ...named, kind: "choice", values: offered };
  }
  if (kind?.type === "boolean") return { ...named, kind: "switch", usual: usual !== false };
  if (kind?.type === "number" && kind.minimum !== undefined && kind.maximum !== undefined) {
    const middle = (kind.minimum + kind.maximum) / 2;
    return {
      ...named,
      kind: "share",
      least: kind.minimum,
      most: kind.maximum,
      usual: typeof usual === "number" ? usual : middle,
    };
  }
  // Ids of files: photos are dropped, not typed.
  return null;
}

/** Qualities and sizes without older clients' words for them. */
function offer(name: string): string[] | null {
  if (name === "quality") return Object.keys(catalogue.value?.quality_factors ?? {});
  if (name === "size") return Object.keys(catalogue.value?.sizes ?? {});
  return null;
}

function resolved(schema: Schema, whole: Schema): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : (whole.$defs?.[name] ?? {});
}
