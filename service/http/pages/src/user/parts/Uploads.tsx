import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { local } from "../../shared/api";
import { bytes, moment } from "../../shared/language";
import type { ListedFile } from "../../shared/schema";
import { goOn } from "../focus";
import { addSent } from "../state/draft";
import { deleteUpload, uploadsAfter, type UploadsSoFar } from "../state/uploads";
import { explained, words } from "../words";
import { Dialog } from "./Dialog";
import { Remove } from "./Remove";
import { Shown } from "./Shown";

const HEADING = "uploads-heading";

/** Every photo that was sent and is still there, newest first, to be used again or deleted. */
export function Uploads({ close }: { close: () => void }) {
  const uploads = useSignal<UploadsSoFar | null>(null);
  const reading = useSignal(false);
  const wrong = useSignal<string | null>(null);
  const told = useSignal("");
  const more = async (): Promise<void> => {
    if (reading.peek()) return;
    reading.value = true;
    wrong.value = null;
    try {
      const { files, next } = await uploadsAfter(uploads.peek()?.next ?? null);
      uploads.value = { files: [...(uploads.peek()?.files ?? []), ...files], next };
    } catch (error) {
      wrong.value = explained(error);
    } finally {
      reading.value = false;
    }
  };
  useEffect(() => void more(), []);
  const files = uploads.value?.files ?? [];
  const next = uploads.value?.next ?? null;
  const remove = async ({ file_id: fileId, filename }: ListedFile): Promise<void> => {
    const ids = files.map((one) => one.file_id);
    const place = ids.indexOf(fileId);
    await deleteUpload(fileId);
    // More may have been read meanwhile.
    const left = (uploads.peek()?.files ?? []).filter((one) => one.file_id !== fileId);
    uploads.value = { files: left, next: uploads.peek()?.next ?? null };
    told.value = `${filename}: ${words().view.removed}`;
    goOn(ids[place + 1], ids[place - 1], HEADING);
    if (left.length === 0 && next !== null) void more();
  };
  const use = (file: ListedFile): void => {
    addSent(file);
    close();
    document.getElementById("composer")?.scrollIntoView();
    goOn("photos-heading");
  };
  const said = words().uploads;
  return (
    <Dialog label={said.heading} kind="small-dialog" close={close}>
      <h2 id={HEADING} tabIndex={-1}>
        {said.heading}
      </h2>
      <p class="soft small">{uploads.value !== null && files.length === 0 && next === null ? said.none : said.tells}</p>
      {wrong.value !== null && (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      )}
      {/* Photos of the same name are news each. */}
      <div role="status">
        <p key={files.length} class="unseen">
          {told.value}
        </p>
      </div>
      <ul class="uploads">
        {files.map((file) => (
          <li key={file.file_id}>
            <span class="frame">
              <Shown url={local(file.url)} fileId={file.file_id} alt="" lazy />
            </span>
            <div>
              <p>{file.filename}</p>
              <p class="soft small">
                {bytes(file.size)} · <time dateTime={file.uploaded_at}>{moment(file.uploaded_at)}</time>
              </p>
              <p class="row">
                <button type="button" class="button" aria-label={`${said.use} ${file.filename}`} onClick={() => use(file)}>
                  {said.use}
                </button>
                <Remove id={file.file_id} name={file.filename} remove={() => remove(file)} />
              </p>
            </div>
          </li>
        ))}
      </ul>
      {(uploads.value === null ? wrong.value !== null : next !== null) && (
        <button type="button" class="button" onClick={() => void more()}>
          {uploads.value === null ? words().view.retry : words().pictures.more}
        </button>
      )}
    </Dialog>
  );
}
