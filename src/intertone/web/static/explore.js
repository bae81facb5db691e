/** Explore: the map of the codec's space, what lies near the puck, and the sound of the place. */

import { element } from "./cards.js";
import { Latest } from "./latest.js";
import { Sky } from "./sky.js";

const TIMEOUT_MS = 20_000;
const RATIOS = ["harmonics", "noise", "envelope"]; // between two sounds, of which the map has none
const LOST = "the map did not answer.";

/** Return the answer of the server; an error has one sentence. */
async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Error(LOST);
  }
  if (answer.ok) return answer;
  const content = await answer.json().catch(() => ({}));
  throw new Error(content.error ? `${content.error}.` : LOST);
}

export class Explore {
  /**
   * @param root Element of the view.
   * @param state Values; `mapX`, `mapY` and `view` (1: this view) are read and moved.
   * @param handlers `wake()` in a gesture, `play(bytes)` glides to an instrument, `morph()` plays the pad's again,
   *   `say(text)`, `hint(text)`.
   */
  constructor(root, state, handlers) {
    this.root = root;
    this.state = state;
    this.handlers = handlers;
    this.job = null;
    this.known = null;
    this.ready = null;
    this.points = [];
    this.shown = false;
    this.build();
    this.latest = new Latest(
      (place) => this.fetch(place),
      (bytes) => this.shown && handlers.play(bytes),
      (error) => this.shown && handlers.say(`The sound stays as it is: ${error.message}`),
    );
    state.onChange((name) => {
      if (name === "view") this.turn();
      else if (name.startsWith("map") && this.shown) this.move();
    });
  }

  build() {
    const { state, handlers, root } = this;
    const canvas = element("canvas", "sky");
    this.sky = new Sky(canvas, state, () => handlers.wake());
    const panel = element("div", "near");
    this.list = element("ol", "parts");
    this.list.setAttribute("aria-label", "What lies near, and its part");
    this.legend = element("ul", "legend");
    const label = element("label", "goto", "Go to");
    this.choice = element("select", "");
    this.choice.addEventListener("change", () => this.go(this.points[this.choice.value]));
    label.append(this.choice);
    panel.append(this.list, label, this.legend);
    root.append(canvas, panel);
    const sentences = [
      [canvas, "Drag on the map: every place has a sound, mixed by the network of the instruments that are near."],
      [label, "Jump to an instrument that the network was trained on, or to a sound of your own."],
    ];
    for (const [one, sentence] of sentences) {
      one.title = one === label ? sentence : "";
      for (const event of ["pointerenter", "focusin"]) one.addEventListener(event, () => handlers.hint(sentence));
      for (const event of ["pointerleave", "focusout"]) one.addEventListener(event, () => handlers.hint(""));
    }
  }

  /** Whether this view is shown. */
  get on() {
    return this.state.values.view === 1;
  }

  /** Show this view or leave it, as the state says. */
  turn() {
    if (this.on === this.shown) return;
    this.shown = this.on;
    this.root.hidden = !this.on;
    document.body.dataset.view = this.on ? "explore" : "morph";
    for (const name of RATIOS) document.getElementById(`control-${name}`).disabled = this.on;
    if (this.on) this.open();
    else {
      this.latest.drop();
      this.handlers.morph();
    }
  }

  /** The pad has another instrument, made by this job: its sounds are points of the map. */
  changed(job) {
    this.job = job;
    if (this.shown) this.open();
  }

  async open() {
    if (!this.points.length) this.handlers.say("The map is being drawn.");
    try {
      await this.prepare();
      this.handlers.say("");
    } catch (error) {
      this.handlers.say(`There is no map: ${error.message}`);
      return;
    }
    if (this.shown) this.move();
  }

  /** Get the points of the map for the present sounds, once. */
  prepare() {
    if (this.known !== this.job || !this.ready) {
      this.known = this.job;
      this.ready = this.draw(this.job);
      this.ready.catch(() => (this.ready = null));
    }
    return this.ready;
  }

  async draw(job) {
    const answer = await ask(`map?instrument=${encodeURIComponent(job ?? "")}`);
    const { points } = await answer.json();
    if (job === this.job) this.show(points);
  }

  show(points) {
    this.points = points;
    const families = [...new Set(points.filter(({ own }) => !own).map(({ family }) => family))];
    const groups = [...families, ...new Set(points.filter(({ own }) => own).map(({ family }) => family))];
    this.sky.show(points, families);
    const choices = groups.map((family) => {
      const group = element("optgroup", "");
      group.label = family;
      points.forEach((point, index) => {
        if (point.family !== family) return;
        const option = element("option", "", point.name);
        option.value = index;
        group.append(option);
      });
      return group;
    });
    this.choice.replaceChildren(...choices);
    const items = families.map((family) => {
      const item = element("li", "", family);
      item.style.setProperty("--mark", this.sky.colour(family));
      return item;
    });
    this.legend.replaceChildren(...items);
  }

  go(point) {
    this.handlers.wake();
    this.state.begin();
    this.state.set("mapX", point.x);
    this.state.set("mapY", point.y);
  }

  /** Ask for the sound of the present place, and say what is near it. */
  move() {
    if (!this.points.length) return;
    const { mapX, mapY } = this.state.values;
    this.latest.want({ x: mapX, y: mapY, instrument: this.job });
    const items = this.sky.parts.slice(0, 3).map(([index, part]) => {
      const point = this.points[index];
      const item = element("li", "");
      item.style.setProperty("--mark", this.sky.colourOf(point));
      item.style.setProperty("--part", part);
      item.append(element("span", "name", point.name), element("span", "part", `${Math.round(100 * part)} %`));
      return item;
    });
    this.list.replaceChildren(...items);
    this.choice.value = this.sky.parts[0][0];
  }

  async fetch(place) {
    const answer = await ask("map/sound", { method: "POST", body: JSON.stringify(place) });
    return answer.arrayBuffer();
  }

  wave(velocity) {
    if (this.shown) this.sky.wave(velocity);
  }
}

/** Return the two buttons that change between the pad and the map; `prepare` is called when the map is about to be seen. */
export function viewButtons(state, hint, prepare) {
  const views = [
    ["Morph", 0, "The pad between your own sounds."],
    ["Explore", 1, "The map of the instruments that the network knows: every place has a sound."],
  ];
  const buttons = views.map(([name, view, sentence]) => {
    const button = element("button", "tool", name);
    button.type = "button";
    button.title = sentence;
    button.addEventListener("click", () => state.set("view", view));
    for (const event of ["pointerenter", "focus"]) {
      button.addEventListener(event, () => {
        hint(sentence);
        if (view) prepare();
      });
    }
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => hint(""));
    return button;
  });
  const show = () => buttons.forEach((button, at) => button.setAttribute("aria-pressed", state.values.view === at));
  state.onChange((name) => name === "view" && show());
  show();
  return buttons;
}
