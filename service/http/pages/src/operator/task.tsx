/** One task's history, as a line of the states it had. */

import { effect, signal } from "@preact/signals";
import { api, AWAY, data, Refused } from "../shared/api";
import { language, moment, number } from "../shared/language";
import type { TaskHistory, TimelineEvent } from "../shared/schema";
import { overview } from "./live";
import "./task.css";
import { span, words } from "./words";

const shown = signal<TaskHistory | null>(null);
const refused = signal<string | null>(null);

export async function open(taskId: string): Promise<void> {
  refused.value = null;
  try {
    shown.value = await history(taskId.trim());
    document.getElementById("tasks")?.scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    shown.value = null;
    refused.value = error.code === AWAY ? words().away : error.code === "TASK_NOT_FOUND" ? words().noTask : error.message;
  }
}

function history(taskId: string): Promise<TaskHistory> {
  return data(api.GET("/api/v1/operator/tasks/{task_id}", { params: { path: { task_id: taskId } } }));
}

function ended(status: string): boolean {
  return status !== "pending" && status !== "processing";
}

// What hasn't ended goes on while one looks.
effect(() => {
  const task = shown.peek()?.task;
  if (overview.value === null || task === undefined || ended(task.status)) return;
  history(task.task_id).then(
    (now) => {
      if (shown.peek()?.task.task_id === task.task_id) shown.value = now;
    },
    // With the next look, unless it was deleted.
    () => undefined,
  );
});

function close(): void {
  shown.value = null;
  document.getElementById("task")?.focus();
}

function State({ event, next }: { event: TimelineEvent; next: TimelineEvent | undefined }) {
  // The server's time, as all the others are: this machine's clock may be off.
  const until = Date.parse(next?.at ?? overview.value?.at ?? event.at);
  const seconds = Math.max(0, (until - Date.parse(event.at)) / 1000);
  return (
    <li class={`state ${event.status}`}>
      <strong>{words().statuses[event.status]}</strong>
      <time class="soft small" dateTime={event.at}>
        {moment(event.at)}
      </time>
      {ended(event.status) ? null : (
        <span class="small">
          {span(seconds, language.value)}
          {next === undefined ? ` ${words().still}` : ""}
        </span>
      )}
      <span class="soft small">
        {[event.attempt > 1 ? words().attempt(event.attempt) : "", event.engine ?? "", event.code ?? ""]
          .filter(Boolean)
          .join(" · ")}
      </span>
      {event.note === null ? null : <p class="soft small">{event.note}</p>}
    </li>
  );
}

function History({ history }: { history: TaskHistory }) {
  const { task, events } = history;
  return (
    <article class="history">
      <header>
        <h3>
          {words().modes[task.mode]} <code class="soft">{task.task_id}</code>
        </h3>
        <button class="button plain" onClick={close}>
          {words().close}
        </button>
      </header>
      <p class="soft small">
        {task.user_id === null ? "" : `${words().of(task.user_id)} · `}
        {words().credits(number(task.credits_consumed), number(task.credits_refunded))}
      </p>
      <ol class="line">
        {events.map((event, place) => (
          <State key={event.id} event={event} next={events[place + 1]} />
        ))}
      </ol>
    </article>
  );
}

export function Tasks() {
  function submit(event: SubmitEvent): void {
    event.preventDefault();
    void open(String(new FormData(event.currentTarget as HTMLFormElement).get("task")));
  }
  const now = shown.value;
  const last = overview.value?.last_ended ?? [];
  return (
    <section class="card wide" id="tasks" aria-labelledby="history">
      <header>
        <h2 id="history">{words().tasks}</h2>
        <form onSubmit={submit} class="search">
          <label for="task" class="unseen">
            {words().taskId}
          </label>
          <input id="task" name="task" class="field" placeholder={words().taskId} required autocomplete="off" />
          <button class="button">{words().show}</button>
        </form>
      </header>
      <p role="status" class="bad" hidden={refused.value === null}>
        {refused.value}
      </p>
      {now === null ? null : <History history={now} />}
      {last.length === 0 ? null : <h3 class="soft small">{words().lastEnded}</h3>}
      <ul class="list ended">
        {last.map((task) => (
          <li key={task.task_id}>
            <button class="row" onClick={() => void open(task.task_id)}>
              <span class={`dot ${task.status}`} />
              <span>
                {words().modes[task.mode]} <span class="soft small">{task.code ?? words().statuses[task.status]}</span>
              </span>
              <time class="soft small" dateTime={task.ended_at}>
                {moment(task.ended_at)}
              </time>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
