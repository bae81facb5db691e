// The engine's two ends, as a page connects them, without a browser: node worklet_in_node.mjs INSTRUMENT. It prints JSON.

import { readFileSync } from "node:fs";

const ENDS = "../src/intertone/web/static";
const file = readFileSync(process.argv[2]);
const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);

function ports() {
  const [a, b] = [{}, {}];
  a.postMessage = (data) => b.onmessage({ data: structuredClone(data) });
  b.postMessage = (data) => a.onmessage({ data: structuredClone(data) });
  return [a, b];
}

let Processor;
let waiting;
globalThis.sampleRate = 48000;
globalThis.currentFrame = 0;
globalThis.registerProcessor = (name, type) => (Processor = type);
globalThis.AudioWorkletProcessor = class {
  constructor() {
    this.port = waiting;
  }
};
let processor;
globalThis.AudioWorkletNode = class {
  constructor(context, name, options) {
    const [here, there] = ports();
    this.port = here;
    waiting = there;
    processor = new Processor(options);
    const described = Processor.parameterDescriptors.map((one) => [one.name, { value: one.defaultValue }]);
    this.parameters = new Map(described);
  }
  disconnect() {}
};
const context = { sampleRate: 48000, state: "running", audioWorklet: { addModule: (address) => import(address) } };

const { Engine } = await import(`${ENDS}/engine.js`);
const engine = await Engine.create(context, { worklet: `${ENDS}/worklet.js`, voices: 2 });

function peak(quanta) {
  const output = [new Float32Array(128), new Float32Array(128)];
  let most = 0;
  for (let at = 0; at < quanta; at++) {
    const values = Object.entries(engine.params).map(([name, { value }]) => [name, [value]]);
    processor.process([], [output], Object.fromEntries(values));
    globalThis.currentFrame += 128;
    for (const sample of output[0]) most = Math.max(most, Math.abs(sample));
  }
  return most;
}

const before = peak(10);
await engine.load(bytes);
const statuses = [];
const end = engine.on("status", (status) => statuses.push(status));
engine.noteOn(60, 0.9, { id: "a" });
engine.noteOn(64, 0.9, { id: "b" });
engine.params.padX.value = 0.5;
const sounding = peak(400);
await new Promise((resolve) => setTimeout(resolve, 250));
engine.sustain(true);
engine.noteOff("a");
engine.sustain(false);
engine.panic();
peak(20);
const silent = peak(20);
await new Promise((resolve) => setTimeout(resolve, 250));
end();
let refusal = null;
await engine.load(new ArrayBuffer(3)).catch((error) => (refusal = error.message));
engine.noteOn(60, 0.9);
const again = peak(100);
// another instrument fades what sounds; a note that comes at once waits for that
await engine.load(bytes);
engine.noteOn(62, 0.9, { id: "c" });
const output = [new Float32Array(128), new Float32Array(128)];
const still = Object.fromEntries(Object.entries(engine.params).map(([name, { value }]) => [name, [value]]));
let step = 0;
let last = null;
for (let at = 0; at < 8; at++) {
  processor.process([], [output], still);
  for (const sample of output[0]) {
    if (last !== null) step = Math.max(step, Math.abs(sample - last));
    last = sample;
  }
}
const changed = peak(100);
engine.panic();
peak(20);
engine.mono(true);
engine.limit(2, 20);
const single = [];
const over = engine.on("status", (status) => single.push(status));
engine.noteOn(60, 0.9, { id: "d" });
engine.noteOn(64, 0.9, { id: "e", own: { bend: 1 } });
engine.express("e", "pressure", 1);
peak(50);
await new Promise((resolve) => setTimeout(resolve, 250));
over();
const names = engine.header.sounds.map(({ name }) => name);
const result = { before, sounding, silent, again, step, changed, refusal, names, params: Object.keys(engine.params) };
console.log(JSON.stringify({ ...result, first: statuses[0], last: statuses.at(-1), single: single.at(-1) }));
