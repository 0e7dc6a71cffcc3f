/** The photos that somebody sent: they stay on the server, and fill it, whether the form has them or not. */

import { api, data, Refused } from "../../shared/api";
import type { ListedFile } from "../../shared/schema";
import { without } from "./draft";
import { photoGone } from "./pictures";

/** Purposes of what edits made: that is listed as well, fills nothing, and goes with its task. */
const MADE = new Set(["output", "thumbnail", "comparison"]);

export interface UploadsSoFar {
  files: ListedFile[];
  next: string | null;
}

/** The next that were sent, however many pictures were made since. */
export async function uploadsAfter(cursor: string | null): Promise<UploadsSoFar> {
  let next = cursor;
  const files: ListedFile[] = [];
  do {
    const query = { page_size: 60, ...(next === null ? {} : { cursor: next }) };
    const page = await data(api.GET("/api/v1/files", { params: { query } }));
    files.push(...page.files.filter(({ purpose }) => purpose === null || !MADE.has(purpose)));
    next = page.pagination.next_cursor;
  } while (files.length === 0 && next !== null);
  return { files, next };
}

/** For good, and out of the form. What was deleted elsewhere, in another tab say, is gone all the same. */
export async function deleteUpload(fileId: string): Promise<void> {
  await api.DELETE("/api/v1/files/{file_id}", { params: { path: { file_id: fileId } } }).catch((error: unknown) => {
    if (!(error instanceof Refused) || error.code !== "FILE_NOT_FOUND") throw error;
  });
  without(fileId);
  photoGone(fileId);
}
