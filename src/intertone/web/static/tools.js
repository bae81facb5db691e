/** The buttons of the head. */

import { element } from "./cards.js";

/**
 * Return a button with a sentence about it.
 * @param hint Called with the sentence while the button is pointed at or has the focus.
 */
export function tool(name, sentence, hint, act) {
  const button = element("button", "tool", name);
  button.type = "button";
  button.title = sentence;
  button.addEventListener("click", act);
  for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => hint(sentence));
  for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => hint(""));
  return button;
}
