import { useSignal } from "@preact/signals";
import { language, number, speak } from "../../shared/language";
import { session } from "../../shared/session";
import { account } from "../state/account";
import { words } from "../words";
import { Ledger } from "./Ledger";

/** Whose page it is, what is left, and the other language. */
export function Header() {
  const ledger = useSignal(false);
  const whose = account.value;
  const inside = session.value === "in" && whose !== null;
  return (
    <header class="top">
      <a class="brand" href="/">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M16 7a9 9 0 0 0 0 18z" fill="currentColor" />
          <circle cx="16" cy="16" r="9" fill="none" stroke="currentColor" stroke-width="1.8" />
        </svg>
        Darkroom
      </a>
      <nav>
        {inside && (
          <button type="button" class="button plain" onClick={() => (ledger.value = true)}>
            {words().credits.left(number(whose.current_credits))}
          </button>
        )}
        <button
          type="button"
          class="button plain"
          lang={language.value === "en" ? "zh-CN" : "en"}
          onClick={() => speak(language.value === "en" ? "zh" : "en")}
        >
          {words().language}
        </button>
      </nav>
      {ledger.value && <Ledger close={() => (ledger.value = false)} />}
    </header>
  );
}
