/** Requests of which only the newest counts: one is under way at a time, and those in between are never sent. */

export class Latest {
  /**
   * @param ask Called with what is wanted; returns a promise of the answer.
   * @param take Called with an answer and what it answers.
   * @param fail Called with the error of a request that failed.
   */
  constructor(ask, take, fail) {
    Object.assign(this, { ask, take, fail, next: null, busy: false });
  }

  /** Ask for something, in place of what still waits. */
  want(wanted) {
    this.next = wanted;
    if (!this.busy) this.run();
  }

  /** Forget what waits. */
  drop() {
    this.next = null;
  }

  async run() {
    this.busy = true;
    while (this.next !== null) {
      const wanted = this.next;
      this.next = null;
      try {
        await this.take(await this.ask(wanted), wanted);
      } catch (error) {
        this.fail(error);
      }
    }
    this.busy = false;
  }
}
