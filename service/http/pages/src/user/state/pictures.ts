/** The user's tasks: the history as far as it was scrolled, kept up to date by what the server tells. */

import { computed, signal } from "@preact/signals";
import { api, data, newKey, Refused } from "../../shared/api";
import type { HistoricTask, Mode, Task, TaskStatus } from "../../shared/schema";
import { creditsMoved } from "./account";
import type { Photo } from "./draft";

export type Picture = HistoricTask;

export const statusFilter = signal<TaskStatus | "all">("all");
export const modeFilter = signal<Mode | "all">("all");
export const next = signal<string | null>(null);
export const loading = signal(false);
/** From where on the history couldn't be read, and why: nobody knows what is in it. */
export const unread = signal<{ cursor: string | null; why: Refused } | null>(null);
/** What ended within a moment, to be told to whoever can't see it. */
export const news = signal<Task[]>([]);

const known = signal<ReadonlyMap<string, Picture>>(new Map());

export const pictures = computed(() =>
  [...known.value.values()]
    .filter((task) => statusFilter.value === "all" || task.status === statusFilter.value)
    .filter((task) => modeFilter.value === "all" || task.mode === modeFilter.value)
    .sort((a, b) => byAge(b, a)),
);

/** The oldest first. By code units: with every event thousands are put in order, and a language's takes far longer. */
function byAge(a: Picture, b: Picture): number {
  return compared(a.created_at, b.created_at) || compared(a.task_id, b.task_id);
}

function compared(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

export function pictureOf(taskId: string): Picture | undefined {
  return known.value.get(taskId);
}

export function ended(task: Task): boolean {
  return task.status !== "pending" && task.status !== "processing";
}

let asked = 0;

/** The history from its beginning. What is shown stays until the answer is there. */
export function reload(): Promise<void> {
  return read(null);
}

export async function loadMore(): Promise<void> {
  if (loading.value || next.value === null || unread.peek() !== null) return;
  await read(next.value);
}

/** What couldn't be read. */
export function readAgain(): Promise<void> {
  return read(unread.peek()?.cursor ?? null);
}

async function read(cursor: string | null): Promise<void> {
  const mine = (asked += 1);
  loading.value = true;
  try {
    const page = await history(cursor);
    if (mine !== asked) return;
    if (cursor === null) known.value = new Map();
    put(...page.tasks);
    next.value = page.pagination.next_cursor;
    unread.value = null;
  } catch (error) {
    if (mine === asked && error instanceof Refused) unread.value = { cursor, why: error };
    throw error;
  } finally {
    if (mine === asked) loading.value = false;
  }
}

function history(cursor: string | null): Promise<{ tasks: Picture[]; pagination: { next_cursor: string | null } }> {
  const query = {
    page_size: 24,
    ...(statusFilter.value === "all" ? {} : { status: statusFilter.value }),
    ...(modeFilter.value === "all" ? {} : { mode: modeFilter.value }),
    ...(cursor === null ? {} : { cursor }),
  };
  return data(api.GET("/api/v1/tasks/history", { params: { query } }));
}

/** New tasks of this page, with the pictures it has of their photos. */
export function begun(tasks: Task[], shown: Map<string, Photo>, target: string | null): void {
  put(
    ...tasks.map((task) => ({
      ...task,
      ...(known.value.get(task.task_id) ?? {}),
      face_image_url: shown.get(task.source_image)?.preview ?? null,
      target_image_url: task.reference_image === null ? null : target,
    })),
  );
}

/** What the server told of a task; of one that isn't known here, and was asked for elsewhere, its inputs are looked up. */
export function told(task: Task, inputs: Inputs | undefined = known.value.get(task.task_id)): void {
  const before = known.value.get(task.task_id);
  const newest = before !== undefined && older(task, before) ? before : task;
  if (ended(newest) && before !== undefined && !ended(before)) {
    announce(newest);
    creditsMoved();
  }
  put({
    ...newest,
    // Lists don't tell places in line.
    queue: newest.status === "pending" ? (newest.queue ?? before?.queue ?? null) : null,
    face_image_url: inputs?.face_image_url ?? null,
    target_image_url: inputs?.target_image_url ?? null,
  });
  if (inputs === undefined) inputsMissing(task.task_id);
}

type Inputs = Pick<Picture, "face_image_url" | "target_image_url">;

const ends: Task[] = [];
const MOMENT = 1000;

/** A hundred edits that end together are one sentence. */
function announce(task: Task): void {
  if (ends.push(task) > 1) return;
  setTimeout(() => (news.value = ends.splice(0)), MOMENT);
}

function older(task: Task, than: Task): boolean {
  return ended(than) ? !ended(task) : task.updated_at < than.updated_at;
}

const missing = new Set<string>();

function inputsMissing(taskId: string): void {
  missing.add(taskId);
  if (missing.size > 1) return;
  setTimeout(() => {
    const ids = [...missing];
    missing.clear();
    // What can't be had now is there with the next that is read.
    lookUp(ids).catch(() => undefined);
  }, 300);
}

const NAMED_AT_ONCE = 100;

/** These tasks as they are now; those that are gone aren't shown any more. */
async function lookUp(ids: string[]): Promise<void> {
  for (let start = 0; start < ids.length; start += NAMED_AT_ONCE) {
    const some = ids.slice(start, start + NAMED_AT_ONCE);
    const query = { ids: some.join(",") };
    const { tasks } = await data(api.GET("/api/v1/tasks/history", { params: { query } }));
    for (const task of tasks) told(task, task);
    const there = new Set(tasks.map((task) => task.task_id));
    forget(...some.filter((taskId) => !there.has(taskId)));
  }
}

/** What no event has told of for a while, though it hasn't ended: of that, what ends next. */
export function askForUnfinished(): Promise<void> {
  const unfinished = [...known.value.values()].filter((task) => !ended(task)).sort(byAge);
  return lookUp(unfinished.slice(0, NAMED_AT_ONCE).map((task) => task.task_id));
}

/** What came, went and ended while nobody told. What was scrolled to stays, unless more came than one page shows. */
export async function catchUp(): Promise<void> {
  const before = pictures.peek();
  if (before.length === 0 || unread.peek() !== null) return reload();
  const mine = asked;
  const { tasks, pagination } = await history(null);
  if (mine !== asked) return;
  const there = new Set(tasks.map((task) => task.task_id));
  if (pagination.next_cursor !== null && !before.some((task) => there.has(task.task_id))) return reload();
  const last = tasks.at(-1)?.created_at ?? "";
  const isWithin = (task: Picture): boolean => pagination.next_cursor === null || task.created_at > last;
  const doubtful = before.filter((task) => !there.has(task.task_id) && (!ended(task) || isWithin(task)));
  for (const task of tasks) told(task, task);
  await lookUp(doubtful.map((task) => task.task_id));
}

/** Its addresses have expired, or something was missed: the task as it is now. */
export async function refresh(taskId: string): Promise<void> {
  told(await ifThere(taskId, data(api.GET("/api/v1/tasks/{task_id}", { params: { path: { task_id: taskId } } }))));
}

/** What is answered of a task. One that was deleted elsewhere, in another tab say, isn't shown any more. */
async function ifThere<T>(taskId: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Refused && error.code === "TASK_NOT_FOUND") forget(taskId);
    throw error;
  }
}

/** What waits, the next to be begun first. */
export function waiting(): Picture[] {
  return [...known.value.values()]
    .filter((task) => task.status === "pending")
    .sort(byAge);
}

export async function cancel(task: Picture): Promise<void> {
  const params = { path: { task_id: task.task_id } };
  told(await ifThere(task.task_id, data(api.POST("/api/v1/tasks/{task_id}/cancel", { params }))));
}

/** Keys of retries that weren't answered: pressed twice, or once more after a lost answer, it is one retry. */
const retrying = new Map<string, string>();

export async function retry(task: Picture): Promise<Picture> {
  const key = retrying.get(task.task_id) ?? newKey();
  retrying.set(task.task_id, key);
  const params = { path: { task_id: task.task_id }, header: { "Idempotency-Key": key } };
  const again = await ifThere(task.task_id, data(api.POST("/api/v1/tasks/{task_id}/retry", { params, body: {} })));
  retrying.delete(task.task_id);
  const picture = { ...again, face_image_url: task.face_image_url, target_image_url: task.target_image_url };
  put(picture);
  creditsMoved();
  return picture;
}

export async function remove(task: Picture): Promise<void> {
  const params = { path: { task_id: task.task_id } };
  await ifThere(task.task_id, api.DELETE("/api/v1/tasks/{task_id}", { params }));
  forget(task.task_id);
}

/** What was made of a photo that was deleted: it stays, without it. */
export function photoGone(fileId: string): void {
  const made = [...known.value.values()].filter((task) => task.source_image === fileId || task.reference_image === fileId);
  put(
    ...made.map((task) => ({
      ...task,
      face_image_url: task.source_image === fileId ? null : task.face_image_url,
      target_image_url: task.reference_image === fileId ? null : task.target_image_url,
    })),
  );
}

function forget(...taskIds: string[]): void {
  if (taskIds.length === 0) return;
  const left = new Map(known.value);
  for (const taskId of taskIds) left.delete(taskId);
  known.value = left;
}

function put(...tasks: Picture[]): void {
  if (tasks.length === 0) return;
  known.value = new Map([...known.value, ...tasks.map((task): [string, Picture] => [task.task_id, task])]);
}
