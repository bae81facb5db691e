/** The keyboard on the screen, for mouse, touch and focus, and the computer's keyboard. */

import { isBlack, keyName } from "./note.js";

/** Semitones above the lowest C by the code of a key, which is a place on the keyboard in every language. */
const PLACES = {
  KeyA: 0, KeyW: 1, KeyS: 2, KeyE: 3, KeyD: 4, KeyF: 5, KeyT: 6, KeyG: 7, KeyY: 8, KeyH: 9, KeyU: 10, KeyJ: 11,
  KeyK: 12, KeyO: 13, KeyL: 14, KeyP: 15, Semicolon: 16, Quote: 17,
};
const TYPED_VELOCITY = 0.75;
const NARROW = 520; // pixels, below which one octave is shown, with black keys as wide as a finger
const BLACK_HEIGHT = 0.61; // of a white key
const LOWEST = 24;
const HIGHEST = 108;

export class Keys {
  /**
   * @param root Element that gets the keys.
   * @param handlers `on(key, velocity, id)`, `off(id)`, `hold(boolean)`, `panic()`, `octave(lowest)`.
   */
  constructor(root, handlers) {
    this.root = root;
    root.style.setProperty("--reach", BLACK_HEIGHT);
    this.handlers = handlers;
    this.base = 48;
    this.first = 48;
    this.pointers = new Map();
    this.typed = new Map();
    this.lit = new Map();
    this.focused = 60;
    this.holding = false;
    new ResizeObserver(() => this.build()).observe(root);
    this.listenToPointers();
    this.listenToTyping();
  }

  /** Show the octaves around a key. */
  centre(key) {
    this.base = Math.min(84, Math.max(24, 12 * Math.floor(key / 12)));
    this.focused = key;
    this.build();
  }

  /** Move the keys of the computer's keyboard by octaves. */
  shift(octaves) {
    this.base = Math.min(84, Math.max(24, this.base + 12 * octaves));
    this.build();
    this.handlers.octave(this.base);
  }

  /** Show a key as pressed, or no longer. */
  light(key, on) {
    const count = Math.max(0, (this.lit.get(key) || 0) + (on ? 1 : -1));
    this.lit.set(key, count);
    this.root.querySelector(`[data-key="${key}"]`)?.classList.toggle("on", count > 0);
  }

  darken() {
    this.lit.clear();
    this.pointers.clear();
    this.typed.clear();
    for (const key of this.root.querySelectorAll(".on")) key.classList.remove("on");
  }

  build() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.narrow = this.root.clientWidth < NARROW;
    this.root.classList.toggle("narrow", this.narrow);
    const count = this.narrow ? 7 : Math.min(50, Math.floor(this.root.clientWidth / Math.max(44, 2.9 * rem)));
    const octaves = Math.max(1, Math.floor((count - 1) / 7));
    const first = Math.max(LOWEST, Math.min(this.base - 12 * Math.floor((octaves - 1) / 2), HIGHEST - 12 * octaves));
    const names = Object.fromEntries(Object.entries(PLACES).map(([code, place]) => [this.base + place, code]));
    const keys = [];
    for (let key = first, white = 0; white < count && key <= HIGHEST; key += 1) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.key = key;
      button.className = isBlack(key) ? "black" : "white";
      button.setAttribute("aria-label", keyName(key));
      button.tabIndex = -1;
      button.classList.toggle("on", (this.lit.get(key) || 0) > 0);
      button.append(label(names[key], "letter"), label(key % 12 === 0 ? keyName(key) : "", "name"));
      if (isBlack(key)) button.style.setProperty("--at", white);
      else white += 1;
      keys.push(button);
    }
    if (isBlack(Number(keys.at(-1).dataset.key))) keys.pop();
    this.first = first;
    this.root.style.setProperty("--count", keys.filter((key) => key.className.startsWith("white")).length);
    const hadFocus = this.root.contains(document.activeElement);
    this.root.replaceChildren(...keys);
    this.focus(this.focused, hadFocus);
  }

  focus(key, move) {
    const all = [...this.root.children];
    const lowest = Number(all[0].dataset.key);
    this.focused = Math.min(lowest + all.length - 1, Math.max(lowest, key));
    for (const button of all) button.tabIndex = Number(button.dataset.key) === this.focused ? 0 : -1;
    if (move) this.root.querySelector(`[data-key="${this.focused}"]`).focus();
  }

  listenToPointers() {
    this.root.addEventListener("pointerdown", (event) => {
      const button = event.target.closest("[data-key]");
      if (!button || event.button) return;
      event.preventDefault();
      event.target.releasePointerCapture?.(event.pointerId);
      this.touch(event, button);
    });
    this.root.addEventListener("pointermove", (event) => {
      if (!this.pointers.has(event.pointerId)) return;
      const under = document.elementFromPoint(event.clientX, event.clientY)?.closest("#keyboard [data-key]");
      if (under && Number(under.dataset.key) !== this.pointers.get(event.pointerId)) {
        this.lift(event);
        this.touch(event, under);
      }
    });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, (event) => this.lift(event));
    this.root.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  touch(event, button) {
    const key = Number(button.dataset.key);
    const box = button.getBoundingClientRect();
    // where black keys are wide, the upper part of the white ones lies below them
    const covered = this.narrow && !isBlack(key) ? BLACK_HEIGHT : 0;
    const depth = ((event.clientY - box.top) / box.height - covered) / (1 - covered);
    this.pointers.set(event.pointerId, key);
    this.focus(key, false);
    this.press(key, 0.3 + 0.7 * Math.min(1, Math.max(0, depth)), `pointer ${event.pointerId}`);
  }

  lift(event) {
    const key = this.pointers.get(event.pointerId);
    if (key === undefined) return;
    this.pointers.delete(event.pointerId);
    this.release(key, `pointer ${event.pointerId}`);
  }

  press(key, velocity, id) {
    this.light(key, true);
    this.handlers.on(key, velocity, id);
  }

  release(key, id) {
    this.light(key, false);
    this.handlers.off(id);
  }

  listenToTyping() {
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.onKeyboard(event) || event.repeat) return;
      const place = PLACES[event.code];
      if (place !== undefined) this.type(event, this.base + place);
      else if (event.code === "KeyZ") this.shift(-1);
      else if (event.code === "KeyX") this.shift(1);
      else if (event.code === "Escape") this.handlers.panic();
      else if (event.code === "Space" && !["BUTTON", "SELECT", "SUMMARY"].includes(document.activeElement?.tagName)) {
        event.preventDefault();
        this.holding = true;
        this.handlers.hold(true);
      }
    });
    addEventListener("keyup", (event) => {
      const key = this.typed.get(event.code);
      if (key !== undefined) {
        this.typed.delete(event.code);
        this.release(key, `typed ${event.code}`);
      } else if (event.code === "Space" && this.holding) {
        this.holding = false;
        this.handlers.hold(false);
      }
    });
    addEventListener("blur", () => {
      for (const [code, key] of this.typed) this.release(key, `typed ${code}`);
      this.typed.clear();
    });
  }

  type(event, key) {
    if (this.typed.has(event.code)) return;
    event.preventDefault();
    this.typed.set(event.code, key);
    this.press(key, TYPED_VELOCITY, `typed ${event.code}`);
  }

  /** Arrows move along the keys that have the focus, Enter and the space bar play them. */
  onKeyboard(event) {
    if (!this.root.contains(document.activeElement)) return false;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 12, ArrowDown: -12 }[event.code];
    if (step) {
      event.preventDefault();
      this.focus(this.focused + step, true);
      return true;
    }
    if (event.code !== "Enter" && event.code !== "Space") return false;
    event.preventDefault();
    if (!event.repeat) this.type(event, this.focused);
    return true;
  }
}

function label(text, name) {
  const part = document.createElement("span");
  part.className = name;
  part.setAttribute("aria-hidden", "true");
  part.textContent = (text || "").replace("Key", "").replace("Semicolon", ";").replace("Quote", "'");
  return part;
}
