import { effect, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { session } from "../../shared/session";
import { trouble } from "../beginning";
import { add } from "../state/draft";
import { connected } from "../state/live";
import { catalogue } from "../state/modes";
import { LEDGER, opened } from "../state/over";
import { news } from "../state/pictures";
import { explained, modeName, words } from "../words";
import { Composer } from "./Composer";
import { Gallery } from "./Gallery";
import { Header } from "./Header";
import { Modes } from "./Modes";
import { SignIn } from "./SignIn";
import { Viewer } from "./Viewer";

effect(() => {
  document.title = words().title;
});

/** The whole of it: what can be made, the form, and what was made. */
export function Page() {
  useEffect(pasting, []);
  const state = session.value;
  const ready = catalogue.value !== null;
  return (
    <>
      <a class="unseen skip" href="#pictures">
        {words().skip}
      </a>
      <Header />
      <main>
        {trouble.value !== null && (
          <p class="trouble" role="alert">
            {explained(trouble.value)}
          </p>
        )}
        {state === "out" ? (
          <SignIn />
        ) : (
          <>
            <h1>{words().heading}</h1>
            <Modes />
            {ready && <Composer />}
            {state !== "unknown" && <Gallery />}
          </>
        )}
      </main>
      {state === "expired" && <SignIn again />}
      {opened.value !== null && opened.value !== LEDGER && <Viewer key={opened.value} taskId={opened.value} />}
      <News />
    </>
  );
}

/** For those who listen to the page: what ended, and whether it hears from the server. */
function News() {
  const task = news.value;
  const said = useSignal("");
  useEffect(() => {
    if (task === null) return;
    said.value = task.status === "done" ? words().done(modeName(task.mode)) : words().failed(modeName(task.mode));
  }, [task]);
  return (
    <>
      <p class="unseen" role="status">
        {said}
      </p>
      {session.value === "in" && !connected.value && <p class="offline">{words().reconnecting}</p>}
    </>
  );
}

/** Pictures that are pasted anywhere become photos of the form. */
function pasting(): () => void {
  const paste = (event: ClipboardEvent): void => {
    if (session.value === "in" && event.clipboardData !== null) add(event.clipboardData.files);
  };
  addEventListener("paste", paste);
  return () => removeEventListener("paste", paste);
}
