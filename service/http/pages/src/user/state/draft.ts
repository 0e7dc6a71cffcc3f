/** What is about to be asked: the edit, the photos, the look, the options. It outlives a reload, as far as it was sent. */

import { computed, effect, signal } from "@preact/signals";
import { api, AWAY, data, local, newKey, Refused } from "../../shared/api";
import type { HistoricTask, Mode, NewTask, Task, UploadedFile } from "../../shared/schema";
import { creditsMoved } from "./account";
import { catalogue, described, priceOf, removal } from "./modes";
import { fitting, inTurn, isThere, send } from "./uploading";

/** A photo of the form: what is shown of it, and its id once it was sent. */
export interface Photo {
  key: string;
  name: string;
  preview: string;
  fileId: string | null;
  /** The share that is sent; null while it is made smaller. */
  sent: number | null;
  refused: Refused | null;
  /** Sends it once more, where what was refused says nothing of the photo. */
  again: (() => void) | null;
  stop: AbortController;
}

export interface Look {
  kind: "preset" | "own" | "remove";
  preset: string | null;
}

export const mode = signal<Mode>("BACKGROUND_CHANGE");
export const photos = signal<Photo[]>([]);
export const reference = signal<Photo | null>(null);
export const look = signal<Look>({ kind: "preset", preset: null });
export const chosen = signal<Record<string, unknown>>({});

/** What was dropped, pasted or chosen last and isn't in the form: what is no picture, and how many were too many. */
export const leftOut = signal<{ strangers: string[]; surplus: number }>({ strangers: [], surplus: 0 });

/** Room for a photo is made by deleting others. */
export const FULL = "STORAGE_QUOTA_EXCEEDED";
/** Such a file can't be read: sent again it can't either. */
const UNREADABLE = "UNREADABLE";
const MOST = 100;
let counted = 0;

export const price = computed(() => {
  if (catalogue.value === null) return 0;
  return priceOf(described(mode.value), chosen.value) * Math.max(1, photos.value.length);
});

/** Everything that was added is there, and so is a reference where one was chosen. */
export const complete = computed(() => {
  const needed = look.value.kind === "own" ? [...photos.value, reference.value] : photos.value;
  return photos.value.length > 0 && needed.every((photo) => photo !== null && photo.fileId !== null);
});

/** Photos that won't be taken, however often they are sent: nothing is made while they are in the form. */
export const refusals = computed(() => photos.value.filter((photo) => photo.refused !== null && photo.again === null).length);

export function choose(next: Mode): void {
  if (next === mode.value) return;
  mode.value = next;
  look.value = { kind: "preset", preset: null };
  // What every mode understands stays.
  const { quality, size } = chosen.value;
  chosen.value = { ...(quality === undefined ? {} : { quality }), ...(size === undefined ? {} : { size }) };
}

export function add(files: Iterable<File>): void {
  const pictures = picturesOf(files);
  const taken = pictures.slice(0, MOST - photos.value.length);
  leftOut.value = { ...leftOut.value, surplus: pictures.length - taken.length };
  photos.value = [...photos.value, ...taken.map((file) => started(file, replace))];
}

export function addReference(file: File): void {
  if (picturesOf([file]).length === 0) return;
  reference.value = started(file, (photo) => {
    if (reference.value?.key === photo.key) reference.value = photo;
  });
  look.value = { kind: "own", preset: null };
}

export function drop(photo: Photo): void {
  photo.stop.abort();
  forget(photo);
  photos.value = photos.value.filter((one) => one.key !== photo.key);
}

/** A photo that was sent before, as one more of the form. */
export function addSent({ file_id: fileId, url, filename }: UploadedFile): void {
  const isRoom = photos.value.length < MOST;
  leftOut.value = { strangers: [], surplus: isRoom ? 0 : 1 };
  if (isRoom) photos.value = [...photos.value, { ...kept(fileId, url), name: filename }];
}

/** The form without a file that was deleted. */
export function without(fileId: string): void {
  photos.value = photos.value.filter((photo) => photo.fileId !== fileId);
  if (reference.value?.fileId !== fileId) return;
  reference.value = null;
  if (look.value.kind === "own") look.value = { kind: "preset", preset: null };
}

/** What was dropped and is no file: a link, say. */
export function leaveOut(what: string): void {
  leftOut.value = { strangers: [what], surplus: 0 };
}

/** Whoever reaches the server again, or is signed in again, has sent what broke off. */
export function resend(): void {
  for (const photo of [...photos.peek(), reference.peek()]) photo?.again?.();
}

function picturesOf(files: Iterable<File>): File[] {
  const all = [...files];
  leftOut.value = { strangers: all.filter((file) => !isPhoto(file)).map((file) => file.name), surplus: 0 };
  return all.filter(isPhoto);
}

function isPhoto(file: File): boolean {
  return file.type.startsWith("image/") || /\.(heic|heif|avif|jpe?g|png|webp)$/i.test(file.name);
}

/** The form as it was for a task. What was deleted since is left out. */
export function fill(task: HistoricTask): void {
  mode.value = task.mode;
  photos.value = task.face_image_url ? [kept(task.source_image, task.face_image_url)] : [];
  const known = described(task.mode);
  const { [known.preset_field]: preset, ...others } = task.config as Record<string, unknown>;
  const gone = removal(known);
  const removed = gone !== null && others[gone[0]] === gone[1];
  const own = task.reference_image !== null && Boolean(task.target_image_url) && preset === undefined && !removed;
  reference.value = own ? kept(task.reference_image ?? "", task.target_image_url ?? "") : null;
  if (removed) look.value = { kind: "remove", preset: null };
  else look.value = own ? { kind: "own", preset: null } : { kind: "preset", preset: (preset as string) ?? null };
  chosen.value = Object.fromEntries(Object.entries(others).filter(([name]) => optional(name, gone)));
}

function optional(name: string, gone: [string, string] | null): boolean {
  return name !== gone?.[0] && !/image|reference/.test(name);
}

/** Asks for every photo's edit; the tasks that came of it. The form keeps its look and options for the next. */
export async function submit(): Promise<{ tasks: Task[]; shown: Map<string, Photo> }> {
  const sources = photos.value;
  const bodies = sources.map((photo) => body(photo));
  const shown = new Map(sources.map((photo) => [photo.fileId ?? "", photo]));
  const tasks = await create(bodies);
  // What was added meanwhile stays.
  const asked = new Set(sources.map((photo) => photo.key));
  photos.value = photos.value.filter((photo) => !asked.has(photo.key));
  creditsMoved();
  return { tasks, shown };
}

/** The key of what is being asked: a request whose answer was lost isn't taken for a second one. */
let asking = { what: "", key: "" };

async function create(bodies: NewTask[]): Promise<Task[]> {
  const what = JSON.stringify(bodies);
  if (asking.what !== what) asking = { what, key: newKey() };
  const params = { header: { "Idempotency-Key": asking.key } };
  const tasks =
    bodies.length === 1
      ? [await data(api.POST("/api/v1/tasks", { body: bodies[0] as never, params }))]
      : (await data(api.POST("/api/v1/tasks/batch", { body: { tasks: bodies } as never, params }))).tasks;
  asking = { what: "", key: "" };
  return tasks;
}

function body(photo: Photo): NewTask {
  const known = described(mode.value);
  const config: Record<string, unknown> = { ...chosen.value };
  const gone = removal(known);
  if (look.value.kind === "remove" && gone !== null) config[gone[0]] = gone[1];
  if (look.value.kind === "preset") config[known.preset_field] = look.value.preset ?? known.presets[0];
  return {
    mode: mode.value,
    source_image: photo.fileId ?? "",
    ...(look.value.kind === "own" && reference.value?.fileId ? { reference_image: reference.value.fileId } : {}),
    config,
  } as NewTask;
}

function kept(fileId: string, url: string): Photo {
  const key = `photo-${(counted += 1)}`;
  return { key, name: "", preview: local(url), fileId, sent: 1, refused: null, again: null, stop: new AbortController() };
}

function started(file: File, changed: (photo: Photo) => void): Photo {
  const photo: Photo = {
    key: `photo-${(counted += 1)}`,
    name: file.name || "photo.jpg",
    preview: URL.createObjectURL(file),
    fileId: null,
    sent: null,
    refused: null,
    again: null,
    stop: new AbortController(),
  };
  void travel(file, photo, changed);
  return photo;
}

/** What says nothing of the photo itself, so that it may be sent again. */
const PASSING = new Set([AWAY, "UNAUTHORIZED", "RATE_LIMITED", FULL, "SERVICE_UNAVAILABLE", "INTERNAL_ERROR"]);

async function travel(file: File, photo: Photo, changed: (photo: Photo) => void): Promise<void> {
  let now = photo;
  const tell = (change: Partial<Photo>): void => changed((now = { ...now, ...change }));
  const again = (): void => {
    tell({ refused: null, again: null, sent: null });
    void travel(file, now, changed);
  };
  try {
    const uploaded = await inTurn(async () => {
      photo.stop.signal.throwIfAborted();
      const small = await fitting(file);
      photo.stop.signal.throwIfAborted();
      tell({ sent: 0 });
      return send(small, photo.name, (sent) => tell({ sent }), photo.stop.signal);
    });
    // From now on it is shown as the server shows it: HEIC too, and after a reload.
    forget(photo);
    tell({ fileId: uploaded.file_id, preview: local(uploaded.url), sent: 1 });
  } catch (error) {
    // Taken out of the form: nobody is to be told.
    if (photo.stop.signal.aborted) return;
    if (!(error instanceof Refused)) throw error;
    const unreadable = error.code === AWAY && !(await isThere(file));
    const refused = unreadable ? new Refused(UNREADABLE, "The file can't be read") : error;
    tell({ refused, again: PASSING.has(refused.code) ? again : null });
  }
}

function replace(photo: Photo): void {
  photos.value = photos.value.map((one) => (one.key === photo.key ? photo : one));
}

function forget(photo: Photo): void {
  if (photo.preview.startsWith("blob:")) URL.revokeObjectURL(photo.preview);
}

const KEPT = "darkroom.draft";

interface Kept {
  mode: Mode;
  look: Look;
  chosen: Record<string, unknown>;
  photos: [string, string][];
  reference: [string, string] | null;
}

/** What was there before a reload in this tab. */
export function restore(): void {
  const written = sessionStorage.getItem(KEPT);
  if (written !== null) {
    const draft = JSON.parse(written) as Kept;
    mode.value = draft.mode;
    look.value = draft.look;
    chosen.value = draft.chosen;
    photos.value = draft.photos.map(([fileId, url]) => kept(fileId, url));
    reference.value = draft.reference === null ? null : kept(...draft.reference);
  }
  effect(() => {
    const sent = (photo: Photo): [string, string] => [photo.fileId ?? "", photo.preview];
    const draft: Kept = {
      mode: mode.value,
      look: look.value,
      chosen: chosen.value,
      photos: photos.value.filter((photo) => photo.fileId !== null).map(sent),
      reference: reference.value?.fileId ? sent(reference.value) : null,
    };
    sessionStorage.setItem(KEPT, JSON.stringify(draft));
  });
}
