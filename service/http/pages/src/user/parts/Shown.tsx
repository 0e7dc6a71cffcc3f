import { useSignal, useSignalEffect } from "@preact/signals";
import { Refused } from "../../shared/api";
import { reached } from "../state/live";
import { refresh } from "../state/pictures";

interface Asked {
  url: string;
  alt: string;
  lazy?: boolean;
  /** Of a result: the task that is read again for a fresh address. */
  taskId?: string;
  /** Of a photo: its file, which whoever is signed in may load without a signature. */
  fileId?: string;
  /** Told when it can't be shown at all: HEIC, in most browsers. */
  unseen?: () => void;
}

/** Milliseconds in which an address doesn't expire: what fails twice within it can't be had. */
const FRESH = 60_000;

/** A picture behind a signed address, which may have expired: then it is asked for once more, and when the server is back. */
export function Shown({ url, alt, lazy = false, taskId, fileId, unseen }: Asked) {
  const failed = useSignal<{ url: string; at: number } | null>(null);
  const there = useSignal(false);
  const tries = useSignal(0);
  useSignalEffect(() => {
    if (reached.value === 0 || failed.peek() === null || there.peek()) return;
    failed.value = null;
    tries.value += 1;
  });
  const again = (): void => {
    there.value = false;
    if (taskId === undefined && fileId === undefined) return unseen?.();
    if (failed.value !== null && Date.now() - failed.value.at < FRESH) return unseen?.();
    failed.value = { url, at: Date.now() };
    if (taskId === undefined) return;
    refresh(taskId).catch((error: unknown) => {
      if (!(error instanceof Refused)) throw error;
    });
  };
  return (
    <img
      key={tries.value}
      src={failed.value?.url === url && fileId !== undefined ? `/api/v1/files/${fileId}` : url}
      alt={alt}
      decoding="async"
      loading={lazy ? "lazy" : "eager"}
      data-there={there.value}
      draggable={false}
      onLoad={() => (there.value = true)}
      onError={again}
    />
  );
}
