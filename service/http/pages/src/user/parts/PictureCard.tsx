import { local } from "../../shared/api";
import { moment } from "../../shared/language";
import { opened } from "../state/over";
import { ended, type Picture } from "../state/pictures";
import { failure, modeName, named, words } from "../words";
import { Shown } from "./Shown";
import { Working } from "./Working";

/** One of the user's pictures: the result, or the photo with how far it is or why it won't do. */
export function PictureCard({ task }: { task: Picture }) {
  const mode = modeName(task.mode);
  const status = named(words().statuses, task.status);
  const made = task.result?.thumbnail ?? null;
  const when = moment(task.created_at);
  return (
    <li class="card" data-status={task.status}>
      <button type="button" id={task.task_id} onClick={() => (opened.value = task.task_id)}>
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
