/** The map: instruments as points in the colours of their families, and a puck that one drags between them. */

import { CORNERS, fit, isDark, onTheme } from "./colour.js";
import { nearest, nearInWords } from "./nearest.js";

const STEP = 0.02;
const WAVE_SECONDS = 1.4;
const MARGIN = 2.1; // of the size of text, around the points
const GRAIN = 64; // pixels of the ground in each direction
const GLOW = 0.075; // reach of a point's colour
const REACH = 22; // px, from which on a point is pointed at

/** Return the colour of a family, one of `count`, for the present theme. */
export function familyColour(index, count) {
  const lightness = (isDark() ? 0.76 : 0.62) + (index % 2 ? 0.05 : -0.05);
  return `oklch(${lightness} 0.15 ${Math.round((360 * index) / count + 25)})`;
}

export class Sky {
  /**
   * @param canvas Where the map is drawn, and what is dragged on.
   * @param state Values; `mapX` and `mapY` are moved.
   * @param touched Called when the map is touched.
   */
  constructor(canvas, state, touched) {
    this.canvas = canvas;
    this.state = state;
    this.points = [];
    this.families = [];
    this.parts = []; // [index, part] of the points that are near
    this.hovered = -1;
    this.waves = [];
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.ground = document.createElement("canvas");
    this.ground.width = this.ground.height = GRAIN;
    this.layer = document.createElement("canvas"); // the ground at the size of the canvas
    this.listen(touched);
    state.onChange((name) => name.startsWith("map") && this.moved());
    onTheme(() => this.show(this.points, this.families));
    new ResizeObserver(() => this.wake()).observe(canvas);
  }

  /** Show points: `name`, `family`, `own`, `x` and `y`. */
  show(points, families) {
    this.points = points;
    this.families = families;
    this.paint();
    this.moved();
  }

  /** Let a wave begin at the puck. */
  wave(velocity) {
    if (this.still.matches || !this.canvas.clientWidth) return;
    this.waves.push({ at: performance.now(), x: this.state.values.mapX, y: this.state.values.mapY, velocity });
    this.wake();
  }

  colour(family) {
    return familyColour(this.families.indexOf(family), this.families.length);
  }

  /** Return the colour of a point: an own sound has that of its corner on the pad. */
  colourOf({ family, own, corner }) {
    return own ? CORNERS[corner % CORNERS.length] : this.colour(family);
  }

  listen(touched) {
    const { canvas, state } = this;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "slider");
    canvas.setAttribute("aria-label", "Place on the map of instruments; arrow keys move it in two directions");
    canvas.setAttribute("aria-valuemin", 0);
    canvas.setAttribute("aria-valuemax", 100);
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      canvas.focus({ focusVisible: false });
      canvas.setPointerCapture(event.pointerId);
      state.begin();
      touched();
      this.drag(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.drag(event);
      else this.point(event);
    });
    canvas.addEventListener("pointerleave", () => this.hover(-1));
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.code];
      if (!steps) return;
      event.preventDefault();
      if (!event.repeat) state.begin();
      const size = event.shiftKey ? 5 * STEP : STEP;
      const { mapX, mapY } = state.values;
      state.setAll({ mapX: mapX + size * steps[0], mapY: mapY + size * steps[1] });
    });
  }

  /** Return where the map lies on the canvas, in CSS pixels: left, top, width and height within the margin. */
  area() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const margin = MARGIN * textSize();
    return { left: margin, top: margin, width: width - 2 * margin, height: height - 2 * margin };
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, width, height } = this.area();
    const inside = (value) => Math.max(0, Math.min(1, value));
    return [inside((event.clientX - box.left - left) / width), inside((event.clientY - box.top - top) / height)];
  }

  drag(event) {
    const [x, y] = this.placeOf(event);
    const at = this.pointAt(event, 7);
    this.hover(at);
    // a touch on a point selects the exact place of the point
    this.state.setAll(at < 0 ? { mapX: x, mapY: y } : { mapX: this.points[at].x, mapY: this.points[at].y });
  }

  point(event) {
    this.hover(this.pointAt(event, REACH));
  }

  hover(at) {
    if (at === this.hovered) return;
    this.hovered = at;
    this.wake();
  }

  /** Return the point that is nearest to an event within some pixels, or −1. */
  pointAt(event, reach) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, width, height } = this.area();
    let found = -1;
    let least = reach;
    this.points.forEach(({ x, y }, index) => {
      const away = Math.hypot(event.clientX - box.left - left - x * width, event.clientY - box.top - top - y * height);
      if (away < least) [found, least] = [index, away];
    });
    return found;
  }

  moved() {
    const { mapX, mapY } = this.state.values;
    this.parts = nearest(this.points, mapX, mapY);
    this.canvas.setAttribute("aria-valuenow", Math.round(100 * mapX));
    this.canvas.setAttribute("aria-valuetext", nearInWords(this.points, this.parts) || "the map is not there yet");
    this.wake();
  }

  /** Paint the ground: at every place the mixture of the colours of what is near, the stronger the more there is. */
  paint() {
    const context = this.ground.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, GRAIN, GRAIN);
    if (!this.points.length) return;
    const colours = this.points.map((point) => colourParts(context, this.colourOf(point)));
    const image = context.createImageData(GRAIN, GRAIN);
    const strength = isDark() ? 0.3 : 0.42;
    for (let row = 0; row < GRAIN; row += 1) {
      for (let column = 0; column < GRAIN; column += 1) {
        const [red, green, blue, total] = this.light((column + 0.5) / GRAIN, (row + 0.5) / GRAIN, colours);
        image.data.set([red, green, blue, 255 * strength * Math.min(1, total)], 4 * (row * GRAIN + column));
      }
    }
    context.putImageData(image, 0, 0);
    this.layer.width = 0;
  }

  /** Draw what does not move once for each size and theme. */
  layOut(width, height, size) {
    this.layer.width = width;
    this.layer.height = height;
    const context = this.layer.getContext("2d");
    const style = getComputedStyle(this.canvas);
    context.fillStyle = style.getPropertyValue("--scope").trim();
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.ground, 0, 0, width, height);
    const scale = width / this.canvas.clientWidth;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    this.drawWords(context, size, style.getPropertyValue("--soft").trim());
  }

  /** Return red, green and blue at a place, and how much there is near it. */
  light(x, y, colours) {
    const sums = [0, 0, 0, 0];
    this.points.forEach((point, index) => {
      const part = Math.exp(-((point.x - x) ** 2 + (point.y - y) ** 2) / GLOW ** 2);
      for (let channel = 0; channel < 3; channel += 1) sums[channel] += part * colours[index][channel];
      sums[3] += part;
    });
    return sums.map((sum, channel) => (channel < 3 ? sum / Math.max(sums[3], 1e-9) : sum));
  }

  wake() {
    if (!this.frame) this.frame = requestAnimationFrame((now) => this.draw(now));
  }

  draw(now) {
    this.frame = 0;
    const { canvas } = this;
    if (!canvas.clientWidth) return;
    fit(canvas);
    const context = canvas.getContext("2d");
    const scale = canvas.width / canvas.clientWidth;
    const style = getComputedStyle(canvas);
    const ink = style.getPropertyValue("--ink").trim();
    const size = textSize();
    if (this.layer.width !== canvas.width || this.layer.height !== canvas.height) this.layOut(canvas.width, canvas.height, size);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.layer, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const at = this.placesOf();
    this.drawThreads(context, at, ink, size);
    this.drawPoints(context, at, ink, size);
    this.drawNames(context, at, ink, size, style);
    this.drawWaves(context, at.puck, now, size, ink);
    drawPuck(context, ...at.puck, size);
    if (this.waves.length) this.wake();
  }

  /** Return where the points and the puck are drawn. */
  placesOf() {
    const { left, top, width, height } = this.area();
    const on = (x, y) => [left + x * width, top + y * height];
    const { mapX, mapY } = this.state.values;
    return { points: this.points.map(({ x, y }) => on(x, y)), puck: on(mapX, mapY) };
  }

  drawWords(context, size, colour) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    context.font = `${0.72 * size}px ${getComputedStyle(this.canvas).fontFamily}`;
    context.fillStyle = colour;
    context.textBaseline = "middle";
    const words = [
      ["bright", width / 2, 0.75 * size, "center", 0],
      ["soft", width / 2, height - 0.75 * size, "center", 0],
      ["dies away", 0.75 * size, height / 2, "center", -Math.PI / 2],
      ["is held", width - 0.75 * size, height / 2, "center", Math.PI / 2],
    ];
    for (const [word, x, y, align, angle] of words) {
      context.save();
      context.translate(x, y);
      context.rotate(angle);
      context.textAlign = align;
      context.fillText(word, 0, 0);
      context.restore();
    }
  }

  drawThreads(context, { points, puck }, ink, size) {
    context.strokeStyle = ink;
    context.lineCap = "round";
    for (const [index, part] of this.parts) {
      context.globalAlpha = 0.25 + 0.6 * part;
      context.lineWidth = 0.5 + 0.35 * size * part;
      context.beginPath();
      context.moveTo(...puck);
      context.lineTo(...points[index]);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  drawPoints(context, { points }, ink, size) {
    const parts = new Map(this.parts);
    this.points.forEach((point, index) => {
      const { own } = point;
      const radius = (own ? 0.5 : 0.3) * size * (1 + 0.5 * Math.sqrt(parts.get(index) || 0)) + (index === this.hovered ? 2 : 0);
      context.fillStyle = this.colourOf(point);
      context.strokeStyle = ink;
      context.lineWidth = own ? 2 : 0.8;
      context.globalAlpha = 1;
      if (own) diamond(context, ...points[index], radius);
      else ring(context, ...points[index], radius);
      context.fill();
      context.globalAlpha = own ? 1 : 0.55;
      context.stroke();
      context.globalAlpha = 1;
    });
  }

  /** Write the names of what is near, pointed at or one's own, and of as many others as have room. */
  drawNames(context, { points, puck }, ink, size, style) {
    const around = ([x, y], reach) => [x - reach, y - reach, x + reach, y + reach];
    const taken = [around(puck, size)];
    const dots = points.map((point) => around(point, 0.3 * size));
    const near = this.parts.filter(([, part]) => part >= 0.05).map(([index]) => index);
    const own = this.points.flatMap((point, index) => (point.own ? [index] : []));
    const first = new Set([...(this.hovered >= 0 ? [this.hovered] : []), ...near.slice(0, 3), ...own]);
    const rest = this.points.map((_, index) => index).filter((index) => !first.has(index));
    const ground = style.getPropertyValue("--panel").trim();
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (const index of [...first, ...rest]) {
      const strong = first.has(index);
      context.font = `${strong ? 600 : 400} ${(strong ? 0.8 : 0.7) * size}px ${style.fontFamily}`;
      // a name that must be there may cover points that are of less interest, and in need any
      const free = [...taken, ...dots.filter((_, at) => at !== index && (!strong || first.has(at)))];
      const { name } = this.points[index];
      let box = this.boxOf(context, points[index], name, size, free, strong);
      if (!box && strong) box = this.boxOf(context, points[index], name, size, taken, strong);
      if (!box) continue;
      taken.push(box);
      if (strong) {
        context.globalAlpha = 0.86;
        context.fillStyle = ground;
        context.beginPath();
        context.roundRect(box[0], box[1], box[2] - box[0], box[3] - box[1], 0.3 * size);
        context.fill();
        context.globalAlpha = 1;
      }
      context.fillStyle = ink;
      context.fillText(name, box[0] + 0.3 * size, 0.5 * (box[1] + box[3]));
    }
  }

  /** Return a free box for a name beside a point: left, top, right, bottom; null where there is none. */
  boxOf(context, [x, y], name, size, taken, strong) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const [wide, high, gap] = [context.measureText(name).width + 0.6 * size, 1.25 * size, 0.5 * size];
    const sides = [[x + gap, y - high / 2], [x - gap - wide, y - high / 2], [x - wide / 2, y - gap - high], [x - wide / 2, y + gap]];
    const edge = 1.4 * size;
    for (const [left, top] of sides) {
      const box = [left, top, left + wide, top + high];
      const inside = left > (strong ? 2 : edge) && top > (strong ? 2 : edge) && box[2] < width - (strong ? 2 : edge) && box[3] < height - (strong ? 2 : edge);
      if (inside && taken.every((other) => box[2] < other[0] || other[2] < box[0] || box[3] < other[1] || other[3] < box[1])) return box;
    }
    return null;
  }

  drawWaves(context, [x, y], now, size, ink) {
    this.waves = this.waves.filter((wave) => now - wave.at < 1000 * WAVE_SECONDS);
    context.strokeStyle = ink;
    for (const wave of this.waves) {
      const age = Math.max(0, (now - wave.at) / (1000 * WAVE_SECONDS));
      context.globalAlpha = 0.5 * wave.velocity * (1 - age) ** 2;
      context.lineWidth = 1 + 0.3 * size * (1 - age);
      ring(context, x, y, size + 9 * size * (1 - (1 - age) ** 2));
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

/** Return the size of the page's text in CSS pixels. */
function textSize() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** Return red, green and blue of a colour, 0 to 255. */
function colourParts(context, colour) {
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

function drawPuck(context, x, y, size) {
  context.save();
  context.shadowColor = "rgb(0 0 0 / 0.45)";
  context.shadowBlur = 0.6 * size;
  context.fillStyle = "#fffaf0";
  ring(context, x, y, 0.55 * size);
  context.fill();
  context.restore();
  context.strokeStyle = "rgb(20 16 14 / 0.85)";
  context.lineWidth = Math.max(1.5, 0.1 * size);
  context.stroke();
  ring(context, x, y, 0.22 * size);
  context.stroke();
  context.strokeStyle = "#fffaf0";
  ring(context, x, y, 0.85 * size);
  context.stroke();
}

function ring(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
}

function diamond(context, x, y, radius) {
  context.beginPath();
  context.moveTo(x, y - 1.2 * radius);
  context.lineTo(x + 1.2 * radius, y);
  context.lineTo(x, y + 1.2 * radius);
  context.lineTo(x - 1.2 * radius, y);
  context.closePath();
}
