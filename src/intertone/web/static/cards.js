/** The cards of the sounds, and their names in the corners of the pad. */

import { onTheme } from "./colour.js";
import { pitchName } from "./note.js";
import { drawSound } from "./spectrogram.js";

const CORNERS = ["top left", "top right", "bottom left", "bottom right"];

export class Cards {
  /**
   * @param root Element of the cards.
   * @param corners Element of the names in the pad's corners.
   * @param choose Called with a corner's number when its sound shall be chosen; null: sounds cannot be changed.
   */
  constructor(root, corners, choose) {
    this.root = root;
    this.corners = corners;
    this.choose = choose;
    this.slots = [null, null, null, null];
    onTheme(() => this.show());
    new ResizeObserver(() => this.draw()).observe(root);
    this.show();
  }

  /**
   * Show what the four corners hold: null, or `name`, and where known `pitch`, `seconds`, `steady`, `overview`,
   * `notes`, `working` (what is being done) and `error` (one sentence).
   */
  set(slots) {
    this.slots = slots;
    this.show();
  }

  show() {
    const first = this.slots.findIndex((slot) => !slot);
    const cards = this.slots.map((slot, index) => {
      if (slot) return this.card(slot, index);
      return this.choose && index === first ? this.emptyCard(index) : null;
    });
    this.root.replaceChildren(...cards.filter(Boolean));
    this.root.dataset.sounds = this.slots.filter(Boolean).length;
    const names = this.slots.map((slot, index) => {
      const name = element(slot || !this.choose || index !== first ? "span" : "button", `corner corner-${index}`);
      name.textContent = slot ? slot.name : "+ sound";
      if (name.tagName === "BUTTON") {
        name.type = "button";
        name.setAttribute("aria-label", `Add a sound at the ${CORNERS[index]}`);
        name.addEventListener("click", () => this.choose(index));
      }
      return slot || name.tagName === "BUTTON" ? name : null;
    });
    this.corners.replaceChildren(...names.filter(Boolean));
    this.draw();
  }

  card(slot, index) {
    const card = element("article", `card card-${index}`);
    card.dataset.corner = index;
    const title = element("h2", "name", slot.name);
    const line = element("p", "facts", factsOf(slot));
    const head = element("div", "head");
    head.append(title, line);
    card.append(head);
    if (slot.overview) {
      const picture = element("canvas", "picture");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", `Spectrogram and waveform of ${slot.name}`);
      card.append(picture);
    }
    if (slot.working) card.append(element("p", "working", slot.working));
    if (slot.error) {
      const error = element("p", "error", slot.error);
      error.setAttribute("role", "alert");
      card.append(error);
    }
    if (slot.notes?.length) head.append(notesOf(slot));
    if (this.choose) {
      const button = element("button", "change", "Change");
      button.type = "button";
      button.setAttribute("aria-label", `Change the sound at the ${CORNERS[index]}, ${slot.name}`);
      button.addEventListener("click", () => this.choose(index));
      head.append(button);
    }
    return card;
  }

  emptyCard(index) {
    const card = element("article", `card empty card-${index}`);
    card.dataset.corner = index;
    const button = element("button", "add", "Drop a sound here, or choose one");
    button.type = "button";
    button.addEventListener("click", () => this.choose(index));
    card.append(button);
    return card;
  }

  draw() {
    for (const card of this.root.children) {
      const picture = card.querySelector("canvas");
      if (picture) drawSound(picture, this.slots[card.dataset.corner].overview);
    }
  }
}

/** Return pitch and length of a sound, "" where they are not known. */
function factsOf({ pitch, seconds, steady }) {
  if (steady) return "a steady sound at the pitch of each key";
  const facts = [];
  if (pitch === null) facts.push("no single pitch");
  else if (pitch !== undefined) facts.push(pitchName(pitch));
  if (seconds) facts.push(`${seconds.toFixed(2)} s`);
  return facts.join(" · ");
}

/** Return what was done to a sound, to be unfolded over its picture; open where the sound has no one pitch. */
function notesOf({ name, notes, pitch }) {
  const details = element("details", "notes");
  const summary = element("summary", "", "Notes");
  summary.setAttribute("aria-label", `What was done to ${name}`);
  const list = element("ul", "");
  list.append(...notes.map((note) => element("li", "", note)));
  details.append(summary, list);
  details.open = pitch === null;
  return details;
}

export function element(kind, name, text = "") {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}
