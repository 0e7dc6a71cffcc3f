import type { Picture } from "../state/pictures";
import { step, words } from "../words";
import { remaining } from "../remaining";

/** How far it is, in words and as a line. */
export function Working({ task }: { task: Picture }) {
  const time = remaining(task);
  const waits = task.status === "pending";
  const place = task.queue?.position ?? null;
  const told = waits ? words().statuses.pending : step(task.current_step ?? "");
  return (
    <span class="working">
      <span class="small">
        {told || words().statuses.processing}
        {waits && place !== null && <> · {words().place(place)}</>}
        {time !== null && <> · {waits ? words().begins(time) : words().left(time)}</>}
      </span>
      {waits ? <progress aria-label={told} /> : <progress max="100" value={task.progress} aria-label={told} />}
    </span>
  );
}
