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

/** What a pedal that is down holds: all notes, or those that its channel's messages are about. */
const ALL = "all";
const OWN = "own";

/** Limits of what a note has of its own. */
const LIMITS = { bend: [-96, 96], pressure: [0, 1], timbre: [-1, 1] };

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
    this.again = 0;
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
      this.end(channel);
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
    else if (kind === 0xa0) this.pressKey(channel, first, second / 127);
    else if (kind === 0xb0) this.control(channel, first, second);
    else if (kind === 0xd0) this.press(channel, first / 127);
    else if (kind === 0xe0) this.bend(channel, first + 128 * second - 8192);
  }

  channelOf(source, number) {
    const name = `${source} ${number}`;
    if (!this.channels.has(name)) {
      const neutral = { bend: 0, pressure: 0, timbre: 0, down: null, range: BEND_SEMITONES, parameter: [...NONE] };
      this.channels.set(name, { name, source, number, ...neutral, notes: new Map(), kept: [] });
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

  /**
   * Return the channel about all notes of the zone that a channel belongs to, which may be itself, where there are two
   * zones. Otherwise null: a single zone is all that sounds, and messages about it are about everything.
   */
  managerOf(channel) {
    const { lower, upper } = this.members;
    if (this.settings.channel !== MPE || !lower || !upper) return null;
    if ([LOWER_MASTER, UPPER_MASTER].includes(channel.number)) return channel;
    const zone = this.zoneOf(channel);
    return zone && this.channelOf(channel.source, zone === "lower" ? LOWER_MASTER : UPPER_MASTER);
  }

  /** Return whether a channel's messages are about some notes only: those of the channel, or of its zone. */
  isApart(channel) {
    return this.isMember(channel) || this.managerOf(channel) !== null;
  }

  /** Return the channels whose notes the messages of a channel are about. */
  ledBy(channel) {
    if (this.managerOf(channel) !== channel) return [channel];
    return [...this.channels.values()].filter((one) => this.managerOf(one) === channel);
  }

  on(channel, key, velocity) {
    let id = `midi ${channel.name} ${key}`;
    // a note of the same key that a pedal holds sounds on, so the new one has another name
    if (channel.kept.some((note) => note.id === id)) id += ` ${(this.again += 1)}`;
    channel.notes.set(key, id);
    this.handlers.on(key, played(velocity, this.settings.touch), id, this.isApart(channel) ? this.ownOf(channel) : null);
  }

  off(channel, key) {
    const id = channel.notes.get(key);
    channel.notes.delete(key);
    if (!id) return;
    const manager = this.managerOf(channel);
    const by = [channel, manager].find((one) => one?.down === OWN);
    if (by) channel.kept.push({ id, by, had: manager === channel ? {} : this.partOf(channel) });
    else this.handlers.off(id);
  }

  /** End all notes of a channel. */
  end(channel) {
    for (const id of channel.notes.values()) this.handlers.off(id);
    channel.notes.clear();
    for (const { id } of channel.kept) this.handlers.off(id);
    channel.kept = [];
  }

  /** Return what a channel adds to what notes have of their own. */
  partOf(channel) {
    return { bend: channel.bend * this.rangeOf(channel), pressure: channel.pressure, timbre: channel.timbre };
  }

  /** Return what the notes of a channel have of their own: its part, or `had` in its place, and its manager's part. */
  ownOf(channel, had = this.partOf(channel)) {
    const manager = this.managerOf(channel);
    if (manager === null) return had;
    const part = this.partOf(manager);
    if (manager === channel) return part;
    const sum = ([name, [least, most]]) => [name, Math.min(most, Math.max(least, had[name] + part[name]))];
    return Object.fromEntries(Object.entries(LIMITS).map(sum));
  }

  /** Tell the notes that a channel's messages are about what they have of their own now. */
  express(channel, name) {
    for (const one of this.ledBy(channel)) {
      for (const id of one.notes.values()) this.handlers.express(id, name, this.ownOf(one)[name]);
      if (one === channel && this.isMember(one)) continue; // a key that is up has what it had last
      for (const { id, had } of one.kept) this.handlers.express(id, name, this.ownOf(one, had)[name]);
    }
  }

  pressKey(channel, key, value) {
    if (channel.notes.has(key)) this.handlers.express(channel.notes.get(key), "pressure", value);
  }

  press(channel, value) {
    channel.pressure = value;
    if (this.isApart(channel)) this.express(channel, "pressure");
    else this.handlers.set("pressure", value);
  }

  /** Bend by -8192 to 8191 steps of the range. */
  bend(channel, steps) {
    channel.bend = steps < 0 ? steps / 8192 : steps / 8191;
    if (this.isApart(channel)) this.express(channel, "bend");
    else this.handlers.set("bend", channel.bend * this.rangeOf(channel));
  }

  control(channel, number, value) {
    if (number === MODULATION) this.handlers.set("padX", value / 127);
    else if (number === TIMBRE) this.timbre(channel, value);
    else if (number === PEDAL) this.pedal(channel, value >= 64);
    else if (number === ALL_SOUND_OFF || number === ALL_NOTES_OFF) this.silence(channel);
    else if (number === RESET) this.reset(channel);
    else if (number === REGISTERED) channel.parameter[0] = value;
    else if (number === REGISTERED_FINE) channel.parameter[1] = value;
    else if (UNREGISTERED.includes(number)) channel.parameter = [...NONE];
    else if (number === DATA) this.data(channel, value);
    else if (number === DATA_FINE && chosen(channel, BEND_RANGE)) {
      this.setRange(channel, Math.floor(this.rangeOf(channel)) + value / 100);
    }
  }

  /** Hold all notes while a pedal is down, or of two zones those that its channel's messages are about. */
  pedal(channel, down) {
    const before = channel.down;
    if (down === (before !== null)) return;
    if (down) channel.down = this.managerOf(channel) ? OWN : ALL;
    else channel.down = null;
    const held = [...this.channels.values()].some((one) => one.down === ALL);
    if (channel.down === ALL || before === ALL) this.handlers.hold(held);
    if (before !== OWN) return;
    for (const one of this.channels.values()) {
      for (const { id, by } of one.kept) if (by === channel) this.handlers.off(id);
      one.kept = one.kept.filter(({ by }) => by !== channel);
    }
  }

  timbre(channel, value) {
    channel.timbre = value < 64 ? (value - 64) / 64 : (value - 64) / 63;
    if (this.isApart(channel)) this.express(channel, "timbre");
    else this.handlers.set("padY", value / 127);
  }

  /** End all notes: those of the MPE zone that the channel belongs to, or those of all channels where there is no zone. */
  silence(channel) {
    if (this.managerOf(channel)) {
      for (const one of this.ledBy(channel)) this.end(one);
      return;
    }
    for (const one of this.channels.values()) {
      one.notes.clear();
      one.kept = [];
    }
    this.handlers.panic();
  }

  /** Bend, pressure and pedal go back to where they are at the start. */
  reset(channel) {
    this.bend(channel, 0);
    this.press(channel, 0);
    if (this.isApart(channel)) this.timbre(channel, 64);
    this.pedal(channel, false);
    channel.parameter = [...NONE];
  }

  data(channel, value) {
    if (chosen(channel, BEND_RANGE)) this.setRange(channel, value);
    else if (chosen(channel, ZONE) && [LOWER_MASTER, UPPER_MASTER].includes(channel.number)) this.announce(channel, value);
  }

  /**
   * Take the number of channels that a zone has from now on; the other zone gives up what it shares with it. Notes end,
   * since what they follow changes.
   */
  announce(master, value) {
    const { members } = this;
    this.release((source) => source === master.source);
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
