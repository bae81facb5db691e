/** Web MIDI: messages of all inputs become notes, what single notes have of their own, and controllers. */

/**
 * Choices of channels besides 1 to 16: all of them; one channel for each note (MPE) in the zones that the device
 * announced, else in the lower zone; and the same in the upper zone.
 */
export const ALL_CHANNELS = 0;
export const MPE = 17;
export const MPE_UPPER = 18;

const BEND_SEMITONES = 2;
const MEMBER_BEND_SEMITONES = 48;
const MOST_MEMBERS = 15; // channels of notes in a zone: of the lower one from 2 upwards, of the upper one from 15 downwards
const MOST_OF_BOTH = 14;

/** Channels about all notes of a zone, from 0 on. */
const LOWER_MASTER = 0;
const UPPER_MASTER = 15;

const MODULATION = 1;
const DATA = 6;
const DATA_FINE = 38;
const PEDAL = 64;
const TIMBRE = 74;
const UNREGISTERED = [98, 99];
const REGISTERED_FINE = 100;
const REGISTERED = 101;
const ALL_SOUND_OFF = 120;
const RESET = 121;
const ALL_NOTES_OFF = 123;

/** Registered parameters: the range of bends, and how many channels a zone has (MPE configuration message). */
const BEND_RANGE = 0;
const ZONE = 6;
const NONE = [127, 127];

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
 * Return the velocity that is played, 0 to 1: the struck one to the power of 3 to the touch.
 * @param touch -1 is soft (a light touch is loud), 0 is linear, 1 is hard.
 */
export function played(velocity, touch) {
  return velocity ** (3 ** touch);
}

export class Midi {
  /**
   * @param handlers `on(key, velocity, id, own)`, `off(id)`, `express(id, name, value)`, `hold(boolean)`, `panic()`,
   *   `set(name, value)`, `devices(names)`, and `zone(members)` when a device says which channels its notes have.
   * @param settings Has `channel` (0: all, 1 to 16, 17: MPE, 18: its upper zone) and `touch`.
   */
  constructor(handlers, settings) {
    this.handlers = handlers;
    this.settings = settings;
    this.members = { lower: 0, upper: 0 }; // as announced
    this.ranges = { lower: MEMBER_BEND_SEMITONES, upper: MEMBER_BEND_SEMITONES };
    this.channels = new Map();
  }

  /** Listen to all inputs, also to those that come later. */
  async listen() {
    const access = await navigator.requestMIDIAccess();
    const attach = () => {
      const inputs = [...access.inputs.values()].filter((input) => input.state !== "disconnected");
      for (const input of inputs) input.onmidimessage = (event) => this.receive(event.data, input.id);
      this.release((source) => !inputs.some(({ id }) => id === source));
      this.handlers.devices(inputs.map((input) => input.name || "a device"));
    };
    access.onstatechange = attach;
    attach();
  }

  /** Let the notes of some sources go. */
  release(chosen) {
    for (const channel of this.channels.values()) {
      if (!chosen(channel.source)) continue;
      for (const id of channel.notes.values()) this.handlers.off(id);
      channel.notes.clear();
      this.pedal(channel, false);
      if (channel.bend) this.bend(channel, 0);
      if (channel.pressure) this.press(channel, 0);
    }
  }

  /** Do what a message of one to three bytes asks for. */
  receive([status, first, second], source) {
    const kind = status & 0xf0;
    if (kind < 0x80 || kind === 0xf0) return;
    const number = status & 15;
    const channel = this.channelOf(source, number);
    // a key or pedal that goes up ends what it began, whichever channel was chosen meanwhile
    if (kind === 0x80 || (kind === 0x90 && !second)) this.off(channel, first);
    else if (kind === 0xb0 && first === PEDAL && second < 64) this.pedal(channel, false);
    else if (![ALL_CHANNELS, MPE, MPE_UPPER, number + 1].includes(this.settings.channel)) return;
    else if (kind === 0x90) this.on(channel, first, second / 127);
    else if (kind === 0xa0) this.express(channel, "pressure", second / 127, first);
    else if (kind === 0xb0) this.control(channel, first, second);
    else if (kind === 0xd0) this.press(channel, first / 127);
    else if (kind === 0xe0) this.bend(channel, first + 128 * second - 8192);
  }

  channelOf(source, number) {
    const name = `${source} ${number}`;
    if (!this.channels.has(name)) {
      const neutral = { bend: 0, pressure: 0, timbre: 0, down: false, range: BEND_SEMITONES, parameter: [...NONE], notes: new Map() };
      this.channels.set(name, { name, source, number, ...neutral });
    }
    return this.channels.get(name);
  }

  /** Return the zone, "lower" or "upper", in which a channel's messages are about its own notes only, or null. */
  zoneOf({ number }) {
    let { lower, upper } = this.members;
    if (this.settings.channel === MPE_UPPER) [lower, upper] = [0, upper || MOST_MEMBERS];
    else if (this.settings.channel !== MPE) return null;
    else if (!lower && !upper) lower = MOST_MEMBERS;
    if (number > LOWER_MASTER && number <= LOWER_MASTER + lower) return "lower";
    return number < UPPER_MASTER && number >= UPPER_MASTER - upper ? "upper" : null;
  }

  isMember(channel) {
    return this.zoneOf(channel) !== null;
  }

  on(channel, key, velocity) {
    const id = `midi ${channel.name} ${key}`;
    const { bend, pressure, timbre } = channel;
    const own = this.isMember(channel) ? { bend: bend * this.rangeOf(channel), pressure, timbre } : null;
    channel.notes.set(key, id);
    this.handlers.on(key, played(velocity, this.settings.touch), id, own);
  }

  off(channel, key) {
    const id = channel.notes.get(key);
    channel.notes.delete(key);
    if (id) this.handlers.off(id);
  }

  /** Change what the notes of a channel have of their own, or one of them. */
  express(channel, name, value, key = null) {
    for (const [held, id] of channel.notes) {
      if (key === null || held === key) this.handlers.express(id, name, value);
    }
  }

  press(channel, value) {
    channel.pressure = value;
    if (this.isMember(channel)) this.express(channel, "pressure", value);
    else this.handlers.set("pressure", value);
  }

  /** Bend by -8192 to 8191 steps of the range. */
  bend(channel, steps) {
    channel.bend = steps < 0 ? steps / 8192 : steps / 8191;
    if (this.isMember(channel)) this.express(channel, "bend", channel.bend * this.rangeOf(channel));
    else this.handlers.set("bend", channel.bend * this.rangeOf(channel));
  }

  control(channel, number, value) {
    if (number === MODULATION) this.handlers.set("padX", value / 127);
    else if (number === TIMBRE) this.timbre(channel, value);
    else if (number === PEDAL) this.pedal(channel, value >= 64);
    else if (number === ALL_SOUND_OFF || number === ALL_NOTES_OFF) this.silence();
    else if (number === RESET) this.reset(channel);
    else if (number === REGISTERED) channel.parameter[0] = value;
    else if (number === REGISTERED_FINE) channel.parameter[1] = value;
    else if (UNREGISTERED.includes(number)) channel.parameter = [...NONE];
    else if (number === DATA) this.data(channel, value);
    else if (number === DATA_FINE && chosen(channel, BEND_RANGE)) {
      this.setRange(channel, Math.floor(this.rangeOf(channel)) + value / 100);
    }
  }

  pedal(channel, down) {
    if (down === channel.down) return;
    channel.down = down;
    this.handlers.hold(down);
  }

  timbre(channel, value) {
    channel.timbre = value < 64 ? (value - 64) / 64 : (value - 64) / 63;
    if (this.isMember(channel)) this.express(channel, "timbre", channel.timbre);
    else this.handlers.set("padY", value / 127);
  }

  silence() {
    for (const channel of this.channels.values()) channel.notes.clear();
    this.handlers.panic();
  }

  /** Bend, pressure and pedal go back to where they are at the start. */
  reset(channel) {
    this.bend(channel, 0);
    this.press(channel, 0);
    if (this.isMember(channel)) this.timbre(channel, 64);
    else this.pedal(channel, false);
    channel.parameter = [...NONE];
  }

  data(channel, value) {
    if (chosen(channel, BEND_RANGE)) this.setRange(channel, value);
    else if (chosen(channel, ZONE) && [LOWER_MASTER, UPPER_MASTER].includes(channel.number)) this.announce(channel, value);
  }

  /** Take the number of channels that a zone has from now on; the other zone gives up what it shares with it. */
  announce(master, value) {
    const { members } = this;
    const [zone, other] = master.number === LOWER_MASTER ? ["lower", "upper"] : ["upper", "lower"];
    members[zone] = Math.min(value, MOST_MEMBERS);
    if (members[zone]) members[other] = Math.max(0, Math.min(members[other], MOST_OF_BOTH - members[zone]));
    this.ranges[zone] = MEMBER_BEND_SEMITONES;
    master.range = BEND_SEMITONES;
    this.handlers.zone(members.lower + members.upper);
  }

  /** Return the range of bends in semitones; the channels of single notes of a zone share theirs. */
  rangeOf(channel) {
    const zone = this.zoneOf(channel);
    return zone === null ? channel.range : this.ranges[zone];
  }

  setRange(channel, semitones) {
    const zone = this.zoneOf(channel);
    if (zone === null) channel.range = semitones;
    else this.ranges[zone] = semitones;
  }
}

/** Return whether a registered parameter is the one that data of a channel are about. */
function chosen({ parameter }, number) {
  return parameter[0] === 0 && parameter[1] === number;
}
