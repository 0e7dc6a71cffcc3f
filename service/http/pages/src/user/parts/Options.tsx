import type { ModeDescription, Size } from "../../shared/schema";
import { chosen } from "../state/draft";
import { catalogue, options, type Option } from "../state/modes";
import { named, words } from "../words";

const PLAIN = new Set(["quality", "size"]);

/** The options of a mode: those every mode has at once, its own when asked for. */
export function Options({ known }: { known: ModeDescription }) {
  const all = options(known);
  const plain = all.filter((option) => PLAIN.has(option.name));
  const others = all.filter((option) => !PLAIN.has(option.name));
  return (
    <div class="options">
      {plain.map((option) => (
        <Control key={option.name} option={option} />
      ))}
      {others.length > 0 && (
        <details>
          <summary>{words().moreOptions}</summary>
          <div>
            {others.map((option) => (
              <Control key={`${known.mode}.${option.name}`} option={option} />
            ))}
          </div>
        </details>
      )}
    </div>
  );
}

/** Sets an option; undefined is as if it had never been touched. */
function set(name: string, value: unknown): void {
  const { [name]: _, ...others } = chosen.value;
  chosen.value = value === undefined ? others : { ...others, [name]: value };
}

function Control({ option }: { option: Option }) {
  const { name, description } = option;
  const label = named(words().options, name);
  const value = chosen.value[name];
  if (option.kind === "switch") {
    const on = (value ?? option.usual) as boolean;
    return (
      <label class="switch" title={description}>
        <span>{label}</span>
        <input type="checkbox" role="switch" checked={on} onChange={() => set(name, !on === option.usual ? undefined : !on)} />
      </label>
    );
  }
  if (option.kind === "share") {
    const now = (value ?? option.usual) as number;
    return (
      <label class="share" title={description}>
        <span>{label}</span>
        <input
          type="range"
          min={option.least}
          max={option.most}
          step={(option.most - option.least) / 20}
          value={now}
          onInput={(event) => set(name, event.currentTarget.valueAsNumber)}
        />
      </label>
    );
  }
  const first = name === "size" ? "medium" : option.values[0];
  const now = (value ?? first) as string;
  return (
    <fieldset class="choice" title={description}>
      <legend class="small soft">{label}</legend>
      <div>
        {option.values.map((one) => (
          <label key={one}>
            <input class="unseen" type="radio" name={name} checked={now === one} onChange={() => set(name, one)} />
            <span>{named(words().values, one)}</span>
          </label>
        ))}
      </div>
      {name === "size" && (
        <p class="small soft">{words().pixels(catalogue.value?.sizes[now as Size]?.long_edge ?? 0)}</p>
      )}
    </fieldset>
  );
}
