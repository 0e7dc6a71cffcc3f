/** How long a task will take: what the service says of waiting ones, and of running ones what their steps took so far. */

import type { Task } from "../shared/schema";

const TOO_EARLY = 8;

/** Seconds; null where nothing can be said yet. Both times are the server's, so its clock alone counts. */
export function remaining(task: Task): number | null {
  if (task.status === "pending") return task.queue?.seconds ?? null;
  if (task.started_at === null || task.progress < TOO_EARLY) return null;
  const taken = (Date.parse(task.updated_at) - Date.parse(task.started_at)) / 1000;
  return (taken * (100 - task.progress)) / task.progress;
}
