import { useSignal } from "@preact/signals";
import { local } from "../../shared/api";
import { number } from "../../shared/language";
import { fill } from "../state/draft";
import { described } from "../state/modes";
import { opened } from "../state/over";
import { goOn } from "../focus";
import { cancel, ended, type Picture, pictureOf, pictures, remove, retry } from "../state/pictures";
import { explained, failure, modeName, named, words } from "../words";
import { Dialog } from "./Dialog";
import { Remove } from "./Remove";
import { Shown } from "./Shown";
import { Slider } from "./Slider";
import { Working } from "./Working";

const ZOOMS = [1, 2, 4];

export function Viewer({ taskId }: { taskId: string }) {
  const task = pictureOf(taskId);
  if (task === undefined) return null;
  const close = (): void => {
    opened.value = null;
  };
  return (
    <Dialog label={`${modeName(task.mode)}: ${named(words().statuses, task.status)}`} kind="viewer" close={close}>
      {task.status === "done" ? <Result task={task} /> : <Unmade task={task} />}
    </Dialog>
  );
}

/** What the result is laid beside: the picture it was made on, and its file's id if it is one of the user's. */
function canvas(task: Picture): [string | null, string | null] {
  const known = described(task.mode);
  if (known.canvas === "source") return [task.face_image_url, task.source_image];
  if (task.target_image_url !== null) return [task.target_image_url, task.reference_image];
  const preset = (task.config as Record<string, unknown>)[known.preset_field] ?? known.presets[0];
  return [known.preset_pictures[preset as string] ?? null, null];
}

interface Metadata {
  width?: number;
  height?: number;
  format?: string;
  warnings?: string[];
}

function Result({ task }: { task: Picture }) {
  const zoom = useSignal(1);
  const alone = useSignal(false);
  const result = task.result;
  if (result === null) return null;
  const { width = 4, height = 5, format = "JPEG", warnings = [] } = result.metadata as Metadata;
  const [before, beforeId] = canvas(task);
  const after = local(result.output_image);
  const nearer = (direction: number): void => {
    const place = ZOOMS.indexOf(zoom.value) + direction;
    zoom.value = ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, place))] ?? 1;
  };
  // By its session: an address that is signed would expire while one looks, and lead elsewhere with S3.
  const kept = result.output_file_id === null ? after : `/api/v1/files/${result.output_file_id}`;
  const name = `darkroom-${task.task_id}.${format === "PNG" ? "png" : "jpg"}`;
  return (
    <>
      <Slider
        before={before === null || alone.value ? null : local(before)}
        beforeId={beforeId}
        unseen={() => (alone.value = true)}
        after={after}
        taskId={task.task_id}
        width={width}
        height={height}
        transparent={format === "PNG"}
        zoom={zoom.value}
      />
      <div class="bar">
        <p class="small soft">
          {modeName(task.mode)} · {width} × {height}
          {task.processing_time !== null && <> · {words().view.took(task.processing_time.toFixed(1))}</>}
        </p>
        <p class="row">
          <Zoom label={words().view.zoomOut} sign="−" end={zoom.value === ZOOMS[0]} press={() => nearer(-1)} />
          <Zoom label={words().view.zoomIn} sign="+" end={zoom.value === ZOOMS.at(-1)} press={() => nearer(1)} />
          <a class="button first" href={kept} download={name}>
            {words().view.download}
          </a>
          <Again task={task} />
          <Delete task={task} />
        </p>
        {warnings.length > 0 && (
          <ul class="small soft" aria-label={words().view.warnings}>
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        )}
      </div>
    </>
  );
}

/** At its end it does nothing, but keeps the focus, which whoever presses it by keyboard would lose. */
function Zoom({ label, sign, end, press }: { label: string; sign: string; end: boolean; press: () => void }) {
  return (
    <button type="button" class="button round" aria-label={label} aria-disabled={end} onClick={press}>
      {sign}
    </button>
  );
}

/** Failures for which the photo is to blame, so that another one helps. */
const PHOTOS_FAULTS = new Set([
  "NO_FACE_DETECTED",
  "MULTIPLE_FACES_DETECTED",
  "NO_PERSON_DETECTED",
  "POSE_EXTRACTION_FAILED",
  "IMAGE_DECODE_FAILED",
]);

/** A task without a result: it is on its way, or it won't be. */
function Unmade({ task }: { task: Picture }) {
  const refusedReference = task.error?.details?.image === "reference";
  const isPhotos = task.error !== null && PHOTOS_FAULTS.has(task.error.code);
  const url = refusedReference ? task.target_image_url : task.face_image_url;
  const fileId = refusedReference ? (task.reference_image ?? task.source_image) : task.source_image;
  const wrong = useSignal<string | null>(null);
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    wrong.value = null;
    await work().catch((error: unknown) => {
      wrong.value = explained(error);
    });
  };
  const tryAgain = async (): Promise<void> => {
    opened.value = (await retry(task)).task_id;
  };
  return (
    <>
      <div class="alone">
        {url === null ? <p class="soft">{words().view.gone}</p> : <Shown url={local(url)} fileId={fileId} alt={words().view.source} />}
      </div>
      <div class="bar">
        {!ended(task) && <Working task={task} />}
        {task.error !== null && (
          <div class="reason">
            <h2>{isPhotos ? words().view.why : words().view.failed}</h2>
            <p>{failure(task.error)}</p>
            {isPhotos && <p class="soft small">{words().photos.good[task.mode]}</p>}
          </div>
        )}
        {task.credits_refunded > 0 && <p class="soft small">{words().view.refunded(number(task.credits_refunded))}</p>}
        <p class="row">
          {ended(task) ? (
            <>
              <button type="button" class="button first" onClick={() => void attempt(tryAgain)}>
                {words().view.retry}
              </button>
              <Again task={task} />
              <Delete task={task} />
            </>
          ) : (
            <button type="button" class="button" onClick={() => void attempt(() => cancel(task))}>
              {words().view.cancel}
            </button>
          )}
        </p>
        {!ended(task) && <p class="soft small">{words().view.working}</p>}
        <p class="wrong small" role="alert">
          {wrong}
        </p>
      </div>
    </>
  );
}

/** Fills the form as it was for this task. */
function Again({ task }: { task: Picture }) {
  const again = (): void => {
    fill(task);
    opened.value = null;
    document.getElementById("composer")?.scrollIntoView();
  };
  return (
    <button type="button" class="button" disabled={task.face_image_url === null} onClick={again}>
      {words().view.again}
    </button>
  );
}

function Delete({ task }: { task: Picture }) {
  const away = async (): Promise<void> => {
    const shown = pictures.peek().map((one) => one.task_id);
    const place = shown.indexOf(task.task_id);
    await remove(task);
    opened.value = null;
    goOn(shown[place + 1], shown[place - 1], "pictures");
  };
  return <Remove remove={away} />;
}
