/** The views of the page: the pad, the map, and the codes. */

import { element } from "./cards.js";
import { CODECS, Codes } from "./codes.js";
import { tool } from "./tools.js";

const RATIOS = ["harmonics", "noise", "envelope"]; // between two sounds
const SENTENCES = [
  "The pad between your own sounds.",
  "The map of the instruments that the network knows: every place has a sound.",
  "Spectra from a few numbers: move them while a note is held.",
];
const FIRST_CODE = 2;

export class Views {
  /**
   * @param state Values; `view` says which view is shown: 0 is the pad, 1 the map, further ones are codes.
   * @param explore The map.
   * @param handlers As for `Explore`, and `morph()`, which plays the pad's instrument again.
   */
  constructor(state, explore, handlers) {
    this.state = state;
    this.handlers = handlers;
    this.shown = 0;
    this.buttons = null;
    const codes = CODECS.map((codec) => {
      const root = element("section", "");
      root.hidden = true;
      explore.root.after(root);
      const choose = (index) => state.set("view", FIRST_CODE + index);
      return new Codes(codec, root, state, { ...handlers, choose });
    });
    this.panes = [null, explore, ...codes];
    state.onChange((name) => name === "view" && this.turn());
  }

  /** Whether the pad is not shown; a page without the buttons has nothing else. */
  get away() {
    return Boolean(this.buttons) && this.state.values.view > 0;
  }

  /** Return the request from which the server makes this view's sound; null for the pad, which plays its instrument. */
  get wanted() {
    return this.panes[this.shown]?.wanted ?? null;
  }

  /** Show what the state says. */
  turn() {
    const { view } = this.state.values;
    if (!this.buttons) return;
    this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", at === Math.min(view, FIRST_CODE)));
    if (view === this.shown) return;
    const [before, now] = [this.panes[this.shown], this.panes[view]];
    this.shown = view;
    if (before) {
      before.root.hidden = true;
      before.close();
    }
    document.body.dataset.view = ["morph", "explore"][view] || "codes";
    for (const name of RATIOS) document.getElementById(`control-${name}`).disabled = view > 0;
    document.getElementById("control-register").disabled = view > 1;
    if (!now) {
      this.handlers.morph();
      return;
    }
    now.root.hidden = false;
    now.open();
  }

  /** Fill an element with a button for each view; the map is prepared when it is about to be seen. */
  build(root) {
    const { hint } = this.handlers;
    this.buttons = ["Morph", "Explore", "Codes"].map((name, view) =>
      tool(name, SENTENCES[view], hint, () => this.state.set("view", view)),
    );
    const prepare = () => this.panes[1].prepare().catch(() => {});
    for (const event of ["pointerenter", "focus"]) this.buttons[1].addEventListener(event, prepare);
    root.replaceChildren(...this.buttons);
    this.turn();
  }
}
