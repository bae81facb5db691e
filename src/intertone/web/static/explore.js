/** Explore: the map of the codec's space, what lies near the puck, and the sound of the place. */

import { element } from "./cards.js";
import { onTheme } from "./colour.js";
import { askPoints, askSound, Latest } from "./latest.js";
import { Sky } from "./sky.js";

const LOST = "The server no longer has your sounds, so the map is shown without them; drop them again.";

export class Explore {
  /**
   * @param root Element of the view.
   * @param state Values; `mapX` and `mapY` are moved.
   * @param handlers `wake()` in a gesture, `play(bytes)` glides to an instrument, `say(text)`, `hint(text)`.
   */
  constructor(root, state, handlers) {
    this.root = root;
    this.state = state;
    this.handlers = handlers;
    this.job = null;
    this.known = null;
    this.ready = null;
    this.unpitched = []; // names
    this.lost = false;
    this.points = [];
    this.shown = false;
    this.build();
    this.latest = new Latest(
      (place) => askSound(place),
      (bytes) => handlers.play(bytes),
      (error) => (error.lost ? this.lose() : handlers.say(`The sound stays as it is: ${error.message}`)),
    );
    onTheme(() => {
      this.colourLegend();
      this.listParts();
    });
    state.onChange((name) => name.startsWith("map") && this.shown && this.move());
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
    this.choice.addEventListener("keydown", (event) => {
      // letters play notes, and the space bar opens the list
      if (event.code === "Space") event.stopPropagation();
      else if (event.key.length === 1) event.preventDefault();
    });
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

  /** Leave the view. */
  close() {
    this.shown = false;
    this.opening = null;
    this.latest.drop();
  }

  /** The pad has another instrument, made by this job: its sounds are points of the map, but those without one pitch. */
  changed(job, unpitched) {
    this.job = job;
    this.unpitched = unpitched;
    this.lost = false;
    if (this.shown) this.open();
  }

  /** The server no longer knows the job, as after its restart: the map goes on without own sounds, and says so. */
  lose() {
    this.job = null;
    this.lost = true;
    if (this.shown) this.open();
  }

  /** Show the view. */
  async open() {
    this.shown = true;
    if (!this.points.length) this.handlers.say("The map is being drawn.");
    const opening = (this.opening = {}); // another one, or the end of the view, is newer
    try {
      await this.prepare();
    } catch (error) {
      if (opening === this.opening) this.handlers.say(`There is no map: ${error.message}`);
      return;
    }
    if (opening !== this.opening) return;
    this.handlers.say(this.lost ? LOST : this.unpitched.map((name) => `${name} has no single pitch, so it is not on the map.`).join(" "));
    this.move();
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
    const { points, known } = await askPoints(job);
    if (job !== this.job) return;
    if (!known) {
      this.job = this.known = null;
      this.lost = true;
    }
    this.show(points);
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
    this.legend.replaceChildren(...families.map((family) => element("li", "", family)));
    this.colourLegend();
  }

  colourLegend() {
    for (const item of this.legend.children) item.style.setProperty("--mark", this.sky.colour(item.textContent));
  }

  go(point) {
    this.handlers.wake();
    this.state.begin();
    this.state.setAll({ mapX: point.x, mapY: point.y });
  }

  /** Return the request from which the server makes the sound. */
  get wanted() {
    const { mapX: x, mapY: y } = this.state.values;
    return { x, y, instrument: this.job };
  }

  /** Ask for the sound of the present place, and say what is near it. */
  move() {
    if (!this.points.length) return;
    this.latest.want(this.wanted);
    this.listParts();
    this.choice.value = this.sky.parts[0][0];
  }

  /** List the names of the three points with the largest weights, without weights that are rounded to 0 %. */
  listParts() {
    const items = this.sky.parts.slice(0, 3).filter(([, part]) => part >= 0.005).map(([index, part]) => {
      const point = this.points[index];
      const item = element("li", "");
      item.style.setProperty("--mark", this.sky.colourOf(point));
      item.style.setProperty("--part", part);
      item.append(element("span", "name", point.name), element("span", "part", `${Math.round(100 * part)} %`));
      return item;
    });
    this.list.replaceChildren(...items);
  }

  wave(velocity) {
    if (this.shown) this.sky.wave(velocity);
  }
}
