// Render jobs for Python: node render.mjs JOBS.json. Each job is {instrument, events, options, out}; out holds left, then
// right, float32; an event of type glide names the `instrument` that it glides to. It prints the processor's seconds that each took.

import { readFileSync, writeFileSync } from "node:fs";
import { renderOffline } from "../src/intertone/web/static/offline.js";

function bytesOf(path) {
  const file = readFileSync(path);
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
}

for (const { instrument, events, options, out } of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const bytes = bytesOf(instrument);
  for (const event of events) if (event.type === "glide") event.bytes = bytesOf(event.instrument);
  const begin = process.cpuUsage();
  const [left, right] = renderOffline(bytes, events, options);
  const { user, system } = process.cpuUsage(begin);
  const both = new Float32Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  writeFileSync(out, both);
  console.log((user + system) / 1e6);
}
