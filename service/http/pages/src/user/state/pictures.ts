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
/** What ended last, to be told to whoever can't see it. */
export const news = signal<Task | null>(null);

const known = signal<ReadonlyMap<string, Picture>>(new Map());

export const pictures = computed(() =>
  [...known.value.values()]
    .filter((task) => statusFilter.value === "all" || task.status === statusFilter.value)
    .filter((task) => modeFilter.value === "all" || task.mode === modeFilter.value)
    .sort((a, b) => b.created_at.localeCompare(a.created_at) || b.task_id.localeCompare(a.task_id)),
);

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

/** What the server told of a task. One that isn't known here was asked for elsewhere: its inputs are looked up. */
export function told(task: Task): void {
  const before = known.value.get(task.task_id);
  if (before !== undefined && older(task, before)) return;
  if (ended(task) && before !== undefined && !ended(before)) {
    news.value = task;
    creditsMoved();
  }
  const inputs = before ?? { face_image_url: null, target_image_url: null };
  put({ ...task, face_image_url: inputs.face_image_url, target_image_url: inputs.target_image_url });
  if (before === undefined) inputsMissing();
}

function older(task: Task, than: Task): boolean {
  return ended(than) ? !ended(task) : task.updated_at < than.updated_at;
}

let looking: ReturnType<typeof setTimeout> | null = null;

function inputsMissing(): void {
  looking ??= setTimeout(() => {
    looking = null;
    history(null).then((page) => put(...page.tasks), () => undefined);
  }, 300);
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
    .sort((a, b) => a.created_at.localeCompare(b.created_at));
}

export async function cancel(task: Picture): Promise<void> {
  const params = { path: { task_id: task.task_id } };
  told(await ifThere(task.task_id, data(api.POST("/api/v1/tasks/{task_id}/cancel", { params }))));
}

export async function retry(task: Picture): Promise<Picture> {
  const params = { path: { task_id: task.task_id }, header: { "Idempotency-Key": newKey() } };
  const again = await ifThere(task.task_id, data(api.POST("/api/v1/tasks/{task_id}/retry", { params, body: {} })));
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

function forget(taskId: string): void {
  const left = new Map(known.value);
  left.delete(taskId);
  known.value = left;
}

function put(...tasks: Picture[]): void {
  if (tasks.length === 0) return;
  known.value = new Map([...known.value, ...tasks.map((task): [string, Picture] => [task.task_id, task])]);
}
