/** One task's history, as a line of the states it had. */

import { signal } from "@preact/signals";
import { api, data } from "../shared/api";
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
    shown.value = await data(
      api.GET("/api/v1/operator/tasks/{task_id}", { params: { path: { task_id: taskId.trim() } } }),
    );
    document.getElementById("tasks")?.scrollIntoView({ block: "nearest" });
  } catch (error) {
    shown.value = null;
    refused.value = error instanceof Error ? error.message : String(error);
  }
}

function State({ event, next }: { event: TimelineEvent; next: TimelineEvent | undefined }) {
  const ended = event.status !== "pending" && event.status !== "processing";
  const until = next === undefined ? Date.now() : Date.parse(next.at);
  const seconds = Math.max(0, (until - Date.parse(event.at)) / 1000);
  return (
    <li class={`state ${event.status}`}>
      <strong>{words().statuses[event.status]}</strong>
      <time class="soft small" dateTime={event.at}>
        {moment(event.at)}
      </time>
      {ended ? null : (
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
        <button class="button plain" onClick={() => (shown.value = null)}>
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
  const history = shown.value;
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
      {history === null ? null : <History history={history} />}
      <h3 class="soft small">{words().lastEnded}</h3>
      <ul class="list ended">
        {(overview.value?.last_ended ?? []).map((task) => (
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
