/** The pad: a field of four colours, a puck that one drags, and waves where notes begin. */

import { CORNERS, fit, isDark, onTheme, rgb } from "./colour.js";
import { inWords } from "./note.js";
import { padWeights } from "./pad.js";

const STEP = 0.02;
const TRAIL_SECONDS = 1.2;
const WAVE_SECONDS = 1.4;

/** Pixels of the field that are computed; the canvas stretches them, which is a smooth gradient. */
const GRAIN = 48;

export class Field {
  /**
   * @param root Element that is dragged in.
   * @param canvas Where the field is drawn.
   * @param state Values; `padX` and `padY` are moved.
   * @param touched Called when the pad is touched.
   */
  constructor(root, canvas, state, touched) {
    this.root = root;
    this.canvas = canvas;
    this.state = state;
    this.names = [];
    this.trail = [];
    this.waves = [];
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.ground = document.createElement("canvas");
    this.ground.width = this.ground.height = GRAIN;
    this.listen(touched);
    state.onChange((name) => name.startsWith("pad") && this.moved());
    onTheme(() => this.show(this.names));
    new ResizeObserver(() => this.wake()).observe(canvas);
    this.show([]);
  }

  /** Show these sounds, none to four. */
  show(names) {
    this.names = names;
    this.paint();
    this.moved();
  }

  /** Let a wave begin at the puck. */
  wave(velocity) {
    if (this.still.matches) return;
    this.waves.push({ at: performance.now(), x: this.state.values.padX, y: this.state.values.padY, velocity });
    this.wake();
  }

  weights() {
    const found = [0, 0, 0, 0];
    if (this.names.length) padWeights(this.state.values.padX, this.state.values.padY, this.names.length, found);
    return found;
  }

  listen(touched) {
    const { root, state } = this;
    root.tabIndex = 0;
    root.setAttribute("role", "slider");
    root.setAttribute("aria-label", "Place between the sounds; arrow keys move it in two directions");
    root.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button") || event.button) return;
      event.preventDefault();
      root.focus({ focusVisible: false });
      root.setPointerCapture(event.pointerId);
      state.begin();
      touched();
      this.drag(event);
    });
    root.addEventListener("pointermove", (event) => root.hasPointerCapture(event.pointerId) && this.drag(event));
    root.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.code];
      if (!steps || event.target !== root) return;
      event.preventDefault();
      if (!event.repeat) state.begin();
      const size = event.shiftKey ? 5 * STEP : STEP;
      state.set("padX", state.values.padX + size * steps[0]);
      state.set("padY", state.values.padY + size * steps[1]);
    });
  }

  drag(event) {
    const box = this.root.getBoundingClientRect();
    this.state.set("padX", (event.clientX - box.left) / box.width);
    this.state.set("padY", (event.clientY - box.top) / box.height);
  }

  moved() {
    const { padX, padY } = this.state.values;
    this.trail.push({ at: performance.now(), x: padX, y: padY });
    const words = inWords(this.weights(), this.names);
    this.root.setAttribute("aria-valuemin", 0);
    this.root.setAttribute("aria-valuemax", 100);
    this.root.setAttribute("aria-valuenow", Math.round(100 * padX));
    this.root.setAttribute("aria-valuetext", words || "no sound yet");
    this.wake();
  }

  /** Paint the colours: at every place the mixture of the sounds' own. */
  paint() {
    const context = this.ground.getContext("2d");
    const image = context.createImageData(GRAIN, GRAIN);
    const colours = CORNERS.map(rgb).map((colour) => colour.map((part) => (part / 255) ** 2.2));
    const empty = (isDark() ? [38, 33, 30] : [214, 206, 192]).map((part) => (part / 255) ** 2.2);
    const weights = [0, 0, 0, 0];
    const count = this.names.length;
    for (let row = 0; row < GRAIN; row += 1) {
      for (let column = 0; column < GRAIN; column += 1) {
        if (count) padWeights(column / (GRAIN - 1), row / (GRAIN - 1), count, weights);
        for (let part = 0; part < 3; part += 1) {
          const light = count
            ? colours.reduce((sum, colour, index) => sum + weights[index] * colour[part], 0)
            : empty[part];
          image.data[4 * (row * GRAIN + column) + part] = 255 * light ** (1 / 2.2);
        }
        image.data[4 * (row * GRAIN + column) + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }

  wake() {
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.draw(now));
  }

  draw(now) {
    this.frame = 0;
    const { canvas } = this;
    fit(canvas);
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    const unit = width / 100;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.ground, 0, 0, width, height);
    this.drawGrid(context, width, height);
    this.waves = this.waves.filter((wave) => now - wave.at < 1000 * WAVE_SECONDS);
    for (const wave of this.waves) {
      const age = Math.max(0, (now - wave.at) / (1000 * WAVE_SECONDS));
      context.strokeStyle = `rgb(255 255 255 / ${0.5 * wave.velocity * (1 - age) ** 2})`;
      context.lineWidth = 0.3 * unit + 1.6 * unit * (1 - age);
      ring(context, wave.x * width, wave.y * height, 5 * unit + 62 * unit * (1 - (1 - age) ** 2));
    }
    this.trail = this.trail.filter((point) => now - point.at < 1000 * TRAIL_SECONDS);
    this.drawTrail(context, width, height, now, unit);
    this.drawPuck(context, this.state.values.padX * width, this.state.values.padY * height, unit);
    if (this.waves.length || this.trail.length > 1) this.wake();
  }

  drawGrid(context, width, height) {
    context.fillStyle = "rgb(255 255 255 / 0.34)";
    const dot = Math.max(0.7, width / 420);
    for (let row = 1; row < 12; row += 1) {
      for (let column = 1; column < 12; column += 1) {
        context.beginPath();
        context.arc((column * width) / 12, (row * height) / 12, row % 3 || column % 3 ? dot : 1.9 * dot, 0, 7);
        context.fill();
      }
    }
  }

  drawTrail(context, width, height, now, unit) {
    context.lineCap = "round";
    for (let index = 1; index < this.trail.length; index += 1) {
      const [from, to] = [this.trail[index - 1], this.trail[index]];
      const age = Math.max(0, (now - to.at) / (1000 * TRAIL_SECONDS));
      context.strokeStyle = `rgb(255 255 255 / ${0.45 * (1 - age)})`;
      context.lineWidth = 1.4 * unit * (1 - age) + 0.2;
      context.beginPath();
      context.moveTo(from.x * width, from.y * height);
      context.lineTo(to.x * width, to.y * height);
      context.stroke();
    }
  }

  drawPuck(context, x, y, unit) {
    context.save();
    context.shadowColor = "rgb(0 0 0 / 0.45)";
    context.shadowBlur = 3 * unit;
    context.shadowOffsetY = 0.7 * unit;
    context.fillStyle = "#fffaf0";
    context.beginPath();
    context.arc(x, y, 3.4 * unit, 0, 7);
    context.fill();
    context.restore();
    context.strokeStyle = "rgb(20 16 14 / 0.75)";
    context.lineWidth = Math.max(1, 0.35 * unit);
    ring(context, x, y, 1.5 * unit);
    context.strokeStyle = "rgb(255 250 240 / 0.8)";
    ring(context, x, y, 5 * unit);
  }
}

function ring(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.stroke();
}
