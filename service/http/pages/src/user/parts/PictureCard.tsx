import { local } from "../../shared/api";
import { moment } from "../../shared/language";
import { ended, type Picture } from "../state/pictures";
import { failure, modeName, named, step, words } from "../words";
import { remaining } from "../remaining";
import { Shown } from "./Shown";
import { opened } from "./Viewer";

/** One of the user's pictures: the result, or the photo with how far it is or why it won't do. */
export function PictureCard({ task }: { task: Picture }) {
  const mode = modeName(task.mode);
  const status = named(words().statuses, task.status);
  const made = task.result?.thumbnail ?? null;
  const when = moment(task.created_at);
  return (
    <li class="card" data-status={task.status}>
      <button type="button" onClick={() => (opened.value = task.task_id)}>
        <span class="frame">
          {made !== null && <Shown url={local(made)} taskId={task.task_id} alt="" lazy />}
          {made === null && task.face_image_url !== null && (
            <Shown url={local(task.face_image_url)} fileId={task.source_image} alt="" lazy />
          )}
          {!ended(task) && <Working task={task} />}
        </span>
        <span class="under small">
          <span>{mode}</span>
          <span class="soft">
            {task.status === "done" ? when : status}
            {task.status === "done" && <span class="unseen">{status}</span>}
          </span>
        </span>
        {task.status === "failed" && task.error !== null && <span class="why small soft">{failure(task.error)}</span>}
      </button>
    </li>
  );
}

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
