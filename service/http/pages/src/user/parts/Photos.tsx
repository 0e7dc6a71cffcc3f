import { useSignal } from "@preact/signals";
import { number } from "../../shared/language";
import { add, drop, leftOut, mode, photos, type Photo } from "../state/draft";
import { explained, words } from "../words";

/** What a browser's chooser offers; HEIC by its name, since not every system knows its type. */
export const ACCEPTED = "image/*,.heic,.heif,.avif";

/** Where photos are dropped, chosen or taken, and those that were. */
export function Photos() {
  const over = useSignal(false);
  const none = photos.value.length === 0;
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    over.value = false;
    if (event.dataTransfer !== null) add(event.dataTransfer.files);
  };
  const dragged = (event: DragEvent): void => {
    event.preventDefault();
    over.value = true;
  };
  return (
    <div
      class="photos"
      data-over={over.value}
      data-many={photos.value.length > 1}
      onDragOver={dragged}
      onDragLeave={() => (over.value = false)}
      onDrop={dropped}
    >
      <h2 class="unseen">{words().photos.heading}</h2>
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

function PhotoTile({ photo }: { photo: Photo }) {
  const unseen = useSignal("");
  const travelling = photo.fileId === null && photo.refused === null;
  return (
    <figure class="photo" data-refused={photo.refused !== null}>
      {unseen.value === photo.preview ? (
        <p class="small soft">{photo.name || words().view.source}</p>
      ) : (
        <img
          src={photo.preview}
          alt={photo.name || words().view.source}
          onError={() => (unseen.value = photo.preview)}
        />
      )}
      <button type="button" class="close" aria-label={words().photos.remove} onClick={() => drop(photo)}>
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
          {photo.again !== null && (
            <button type="button" class="button" onClick={photo.again}>
              {words().view.retry}
            </button>
          )}
        </figcaption>
      )}
    </figure>
  );
}
