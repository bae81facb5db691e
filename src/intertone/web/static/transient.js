// The transient of an attack: powers of partials and noise above 2 kHz in its first 80 ms, interpolated by themselves.

import { MOST_PARTIALS, TO_NEPER } from "./size.js";

const ATTACK_SECONDS = 0.03;
const FADE_SECONDS = 0.05;
const WIDE_BANDS = 8;
const LOWEST_HZ = 2000; // the transient lies above
const WEAKEST = 1e-5;

export const TRANSIENT_SECONDS = ATTACK_SECONDS + FADE_SECONDS;

// Return how far a moment after the onset belongs to the attack, 1 to 0.
export function attackShare(seconds) {
  const fade = Math.max(0, Math.min(1, (seconds - ATTACK_SECONDS) / FADE_SECONDS));
  return 0.5 + 0.5 * Math.cos(Math.PI * fade);
}

export class Transient {
  constructor(instrument) {
    const { noise_centres: centres } = instrument.header;
    this.middles = Float64Array.from(centres.slice(1), (hz, at) => 0.5 * (hz + centres[at]));
    this.powers = new Float64Array(2 * WIDE_BANDS);
    this.gains = new Float64Array(2 * WIDE_BANDS);
  }

  // Bring the powers above 2 kHz in the first 80 ms to those interpolated between the sounds' attacks.
  match(mixture, voice) {
    const { powers, gains } = this;
    const { channels, count, instrument } = mixture;
    const { pitched, nNoise } = instrument;
    let reference = 0;
    for (let i = 0; i < pitched.length; i++) reference += voice.weights[i] * pitched[i].referenceDb;
    const unit = Math.exp(-2 * TO_NEPER * reference) / channels;
    powers.fill(WEAKEST);
    for (let channel = 0; channel < channels; channel++) {
      for (let k = 0; k < count; k++) {
        const at = channel * MOST_PARTIALS + k;
        if (!mixture.amplitudes[at]) continue;
        powers[this._wideBand(mixture.frequencies[at])] += unit * mixture.amplitudes[at] ** 2;
      }
      for (let band = 0; band < nNoise; band++) {
        const wide = Math.floor((band * WIDE_BANDS) / nNoise);
        powers[WIDE_BANDS + wide] += unit * mixture.noise[channel * nNoise + band] ** 2;
      }
    }
    const share = 0.5 * attackShare(voice.seconds);
    const frame = voice.seconds / voice.frameSeconds;
    for (let wide = 0; wide < 2 * WIDE_BANDS; wide++) {
      const first = Math.ceil(((wide % WIDE_BANDS) * nNoise) / WIDE_BANDS);
      let change = 0;
      if (instrument.header.noise_centres[first] >= LOWEST_HZ) {
        for (let i = 0; i < pitched.length; i++) {
          const n = pitched[i].transientFrames;
          const at = Math.min(Math.round(frame), n - 1);
          if (voice.weights[i]) change += voice.weights[i] * pitched[i].transient[wide * n + at];
        }
        change -= Math.log(powers[wide]);
      }
      gains[wide] = Math.exp(share * change);
    }
    for (let channel = 0; channel < channels; channel++) {
      for (let k = 0; k < count; k++) {
        const at = channel * MOST_PARTIALS + k;
        mixture.amplitudes[at] *= gains[this._wideBand(mixture.frequencies[at])];
      }
      for (let band = 0; band < nNoise; band++) {
        mixture.noise[channel * nNoise + band] *= gains[WIDE_BANDS + Math.floor((band * WIDE_BANDS) / nNoise)];
      }
    }
  }

  _wideBand(hz) {
    const { middles } = this;
    let band = 0;
    while (band < middles.length && hz > middles[band]) band++;
    return Math.floor((band * WIDE_BANDS) / (middles.length + 1));
  }
}
