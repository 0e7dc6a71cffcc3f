import type { ModeDescription } from "../../shared/schema";
import { addReference, look, reference } from "../state/draft";
import { removal } from "../state/modes";
import { explained, named, words } from "../words";
import { ACCEPTED, Preview, WaysOn } from "./Photos";

/** What the photo is to become: a preset by its picture, one's own picture, or nothing at all behind the person. */
export function Looks({ known }: { known: ModeDescription }) {
  const title = named(words().looks, known.mode);
  const preset = look.value.kind === "preset" ? (look.value.preset ?? known.presets[0]) : null;
  return (
    <fieldset class="looks" data-mode={known.mode}>
      <legend>{title}</legend>
      <div class="tiles">
        <OwnPicture />
        {removal(known) !== null && (
          <Tile
            name={words().remove}
            chosen={look.value.kind === "remove"}
            choose={() => (look.value = { kind: "remove", preset: null })}
          >
            <span class="checks" />
          </Tile>
        )}
        {known.presets.map((name) => (
          <Tile
            key={name}
            name={named(words().presets, name)}
            chosen={preset === name}
            choose={() => (look.value = { kind: "preset", preset: name })}
          >
            {known.preset_pictures[name] !== undefined && (
              <img src={known.preset_pictures[name]} alt="" width="240" height="300" loading="lazy" />
            )}
          </Tile>
        ))}
      </div>
    </fieldset>
  );
}

interface Shown {
  name: string;
  chosen: boolean;
  choose: () => void;
  children: preact.ComponentChildren;
}

function Tile({ name, chosen, choose, children }: Shown) {
  return (
    <label class="tile">
      <input class="unseen" type="radio" name="look" checked={chosen} onChange={choose} />
      <span class="picture">{children}</span>
      <span class="small">{name}</span>
    </label>
  );
}

function OwnPicture() {
  const own = reference.value;
  const chosen = (event: Event): void => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.files?.[0] !== undefined) addReference(input.files[0]);
    input.value = "";
  };
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file !== undefined) addReference(file);
  };
  return (
    <div>
      <label class="tile" data-chosen={look.value.kind === "own"} onDragOver={(event) => event.preventDefault()} onDrop={dropped}>
        <input class="unseen" type="file" accept={ACCEPTED} onChange={chosen} />
        <span class="picture own">
          {own !== null ? (
            <Preview photo={own} name={words().view.reference} />
          ) : (
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M12 5v14M5 12h14" />
            </svg>
          )}
        </span>
        <span class="small">{words().own}</span>
        {own !== null && own.refused !== null && (
          <span class="small wrong" role="alert">
            {explained(own.refused)}
          </span>
        )}
      </label>
      {own !== null && <WaysOn photo={own} />}
    </div>
  );
}
