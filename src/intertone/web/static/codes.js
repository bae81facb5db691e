/** The numbers of a small code, each a fader: the spectrum that they decode to is a loop, which the keys play. */

import { element } from "./cards.js";
import { buildFaders } from "./faders.js";
import { askSound, Latest } from "./latest.js";
import { tool } from "./tools.js";

/** Codecs of single frames: their names, how many numbers their code has, and a sentence. */
export const CODECS = [
  { name: "canne", count: 8, sentence: "A network of 2020 that knows spectra: eight numbers set one, and the keys play it." },
  { name: "manne", count: 3, sentence: "The smaller one of 2020: three numbers set the spectrum that the keys play." },
];

const COLOURS = 25; // degrees of hue of the first fader

/** The numbers of all codes, as controls of the state. */
export const NUMBERS = CODECS.flatMap(({ name, count }) =>
  Array.from({ length: count }, (_, index) => ({
    name: `${name}${index + 1}`,
    label: `${index + 1}`,
    min: 0,
    max: 1,
    value: 0.5,
    read: (value) => value.toFixed(2),
    hint: `Number ${index + 1} of the ${count} that ${name} makes a spectrum of; what it changes depends on the others.`,
  })),
);

export class Codes {
  /**
   * @param codec One of `CODECS`.
   * @param root Element of the view.
   * @param state Values; the code's numbers are moved.
   * @param handlers As for `Explore`, and `choose(index)`, which shows another codec.
   */
  constructor(codec, root, state, handlers) {
    this.codec = codec;
    this.root = root;
    this.state = state;
    this.shown = false;
    this.controls = NUMBERS.filter(({ name }) => name.startsWith(codec.name));
    this.latest = new Latest(
      (wanted) => askSound(wanted),
      (bytes) => handlers.play(bytes),
      (error) => handlers.say(`The sound stays as it is: ${error.message}`),
    );
    this.build(handlers);
    state.onChange((name) => name.startsWith(codec.name) && this.shown && this.move());
  }

  build({ hint, wake, choose }) {
    const { root, codec, controls, state } = this;
    root.setAttribute("aria-label", `Code of ${codec.name}`);
    root.className = "codes";
    const bank = element("div", "bank");
    buildFaders(bank, controls, state, hint);
    [...bank.children].forEach((fader, index) => {
      fader.style.setProperty("--accent", `oklch(0.68 0.16 ${COLOURS + (360 * index) / controls.length})`);
    });
    bank.addEventListener("pointerdown", wake);
    const panel = element("div", "near");
    const choice = element("div", "choice");
    choice.setAttribute("role", "group");
    choice.setAttribute("aria-label", "Network");
    CODECS.forEach(({ name, sentence }, index) => {
      const button = tool(name, sentence, hint, () => choose(index));
      button.setAttribute("aria-pressed", name === codec.name);
      choice.append(button);
    });
    const words = "Each number is between 0 and 1. A small move changes the spectrum a little, and a held note follows.";
    const dice = tool("Surprise me", "Choose all numbers by chance; Undo takes it back.", hint, () => {
      wake();
      state.begin();
      state.setAll(Object.fromEntries(controls.map(({ name }) => [name, Math.random()])));
    });
    panel.append(choice, element("p", "", codec.sentence), element("p", "words", words), dice);
    root.append(bank, panel);
  }

  /** Show the view. */
  open() {
    this.shown = true;
    this.move();
  }

  /** Leave the view. */
  close() {
    this.shown = false;
    this.latest.drop();
  }

  /** Return the request from which the server makes the sound. */
  get wanted() {
    return { codec: this.codec.name, values: this.controls.map(({ name }) => this.state.values[name]) };
  }

  move() {
    this.latest.want(this.wanted);
  }
}
