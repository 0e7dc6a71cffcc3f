/** Where the keyboard goes on when what had the focus goes away. */

/** To the first of these that is there, once what goes has gone. */
export function goOn(...ids: (string | undefined)[]): void {
  requestAnimationFrame(() => {
    const place = ids.map((id) => (id === undefined ? null : document.getElementById(id))).find((one) => one !== null);
    place?.focus({ preventScroll: true });
  });
}
