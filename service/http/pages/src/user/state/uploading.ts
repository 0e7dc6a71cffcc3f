/** A photo on its way: made smaller where it is larger than any edit uses, then sent, and told how far it is. */

import { AWAY, Refused, refusal } from "../../shared/api";
import type { UploadedFile } from "../../shared/schema";

/** Pixels of the longer side: half again what the largest result has, so that a head in the photo is large enough. */
const LONG_EDGE = 3072;
const QUALITY = 0.92;
const FITS_AS_IT_IS = 4_000_000;

/** The photo itself, or a smaller one. What this browser can't open (HEIC, mostly) goes as it is. */
export async function fitting(photo: File): Promise<Blob> {
  const opened = await createImageBitmap(photo).catch(() => null);
  if (opened === null) return photo;
  try {
    const scale = LONG_EDGE / Math.max(opened.width, opened.height);
    if (scale >= 1 && photo.size <= FITS_AS_IT_IS) return photo;
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
    return smaller.size < photo.size ? smaller : photo;
  } finally {
    opened.close();
  }
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
    stop.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("file", photo, name);
    request.send(form);
  });
}
