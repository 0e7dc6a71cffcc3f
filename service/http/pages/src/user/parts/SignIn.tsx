import { useSignal } from "@preact/signals";
import { Refused, signIn } from "../../shared/api";
import { session } from "../../shared/session";
import { begin, enter } from "../beginning";
import { explained, words } from "../words";
import { Dialog } from "./Dialog";

/** Asks for a key. `again`: over the page as it is, which goes on where it was. */
export function SignIn({ again = false }: { again?: boolean }) {
  const said = words().signIn;
  if (again) {
    return (
      <Dialog label={said.enter} kind="small-dialog">
        <p>{said.expired}</p>
        <KeyForm />
      </Dialog>
    );
  }
  return (
    <section class="welcome">
      <h1>{said.heading}</h1>
      <p class="soft">
        {said.lead} <code>darkroom up</code> {said.leadOn}
      </p>
      <KeyForm />
      <p class="small soft">
        <code>{said.hint}</code>
      </p>
    </section>
  );
}

function KeyForm() {
  const said = words().signIn;
  const key = useSignal("");
  const wrong = useSignal<string | null>(null);
  const busy = useSignal(false);
  const enterWith = async (event: Event): Promise<void> => {
    event.preventDefault();
    busy.value = true;
    wrong.value = null;
    try {
      await signIn({ token: key.value.trim() });
      await enter();
    } catch (error) {
      if (session.value === "in") return void begin(); // what belongs to it is asked for again
      wrong.value = error instanceof Refused && error.code === "UNAUTHORIZED" ? said.wrong : explained(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <form class="key-form" onSubmit={(event) => void enterWith(event)}>
      <label class="small" for="key">
        {said.key}
      </label>
      <div class="row">
        <input
          id="key"
          class="field"
          type="password"
          autocomplete="current-password"
          required
          autofocus
          aria-describedby="key-wrong"
          value={key}
          onInput={(event) => (key.value = event.currentTarget.value)}
        />
        <button type="submit" class="button first" disabled={busy.value}>
          {said.enter}
        </button>
      </div>
      <p id="key-wrong" class="wrong small" role="alert">
        {wrong}
      </p>
    </form>
  );
}
