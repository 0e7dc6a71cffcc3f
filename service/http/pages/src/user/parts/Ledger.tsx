import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { language, moment, number } from "../../shared/language";
import type { LedgerEntry } from "../../shared/schema";
import { account, ledgerAfter, type LedgerSoFar } from "../state/account";
import { leave } from "../beginning";
import { explained, named, words } from "../words";
import { Dialog } from "./Dialog";

/** Reasons that somebody wrote are told in any language; the service's own are English, and say what the kind does. */
function isTold(entry: LedgerEntry): boolean {
  return entry.reason !== null && (language.value === "en" || entry.kind === "grant" || entry.kind === "external");
}

/** Every change of the balance, newest first. */
export function Ledger({ close }: { close: () => void }) {
  const ledger = useSignal<LedgerSoFar | null>(null);
  const wrong = useSignal<string | null>(null);
  const attempt = (work: Promise<unknown>): void => {
    wrong.value = null;
    work.catch((error: unknown) => (wrong.value = explained(error)));
  };
  const more = (): void => attempt(ledgerAfter(ledger.value).then((soFar) => (ledger.value = soFar)));
  useEffect(more, []);
  const said = words().credits;
  return (
    <Dialog label={said.heading} kind="small-dialog" close={close}>
      <h2>{account.value !== null && said.left(number(account.value.current_credits))}</h2>
      <p class="soft small">{account.value !== null && said.used(number(account.value.total_credits_used))}</p>
      {wrong.value !== null && (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      )}
      <ul class="ledger">
        {(ledger.value?.entries ?? []).map((entry) => (
          <li key={entry.entry_id}>
            <span>
              {named(said.kinds, entry.kind)}
              {isTold(entry) && <span class="soft small"> {entry.reason}</span>}
              <time class="soft small" dateTime={entry.created_at}>
                {moment(entry.created_at)}
              </time>
            </span>
            <span class={entry.amount < 0 ? "amount" : "amount good"}>
              {entry.amount > 0 ? "+" : ""}
              {number(entry.amount)}
              <span class="soft small">
                {said.balance} {number(entry.balance_after)}
              </span>
            </span>
          </li>
        ))}
      </ul>
      <p class="row">
        {(ledger.value === null ? wrong.value !== null : ledger.value.next !== null) && (
          <button type="button" class="button" onClick={more}>
            {ledger.value === null ? words().view.retry : words().pictures.more}
          </button>
        )}
        <button type="button" class="button plain" onClick={() => attempt(leave())}>
          {words().signIn.leave}
        </button>
      </p>
    </Dialog>
  );
}
