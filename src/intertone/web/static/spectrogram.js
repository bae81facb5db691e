/** Spectrograms over logarithmic frequency: of what is sounding, and of the sounds that were given. */

import { colourMap, fit, onTheme } from "./colour.js";
import { keyName } from "./note.js";

const LOWEST_KEY = 33;
const KEYS = 84;
const TOP_DB = -22;
const RANGE_DB = 74;

/** Seconds that the picture shows, and the most that one frame of the screen may add. */
const SECONDS = 12;
const MOST_SECONDS = 0.25;

export class Scope {
  /** @param canvas Where the spectrogram is drawn. */
  constructor(canvas) {
    this.canvas = canvas;
    this.sheet = document.createElement("canvas");
    this.map = colourMap();
    onTheme(() => {
      this.map = colourMap();
      this.clear();
    });
    new ResizeObserver(() => this.clear()).observe(canvas);
    this.quiet = 0;
  }

  /** Show what comes out of a node, from now on. */
  listen(context, node) {
    this.analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    this.levels = new Float32Array(this.analyser.frequencyBinCount);
    this.rate = context.sampleRate;
    node.connect(this.analyser);
    this.drawn = performance.now();
    this.left = 0;
    this.step = (now) => {
      this.draw(now);
      requestAnimationFrame(this.step);
    };
    requestAnimationFrame(this.step);
  }

  /** Return the level of a row of the picture, 0 to 1, from the loudest bin that it covers. */
  level(place, size) {
    const low = keyToHz(LOWEST_KEY + (KEYS * place) / size);
    const high = keyToHz(LOWEST_KEY + (KEYS * (place + 1)) / size);
    const width = this.rate / this.analyser.fftSize;
    const first = Math.floor(low / width);
    const last = Math.max(first, Math.floor(high / width));
    if (last >= this.levels.length) return 0;
    let loudest = -Infinity;
    for (let bin = first; bin <= last; bin += 1) loudest = Math.max(loudest, this.levels[bin]);
    if (first === last) {
      const part = low / width - first;
      loudest = this.levels[first] * (1 - part) + this.levels[first + 1] * part;
    }
    return Math.min(1, Math.max(0, (loudest - TOP_DB) / RANGE_DB + 1));
  }

  clear() {
    fit(this.canvas);
    this.sheet.width = this.canvas.width;
    this.sheet.height = this.canvas.height;
    const context = this.sheet.getContext("2d");
    context.fillStyle = `rgb(${this.map[0]} ${this.map[1]} ${this.map[2]})`;
    context.fillRect(0, 0, this.sheet.width, this.sheet.height);
    this.quiet = 0;
    this.show();
  }

  draw(now) {
    const { width, height } = this.sheet;
    const passed = Math.min(MOST_SECONDS, Math.max(0, (now - this.drawn) / 1000));
    const moved = this.left + (width * passed) / SECONDS;
    const step = Math.floor(moved);
    this.drawn = now;
    this.left = moved - step; // parts of a pixel wait for the next frame
    if (!step) return;
    this.analyser.getFloatFrequencyData(this.levels);
    const context = this.sheet.getContext("2d");
    const column = context.createImageData(step, height);
    let loudest = 0;
    for (let row = 0; row < height; row += 1) {
      const level = Math.round(255 * this.level(height - 1 - row, height));
      loudest = Math.max(loudest, level);
      for (let x = 0; x < step; x += 1) {
        for (let part = 0; part < 4; part += 1) column.data[4 * (row * step + x) + part] = this.map[4 * level + part];
      }
    }
    this.quiet = loudest ? 0 : this.quiet + step;
    if (this.quiet > width) return; // silence has moved through the whole picture
    context.drawImage(this.sheet, -step, 0);
    context.putImageData(column, width - step, 0);
    this.show();
  }

  show() {
    const context = this.canvas.getContext("2d");
    context.drawImage(this.sheet, 0, 0);
    const scale = this.canvas.width / Math.max(1, this.canvas.clientWidth);
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const size = Math.min(0.85 * rem, Math.max(10, this.canvas.clientHeight / 14)) * scale;
    context.font = `${size}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    for (let key = 36; key < LOWEST_KEY + KEYS; key += 12) {
      const y = this.canvas.height * (1 - (key - LOWEST_KEY + 0.5) / KEYS);
      context.fillStyle = "rgb(128 118 108 / 0.28)";
      context.fillRect(2.6 * size, y, this.canvas.width, Math.max(1, scale / 2));
      context.fillStyle = "rgb(140 130 120)";
      if (y < this.canvas.height - size / 2) context.fillText(keyName(key), 0.6 * size, y);
    }
  }
}

function keyToHz(key) {
  return 440 * 2 ** ((key - 69) / 12);
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Draw a sound: its spectrogram, and its waveform below. */
export function drawSound(canvas, overview) {
  fit(canvas);
  const context = canvas.getContext("2d");
  const map = colourMap();
  const { columns, rows } = overview;
  const levels = bytes(overview.levels);
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = rows;
  const image = small.getContext("2d").createImageData(columns, rows);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const level = levels[(rows - 1 - row) * columns + column];
      image.data.set(map.subarray(4 * level, 4 * level + 4), 4 * (row * columns + column));
    }
  }
  small.getContext("2d").putImageData(image, 0, 0);
  const { width, height } = canvas;
  const wave = Math.round(0.26 * height);
  context.fillStyle = `rgb(${map[0]} ${map[1]} ${map[2]})`;
  context.fillRect(0, 0, width, height);
  const size = Math.max(9, (height - wave) / 13);
  const left = Math.round(2.6 * size);
  context.drawImage(small, left, 0, width - left, height - wave);
  drawNames(context, overview, height - wave, size);
  const [low, high] = [bytes(overview.low), bytes(overview.high)];
  context.fillStyle = getComputedStyle(canvas).color;
  for (let column = 0; column < columns; column += 1) {
    const top = height - wave / 2 - (high[column] / 127.5 - 1) * 0.46 * wave;
    const bottom = height - wave / 2 - (low[column] / 127.5 - 1) * 0.46 * wave;
    const wide = (width - left) / columns;
    context.fillRect(left + column * wide, top, Math.max(1, wide - 0.5), Math.max(1, bottom - top));
  }
}

/** Write the names of the Cs at the left of a spectrogram of one row a semitone. */
function drawNames(context, { rows, lowest_hz: lowest }, height, size) {
  const first = 69 + 12 * Math.log2(lowest / 440);
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.fillStyle = "rgb(140 130 120)";
  const step = 12 * Math.ceil((1.15 * size) / ((12 * height) / rows)); // names must not touch each other
  for (let key = 36; key < first + rows; key += step) {
    const y = height * (1 - (key - first + 0.5) / rows);
    if (y > size / 2 && y < height - size / 2) context.fillText(keyName(key), 0.5 * size, y);
  }
}
