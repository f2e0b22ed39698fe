// Elements made of text and other elements. What comes from a record is only ever text.

/** Make an element; `attributes` that are functions are listeners (`onclick`), true is an attribute without a value, null is none. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...shown(children));
  return element;
}

const shown = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");

/** Return a text that only a screen reader says. */
export const hidden = (text) => h("span", { class: "hidden" }, text);

/** Put new children into an element, keep the focus on the control of the same key, and tell whether it is still there. */
export function refresh(container, children) {
  const key = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...shown(children));
  if (key === undefined) return true;
  const again = container.querySelector(`[data-key="${CSS.escape(key)}"]`);
  again?.focus({ preventScroll: true });
  return Boolean(again);
}
