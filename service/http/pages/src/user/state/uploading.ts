/** A photo on its way: made smaller where it is larger than any edit uses, then sent, and told how far it is. */

import { AWAY, Refused, refusal } from "../../shared/api";
import type { UploadedFile } from "../../shared/schema";

/** Pixels of the longer side: half again what the largest result has, so that a head in the photo is large enough. */
const LONG_EDGE = 3072;
const QUALITY = 0.92;
const FITS_AS_IT_IS = 4_000_000;
/** What the server takes, of what browsers open: a large GIF or BMP became a JPEG, so a small one does, too. */
const TAKEN = /^image\/(jpeg|png|webp|avif)$/;

/** Opened pictures at a time: a hundred of them are more than a phone's memory holds. */
const ABREAST = 3;
let underWay = 0;
const inLine: (() => void)[] = [];

/** Does one photo's work once it is its turn. */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (underWay === ABREAST) await new Promise<void>((go) => inLine.push(go));
  else underWay += 1;
  try {
    return await work();
  } finally {
    const next = inLine.shift();
    if (next === undefined) underWay -= 1;
    else next();
  }
}

/** The photo itself, or a smaller one. What this browser can't open (HEIC, mostly), or not make smaller, goes as it is. */
export async function fitting(photo: File): Promise<Blob> {
  return shrunken(photo).catch(() => photo);
}

async function shrunken(photo: File): Promise<Blob> {
  const opened = await createImageBitmap(photo);
  try {
    const scale = LONG_EDGE / Math.max(opened.width, opened.height);
    const taken = TAKEN.test(photo.type);
    if (taken && scale >= 1 && photo.size <= FITS_AS_IT_IS) return photo;
    const shrunk = Math.min(1, scale);
    const canvas = new OffscreenCanvas(Math.round(opened.width * shrunk), Math.round(opened.height * shrunk));
    const context = canvas.getContext("2d");
    if (context === null) return photo;
    // JPEG knows no transparency.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(opened, 0, 0, canvas.width, canvas.height);
    const smaller = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    return taken && smaller.size >= photo.size ? photo : smaller;
  } finally {
    opened.close();
  }
}

/** A file that was moved, changed or deleted since it was chosen: no browser tells that apart from an absent server. */
export async function isThere(photo: File): Promise<boolean> {
  return photo.slice(0, 1).arrayBuffer().then(
    () => true,
    () => false,
  );
}

/** Sends a photo; `told` hears the share that is on its way. fetch() can't tell. */
export function send(photo: Blob, name: string, told: (share: number) => void, stop: AbortSignal): Promise<UploadedFile> {
  return new Promise((fine, wrong) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/v1/uploads");
    request.upload.onprogress = (event) => event.lengthComputable && told(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 201) fine(JSON.parse(request.responseText) as UploadedFile);
      else wrong(refusal(request.responseText, request.status));
    };
    request.onerror = () => wrong(new Refused(AWAY, "The upload was broken off"));
    request.onabort = () => wrong(new Refused(AWAY, "The upload was stopped"));
    stop.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("file", photo, name);
    request.send(form);
  });
}
