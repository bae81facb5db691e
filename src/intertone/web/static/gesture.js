/** A gesture: a movement on the pad or the map that was recorded and repeats in its own time; as text it stands in the address. */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const STEPS = 4095; // of two letters
const TICK_SECONDS = 0.01; // of times in the text
const MOST_SECONDS = 30;
const MOST_POINTS = 100; // 600 letters
const TOLERANCE = 0.01; // of the pad's width, by which a simplified movement may differ
const RETURN_SECONDS = 0.2; // back to the beginning, over the whole width of the pad; a circle takes none
const STILL_SECONDS = 0.2; // without a change, after which the pad stood still
const RENEW_MS = 16;

/** Return points {x, y, seconds} as text, six letters each; `seconds` lead to the next point, of the last to the first. */
export function gestureText(points) {
  return points.map(({ x, y, seconds }) => [seconds / TICK_SECONDS, x * STEPS, y * STEPS].map(letters).join("")).join("");
}

/** Return the points of a gesture's text, or null where it is none. */
export function gesturePoints(text) {
  if (!/^(?:[A-Za-z0-9_-]{6})+$/.test(text) || text.length > 6 * MOST_POINTS) return null;
  const values = text.match(/../g).map(([high, low]) => 64 * LETTERS.indexOf(high) + LETTERS.indexOf(low));
  const points = [];
  for (let at = 0; at < values.length; at += 3) {
    points.push({ seconds: values[at] * TICK_SECONDS, x: values[at + 1] / STEPS, y: values[at + 2] / STEPS });
  }
  return lengthOf(points) > 0 ? points : null;
}

/** Return whether a text is a gesture, or empty. */
export function isGesture(text) {
  return text === "" || gesturePoints(text) !== null;
}

/** Return the position {x, y} of a gesture at a time, s. */
export function gestureAt(points, seconds) {
  let rest = seconds % lengthOf(points);
  let at = 0;
  while (at < points.length - 1 && rest >= points[at].seconds) rest -= points[at++].seconds;
  const [from, to] = [points[at], points[(at + 1) % points.length]];
  const share = from.seconds > 0 ? Math.min(1, rest / from.seconds) : 1;
  return { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) };
}

/** Return the gesture of places {x, y, time} in the order of their times, in seconds; null without a movement. */
export function gestureOf(places) {
  if (places.length < 2 || places.at(-1).time - places[0].time < TICK_SECONDS) return null;
  let tolerance = TOLERANCE;
  let kept = simplified(places, tolerance);
  while (kept.length > MOST_POINTS) kept = simplified(places, (tolerance *= 1.5));
  const [first, last] = [kept[0], kept.at(-1)];
  const back = RETURN_SECONDS * Math.hypot(last.x - first.x, last.y - first.y);
  const ticks = kept.map(({ time }) => Math.round((time - first.time) / TICK_SECONDS));
  return kept.map(({ x, y }, at) => {
    const seconds = at + 1 < kept.length ? (ticks[at + 1] - ticks[at]) * TICK_SECONDS : back;
    return { x, y, seconds };
  });
}

/** Return the fewest places between which straight, even movement stays within a tolerance (Douglas and Peucker). */
function simplified(places, tolerance) {
  const [first, last] = [places[0], places.at(-1)];
  let [farthest, most] = [0, tolerance];
  for (let at = 1; at < places.length - 1; at += 1) {
    const share = (places[at].time - first.time) / Math.max(1e-9, last.time - first.time);
    const x = first.x + share * (last.x - first.x);
    const y = first.y + share * (last.y - first.y);
    const away = Math.hypot(places[at].x - x, places[at].y - y);
    if (away > most) [farthest, most] = [at, away];
  }
  if (!farthest) return [first, last];
  return [...simplified(places.slice(0, farthest + 1), tolerance).slice(0, -1), ...simplified(places.slice(farthest), tolerance)];
}

function lengthOf(points) {
  return points.reduce((sum, { seconds }) => sum + seconds, 0);
}

function letters(value) {
  const whole = Math.max(0, Math.min(STEPS, Math.round(value)));
  return LETTERS[whole >> 6] + LETTERS[whole & 63];
}

/** Where gestures are: the names of the values that hold their text and the place, and of the place in a sentence. */
export const ON_PAD = { text: "gesture", x: "padX", y: "padY", place: "pad" };
export const ON_MAP = { text: "gestureMap", x: "mapX", y: "mapY", place: "map" };

/** Records the movements of the pad or the map, and repeats them. */
export class Gesture {
  /**
   * @param state Values of the controls.
   * @param where `ON_PAD` or `ON_MAP`.
   * @param touchable Element of that: while it is touched, the finger leads.
   * @param show Called when `phase` has changed: "idle", "records" or "repeats".
   */
  constructor(state, where, touchable, show) {
    this.state = state;
    this.where = where;
    this.changed = show;
    this.places = null;
    this.touched = false;
    state.onChange((name) => {
      if (name === where.text) this.follow();
      else if (this.places && (name === where.x || name === where.y)) this.note(performance.now() / 1000);
    });
    touchable.addEventListener("pointerdown", () => (this.touched = true));
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => (this.touched = false));
    this.follow();
  }

  /** Start to record; if recording, repeat the gesture; if repeating, stop. Return a sentence about the new state. */
  press() {
    const { state } = this;
    const { text, place } = this.where;
    if (state.values[text]) {
      state.begin();
      state.set(text, "");
      return `The place on the ${place} stands still again.`;
    }
    if (!this.places) {
      this.places = [];
      this.show("records");
      return `Move on the ${place}, then press Repeat.`;
    }
    const found = gestureOf(this.places);
    this.places = null;
    this.show("idle");
    if (!found) return `The ${place} was not moved, so nothing repeats.`;
    state.begin();
    state.set(text, gestureText(found));
    return "The movement repeats; press Stop to end it.";
  }

  show(phase) {
    this.phase = phase;
    this.changed();
  }

  /** Record where the place is now. */
  note(time) {
    const { x, y } = this.at();
    const last = this.places.at(-1);
    if (last && time - last.time < 0.004) Object.assign(last, { x, y }); // x and y of one movement
    else if (!last || time - this.places[0].time < MOST_SECONDS) {
      if (last && time - last.time > STILL_SECONDS) this.places.push({ ...last, time: time - 0.1 * STILL_SECONDS });
      this.places.push({ x, y, time });
    }
  }

  /** Repeat what the state holds, or stop. */
  follow() {
    this.places = null;
    clearInterval(this.timer);
    const text = this.state.values[this.where.text];
    const points = text && gesturePoints(text);
    this.show(points ? "repeats" : "idle");
    if (!points) return;
    const begin = performance.now();
    this.timer = setInterval(() => {
      if (this.touched) return;
      const { x, y } = gestureAt(points, (performance.now() - begin) / 1000);
      this.state.move({ [this.where.x]: x, [this.where.y]: y });
    }, RENEW_MS);
  }

  at() {
    const { values } = this.state;
    return { x: values[this.where.x], y: values[this.where.y] };
  }
}
