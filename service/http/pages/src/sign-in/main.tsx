/** Signs a browser in: with what a one-time link has behind its #, or with a key that is typed in.
 *
 * The server never sees what is behind a #, nor do logs, proxies and previews of links: only this script uses it up. */

import { signal } from "@preact/signals";
import { render } from "preact";
import { api, AWAY, data, Refused } from "../shared/api";
import "../shared/base.css";
import "./sign-in.css";
import { words } from "./words";

type Shown = { link: string } | { token: string };

const link = location.hash.slice(1);
// It stays in no history and on no screen.
history.replaceState(null, "", location.pathname);

const already = signal<string | null>(null);
const trouble = signal<string | null>(null);
const busy = signal(link !== "");
/** Nobody was reached: the link is as good as it was. */
const unused = signal(false);

async function signIn(shown: Shown): Promise<void> {
  busy.value = true;
  trouble.value = null;
  try {
    const session = await data(api.POST("/api/v1/session", { body: shown }));
    location.replace(session.scope === "admin" ? "/operator" : "/");
  } catch (error) {
    busy.value = false;
    const isAway = error instanceof Refused && error.code === AWAY;
    unused.value = isAway && link !== "";
    const refused = "link" in shown ? `${words().used} ${words().another}` : words().wrong;
    const isUnknown = error instanceof Refused && (error.code === "UNAUTHORIZED" || error.code === "INVALID_REQUEST");
    trouble.value = isAway ? words().away : isUnknown || !(error instanceof Error) ? refused : error.message;
  }
}

/** Nobody is to find themselves in somebody else's account without having been asked. */
async function begin(): Promise<void> {
  try {
    const account = await data(api.GET("/api/v1/me"));
    already.value = account.email ?? account.user_id;
    busy.value = false;
  } catch {
    await signIn({ link });
  }
}

function Already({ who }: { who: string }) {
  return (
    <>
      <p>{words().already(who)}</p>
      <div class="choices">
        <button class="button first" onClick={() => void signIn({ link })}>
          {words().useLink}
        </button>
        <a class="button" href="/">
          {words().stay(who)}
        </a>
      </div>
    </>
  );
}

function KeyForm() {
  function submit(event: SubmitEvent): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    void signIn({ token: String(new FormData(form).get("key")).trim() });
  }
  return (
    <form onSubmit={submit}>
      <label for="key" class="soft small">
        {words().key}
      </label>
      <input id="key" name="key" class="field" type="password" autocomplete="off" required aria-describedby="hint" />
      <p id="hint" class="soft small">
        {words().hint}
      </p>
      <button class="button first">{words().signIn}</button>
    </form>
  );
}

function Ways() {
  return (
    <>
      {unused.value && (
        <button class="button first" onClick={() => void signIn({ link })}>
          {words().useLink}
        </button>
      )}
      <KeyForm />
    </>
  );
}

function Page() {
  const who = already.value;
  return (
    <main class="sign-in">
      <h1>{busy.value ? words().signingIn : words().title}</h1>
      <p role="status" class="trouble" hidden={trouble.value === null}>
        {trouble.value}
      </p>
      {busy.value ? null : who !== null && trouble.value === null ? <Already who={who} /> : <Ways />}
    </main>
  );
}

render(<Page />, document.getElementById("page")!);
if (link !== "") void begin();
