import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
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
  const left = useRef(false);
  // Closed before it is taken out of the page: only then the browser gives the focus back.
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      left.current = true;
      dialog?.close();
    };
  }, []);
  // What had the focus may be gone: a picture is made while one looks.
  useLayoutEffect(() => {
    const dialog = element.current;
    if (dialog?.open !== true || dialog.contains(document.activeElement)) return;
    dialog.querySelector<HTMLElement>(".close, input")?.focus({ preventScroll: true });
  });
  const leave = (event: Event): void => {
    if (close === undefined) event.preventDefault();
  };
  const closed = (): void => {
    if (left.current) return;
    // Pressed again and again, Escape closes it whatever `leave` says.
    if (close === undefined) element.current?.showModal();
    else close();
  };
  return (
    <dialog
      ref={element}
      class={kind}
      aria-label={label}
      onCancel={leave}
      onClose={closed}
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
