import { useSignal } from "@preact/signals";
import { explained, words } from "../words";

interface Asked {
  remove: () => Promise<void>;
  /** Of several: which one, for those who hear the button alone, and where the focus finds it. */
  name?: string;
  id?: string;
}

/** Asks before it deletes. */
export function Remove({ remove, name, id }: Asked) {
  const sure = useSignal(false);
  const wrong = useSignal<string | null>(null);
  const press = async (event: MouseEvent): Promise<void> => {
    if (!sure.value) {
      sure.value = true;
      // Safari gives no focus to what is pressed, and without one nothing would take the question back.
      (event.currentTarget as HTMLElement).focus();
      return;
    }
    wrong.value = null;
    try {
      await remove();
    } catch (error) {
      wrong.value = explained(error);
      sure.value = false;
    }
  };
  const said = sure.value ? words().view.sure : words().view.remove;
  return (
    <>
      <button
        type="button"
        class="button plain"
        id={id}
        aria-label={name === undefined ? undefined : `${said} ${name}`}
        onClick={(event) => void press(event)}
        onBlur={() => (sure.value = false)}
      >
        {said}
      </button>
      <span class="wrong small" role="alert">
        {wrong}
      </span>
    </>
  );
}
