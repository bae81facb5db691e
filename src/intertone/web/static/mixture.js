// What sounds between the sounds of an instrument at one moment: levels of partials and noise bands, and frequencies.

import { gaussianTable } from "./gaussian.js";
import { SILENT_DB } from "./instrument.js";
import { lerp } from "./lookup.js";
import { padCorrection, registerAt } from "./network.js";
import { MOST_PARTIALS, MOST_SOUNDS, TO_NEPER } from "./size.js";
import { Transient, TRANSIENT_SECONDS } from "./transient.js";

const AUDIBLE_DB = -60; // relative to a sound's reference: weaker partials pull no mixture down
const NOISE_DB = -100; // the same for bands of noise
const GIVES_WAY = 0.8; // weight of the correction that lowers interpolated noise
const MASKED_DB = -70; // partials this far below the loudest are left out
const LEAST_RANDOM = 0.003; // random modulation that is left out, of the regular one
const DRAWN = 8192; // random numbers
const KEPT_REACH = 0.4; // distance from weight 1 up to which a sound's own random modulation is used

// Return the share of what is a sound's own at a weight: 1 at weight 1, 0 from 0.6 down.
function ownShare(weight) {
  const away = (1 - weight) / KEPT_REACH;
  return away < 1 ? Math.cos(0.5 * Math.PI * away) : 0;
}

// Return the phase of a partial in one channel relative to the mean of all channels, periods, interpolated between the
// stored phase at `at` and the next one.
function phaseApart(sound, at, share) {
  const { apart, nStrong } = sound;
  return apart[at] + share * (apart[at + nStrong] - apart[at]);
}

export class Mixture {
  constructor(instrument, channels) {
    this.instrument = instrument;
    this.channels = channels;
    const { nRows, nNoise } = instrument;
    this.amplitudes = new Float64Array(channels * MOST_PARTIALS);
    this.frequencies = new Float64Array(channels * MOST_PARTIALS); // Hz
    this.noise = new Float64Array(channels * nNoise); // amplitudes
    this.levels = new Float64Array(MOST_PARTIALS); // dB
    this.factors = new Float64Array(channels * MOST_PARTIALS);
    this.imaginary = new Float64Array(channels * MOST_PARTIALS); // of the factors
    this.random = new Float64Array(channels * MOST_PARTIALS); // mean squares of random modulation
    this.deviations = new Float64Array(channels * MOST_PARTIALS); // Hz
    this.noiseLevels = Array.from({ length: MOST_SOUNDS }, () => new Float64Array(nNoise));
    this.quieter = new Float64Array(channels * nNoise);
    this.register = new Float64Array(nRows);
    this.pad = new Float64Array(nRows);
    this.ratios = new Float64Array(MOST_PARTIALS);
    this.rest = new Float64Array(MOST_PARTIALS);
    this.transient = new Transient(instrument);
    this.f0 = 0;
    this.count = 0;
    this.mostPartials = MOST_PARTIALS; // that sound: fewer where the computer is slow
    this.gaussian = gaussianTable(DRAWN);
    this.draw = 0;
    this.anyBell = instrument.pitched.some((sound) => sound.bell);
  }

  // Evaluate everything at a voice's moment. The voice gives places, weights, key and what its release adds.
  evaluate(voice, highest) {
    const { pitched } = this.instrument;
    const { keys } = this.instrument.header;
    this._pitch(voice, pitched, highest);
    padCorrection(this.pad, this.instrument, voice);
    this.levels.fill(0, 0, this.count);
    this.factors.fill(0);
    this.deviations.fill(0);
    this.imaginary.fill(0);
    this.random.fill(0);
    this.quieter.fill(0);
    let total = 0;
    for (let i = 0; i < pitched.length; i++) total += voice.envelopeWeights[i] * this._own(pitched[i], voice, i);
    for (let i = 0; i < pitched.length; i++) {
      const shift = voice.ownWeights ? total - this._own(pitched[i], voice, i) : 0;
      if (!voice.weights[i] && !voice.harmonicsWeights[i] && !voice.noiseWeights[i]) continue;
      registerAt(this.register, keys, pitched[i], voice, i);
      this._addPartials(pitched[i], voice, i, shift);
      this._addNoise(pitched[i], voice, i, shift);
    }
    this._finish(voice, highest);
    if (voice.seconds < TRANSIENT_SECONDS) this.transient.match(this, voice);
  }

  // Return the level of all of a sound together at a voice's moment, dB.
  _own(sound, voice, i) {
    return lerp(sound.level, voice.places[i]) + sound.referenceDb + voice.extraDb[i];
  }

  _pitch(voice, pitched, highest) {
    let cents = 0;
    let stiffness = 0;
    for (let i = 0; i < pitched.length; i++) {
      const weight = voice.weights[i];
      if (!weight) continue;
      cents += weight * lerp(pitched[i].cents, voice.places[i]);
      stiffness += weight * (pitched[i].inharmonicity || 0);
    }
    this.f0 = voice.hz * 2 ** (cents / 1200);
    let count = 0;
    if (this.anyBell) {
      count = this._bellRatios(voice, pitched);
    } else {
      for (let k = 1; k <= MOST_PARTIALS; k++) {
        const ratio = k * Math.sqrt(1 + stiffness * k * k);
        if (ratio * this.f0 > highest) break;
        this.ratios[k - 1] = ratio;
        count = k;
      }
    }
    this.count = Math.min(count, this.instrument.rowOf.length, this.mostPartials);
  }

  // Interpolate the ratios of partials in their logarithms over the sounds that have them; 0 where none has.
  _bellRatios(voice, pitched) {
    let count = 0;
    for (let i = 0; i < pitched.length; i++) {
      if (voice.weights[i] || voice.harmonicsWeights[i]) count = Math.max(count, this._countOf(pitched[i]));
    }
    count = Math.min(count, MOST_PARTIALS);
    for (let k = 0; k < count; k++) {
      let sum = 0;
      let share = 0;
      for (let i = 0; i < pitched.length; i++) {
        const weight = voice.weights[i] || 0.01 * voice.harmonicsWeights[i];
        const ratio = this._ratioOf(pitched[i], k);
        if (!weight || !(ratio > 0)) continue;
        sum += weight * Math.log(ratio);
        share += weight;
      }
      this.ratios[k] = share > 0.001 ? Math.exp(sum / share) : 0;
    }
    return count;
  }

  _countOf(sound) {
    return sound.bell ? sound.count : MOST_PARTIALS;
  }

  _ratioOf(sound, k) {
    if (sound.bell) return k < sound.count ? sound.multiples[k] : NaN;
    return (k + 1) * Math.sqrt(1 + sound.inharmonicity * (k + 1) * (k + 1));
  }

  _addPartials(sound, voice, i, shift) {
    const weight = voice.harmonicsWeights[i];
    const tuned = voice.weights[i];
    const place = voice.places[i];
    const { count: stored, measured, channels: own, slowTimes, fastTimes } = sound;
    const { levels, factors, deviations, random, register, count } = this;
    const { rowOf } = this.instrument;
    const level = this._own(sound, voice, i);
    const floor = sound.referenceDb + AUDIBLE_DB;
    const slow = lerp(sound.slow, place);
    const g = Math.min(Math.floor(slow), slowTimes - 2);
    const f = slow - g;
    const fast = lerp(sound.fast, place);
    const h = Math.min(Math.floor(fast), fastTimes - 2);
    const e = fast - h;
    const cents = lerp(sound.cents, place);
    const higher = (tuned * this.f0) / (sound.f0 * 2 ** (cents / 1200));
    const speed = (higher * voice.speeds[i]) / voice.frameSeconds;
    const moved = own > 1 && this.channels > 1 ? voice.moved[i] : 0;
    const past = lerp(sound.slow, place - moved);
    const pastG = Math.min(Math.floor(past), slowTimes - 2);
    const pastF = past - pastG;
    const apartSpeed = moved ? higher / voice.movedSeconds : 0;
    const silent = place > sound.nFrames - 1;
    const offsets = voice.offsets[i];
    const share = ownShare(tuned);
    const { fastReal, fastImaginary, nFast, nStrong } = sound;
    const frame = Math.max(0, Math.min(sound.nFrames - 2, Math.floor(place)));
    const rest = Math.min(1, place - frame);
    const { channels } = this;
    for (let k = 0; k < count; k++) {
      const change = register[rowOf[k]] + level;
      let top = floor;
      for (let channel = 0; channel < channels; channel++) {
        const c = channel < own ? channel : 0;
        let decibels = SILENT_DB;
        if (silent) decibels = SILENT_DB;
        else if (k < stored) {
          const at = (c * slowTimes + g) * stored + k;
          const low = sound.partials[at];
          decibels = low + f * (sound.partials[at + stored] - low) + change + offsets[c * MOST_PARTIALS + k];
        } else if (k >= measured && !sound.bell) {
          const at = c * slowTimes + g;
          decibels = sound.top[at] + f * (sound.top[at + 1] - sound.top[at]) + change;
        }
        this.rest[channel] = decibels;
        if (decibels > top) top = decibels;
      }
      levels[k] += weight * (top + shift);
      for (let channel = 0; channel < channels; channel++) {
        const c = channel < own ? channel : 0;
        const decibels = this.rest[channel];
        let factor = decibels >= top ? 1 : decibels < top - 120 ? 0 : Math.exp(TO_NEPER * (decibels - top));
        if (k < stored) {
          const to = channel * MOST_PARTIALS + k;
          const rank = sound.ranks[k];
          let regular = 1;
          if (rank < nStrong) {
            const at = (c * fastTimes + h) * nStrong + rank;
            const low = sound.modulation[at];
            regular = low + e * (sound.modulation[at + nStrong] - low);
            deviations[to] += speed * sound.speeds[(c * (slowTimes - 1) + g) * nStrong + rank];
            if (apartSpeed) {
              const now = phaseApart(sound, (c * slowTimes + g) * nStrong + rank, f);
              const before = phaseApart(sound, (c * slowTimes + pastG) * nStrong + rank, pastF);
              deviations[to] += apartSpeed * (now - before);
            }
          }
          if (share > 0 && rank < nFast) {
            const from = (c * sound.nFrames + frame) * nFast + rank;
            const real = fastReal[from] + rest * (fastReal[from + nFast] - fastReal[from]);
            const turned = fastImaginary[from] + rest * (fastImaginary[from + nFast] - fastImaginary[from]);
            this.imaginary[to] += weight * factor * share * turned;
            regular += share * (real - regular);
          } else if (share > 0) {
            random[to] += (weight * share * factor * sound.random[c * stored + k]) ** 2;
          }
          factor *= regular;
        }
        factors[channel * MOST_PARTIALS + k] += weight * factor;
      }
    }
  }

  _addNoise(sound, voice, i, shift) {
    const { nNoise, nPartialRows } = this.instrument;
    const weight = voice.noiseWeights[i];
    const found = this.noiseLevels[i];
    const floor = sound.referenceDb + NOISE_DB;
    const fast = lerp(sound.fast, voice.places[i]);
    const h = Math.min(Math.floor(fast), sound.fastTimes - 2);
    const e = fast - h;
    const silent = voice.places[i] > sound.nFrames - 1;
    const level = sound.referenceDb + voice.extraDb[i];
    for (let band = 0; band < nNoise; band++) {
      let top = floor;
      for (let channel = 0; channel < this.channels; channel++) {
        const c = channel < sound.channels ? channel : 0;
        const at = (c * sound.fastTimes + h) * nNoise + band;
        const low = sound.noise[at];
        const own = low + e * (sound.noise[at + nNoise] - low) + level + this.register[nPartialRows + band];
        this.rest[channel] = silent ? SILENT_DB : own + voice.noiseOffsets[i][c * nNoise + band];
        if (this.rest[channel] > top) top = this.rest[channel];
      }
      found[band] = top + shift;
      for (let channel = 0; channel < this.channels; channel++) {
        this.quieter[channel * nNoise + band] += weight * Math.exp(TO_NEPER * (this.rest[channel] - top));
      }
    }
  }

  _finish(voice, highest) {
    const { channels, count, levels, factors, amplitudes, frequencies, deviations, ratios } = this;
    const { rowOf, nNoise, nPartialRows } = this.instrument;
    let loudest = 0;
    for (let k = 0; k < count; k++) {
      const tilt = voice.tilt * Math.log2(k + 1);
      const level = Math.exp(TO_NEPER * (levels[k] + this.pad[rowOf[k]] + tilt));
      for (let channel = 0; channel < channels; channel++) {
        const at = channel * MOST_PARTIALS + k;
        const hz = ratios[k] * this.f0 + deviations[at];
        const amplitude = hz > 0 && hz <= highest ? level * this._modulated(voice, at) : 0;
        frequencies[at] = hz > 0 ? hz : 0;
        amplitudes[at] = amplitude;
        if (amplitude > loudest) loudest = amplitude;
      }
    }
    const least = loudest * Math.exp(TO_NEPER * MASKED_DB);
    for (let channel = 0; channel < channels; channel++)
      for (let k = 0; k < count; k++) {
        const at = channel * MOST_PARTIALS + k;
        if (amplitudes[at] < least) amplitudes[at] = 0;
      }
    for (let band = 0; band < nNoise; band++) {
      const level = Math.exp(TO_NEPER * (this._noiseLevel(voice, band) + this.pad[nPartialRows + band]));
      for (let channel = 0; channel < channels; channel++) {
        const at = channel * nNoise + band;
        this.noise[at] = level * this.quieter[at];
      }
    }
  }

  // Return a factor of modulation with its random part; its phase goes into the voice's phases.
  _modulated(voice, at) {
    let real = this.factors[at];
    let imaginary = this.imaginary[at];
    const size = Math.sqrt(this.random[at]);
    if (size > LEAST_RANDOM * real) {
      const { gaussian } = this;
      this.draw = (this.draw + 1) % (gaussian.length / 2);
      real += size * gaussian[2 * this.draw];
      imaginary += size * gaussian[2 * this.draw + 1];
    }
    if (imaginary === 0) {
      voice.angles[at] = 0;
      return real;
    }
    voice.angles[at] = Math.atan2(imaginary, real) / (2 * Math.PI);
    return Math.sqrt(real * real + imaginary * imaginary);
  }

  // Return the interpolated level of a noise band, dB, lowered in proportion to each pair's level difference and weights.
  _noiseLevel(voice, band) {
    const { noiseWeights: weights } = voice;
    const nSounds = this.instrument.pitched.length;
    let level = 0;
    for (let i = 0; i < nSounds; i++) {
      if (!weights[i]) continue;
      level += weights[i] * this.noiseLevels[i][band];
      for (let j = i + 1; j < nSounds; j++) {
        if (!weights[j]) continue;
        const apart = Math.abs(this.noiseLevels[i][band] - this.noiseLevels[j][band]);
        level -= GIVES_WAY * weights[i] * weights[j] * apart;
      }
    }
    return level;
  }

}
