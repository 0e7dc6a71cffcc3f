import { useSignal } from "@preact/signals";
import { number } from "../../shared/language";
import { account } from "../state/account";
import { goOn } from "../focus";
import { complete, look, mode, photos, price, reference, refusals, submit } from "../state/draft";
import { described } from "../state/modes";
import { begun } from "../state/pictures";
import { explained, words } from "../words";
import { Looks } from "./Looks";
import { Options } from "./Options";
import { Photos } from "./Photos";

/** The form: photos at the left, what is to become of them at the right, and what it costs. */
export function Composer() {
  const known = described(mode.value);
  return (
    <section class="composer" id="composer">
      <Photos />
      <div class="choices">
        <Looks known={known} />
        <Options known={known} />
        <Press />
      </div>
    </section>
  );
}

/** The price before it is pressed, and the button. */
function Press() {
  const busy = useSignal(false);
  const wrong = useSignal<string | null>(null);
  const credits = account.value?.current_credits ?? 0;
  const short = account.value === null ? 0 : price.value - credits;
  const count = photos.value.length;
  const make = async (): Promise<void> => {
    busy.value = true;
    wrong.value = null;
    try {
      const target = reference.value?.preview ?? null;
      const made = await submit();
      begun(made.tasks, made.shown, target);
      document.getElementById("pictures")?.scrollIntoView();
      goOn("pictures");
    } catch (error) {
      wrong.value = explained(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <div class="press">
      <button
        type="button"
        class="button first"
        disabled={busy.value || !complete.value || short > 0}
        aria-describedby="price"
        onClick={() => void make()}
      >
        {busy.value ? words().making : count > 1 ? words().makeAll(count) : words().make}
      </button>
      <p id="price" class="small">
        <strong>{words().price(number(price.value))}</strong>
        <span class={short > 0 ? "wrong" : "soft"}>
          {short > 0 ? words().deficit(number(short)) : missing()}
        </span>
      </p>
      <p class="wrong small" role="alert">
        {wrong}
      </p>
    </div>
  );
}

/** What the button waits for. */
function missing(): string {
  const isOwn = look.value.kind === "own";
  if (photos.value.length === 0) return words().needPhoto;
  if (refusals.value > 0) return words().needRemoval(refusals.value);
  if (isOwn && reference.value === null) return words().needReference;
  const needed = isOwn ? [...photos.value, reference.value] : photos.value;
  // What was refused says so itself.
  return complete.value || needed.some((photo) => photo?.refused) ? "" : words().photos.sending;
}
