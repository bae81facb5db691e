// Time and memory of the engine, quantum by quantum: node --expose-gc quanta.mjs INSTRUMENT SECONDS VOICES
//
// Notes begin and end at random, with pedal, bend, pressure and timbre of their own, the pad wanders. It prints the median,
// the 99.9 % and the largest milliseconds of the processor's time of a quantum, by how many KiB the heap grew, and the
// machine's mean load over the last minute, as JSON.

import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { unpackInstrument } from "../src/intertone/web/static/instrument.js";
import { measureGains } from "../src/intertone/web/static/loudness.js";
import { PARAMETERS, Synthesiser } from "../src/intertone/web/static/synthesiser.js";

const RATE = 44100;
const QUANTUM = 128;
const [path, seconds, voices] = process.argv.slice(2);
const file = readFileSync(path);
const instrument = unpackInstrument(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));
instrument.gains = measureGains(instrument, RATE);
const synthesiser = new Synthesiser(RATE, { voices: Number(voices) });
synthesiser.setInstrument(instrument);
const wanted = Object.fromEntries(PARAMETERS.map(([name, value]) => [name, value]));
const left = new Float32Array(QUANTUM);
const right = new Float32Array(QUANTUM);
let state = 1;
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296;
const quanta = Math.round((Number(seconds) * RATE) / QUANTUM);
const times = new Float64Array(quanta);
const warm = Math.min(5000, quanta >> 2);
let heap = 0;
for (let at = 0; at < quanta; at++) {
  if (at === warm) {
    globalThis.gc();
    heap = process.memoryUsage().heapUsed;
  }
  if (at % 40 === 0) {
    const key = 36 + Math.floor(49 * random());
    if (random() < 0.7) synthesiser.noteOn(key, random(), key);
    else synthesiser.noteOff(key);
    for (const [name, value] of [["bend", 4 * random() - 2], ["pressure", random()], ["timbre", 2 * random() - 1]]) {
      synthesiser.express(key, name, value);
    }
    if (at % 4000 === 0) synthesiser.sustain(at % 8000 === 0);
    wanted.padX = random();
    wanted.padY = random();
  }
  const begin = process.cpuUsage();
  synthesiser.process(left, right, wanted);
  const used = process.cpuUsage(begin);
  times[at] = (used.user + used.system) / 1000;
}
globalThis.gc();
const growth = (process.memoryUsage().heapUsed - heap) / 1024;
const some = times.subarray(warm).sort();
const quantile = (share) => some[Math.min(some.length - 1, Math.floor(share * some.length))];
console.log(JSON.stringify({ median: quantile(0.5), most: quantile(0.999), largest: quantile(1), heap: growth, load: loadavg()[0] }));
