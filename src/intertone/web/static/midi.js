/** Web MIDI: every input of every device plays. */

export const BEND_SEMITONES = 2;

const MODULATION = 1;
const PEDAL = 64;
const TIMBRE = 74;

/** Return whether this browser can have MIDI devices. */
export function hasMidi() {
  return typeof navigator.requestMIDIAccess === "function";
}

/** Return whether the page may use MIDI devices without asking. */
export async function isAllowed() {
  try {
    return (await navigator.permissions.query({ name: "midi" })).state === "granted";
  } catch {
    return false;
  }
}

/**
 * Listen to all inputs, also to those that come later.
 * @param handlers `on(key, velocity, id)`, `off(id)`, `hold(boolean)`, `panic()`, `set(name, value)`,
 *   `devices(names)`.
 */
export async function listen(handlers) {
  const access = await navigator.requestMIDIAccess();
  const attach = () => {
    const inputs = [...access.inputs.values()].filter((input) => input.state !== "disconnected");
    for (const input of inputs) input.onmidimessage = (event) => receive(event.data, `${input.id}`, handlers);
    handlers.devices(inputs.map((input) => input.name || "a device"));
  };
  access.onstatechange = attach;
  attach();
}

/** Do what a message of one to three bytes asks for. */
export function receive([status, first, second], source, handlers) {
  const channel = status & 15;
  const id = `midi ${source} ${channel} ${first}`;
  const kind = status & 0xf0;
  if (kind === 0x90 && second > 0) handlers.on(first, second / 127, id);
  else if (kind === 0x80 || kind === 0x90) handlers.off(id);
  else if (kind === 0xb0) control(first, second, handlers);
  else if (kind === 0xd0) handlers.set("pressure", first / 127);
  else if (kind === 0xe0) handlers.set("bend", (BEND_SEMITONES * (first + 128 * second - 8192)) / 8192);
}

function control(number, value, handlers) {
  if (number === MODULATION) handlers.set("padX", value / 127);
  else if (number === TIMBRE) handlers.set("padY", value / 127);
  else if (number === PEDAL) handlers.hold(value >= 64);
  else if (number === 120 || number === 123) handlers.panic();
}
