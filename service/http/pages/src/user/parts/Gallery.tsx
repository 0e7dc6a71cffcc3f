import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Refused } from "../../shared/api";
import type { Mode, TaskStatus } from "../../shared/schema";
import { session } from "../../shared/session";
import { trouble } from "../beginning";
import { catalogue } from "../state/modes";
import { loading, loadMore, modeFilter, next, pictures, readAgain, reload, statusFilter, unread } from "../state/pictures";
import { explained, modeName, named, words } from "../words";
import { PictureCard } from "./PictureCard";

const STATUSES: TaskStatus[] = ["pending", "processing", "done", "failed", "cancelled"];

/** What was made, and what is being made, newest first; it goes on as far as one scrolls. */
export function Gallery() {
  const shown = pictures.value;
  const filtered = statusFilter.value !== "all" || modeFilter.value !== "all";
  return (
    <section id="pictures" tabIndex={-1} aria-labelledby="pictures-heading" aria-busy={loading.value}>
      <div class="gallery-head">
        <h2 id="pictures-heading">{words().pictures.heading}</h2>
        <Filters />
      </div>
      {shown.length === 0 && !loading.value && unread.value === null && (
        <p class="soft nothing">{filtered ? words().pictures.noneSuch : words().pictures.none}</p>
      )}
      <ul class="gallery">
        {shown.map((task) => (
          <PictureCard key={task.task_id} task={task} />
        ))}
      </ul>
      <More />
    </section>
  );
}

function Filters() {
  const status = (event: Event): void => {
    statusFilter.value = (event.currentTarget as HTMLSelectElement).value as TaskStatus | "all";
  };
  const mode = (event: Event): void => {
    modeFilter.value = (event.currentTarget as HTMLSelectElement).value as Mode | "all";
  };
  return (
    <p class="row">
      <select class="field" aria-label={words().pictures.filterStatus} value={statusFilter.value} onChange={status}>
        <option value="all">{words().pictures.all}</option>
        {STATUSES.map((one) => (
          <option key={one} value={one}>
            {named(words().statuses, one)}
          </option>
        ))}
      </select>
      <select class="field" aria-label={words().pictures.filterMode} value={modeFilter.value} onChange={mode}>
        <option value="all">{words().pictures.every}</option>
        {(catalogue.value?.modes ?? []).map(({ mode: one }) => (
          <option key={one} value={one}>
            {modeName(one)}
          </option>
        ))}
      </select>
    </p>
  );
}

let filters = "all all";
effect(() => {
  const now = `${statusFilter.value} ${modeFilter.value}`;
  if (now === filters) return;
  filters = now;
  if (session.peek() === "in") void quietly(reload());
});

/** Loads the rest when its end comes into view; a button for those who don't scroll. */
function More() {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watching = new IntersectionObserver(
      (seen) => seen.some((one) => one.isIntersecting) && void quietly(loadMore()),
      { rootMargin: "600px" },
    );
    if (end.current !== null) watching.observe(end.current);
    return () => watching.disconnect();
    // Anew after each page: an end that stays in view asks for the next.
  }, [next.value]);
  return (
    <div ref={end} class="more">
      {unread.value !== null && trouble.value === null && session.value === "in" && (
        <p class="trouble" role="alert">
          {explained(unread.value.why)}{" "}
          <button type="button" class="button" onClick={() => void quietly(readAgain())}>
            {words().view.retry}
          </button>
        </p>
      )}
      {next.value !== null && unread.value === null && (
        <button type="button" class="button" onClick={() => void quietly(loadMore())}>
          {loading.value ? words().pictures.loading : words().pictures.more}
        </button>
      )}
    </div>
  );
}

/** What the server refuses here is told by the sign-in, or below what is shown. */
async function quietly(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
  });
}
