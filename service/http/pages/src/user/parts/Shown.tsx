import { useSignal } from "@preact/signals";
import { Refused } from "../../shared/api";
import { refresh } from "../state/pictures";

interface Asked {
  url: string;
  taskId: string;
  alt: string;
  lazy?: boolean;
}

/** A picture behind a signed address. When that has expired, the task is read again for a fresh one, once. */
export function Shown({ url, taskId, alt, lazy = false }: Asked) {
  const asked = useSignal("");
  const there = useSignal(false);
  const again = (): void => {
    if (asked.value === taskId) return;
    asked.value = taskId;
    refresh(taskId).catch((error: unknown) => {
      if (!(error instanceof Refused)) throw error;
    });
  };
  return (
    <img
      src={url}
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
