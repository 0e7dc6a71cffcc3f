import { effect, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Task } from "../../shared/schema";
import { session } from "../../shared/session";
import { trouble } from "../beginning";
import { add } from "../state/draft";
import { connected } from "../state/live";
import { catalogue } from "../state/modes";
import { LEDGER, opened, UPLOADS } from "../state/over";
import { news } from "../state/pictures";
import { explained, modeName, named, words } from "../words";
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
      {opened.value !== null && opened.value !== LEDGER && opened.value !== UPLOADS && <Viewer key={opened.value} taskId={opened.value} />}
      <News />
    </>
  );
}

/** For those who listen to the page: what ended, and whether it hears from the server. */
function News() {
  const tasks = news.value;
  const said = useSignal({ words: "", times: 0 });
  useEffect(() => {
    if (tasks.length > 0) said.value = { words: toldOf(tasks), times: said.peek().times + 1 };
  }, [tasks]);
  return (
    <div role="status">
      {/* The same words once more are news as well. */}
      <p key={said.value.times} class="unseen">
        {said.value.words}
      </p>
      {session.value === "in" && !connected.value && <p class="offline">{words().reconnecting}</p>}
    </div>
  );
}

function toldOf(tasks: Task[]): string {
  const [task] = tasks;
  const done = tasks.filter((one) => one.status === "done").length;
  if (task === undefined || tasks.length > 1) return words().ended(done, tasks.length - done);
  if (task.status === "cancelled") return `${modeName(task.mode)}: ${named(words().statuses, task.status)}`;
  return done > 0 ? words().done(modeName(task.mode)) : words().failed(modeName(task.mode));
}

/** Pictures that are pasted anywhere become photos of the form. */
function pasting(): () => void {
  const paste = (event: ClipboardEvent): void => {
    if (session.value === "in" && event.clipboardData !== null) add(event.clipboardData.files);
  };
  addEventListener("paste", paste);
  return () => removeEventListener("paste", paste);
}
