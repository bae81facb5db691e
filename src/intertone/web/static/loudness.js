// Loudness of the mixtures of an instrument, from their rows: so that loudness is interpolated between the sounds.

import { Mixture } from "./mixture.js";
import { padWeights } from "./pad.js";
import { MOST_SOUNDS, QUANTUM } from "./size.js";
import { Voice } from "./voice.js";

const BLOCK_SECONDS = 0.4;
const STEP_SECONDS = 0.04;
const MOST_STEPS = 75;
const MOST_GAIN_DB = 24;
const PLACES = 5; // along each side of the pad
const KEYS_APART = 12;
// both filters of K-weighting at 48 kHz: numerator and denominator (ITU-R BS.1770-4, tables 1 and 2)
const FILTERS = [
  [1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585],
  [1, -2, 1, -1.99004745483398, 0.99007225036621],
];
const FILTER_RATE = 48000;

// Return the power gain of K-weighting at a frequency, Hz.
export function weightingAt(hz) {
  const angle = (2 * Math.PI * Math.min(hz, 0.49 * FILTER_RATE)) / FILTER_RATE;
  let gain = 1;
  for (const [b0, b1, b2, a1, a2] of FILTERS) {
    gain *= squared(b0, b1, b2, angle) / squared(1, a1, a2, angle);
  }
  return gain;
}

function squared(a, b, c, angle) {
  const real = a + b * Math.cos(angle) + c * Math.cos(2 * angle);
  const imaginary = b * Math.sin(angle) + c * Math.sin(2 * angle);
  return real * real + imaginary * imaginary;
}

class Gains {
  constructor(decibels, firstKey, nKeys, flat) {
    Object.assign(this, { decibels, firstKey, nKeys, flat });
  }

  // Return the gain of a mixture at a key and a place on the pad.
  at(key, x, y) {
    const places = this.flat ? PLACES : PLACES * PLACES;
    const k = Math.max(0, Math.min(this.nKeys - 1, (key - this.firstKey) / KEYS_APART));
    let total = 0;
    for (let corner = 0; corner < 8; corner++) {
      const weight =
        share(k, this.nKeys, corner & 1) *
        share(x * (PLACES - 1), PLACES, (corner >> 1) & 1) *
        (this.flat ? (corner >> 2 ? 0 : 1) : share(y * (PLACES - 1), PLACES, corner >> 2));
      if (!weight) continue;
      const row = Math.min(this.nKeys - 1, Math.floor(k) + (corner & 1));
      const column = Math.min(PLACES - 1, Math.floor(x * (PLACES - 1)) + ((corner >> 1) & 1));
      const line = this.flat ? 0 : Math.min(PLACES - 1, Math.floor(y * (PLACES - 1)) + (corner >> 2));
      total += weight * this.decibels[row * places + line * PLACES + column];
    }
    return 10 ** (total / 20);
  }
}

// Give the gains of an instrument that came in a message their methods back.
export function restoreGains(instrument) {
  const { gains } = instrument;
  if (gains) instrument.gains = new Gains(gains.decibels, gains.firstKey, gains.nKeys, gains.flat);
}

function share(place, size, upper) {
  const away = place - Math.floor(place);
  return upper ? away : 1 - away;
}

// Measure by how much each mixture on a grid of keys and places is louder or softer than between its sounds; what the
// file of a single sound holds of that is taken from it.
export function measureGains(instrument) {
  const { sounds, pitched, header } = instrument;
  if (!pitched.length || pitched.some((sound) => sound.loudness === null)) return null;
  const { keys } = header;
  const nKeys = 1 + Math.floor((keys[keys.length - 1] - keys[0]) / KEYS_APART);
  const flat = sounds.length < 3;
  if (header.gains) {
    const known = new Float64Array(PLACES * header.gains.length);
    header.gains.forEach((gain, row) => known.fill(gain, PLACES * row, PLACES * (row + 1)));
    return new Gains(known, keys[0], header.gains.length, true);
  }
  const single = sounds.length === 1;
  const places = flat ? PLACES : PLACES * PLACES;
  const decibels = new Float64Array(nKeys * places);
  const voice = new Voice(header.sample_rate, 4 * QUANTUM);
  const mixture = new Mixture(instrument, header.channels);
  const highest = Math.min(header.f_max, 0.45 * header.sample_rate);
  for (let row = 0; row < nKeys; row++)
    for (let place = 0; place < places; place++) {
      if (single && place) {
        decibels[row * places + place] = decibels[row * places]; // the pad changes nothing
        continue;
      }
      const padX = (place % PLACES) / (PLACES - 1);
      const padY = Math.floor(place / PLACES) / (PLACES - 1);
      const controls = { ...STILL, padX, padY };
      voice.prepare(instrument, keys[0] + KEYS_APART * row, controls);
      const found = loudest(voice, mixture, controls, highest);
      const change = target(instrument, padX, padY) - found;
      decibels[row * places + place] = Math.max(-MOST_GAIN_DB, Math.min(MOST_GAIN_DB, change));
    }
  return new Gains(decibels, keys[0], nKeys, flat);
}

const STILL = {
  bend: 0, pressure: 0, attack: 0, decay: 0.5, sustain: 1, release: 0, harmonics: -1, noise: -1, envelope: -1,
  register: -1, glide: 0, tune: 440,
}; // prettier-ignore

// Return the interpolated loudness of the sounds with a pitch, LUFS.
function target(instrument, padX, padY) {
  const weights = new Float64Array(MOST_SOUNDS);
  padWeights(padX, padY, instrument.sounds.length, weights);
  let sum = 0;
  let total = 0;
  instrument.sounds.forEach((sound, i) => {
    if (!sound.pitched) return;
    sum += weights[i] * sound.loudness;
    total += weights[i];
  });
  return total > 1e-6 ? sum / total : instrument.pitched[0].loudness;
}

// Return the loudness of the loudest 0.4 s of a held note, LUFS.
function loudest(voice, mixture, controls, highest) {
  const seconds = voice.endFrames * voice.frameSeconds;
  const step = Math.max(STEP_SECONDS, seconds / MOST_STEPS);
  const size = Math.max(1, Math.round(BLOCK_SECONDS / step));
  const powers = [];
  for (let time = 0; time < Math.max(seconds, step); time += step) {
    mixture.evaluate(voice, highest);
    powers.push(weightedPower(mixture));
    voice.travel(step, controls);
  }
  let most = 1e-12;
  for (let first = 0; first === 0 || first + size <= powers.length; first++) {
    let sum = 0;
    for (let at = first; at < Math.min(powers.length, first + size); at++) sum += powers[at];
    most = Math.max(most, sum / size);
  }
  return -0.691 + 10 * Math.log10(most);
}

function weightedPower(mixture) {
  const { channels, count, amplitudes, frequencies, noise, instrument } = mixture;
  const stride = amplitudes.length / channels;
  const { noise_centres: centres } = instrument.header;
  let power = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let k = 0; k < count; k++) {
      const amplitude = amplitudes[channel * stride + k];
      if (amplitude) power += 0.5 * amplitude ** 2 * weightingAt(frequencies[channel * stride + k]);
    }
    for (let band = 0; band < centres.length; band++) {
      power += 0.5 * noise[channel * centres.length + band] ** 2 * weightingAt(centres[band]);
    }
  }
  return power;
}
