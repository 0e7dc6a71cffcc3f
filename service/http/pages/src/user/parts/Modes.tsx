import { number } from "../../shared/language";
import type { ModeDescription } from "../../shared/schema";
import { choose, mode } from "../state/draft";
import { catalogue } from "../state/modes";
import { modeName, words } from "../words";

const PLACES = 3;

/** The edits, each shown by what it does to a photo. */
export function Modes() {
  const modes = catalogue.value?.modes;
  if (modes === undefined) {
    // The room they will take.
    return (
      <div class="modes" aria-hidden="true">
        {Array.from({ length: PLACES }, (_, place) => (
          <div key={place} class="mode" />
        ))}
      </div>
    );
  }
  return (
    <div class="modes" role="radiogroup" aria-label={words().heading}>
      {modes.map((one) => (
        <ModeCard key={one.mode} described={one} />
      ))}
    </div>
  );
}

function ModeCard({ described }: { described: ModeDescription }) {
  const { mode: name, example, available } = described;
  const cheapest = Math.min(...described.prices.map((price) => price.credits));
  return (
    <label class="mode" data-chosen={mode.value === name}>
      <input
        class="unseen"
        type="radio"
        name="mode"
        value={name}
        checked={mode.value === name}
        disabled={!available}
        onChange={() => choose(name)}
      />
      <span class="pair" aria-hidden="true">
        {example != null && (
          <>
            <img src={example.before} alt="" width="560" height="700" />
            <span class="wipe">
              <img src={example.after} alt="" width="560" height="700" />
            </span>
            {example.source !== null && <img class="inset" src={example.source} alt="" width="200" height="200" />}
          </>
        )}
      </span>
      <span class="tells">
        <strong>{modeName(name)}</strong>
        <span class="soft small">{words().modes[name]?.tells}</span>
        <span class="soft small">{available ? words().from(number(cheapest)) : words().unavailable}</span>
      </span>
    </label>
  );
}
