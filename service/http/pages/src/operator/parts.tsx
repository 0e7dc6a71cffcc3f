/** The queue, the workers, the failures and the doctor's findings. */

import { language, moment, number } from "../shared/language";
import type { RunningTask, SeenWorker } from "../shared/schema";
import { ends, failures, findings, overview } from "./live";
import { open } from "./task";
import { span, words } from "./words";

function Figure({ name, value, note, tone = "" }: { name: string; value: string; note: string; tone?: string }) {
  return (
    <div class={`figure ${tone}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
      <dd class="soft small">{note}</dd>
    </div>
  );
}

export function Figures() {
  const now = overview.value;
  if (now === null) return null;
  const waiting = now.waiting.reduce((sum, one) => sum + one.tasks, 0);
  const oldest = Math.max(0, ...now.waiting.map((one) => one.oldest_seconds));
  const slots = now.workers.reduce((sum, one) => sum + one.slots, 0);
  const { done, failed, cancelled } = ends.value;
  const all = done + failed + cancelled;
  const percent = new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 1 });
  const share = (part: number): string => (all === 0 ? words().lastDay : words().share(percent.format(part / all)));
  return (
    <dl class="figures">
      <Figure
        name={words().waiting}
        value={number(waiting)}
        note={waiting ? words().oldest(span(oldest, language.value)) : words().noneWaits}
      />
      <Figure name={words().running} value={number(now.running_tasks)} note={words().slots(number(slots))} />
      <Figure name={words().done} value={number(done)} note={words().lastDay} />
      <Figure name={words().failed} value={number(failed)} note={share(failed)} tone={failed ? "bad" : ""} />
      <Figure name={words().cancelled} value={number(cancelled)} note={share(cancelled)} />
    </dl>
  );
}

function Running({ task }: { task: RunningTask }) {
  return (
    <li>
      <button class="row" onClick={() => void open(task.task_id)}>
        <span>{words().modes[task.mode]}</span>
        <span class="soft small">
          {task.current_step ?? ""} {span(task.seconds, language.value)}
          {task.attempts > 1 ? ` · ${words().attempt(task.attempts)}` : ""}
        </span>
        <progress max={100} value={task.progress} aria-label={task.task_id} />
      </button>
    </li>
  );
}

function Worker({ worker, running }: { worker: SeenWorker; running: RunningTask[] }) {
  return (
    <li class="worker">
      <div class="row">
        <strong>{worker.worker_id}</strong>
        <span class="soft small">{words().since(moment(worker.started_at))}</span>
      </div>
      {worker.trouble === null ? null : <p class="bad small">{worker.trouble}</p>}
      <ul>
        {running.map((task) => (
          <Running key={task.task_id} task={task} />
        ))}
      </ul>
      {running.length === 0 && worker.trouble === null ? <p class="soft small">{words().idle}</p> : null}
    </li>
  );
}

export function Workers() {
  const now = overview.value;
  const workers = now?.workers ?? [];
  return (
    <section class="card" aria-labelledby="workers">
      <h2 id="workers">{words().workers}</h2>
      {now !== null && workers.length === 0 ? <p class="bad">{words().noWorkers}</p> : null}
      <ul class="list">
        {workers.map((worker) => (
          <Worker
            key={worker.worker_id}
            worker={worker}
            running={(now?.running ?? []).filter((task) => task.worker_id === worker.worker_id)}
          />
        ))}
      </ul>
    </section>
  );
}

export function Failures() {
  const most = failures.value[0]?.tasks ?? 1;
  return (
    <section class="card" aria-labelledby="failures">
      <h2 id="failures">{words().failures}</h2>
      {failures.value.length === 0 ? <p class="soft">{words().noFailures}</p> : null}
      <ul class="list">
        {failures.value.map(({ code, tasks }) => (
          <li key={code}>
            <div class="row">
              <code>{code}</code>
              <span>{number(tasks)}</span>
            </div>
            <progress max={most} value={tasks} aria-hidden="true" />
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Findings() {
  const found = findings.value;
  const odd = found?.filter((one) => one.health !== "ok") ?? [];
  const well = found?.filter((one) => one.health === "ok") ?? [];
  return (
    <section class="card wide" aria-labelledby="findings">
      <h2 id="findings">{words().findings}</h2>
      {found === null ? <p class="soft">{words().looking}</p> : null}
      {found !== null && odd.length === 0 ? <p class="good">{words().allWell(well.length)}</p> : null}
      <ul class="list">
        {odd.map((one) => (
          <li key={one.check}>
            <strong class={one.health === "wrong" ? "bad" : ""}>{one.check}</strong>
            <p>{one.message}</p>
            {one.remedy === null ? null : <p class="soft small">{one.remedy}</p>}
          </li>
        ))}
      </ul>
      {well.length === 0 ? null : (
        <details>
          <summary class="soft small">{words().wellParts}</summary>
          <dl class="well small">
            {well.map((one) => (
              <div key={one.check}>
                <dt>{one.check}</dt>
                <dd class="soft">{one.message}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </section>
  );
}
