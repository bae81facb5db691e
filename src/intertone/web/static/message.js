/** The sentence in the head: one or two lines, so that nothing below it moves; one that is longer can be opened. */

export class Message {
  /**
   * @param text Element of the sentence.
   * @param more Button that opens and closes a sentence without room; it is hidden where there is room.
   */
  constructor(text, more) {
    this.text = text;
    this.more = more;
    more.addEventListener("click", () => {
      this.open(more.getAttribute("aria-expanded") !== "true");
      this.fit();
    });
    new ResizeObserver(() => this.fit()).observe(text.parentElement);
  }

  /** Show a sentence, closed; "" shows none. */
  say(sentence) {
    this.text.textContent = sentence;
    this.open(false);
    this.fit();
  }

  open(on) {
    this.more.setAttribute("aria-expanded", on);
    this.more.textContent = on ? "Less" : "More";
  }

  /** Give a sentence the room of the figures below it where one line is too short; offer to open it where two are. */
  fit() {
    const { text, more } = this;
    if (more.getAttribute("aria-expanded") === "true") return;
    const { classList } = text.parentElement;
    more.hidden = true;
    classList.remove("long");
    if (text.scrollWidth <= text.clientWidth) return;
    classList.add("long");
    more.hidden = text.scrollHeight <= text.clientHeight;
  }
}
