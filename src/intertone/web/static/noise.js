// Noise of given powers of bands: random spectra, shaped, transformed and overlapped by half.

import { Fourier } from "./fourier.js";
import { gaussianTable } from "./gaussian.js";
import { TO_NEPER } from "./size.js";

const TABLE = 16384; // complex Gaussian numbers
const QUIET_DB = -140;

export class NoiseShaper {
  // `centres` and `widths` of the bands in Hz; frames are `hop` samples apart and twice as long.
  constructor(centres, widths, sampleRate, hop, highest) {
    this.hop = hop;
    this.size = 2 * hop;
    this.fourier = new Fourier(this.size);
    this.real = new Float64Array(this.size);
    this.imaginary = new Float64Array(this.size);
    this.window = new Float64Array(this.size);
    for (let at = 0; at < this.size; at++) this.window[at] = Math.sin((Math.PI * (at + 0.5)) / this.size);
    this.widths = widths;
    this.levels = new Float64Array(centres.length);
    const binHz = sampleRate / this.size;
    this.bins = Math.min(hop, Math.floor(Math.min(highest, sampleRate / 2) / binHz) + 1);
    this.band = new Uint8Array(this.bins);
    this.share = new Float64Array(this.bins);
    for (let bin = 0; bin < this.bins; bin++) this._place(bin, bin * binHz, centres);
    // mean square of a bin whose density is 1 a Hz, as the amplitude of each half of a real spectrum
    this.unit = Math.sqrt(2 * binHz) / 2;
    this.gaussian = gaussianTable(TABLE);
    this.state = 1;
  }

  _place(bin, hz, centres) {
    let band = 0;
    while (band < centres.length - 2 && hz > centres[band + 1]) band++;
    const share = (hz - centres[band]) / (centres[band + 1] - centres[band]);
    this.band[bin] = band;
    this.share[bin] = Math.max(0, Math.min(1, share));
  }

  // Choose the numbers that are drawn.
  seed(value) {
    this.state = value >>> 0 || 1;
  }

  _random() {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }

  // Write one frame of noise per channel, windowed; `amplitudes` of bands, (channels, n_bands), linear.
  frame(amplitudes, channels, outputs) {
    const { real, imaginary, size, window } = this;
    real.fill(0);
    imaginary.fill(0);
    for (let channel = 0; channel < channels; channel++) this._fill(amplitudes, channel);
    this.fourier.inverse(real, imaginary);
    for (let at = 0; at < size; at++) outputs[0][at] = real[at] * window[at];
    if (channels > 1) for (let at = 0; at < size; at++) outputs[1][at] = imaginary[at] * window[at];
  }

  _fill(amplitudes, channel) {
    const { real, imaginary, size, levels, band, share, gaussian, widths } = this;
    const n = levels.length;
    let loudest = QUIET_DB;
    for (let at = 0; at < n; at++) {
      const amplitude = amplitudes[channel * n + at];
      const decibels = 20 * Math.log10(Math.max(amplitude, 1e-12) / Math.sqrt(2 * widths[at]));
      levels[at] = decibels;
      if (amplitude > 0 && decibels > loudest) loudest = decibels;
    }
    if (loudest <= QUIET_DB) return;
    let draw = this._random() % TABLE;
    for (let bin = 1; bin < this.bins; bin++) {
      const low = levels[band[bin]];
      const decibels = low + share[bin] * (levels[band[bin] + 1] - low);
      const gain = this.unit * Math.exp(TO_NEPER * decibels);
      const a = gain * gaussian[2 * draw];
      const b = gain * gaussian[2 * draw + 1];
      draw = (draw + 1) % TABLE;
      if (channel === 0) {
        real[bin] += a;
        imaginary[bin] += b;
        real[size - bin] += a;
        imaginary[size - bin] -= b;
      } else {
        real[bin] -= b;
        imaginary[bin] += a;
        real[size - bin] += b;
        imaginary[size - bin] += a;
      }
    }
  }
}
