/** What the page asks the process behind the map. */

const TIMEOUT_MS = 20_000;
const START_MS = 150_000; // longer than the process behind the map may take until it answers for the first time
const LOST = "the server did not answer.";

/** Return the points of the map with the sounds of an instrument, and `known`: whether the server has that. */
export async function askPoints(job) {
  const answer = await ask(`map?instrument=${encodeURIComponent(job ?? "")}`, {}, START_MS);
  return answer.json();
}

/** Return the answer of the server; an error has one sentence, and `lost` where the server no longer has the sounds. */
async function ask(address, options, timeout) {
  let answer;
  try {
    answer = await fetch(address, { ...options, signal: AbortSignal.timeout(timeout) });
  } catch {
    throw new Error(LOST);
  }
  if (answer.ok) return answer;
  const content = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(content.error ? `${content.error}.` : LOST), { lost: content.lost === true });
}

/** Return the bytes of the instrument that is wanted: at a place of the map, or of a code. */
export async function askSound(wanted) {
  const answer = await ask("map/sound", { method: "POST", body: JSON.stringify(wanted) }, TIMEOUT_MS);
  return answer.arrayBuffer();
}

/** Return the same as one HTML file. */
export async function askPage(wanted) {
  const answer = await ask("map/page", { method: "POST", body: JSON.stringify(wanted) }, TIMEOUT_MS);
  return answer.blob();
}

/** Requests of which only the newest counts: one is under way at a time, and those in between are never sent. */
export class Latest {
  /**
   * @param ask Called with what is wanted; returns a promise of the answer.
   * @param take Called with an answer and what it answers.
   * @param fail Called with the error of a request that failed.
   */
  constructor(ask, take, fail) {
    Object.assign(this, { ask, take, fail, next: null, busy: false, dropped: 0 });
  }

  /** Send a request as soon as the one under way is answered, in place of another that still waits. */
  want(wanted) {
    this.next = wanted;
    if (!this.busy) this.run();
  }

  /** Forget what waits, and what is under way: its answer is not taken. */
  drop() {
    this.next = null;
    this.dropped += 1;
  }

  async run() {
    this.busy = true;
    while (this.next !== null) {
      const wanted = this.next;
      this.next = null;
      const { dropped } = this;
      try {
        const answer = await this.ask(wanted);
        if (dropped === this.dropped) await this.take(answer, wanted);
      } catch (error) {
        if (dropped === this.dropped) this.fail(error);
      }
    }
    this.busy = false;
  }
}
