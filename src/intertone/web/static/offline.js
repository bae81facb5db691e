// An instrument rendered without a browser: events in, two channels out.

import { prepared } from "./prepare.js";
import { QUANTUM } from "./size.js";
import { PARAMETERS, Synthesiser } from "./synthesiser.js";

// Return left and right of a performance.
//
// `events` are in the order of their `time`, seconds: {time, type: "noteOn", key, velocity, id, own},
// {time, type: "noteOff", id}, {time, type: "sustain", down}, {time, type: "panic"}, {time, type: "mono", on},
// {time, type: "express", id, name, value}, {time, type: "limits", voices, partials},
// {time, type: "glide", bytes} to another instrument of one sound, {time, type: "set", name, value} for a parameter.
// `pad` is the place at the start, [x, y]; further options are `glides`, which prepares for the type "glide",
// `params` (values at the start), `voices`, and `residual`, `noise` and `limit`, each of which may be switched off.
export function renderOffline(bytes, events, options = {}) {
  const { sampleRate = 44100, seconds = 1, pad = [0, 0], params = {}, glides = false, ...rest } = options;
  const instrument = prepared(bytes);
  instrument.glides = glides;
  const synthesiser = new Synthesiser(sampleRate, rest);
  synthesiser.setInstrument(instrument);
  const wanted = Object.fromEntries(PARAMETERS.map(([name, value]) => [name, value]));
  Object.assign(wanted, { padX: pad[0], padY: pad[1] }, params);
  synthesiser.setControls(wanted);
  const samples = Math.round(seconds * sampleRate);
  const late = rest.limit === false ? 0 : QUANTUM; // of the limiter
  const size = QUANTUM * Math.ceil((samples + late) / QUANTUM);
  const found = [new Float32Array(size), new Float32Array(size)];
  let next = 0;
  for (let at = 0; at < size; at += QUANTUM) {
    while (next < events.length && events[next].time * sampleRate < at + 0.5) act(synthesiser, wanted, events[next++]);
    synthesiser.process(found[0].subarray(at, at + QUANTUM), found[1].subarray(at, at + QUANTUM), wanted);
  }
  return found.map((channel) => channel.slice(late, late + samples));
}

// Apply an event to the synthesiser; "set" changes a parameter in `wanted`.
export function act(synthesiser, wanted, event) {
  if (event.type === "noteOn") synthesiser.noteOn(event.key, event.velocity ?? 1, event.id, event.own);
  else if (event.type === "noteOff") synthesiser.noteOff(event.id);
  else if (event.type === "sustain") synthesiser.sustain(event.down);
  else if (event.type === "panic") synthesiser.panic();
  else if (event.type === "mono") synthesiser.setMono(event.on);
  else if (event.type === "express") synthesiser.express(event.id, event.name, event.value);
  else if (event.type === "limits") synthesiser.setLimits(event.voices, event.partials);
  else if (event.type === "set") wanted[event.name] = event.value;
  else if (event.type === "glide") synthesiser.glideTo({ ...prepared(event.bytes), glides: true });
  else throw new Error(`an event must be noteOn, noteOff, sustain, panic, mono, express, limits, set or glide, got ${event.type}`);
}
