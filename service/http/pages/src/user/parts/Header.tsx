import { language, number, speak } from "../../shared/language";
import { session } from "../../shared/session";
import { account } from "../state/account";
import { LEDGER, opened, UPLOADS } from "../state/over";
import { words } from "../words";
import { Ledger } from "./Ledger";
import { Uploads } from "./Uploads";

/** Whose page it is, what is left, and the other language. */
export function Header() {
  const whose = account.value;
  const inside = session.value === "in" && whose !== null;
  return (
    <header class="top">
      <a class="brand" href="/">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M16 7a9 9 0 0 0 0 18z" fill="currentColor" />
          <circle cx="16" cy="16" r="9" fill="none" stroke="currentColor" stroke-width="1.8" />
        </svg>
        <span>Darkroom</span>
      </a>
      <nav>
        {inside && (
          <>
            <button type="button" class="button plain" onClick={() => (opened.value = LEDGER)}>
              {words().credits.left(number(whose.current_credits))}
            </button>
            <button type="button" class="button plain" onClick={() => (opened.value = UPLOADS)}>
              {words().uploads.open}
            </button>
          </>
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
      {inside && opened.value === LEDGER && <Ledger close={() => (opened.value = null)} />}
      {inside && opened.value === UPLOADS && <Uploads close={() => (opened.value = null)} />}
    </header>
  );
}
