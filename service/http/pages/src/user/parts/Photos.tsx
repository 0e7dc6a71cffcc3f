import { useSignal } from "@preact/signals";
import { number } from "../../shared/language";
import { useEffect } from "preact/hooks";
import { add, drop, FULL, leaveOut, leftOut, mode, photos, type Photo } from "../state/draft";
import { opened, UPLOADS } from "../state/over";
import { explained, words } from "../words";
import { Shown } from "./Shown";

/** What a browser's chooser offers; HEIC by its name, since not every system knows its type. */
export const ACCEPTED = "image/*,.heic,.heif,.avif";

/** Letters that are told of what was dropped and is no file: an address may be long. */
const MOST_TOLD = 80;

/** Where photos are dropped, chosen or taken, and those that were. */
export function Photos() {
  const over = useSignal(false);
  const none = photos.value.length === 0;
  useEffect(() => dropping((isOver) => (over.value = isOver)), []);
  return (
    <div class="photos" data-over={over.value} data-many={photos.value.length > 1}>
      <h2 class="unseen" id="photos-heading" tabIndex={-1}>
        {words().photos.heading}
      </h2>
      {photos.value.map((photo) => (
        <PhotoTile key={photo.key} photo={photo} />
      ))}
      <div class={none ? "invitation" : "invitation little"}>
        {none && (
          <>
            <svg viewBox="0 0 48 48" aria-hidden="true">
              <rect x="7" y="9" width="34" height="30" rx="4" />
              <circle cx="18" cy="19" r="3.5" />
              <path d="M8 34l10-9 7 6 7-8 9 9" />
            </svg>
            <p>
              {words().photos.drop} <span class="soft">{words().photos.or}</span>
            </p>
          </>
        )}
        <p class="row">
          <Chooser label={none ? words().photos.choose : words().photos.more} />
          <Chooser label={words().photos.take} camera />
        </p>
        <LeftOut />
        {none && <p class="small soft good-photo">{words().photos.good[mode.value]}</p>}
      </div>
    </div>
  );
}

/** Wherever on the page they are dropped: beside its frame the browser would leave the page for the photo. */
function dropping(tell: (isOver: boolean) => void): () => void {
  const dragged = (event: DragEvent): void => {
    if (isText(event)) return;
    event.preventDefault();
    tell(true);
  };
  const left = (event: DragEvent): void => {
    if (event.relatedTarget === null) tell(false);
  };
  const dropped = (event: DragEvent): void => {
    tell(false);
    // Whoever took it already, as the picture of a look does.
    if (event.defaultPrevented || event.dataTransfer === null || isText(event)) return;
    event.preventDefault();
    const { files } = event.dataTransfer;
    if (files.length > 0) add(files);
    else leaveOut(event.dataTransfer.getData("text/uri-list").slice(0, MOST_TOLD));
  };
  addEventListener("dragover", dragged);
  addEventListener("dragleave", left);
  addEventListener("drop", dropped);
  return () => {
    removeEventListener("dragover", dragged);
    removeEventListener("dragleave", left);
    removeEventListener("drop", dropped);
  };
}

/** Words that are dragged are no affair of ours; a link leads away, and a picture of another page may come as one. */
function isText(event: DragEvent): boolean {
  const types = event.dataTransfer?.types ?? [];
  return !types.includes("Files") && !types.includes("text/uri-list");
}

function LeftOut() {
  const { strangers, surplus } = leftOut.value;
  const said = [
    strangers.length > 0 && words().photos.noPicture(strangers),
    surplus > 0 && words().photos.tooMany(number(surplus)),
  ];
  return (
    <p class="small wrong" role="alert">
      {said.filter(Boolean).join(" ")}
    </p>
  );
}

/** A button that is a file input, for keyboards and screen readers too. `camera` is for devices that have one. */
function Chooser({ label, camera = false }: { label: string; camera?: boolean }) {
  const chosen = (event: Event): void => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.files !== null) add(input.files);
    // The same photo may be chosen again.
    input.value = "";
  };
  return (
    <label class={camera ? "button camera" : "button"}>
      <input
        class="unseen"
        type="file"
        accept={ACCEPTED}
        multiple={!camera}
        {...(camera ? { capture: "environment" } : {})}
        onChange={chosen}
      />
      {label}
    </label>
  );
}

/** A photo of the form; its name, where the browser can't show it (HEIC, mostly) or it is gone. */
export function Preview({ photo, name }: { photo: Photo; name: string }) {
  const unseen = useSignal("");
  if (unseen.value === photo.preview) return <p class="small soft">{name}</p>;
  const file = photo.fileId === null ? {} : { fileId: photo.fileId };
  return <Shown url={photo.preview} {...file} alt={name} unseen={() => (unseen.value = photo.preview)} />;
}

/** What helps a photo that was refused: sent again, where there is room for it. */
export function WaysOn({ photo }: { photo: Photo }) {
  return (
    <>
      {photo.refused?.code === FULL && (
        <button type="button" class="button" onClick={() => (opened.value = UPLOADS)}>
          {words().uploads.heading}
        </button>
      )}
      {photo.again !== null && (
        <button type="button" class="button" onClick={photo.again}>
          {words().view.retry}
        </button>
      )}
    </>
  );
}

function PhotoTile({ photo }: { photo: Photo }) {
  const away = (event: MouseEvent): void => {
    // The next photo, or else what adds more.
    const next = (event.currentTarget as HTMLElement).closest("figure")?.nextElementSibling;
    next?.querySelector<HTMLElement>("button, input")?.focus({ preventScroll: true });
    drop(photo);
  };
  const travelling = photo.fileId === null && photo.refused === null;
  return (
    <figure class="photo" data-refused={photo.refused !== null}>
      <Preview photo={photo} name={photo.name || words().view.source} />
      <button type="button" class="close" aria-label={words().photos.remove} onClick={away}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M6 6l12 12M18 6L6 18" />
        </svg>
      </button>
      {travelling && (
        <figcaption class="small">
          {photo.sent === null ? words().photos.shrinking : words().photos.sending}
          <progress max="1" value={photo.sent ?? 0} aria-label={words().photos.sending} />
        </figcaption>
      )}
      {photo.refused !== null && (
        <figcaption class="small wrong">
          <span role="alert">{explained(photo.refused)}</span>
          <WaysOn photo={photo} />
        </figcaption>
      )}
    </figure>
  );
}
