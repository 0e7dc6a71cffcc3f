import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words";

interface Asked {
  label: string;
  kind: string;
  close?: () => void;
  children: ComponentChildren;
}

/** A modal dialog: the browser keeps the focus in it, and gives it back. Without `close` it can't be left. */
export function Dialog({ label, kind, close, children }: Asked) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    element.current?.showModal();
  }, []);
  const leave = (event: Event): void => {
    if (close === undefined) event.preventDefault();
  };
  return (
    <dialog
      ref={element}
      class={kind}
      aria-label={label}
      onCancel={leave}
      onClose={close}
      onClick={(event) => event.target === element.current && close !== undefined && element.current?.close()}
    >
      {close !== undefined && (
        <button type="button" class="close" aria-label={words().view.close} onClick={() => element.current?.close()}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6 6l12 12M18 6L6 18" />
          </svg>
        </button>
      )}
      {children}
    </dialog>
  );
}
