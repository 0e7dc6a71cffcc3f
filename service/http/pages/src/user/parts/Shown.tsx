import { useSignal } from "@preact/signals";
import { Refused } from "../../shared/api";
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

/** A picture behind a signed address, which may have expired: then it is asked for once more. */
export function Shown({ url, alt, lazy = false, taskId, fileId, unseen }: Asked) {
  const failed = useSignal<string | null>(null);
  const there = useSignal(false);
  const again = (): void => {
    if (failed.value !== null) return unseen?.();
    failed.value = url;
    if (taskId === undefined) return;
    refresh(taskId).catch((error: unknown) => {
      if (!(error instanceof Refused)) throw error;
    });
  };
  return (
    <img
      src={failed.value === url && fileId !== undefined ? `/api/v1/files/${fileId}` : url}
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
