// One voice: a key that is held or released, its place in each sound, its oscillators and its noise.

import { Expression } from "./expression.js";
import { lerp, phaseOf, rowAt } from "./lookup.js";
import { Oscillators } from "./oscillators.js";
import { ATTACK, Places, RELEASE } from "./places.js";
import { padWeights, sliderWeights } from "./pad.js";
import { Recordings } from "./recording.js";
import { MOST_PARTIALS, MOST_SOUNDS, QUANTUM } from "./size.js";

const DAMPED_DB = -60;
const MOST_OFFSET_DB = 40;
const STOLEN_SECONDS = 0.008;
const LAST_SECONDS = 0.01; // fade at the end of the release
const TILT_DB = 3; // an octave, by which partials fall at velocity 0
const VELOCITY_DB = 30; // between velocity 0 and 1
const PRESSURE_DB = 6;

export class Voice extends Places {
  constructor(sampleRate, hop) {
    super();
    this.sampleRate = sampleRate;
    this.hop = hop;
    this.active = false;
    this.held = false;
    this.keyDown = false;
    this.id = null;
    this.velocity = 1;
    this.key = 0; // that sounds now, without bends
    this.target = 0; // key to which it glides
    this.own = new Expression();
    this.residual = true;
    this.started = 0;
    this.weights = new Float64Array(MOST_SOUNDS);
    this.harmonicsWeights = new Float64Array(MOST_SOUNDS);
    this.noiseWeights = new Float64Array(MOST_SOUNDS);
    this.allWeights = new Float64Array(MOST_SOUNDS);
    this.noise = [new Float32Array(2 * hop), new Float32Array(2 * hop)];
    this.tail = [new Float32Array(hop), new Float32Array(hop)];
    this.sum = [new Float32Array(QUANTUM), new Float32Array(QUANTUM)];
    this.oscillators = new Oscillators(2, MOST_PARTIALS);
    this.recordings = new Recordings(sampleRate);
    this.offsets = [];
    this.noiseOffsets = [];
    for (let i = 0; i < MOST_SOUNDS; i++) {
      this.offsets.push(new Float64Array(2 * MOST_PARTIALS));
      this.noiseOffsets.push(new Float64Array(256));
    }
    this.angles = new Float64Array(2 * MOST_PARTIALS); // of random modulation, periods
    this.lastAngles = new Float64Array(2 * MOST_PARTIALS);
    this.ramp = new Float64Array(17); // samples at which the attack reaches each sixteenth
  }

  // Reset to the beginning of a note, silent. `controls` are the smoothed values of the parameters.
  prepare(instrument, key, controls) {
    this.instrument = instrument;
    this.target = key;
    this.begin();
    this.frameSeconds = instrument.header.hop_length / instrument.header.sample_rate;
    this.framesAStep = Math.max(1, Math.round(0.32 / this.frameSeconds));
    this.sample = 0;
    this.owed = 0; // seconds of the release that passed before a renewal
    for (const values of [...this.offsets, ...this.noiseOffsets]) values.fill(0);
    this._follow(controls);
  }

  // Begin a note; `own` are the values of its expression at the start, or null.
  start(synthesiser, key, velocity, id, own, controls) {
    this.active = true;
    this.held = true;
    this.keyDown = true;
    this.id = id;
    this.velocity = velocity;
    this.key = synthesiser.lastKey ?? key;
    this.own.begin(own);
    this.gate = 1;
    this.gateStep = 0;
    for (const values of this.tail) values.fill(0);
    this.oscillators.restart();
    this.prepare(synthesiser.instrument, key, controls);
    this._makeRamp();
    this.recordings.start(this);
    synthesiser.mixture.evaluate(this, synthesiser.highestHz);
    this.lastAngles.set(this.angles);
    this._beginPhases(synthesiser);
    this._frameOfNoise(synthesiser);
    this._beginLevels(synthesiser);
    this.left = synthesiser.firstHop(this);
    const skipped = this.hop - this.left;
    this._ramp(synthesiser, controls);
    this.offset = skipped;
  }

  // Let the key go: the release begins where the voice is, at its present level.
  release() {
    if (!this.active || this.stage === RELEASE) return;
    this.held = false;
    this.stage = RELEASE;
    this.releaseShare = 0;
    this.releasedSeconds = 0;
    this.owed = this.left / this.sampleRate; // until the next renewal, which catches up
    for (let i = 0; i < this.instrument.pitched.length; i++) {
      const sound = this.instrument.pitched[i];
      this.releasedAt[i] = this.places[i];
      this.hasRelease[i] = sound.released ? 1 : 0;
      if (sound.released && Math.abs(this.places[i] - sound.release) > 0.5) this._keepLevels(sound, i);
      if (sound.released) this.places[i] = sound.release;
    }
  }

  // Store the level of each row here, relative to the start of the sound's own release.
  _keepLevels(sound, i) {
    const level = lerp(sound.level, this.places[i]) - lerp(sound.level, sound.release);
    const rows = (values, positions, times, count, found, stride) => {
      const here = lerp(positions, this.places[i]);
      const there = lerp(positions, sound.release);
      for (let channel = 0; channel < sound.channels; channel++)
        for (let k = 0; k < count; k++) {
          const first = channel * times * count + k;
          const apart = rowAt(values, first, count, here, times) - rowAt(values, first, count, there, times);
          const change = values === sound.noise ? apart : apart + level;
          found[channel * stride + k] = Math.max(-MOST_OFFSET_DB, Math.min(MOST_OFFSET_DB, change));
        }
    };
    const nNoise = this.instrument.nNoise;
    rows(sound.partials, sound.slow, sound.slowTimes, sound.count, this.offsets[i], MOST_PARTIALS);
    rows(sound.noise, sound.fast, sound.fastTimes, nNoise, this.noiseOffsets[i], nNoise);
  }

  // Fade within a few milliseconds and end.
  steal() {
    this.gateStep = -1 / (STOLEN_SECONDS * this.sampleRate);
  }

  // Read the pad, the sliders and the pitch.
  _follow(controls) {
    const { sounds, pitched } = this.instrument;
    // a note's own timbre moves it between the sounds: from left to right, or of three and more from top to bottom
    this.padX = sounds.length > 2 ? controls.padX : this.own.placed(controls.padX);
    this.padY = sounds.length > 2 ? this.own.placed(controls.padY) : controls.padY;
    padWeights(this.padX, this.padY, sounds.length, this.allWeights);
    let total = 0;
    for (let i = 0; i < sounds.length; i++) if (sounds[i].pitched) total += this.allWeights[i];
    this.weights.fill(0);
    for (let i = 0, n = 0; i < sounds.length; i++) {
      if (!sounds[i].pitched) continue;
      this.weights[n++] = total > 1e-6 ? this.allWeights[i] / total : 1 / pitched.length;
    }
    this.pitchedShare = total;
    const own = pitched.length > 1 ? 1 : 0;
    sliderWeights(own ? controls.harmonics : -1, this.weights, this.harmonicsWeights);
    sliderWeights(own ? controls.noise : -1, this.weights, this.noiseWeights);
    sliderWeights(own ? controls.envelope : -1, this.weights, this.envelopeWeights);
    this.ownWeights = own && (controls.harmonics >= 0 || controls.noise >= 0 || controls.envelope >= 0);
    this.registerStrength = controls.register < 0 ? 1 : controls.register;
    this.padStrength = this.instrument.header.strength;
    this.tilt = -TILT_DB * (1 - this.velocity);
    const glide = controls.glide;
    const move = glide > 0 ? Math.min(1, this.hop / this.sampleRate / glide) : 1;
    const away = this.target - this.key;
    this.key = Math.abs(away) < 0.01 || glide <= 0 ? this.target : this.key + away * move;
    this.hz = controls.tune * 2 ** ((this.key + controls.bend + this.own.bend - 69) / 12);
    this._mixTimes();
    this.userGain = this._gain(controls);
    // recordings have their own loudness already: the correction is that of the sounds with a pitch
    this.wantedGain = this.userGain * (this.instrument.gains ? this.instrument.gains.at(this.key, this.padX, this.padY) : 1);
  }

  // Return the gain of pressure, velocity and the sliders.
  _gain(controls) {
    const pressure = PRESSURE_DB * Math.min(1, controls.pressure + this.own.pressure);
    const velocity = VELOCITY_DB * (this.velocity - 1);
    return 10 ** ((pressure + velocity) / 20) * this._userEnvelope(controls);
  }

  // Return the gain of the sliders attack, decay, sustain and release.
  _userEnvelope(controls) {
    let gain = 1;
    if (controls.attack > 0) gain *= Math.min(1, this.seconds / controls.attack);
    if (controls.sustain < 1) {
      const time = Math.max(0, this.seconds - controls.attack) / Math.max(0.01, controls.decay);
      gain *= controls.sustain + (1 - controls.sustain) * Math.exp(-3 * time);
    }
    if (this.releasedSeconds >= 0 && controls.release > 0) {
      gain *= 10 ** ((DAMPED_DB * this.releasedSeconds) / controls.release / 20);
    }
    return gain;
  }

  _makeRamp() {
    const { pitched } = this.instrument;
    this.ramp.fill(0);
    for (let step = 0; step < 16 && pitched.length; step++) {
      let sum = 0;
      for (let i = 0; i < pitched.length; i++) sum += this.envelopeWeights[i] * Math.log(pitched[i].ramp[step]);
      this.ramp[step + 1] = Math.exp(sum) * this.sampleRate;
    }
    this.rampStep = 0;
  }

  // Advance by a time, and read the pad, the sliders and the pitch again.
  travel(seconds, controls) {
    this._advance(seconds, controls);
    this._follow(controls);
  }

  // Mix the phases of the partials over the shorter arc, once.
  _beginPhases(synthesiser) {
    const { pitched } = this.instrument;
    const { channels, mixture } = synthesiser;
    for (let k = 0; k < mixture.count; k++) {
      let lead = 0;
      let anchor = NaN;
      for (let i = 0; i < pitched.length; i++) {
        if (!this.weights[i]) continue;
        const phase = phaseOf(pitched[i], 0, k);
        if (Number.isNaN(anchor)) anchor = phase;
        lead += this.weights[i] * (phase - Math.round(phase - anchor));
      }
      for (let channel = 0; channel < channels; channel++) {
        let real = 0;
        let imaginary = 0;
        for (let i = 0; i < pitched.length; i++) {
          if (!this.weights[i]) continue;
          const apart = 2 * Math.PI * (phaseOf(pitched[i], channel, k) - phaseOf(pitched[i], 0, k));
          real += this.weights[i] * Math.cos(apart);
          imaginary += this.weights[i] * Math.sin(apart);
        }
        const phase = lead + (channel ? Math.atan2(imaginary, real) / (2 * Math.PI) : 0);
        this.oscillators.phase[channel * MOST_PARTIALS + k] = phase - Math.floor(phase);
      }
    }
  }

  // Renew what sounds: advance by the next `left` samples and ramp to what is there.
  _ramp(synthesiser, controls) {
    const { mixture, sampleRate, scratchAmplitudes, scratchFrequencies } = synthesiser;
    this.travel(this.left / sampleRate + this.owed, controls);
    this.owed = 0;
    mixture.evaluate(this, synthesiser.highestHz);
    this._lastFade();
    this._scaled(synthesiser);
    this._turnPhases(synthesiser);
    this.oscillators.renew(scratchAmplitudes, scratchFrequencies, synthesiser.scratchTurns, mixture.count, this.left);
    this._frameOfNoise(synthesiser);
    this.recordings.follow(this);
  }

  // Fade at the end of the release, so that nothing is cut.
  _lastFade() {
    if (this.stage !== RELEASE) return;
    const span = LAST_SECONDS / this.frameSeconds / Math.max(this.fadeFrames, 1);
    const left = (1 - this.releaseShare) / span;
    if (left < 1) this.wantedGain *= Math.max(0, left);
  }

  // Write amplitudes, and frequencies in periods a sample, of what the mixture holds.
  _scaled(synthesiser) {
    const { mixture, channels, sampleRate, scratchAmplitudes, scratchFrequencies } = synthesiser;
    const gain = this.wantedGain * this._pitchedGain();
    for (let channel = 0; channel < channels; channel++)
      for (let k = 0; k < mixture.count; k++) {
        const at = channel * MOST_PARTIALS + k;
        scratchAmplitudes[at] = gain * mixture.amplitudes[at];
        scratchFrequencies[at] = mixture.frequencies[at] / sampleRate;
      }
  }

  // Add the phase shift of the random modulation to the phases of the oscillators, over the time to the next renewal.
  _turnPhases(synthesiser) {
    const { channels, mixture, scratchTurns } = synthesiser;
    for (let channel = 0; channel < channels; channel++)
      for (let k = 0; k < mixture.count; k++) {
        const at = channel * MOST_PARTIALS + k;
        const turn = this.angles[at] - this.lastAngles[at];
        scratchTurns[at] = (turn - Math.round(turn)) / this.left;
        this.lastAngles[at] = this.angles[at];
      }
  }

  // Partials begin at their levels; the attack's own ramp brings them in.
  _beginLevels(synthesiser) {
    this._scaled(synthesiser);
    this.oscillators.begin(synthesiser.scratchAmplitudes, synthesiser.scratchFrequencies, synthesiser.mixture.count);
  }

  // Return the gain of the sounds with a pitch beside recordings: both are heard with the power of their weights.
  _pitchedGain() {
    if (!this.instrument.pitched.length) return 0;
    return Math.sqrt(this.pitchedShare);
  }

  _frameOfNoise(synthesiser) {
    const { mixture, channels, noiseShaper, options } = synthesiser;
    for (let channel = 0; channel < channels; channel++) {
      this.tail[channel].set(this.noise[channel].subarray(this.hop));
    }
    const rest = this.recordings.restOfNoise(this.seconds);
    const gain = options.noise ? this.wantedGain * this._pitchedGain() * rest : 0;
    for (let at = 0; at < mixture.noise.length; at++) synthesiser.scratchNoise[at] = gain * mixture.noise[at];
    noiseShaper.frame(synthesiser.scratchNoise, channels, this.noise);
    this.offset = 0;
  }

  // Add one quantum to the outputs.
  process(synthesiser, controls, outputs) {
    this.own.smooth(synthesiser.smoothing);
    if (this.left <= 0) {
      this.left = this.hop;
      this._ramp(synthesiser, controls);
    }
    const { channels } = synthesiser;
    for (let channel = 0; channel < channels; channel++) this.sum[channel].fill(0);
    this.oscillators.add(this.sum, QUANTUM);
    this._attack(channels);
    for (let channel = 0; channel < channels; channel++) {
      const sum = this.sum[channel];
      const head = this.noise[channel];
      const tail = this.tail[channel];
      for (let n = 0; n < QUANTUM; n++) sum[n] += head[this.offset + n] + tail[this.offset + n];
    }
    this.recordings.add(this, this.sum, channels);
    this._gate(outputs[0], this.sum[0]);
    this._gate(outputs[1], this.sum[channels - 1]);
    this.gate = Math.max(0, this.gate + QUANTUM * this.gateStep);
    this.sample += QUANTUM;
    this.offset += QUANTUM;
    this.left -= QUANTUM;
    if (this.gate === 0 || this._ended()) this.active = false;
  }

  _gate(output, sum) {
    let gate = this.gate;
    for (let n = 0; n < QUANTUM; n++) {
      output[n] += gate * sum[n];
      gate = Math.max(0, gate + this.gateStep);
    }
  }

  // Apply the attack ramp of the partials.
  _attack(channels) {
    if (this.sample >= this.ramp[16]) return;
    for (let n = 0; n < QUANTUM; n++) {
      const now = this.sample + n;
      while (this.rampStep < 16 && now >= this.ramp[this.rampStep + 1]) this.rampStep++;
      let gain = 1;
      if (this.rampStep < 16) {
        const from = this.ramp[this.rampStep];
        const width = Math.max(1e-9, this.ramp[this.rampStep + 1] - from);
        gain = (this.rampStep + (now - from) / width) / 16;
      }
      for (let channel = 0; channel < channels; channel++) this.sum[channel][n] *= gain;
    }
  }

  _ended() {
    if (this.left > 0) return false;
    if (this.stage === RELEASE && this.releaseShare >= 1 && this.recordings.quiet(this)) return true;
    const { pitched, glides } = this.instrument;
    if (glides && this.held) return false; // a glide may let it sound again
    for (let i = 0; i < pitched.length; i++) {
      const sound = pitched[i];
      const over = sound.released ? this.extraDb[i] < -90 : this.places[i] > sound.nFrames;
      if (!over && this.weights[i]) return false;
    }
    return this.stage !== ATTACK && this.recordings.ended(this);
  }
}
