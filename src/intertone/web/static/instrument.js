// An instrument's file: safetensors with a JSON header, unpacked into arrays that a voice reads.
// docs/instrument-file.md describes it.

const FINE = 16; // frames that are all stored, from the onset on
const ZERO_DB = 220; // stored level of 0 dB, in half decibels
export const SILENT_DB = -200;
const ROTATES = 0.5; // periods by which a channel turns against the mean of all if it has another frequency
const MOST_HEADER = 1 << 20;

// Return the header, and the tensors by name: typed arrays with a `shape`.
export function readFile(buffer) {
  const refuse = (found) => new Error(`an instrument must be a file that intertone wrote, got ${found}`);
  if (buffer.byteLength < 8) throw refuse("less than 8 bytes");
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (length > Math.min(MOST_HEADER, buffer.byteLength - 8)) throw refuse("a header that is cut or too long");
  let table, header;
  try {
    table = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    header = JSON.parse(table.__metadata__.instrument);
  } catch {
    throw refuse("no header");
  }
  if (header.format !== 1) throw new Error(`an instrument must have format 1, got ${header.format}`);
  const kinds = { U8: Uint8Array, I8: Int8Array, I16: Int16Array, F32: Float32Array };
  const tensors = {};
  for (const [name, entry] of Object.entries(table)) {
    if (name === "__metadata__") continue;
    const kind = kinds[entry.dtype];
    const [first, last] = entry.data_offsets;
    const count = entry.shape.reduce((product, size) => product * size, 1);
    if (!kind || !(8 + length + last <= buffer.byteLength) || count * kind.BYTES_PER_ELEMENT !== last - first) {
      throw refuse(`a damaged tensor ${name}`);
    }
    const values = new kind(buffer.slice(8 + length + first, 8 + length + last));
    tensors[name] = { values, shape: entry.shape };
  }
  return { header, tensors };
}

// Return the position in the stored frames of every frame of a sound; see `stored_frames` in Python.
function storedPositions(nFrames, nStored, step) {
  const positions = new Float32Array(nFrames);
  const frames = [];
  for (let index = 0; index < nStored - 1; index++) {
    frames.push(index < FINE ? index : FINE - 1 + step * (index - FINE + 1));
  }
  frames.push(nFrames - 1);
  let place = 0;
  for (let frame = 0; frame < nFrames; frame++) {
    while (place < nStored - 2 && frames[place + 1] <= frame) place++;
    const width = Math.max(1, frames[Math.min(place + 1, nStored - 1)] - frames[place]);
    positions[frame] = Math.min(nStored - 1, place + (frame - frames[place]) / width);
  }
  return { positions, frames };
}

// Return stored levels, (channels, rows, times), in dB, in the order (channels, times, rows).
function levelsOf(tensor) {
  const [channels, rows, times] = tensor.shape;
  const found = new Float32Array(channels * rows * times);
  for (let channel = 0; channel < channels; channel++)
    for (let row = 0; row < rows; row++)
      for (let time = 0; time < times; time++) {
        const stored = tensor.values[(channel * rows + row) * times + time];
        found[(channel * times + time) * rows + row] = stored ? (stored - ZERO_DB) / 2 : SILENT_DB;
      }
  return found;
}

function scaled(values, factor) {
  return Float32Array.from(values, (value) => value * factor);
}

// Return values, (channels, rows, times), times a factor, in the order (channels, times, rows).
function byTime(tensor, factor) {
  const [channels, rows, times] = tensor.shape;
  const found = new Float32Array(channels * rows * times);
  for (let channel = 0; channel < channels; channel++)
    for (let row = 0; row < rows; row++)
      for (let time = 0; time < times; time++) {
        const stored = tensor.values[(channel * rows + row) * times + time];
        found[(channel * times + time) * rows + row] = stored * factor;
      }
  return found;
}

function unpackPitched(facts, get, header) {
  const level = scaled(get("level").values, 0.01);
  const nFrames = level.length;
  const partials = get("partials");
  const [channels, count, slowTimes] = partials.shape;
  const slow = storedPositions(nFrames, slowTimes, 6);
  const fastTimes = get("noise").shape[2];
  const fast = storedPositions(nFrames, fastTimes, 2);
  const residual = get("residual");
  let power = 0;
  const early = Math.min(residual.shape[1], Math.round(0.08 * header.sample_rate));
  for (let channel = 0; channel < channels; channel++)
    for (let at = 0; at < early; at++) power += (residual.values[channel * residual.shape[1] + at] / 32767) ** 2;
  const top = get("top");
  const levels = levelsOf(partials);
  const strong = get("strong").values;
  return {
    ...facts,
    channels,
    count,
    nFrames,
    level,
    slow: slow.positions,
    fast: fast.positions,
    slowTimes,
    fastTimes,
    partials: levels,
    top: levelsOf({ values: top.values, shape: [top.shape[0], 1, top.shape[1]] }),
    start: get("start").values,
    ...unpackPhases(get("phases"), slow.frames, facts.loop || [facts.attack, facts.release], (channel, rank) => {
      const place = (time) => (channel * slowTimes + time) * count + strong[rank];
      return powerOf(slow.frames, (time) => levels[place(time)] + level[slow.frames[time]]);
    }),
    modulation: byTime(get("modulation"), 0.01),
    random: scaled(get("random").values, 0.01),
    ...unpackFast(get, count),
    noise: levelsOf(get("noise")),
    cents: scaled(get("f0").values, 0.1),
    multiples: get("multiples").values,
    ramp: get("ramp").values,
    transient: get("transient").values,
    transientFrames: get("transient").shape[1],
    register: scaled(get("register").values, 1 / 3),
    registerSteps: get("register").shape[2],
    referenceDb: 20 * Math.log10(facts.reference),
    residual: scaled(residual.values, 1 / 32767),
    residualSamples: residual.shape[1],
    residualPower: Math.max(power, 1e-12),
    decay: decayOf(level, facts),
  };
}

// Return the sum of the power of a partial over its stored frames; `decibels` returns its level in one.
function powerOf(frames, decibels) {
  return frames.reduce((sum, _, time) => sum + 10 ** (decibels(time) / 10), 1e-30);
}

// Return the phases of the strongest partials relative to their harmonics as `speeds`, (channels, times − 1, partials),
// periods a frame, which are the same in whatever direction a loop is played, and `apart`, (channels, times, partials),
// periods: those of a channel relative to the mean of all, weighted by power. They belong to a place, since the channels
// of a held note would drift apart if a loop did not take them back. Where a channel turns against the mean by ROTATES
// or more between the two frames `ends`, this rotation is a speed.
function unpackPhases(tensor, frames, ends, power) {
  const [channels, strong, steps] = tensor.shape;
  const times = steps + 1;
  const speeds = new Float32Array(channels * steps * strong);
  const apart = new Float32Array(channels * times * strong);
  for (let rank = 0; rank < strong; rank++) {
    const powers = Array.from({ length: channels }, (_, channel) => power(channel, rank));
    const total = powers.reduce((sum, one) => sum + one, 0);
    const step = (channel, time) => tensor.values[(channel * strong + rank) * steps + time] / 64;
    const means = new Float64Array(steps);
    for (let time = 0; time < steps; time++)
      for (let channel = 0; channel < channels; channel++) means[time] += (powers[channel] / total) * step(channel, time);
    for (let channel = 0; channel < channels; channel++) {
      const phases = new Float64Array(times);
      for (let time = 0; time < steps; time++) phases[time + 1] = phases[time] + step(channel, time) - means[time];
      const turn = phaseAt(phases, frames, ends[1]) - phaseAt(phases, frames, ends[0]);
      const rotation = Math.abs(turn) >= ROTATES ? turn / Math.max(1, ends[1] - ends[0]) : 0;
      for (let time = 0; time < times; time++)
        apart[(channel * times + time) * strong + rank] = phases[time] - rotation * frames[time];
      for (let time = 0; time < steps; time++) {
        const width = Math.max(1, frames[time + 1] - frames[time]);
        speeds[(channel * steps + time) * strong + rank] = means[time] / width + rotation;
      }
    }
  }
  return { speeds, apart };
}

// Return a value between those that are stored at some frames.
function phaseAt(values, frames, frame) {
  let time = 0;
  while (time < frames.length - 2 && frames[time + 1] <= frame) time++;
  const share = (frame - frames[time]) / Math.max(1, frames[time + 1] - frames[time]);
  return values[time] + share * (values[time + 1] - values[time]);
}

// Return the fast modulation of the strongest partials, real and imaginary parts in the order (channels, times, ranks),
// and the rank of each partial by strength; those behind `nStrong` have no phases and no modulation.
function unpackFast(get, count) {
  const magnitudes = get("magnitudes");
  const [channels, strong, times] = magnitudes.shape;
  const fastReal = new Float32Array(channels * strong * times);
  const fastImaginary = new Float32Array(channels * strong * times);
  const angles = get("angles").values;
  for (let channel = 0; channel < channels; channel++)
    for (let place = 0; place < strong; place++)
      for (let time = 0; time < times; time++) {
        const from = (channel * strong + place) * times + time;
        const to = (channel * times + time) * strong + place;
        const stored = magnitudes.values[from];
        const magnitude = stored ? 10 ** ((stored - 200) / 80) : 0;
        fastReal[to] = magnitude * Math.cos((2 * Math.PI * angles[from]) / 256);
        fastImaginary[to] = magnitude * Math.sin((2 * Math.PI * angles[from]) / 256);
      }
  const ranks = new Int16Array(count).fill(32767);
  get("strong").values.forEach((k, rank) => (ranks[k] = rank));
  return { fastReal, fastImaginary, ranks, nFast: strong, nStrong: get("strong").shape[0] };
}

// Return by how many dB a frame a sound falls at the end of its sustain, at least 0.12: its decay beyond the recording.
function decayOf(level, facts) {
  const last = Math.min(level.length - 1, Math.floor(facts.release));
  const first = Math.floor(0.5 * (facts.attack + facts.release));
  return Math.max(0.12, (level[first] - level[last]) / Math.max(1, last - first));
}

// Return a loop and its versions for higher keys, each with half the samples of the one before.
function unpackLoop(stored, facts) {
  const values = scaled(stored.values, 10 ** (facts.loop_gain / 20) / 32767);
  const loops = [];
  for (let first = 0, size = 2 * facts.samples; size && first < values.length; size >>= 1) {
    loops.push(values.subarray(first, first + size));
    first += size;
  }
  return { channels: 1, loops, before: loops, share: 1, loopHz: 440 * 2 ** ((facts.loop_key - 69) / 12) };
}

const STEP_SIZES = Array.from({ length: 89 }, (_, place) => roundHalfEven(7 * 1.1 ** place));
const MOVES = [-1, -1, -1, -1, 2, 4, 6, 8];

function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low + (low % 2);
}

// Return a recording from 4 bits a sample; see `from_adpcm` in Python.
export function fromAdpcm(stored, samples) {
  const found = new Float32Array(samples);
  let value = 0;
  let place = 0;
  for (let at = 0; at < samples; at++) {
    const code = at % 2 ? stored[at >> 1] >> 4 : stored[at >> 1] & 15;
    const change = Math.floor(((2 * (code & 7) + 1) * STEP_SIZES[place]) / 8);
    value = Math.max(-32768, Math.min(32767, code & 8 ? value - change : value + change));
    place = Math.max(0, Math.min(88, place + MOVES[code & 7]));
    found[at] = value / 32767;
  }
  return found;
}

// Return an instrument as voices read it. It throws an Error with one sentence if the file is none.
export function unpackInstrument(buffer) {
  const { header, tensors } = readFile(buffer);
  const need = (name) => {
    if (!tensors[name]) throw new Error(`an instrument must hold ${name}, got a file without`);
    return tensors[name];
  };
  const sounds = header.sounds.map((facts, index) => {
    if (facts.pitched) return unpackPitched(facts, (name) => need(`${index}.${name}`), header);
    if (facts.loop_key !== undefined) return { ...facts, ...unpackLoop(need(`${index}.loop`), facts) };
    const stored = need(`${index}.recording`);
    const [channels, bytes] = stored.shape;
    const recording = [];
    for (let channel = 0; channel < channels; channel++)
      recording.push(fromAdpcm(stored.values.subarray(channel * bytes, (channel + 1) * bytes), facts.samples));
    return { ...facts, channels, recording };
  });
  const edges = header.row_edges;
  const rowOf = new Uint8Array(edges[edges.length - 1] - 1);
  for (let row = 0; row + 1 < edges.length; row++) rowOf.fill(row, edges[row] - 1, edges[row + 1] - 1);
  const pad = tensors.pad && { values: scaled(tensors.pad.values, 1 / 3), shape: tensors.pad.shape };
  const nPartialRows = edges.length - 1;
  const nNoise = header.noise_centres.length;
  const pitched = sounds.filter((sound) => sound.pitched);
  return { header, sounds, pitched, rowOf, nPartialRows, nNoise, nRows: nPartialRows + nNoise, pad, gains: null };
}
