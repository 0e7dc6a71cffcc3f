import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { words } from "../words";
import { Shown } from "./Shown";

interface Asked {
  /** Null where it is gone, or can't be shown: then there is no line. */
  before: string | null;
  /** The file of `before`, where that is one of the user's. */
  beforeId: string | null;
  unseen: () => void;
  after: string;
  taskId: string;
  width: number;
  height: number;
  transparent: boolean;
  zoom: number;
}

/** Pixels beside the line within which it is taken hold of. */
const REACH = 28;

/**
 * Before at the left of a line, after at its right.
 *
 * The line is a range input for keyboards and screen readers. What moves is two layers against each other, by
 * transforms alone, so that nothing is painted again at any size.
 */
export function Slider({ before, beforeId, unseen, after, taskId, width, height, transparent, zoom }: Asked) {
  const at = useSignal(0.5);
  const stage = useRef<HTMLDivElement>(null);
  const held = useRef<{ x: number; y: number; pans: boolean } | null>(null);

  const place = (x: number): void => {
    const box = stage.current?.getBoundingClientRect();
    if (box !== undefined) at.value = Math.min(1, Math.max(0, (x - box.left) / box.width));
  };
  const down = (event: PointerEvent): void => {
    const box = stage.current?.getBoundingClientRect();
    if (box === undefined || event.button !== 0) return;
    const near = Math.abs(event.clientX - (box.left + at.value * box.width)) < REACH;
    held.current = { x: event.clientX, y: event.clientY, pans: before === null || (zoom > 1 && !near) };
    stage.current?.setPointerCapture(event.pointerId);
    if (!held.current.pans) place(event.clientX);
  };
  const move = (event: PointerEvent): void => {
    if (held.current === null) return;
    if (!held.current.pans) return place(event.clientX);
    stage.current?.parentElement?.scrollBy(held.current.x - event.clientX, held.current.y - event.clientY);
    held.current = { ...held.current, x: event.clientX, y: event.clientY };
  };
  const percent = `${at.value * 100}%`;
  return (
    <div
      class="scroller"
      data-zoomed={zoom > 1}
      data-alone={before === null}
      {...(zoom > 1 ? { tabIndex: 0, role: "group", "aria-label": words().after } : {})}
      style={{ "--ratio": width / height, "--zoom": zoom }}
    >
      <div
        ref={stage}
        class="stage"
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={() => (held.current = null)}
        onPointerCancel={() => (held.current = null)}
      >
        {before === null ? (
          <div class={transparent ? "whole checks" : "whole"}>
            <Shown url={after} taskId={taskId} alt={words().after} />
          </div>
        ) : (
          <>
            <Shown url={before} {...(beforeId === null ? {} : { fileId: beforeId })} unseen={unseen} alt={words().before} />
            <div class="over" style={{ transform: `translateX(${percent})` }}>
              <div class={transparent ? "checks" : ""} style={{ transform: `translateX(-${percent})` }}>
                <Shown url={after} taskId={taskId} alt={words().after} />
              </div>
            </div>
            <div class="line" style={{ transform: `translateX(${percent})` }} aria-hidden="true">
              <span />
            </div>
            <input
              type="range"
              min="0"
              max="100"
              value={Math.round(at.value * 100)}
              aria-label={words().view.slider}
              onInput={(event) => (at.value = event.currentTarget.valueAsNumber / 100)}
            />
          </>
        )}
      </div>
    </div>
  );
}
