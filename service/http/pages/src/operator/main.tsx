/** What operators look at: everything comes from one stream, and nothing here changes anything. */

import { signal } from "@preact/signals";
import { render } from "preact";
import { api, AWAY, Refused } from "../shared/api";
import "../shared/base.css";
import { language, region, speak } from "../shared/language";
import { Chart } from "./chart";
import { open, overview, state, trouble } from "./live";
import "./operator.css";
import { Failures, Figures, Findings, Workers } from "./parts";
import { Tasks } from "./task";
import { words } from "./words";

const LINK = "darkroom user link USER --operator";

/** Why one is signed in still. */
const stays = signal<string | null>(null);

async function signOut(): Promise<void> {
  stays.value = null;
  try {
    await api.DELETE("/api/v1/session");
    location.assign("/sign-in");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    stays.value = error.code === AWAY ? words().away : error.message;
  }
}

function clock(time: string): string {
  return new Intl.DateTimeFormat(region(), { timeStyle: "medium" }).format(new Date(time));
}

function Bar() {
  const at = overview.value?.at;
  const isLive = state.value === "live" && trouble.value === null;
  return (
    <header class="bar">
      <h1>
        <a href="/">Darkroom</a> <span class="soft">{words().title}</span>
      </h1>
      <p class="soft small live">
        <span class={`dot ${isLive ? "done" : "failed"}`} />
        {at === undefined ? words().connecting : words().asOf(clock(at))}
      </p>
      <button class="button plain" onClick={() => speak(language.value === "en" ? "zh" : "en")}>
        {words().language}
      </button>
      <button class="button plain" onClick={() => void signOut()}>
        {words().signOut}
      </button>
    </header>
  );
}

function Closed() {
  const isForbidden = state.value === "forbidden";
  return (
    <main class="closed">
      <h1>{words().title}</h1>
      <p>{isForbidden ? words().forbidden : words().out}</p>
      {isForbidden ? <code>{LINK}</code> : null}
      <a class="button first" href="/sign-in">
        {words().signIn}
      </a>
    </main>
  );
}

function Page() {
  if (state.value === "out" || state.value === "forbidden") return <Closed />;
  const told = stays.value ?? trouble.value ?? (state.value === "away" ? words().away : null);
  return (
    <>
      <Bar />
      <main class="operator">
        <p role="status" class="card wide bad" hidden={told === null}>
          {told}
        </p>
        <Figures />
        <Chart />
        <Workers />
        <Failures />
        <Tasks />
        <Findings />
      </main>
    </>
  );
}

render(<Page />, document.getElementById("page")!);
open();
