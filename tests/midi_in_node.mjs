// What MIDI messages do, without a browser: node midi_in_node.mjs reads {settings, messages} as JSON from its standard
// input and prints what the handlers were called with. A message is [byte, …], or {channel: number} for another choice.

import { readFileSync } from "node:fs";
import { Midi } from "../src/intertone/web/static/midi.js";

const { settings, messages } = JSON.parse(readFileSync(0, "utf8"));
const calls = [];
const names = ["on", "off", "express", "hold", "panic", "set", "devices", "zone"];
const handlers = Object.fromEntries(names.map((name) => [name, (...values) => calls.push([name, ...values])]));
const midi = new Midi(handlers, settings);
for (const message of messages) {
  if (Array.isArray(message)) midi.receive(message, "a");
  else Object.assign(settings, message);
}
console.log(JSON.stringify(calls));
