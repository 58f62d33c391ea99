/** The requests of one window of one subject, oldest first, as stamps in microseconds. */
export class PageLog {
  #stamps = new Float64Array(4);
  #head = 0;
  #length = 0;
  /** Requests in the newest entry. */
  #open = 0;

  /** @param page requests per entry; see `pageSize()` */
  constructor(readonly page: number) {}

  get used(): number {
    return this.#length === 0 ? 0 : (this.#length - 1) * this.page + this.#open;
  }

  /** The newest stamp, or -Infinity. */
  get newest(): number {
    return this.#length === 0 ? -Infinity : this.#at(this.#length - 1);
  }

  /** Drops what happened at `horizon` or before. */
  prune(horizon: number): void {
    while (this.#length > 0 && this.#at(0) <= horizon) {
      this.#head = (this.#head + 1) % this.#stamps.length;
      this.#length--;
    }
  }

  /** The stamp whose expiry makes room for one more request under `limit`. Only when the log is full. */
  blocking(limit: number): number {
    const entries = Math.ceil((this.used + 1 - limit) / this.page);
    return this.#at(Math.min(entries, this.#length) - 1);
  }

  add(stamp: number): void {
    if (this.#length > 0 && this.#open < this.page) {
      this.#stamps[(this.#head + this.#length - 1) % this.#stamps.length] = stamp;
      this.#open++;
      return;
    }
    if (this.#length === this.#stamps.length) this.#grow();
    this.#stamps[(this.#head + this.#length) % this.#stamps.length] = stamp;
    this.#length++;
    this.#open = 1;
  }

  /** The stamp of each request, oldest first: that of its entry. */
  requests(): readonly number[] {
    return Array.from({ length: this.used }, (_, i) => this.#at(Math.floor(i / this.page)));
  }

  /** Moves everything `by` microseconds back: the clock was set back by as much. */
  shift(by: number): void {
    for (let i = 0; i < this.#stamps.length; i++) this.#stamps[i] = (this.#stamps[i] ?? 0) - by;
  }

  #at(index: number): number {
    return this.#stamps[(this.#head + index) % this.#stamps.length] ?? 0;
  }

  #grow(): void {
    const wider = new Float64Array(this.#stamps.length * 2);
    for (let i = 0; i < this.#length; i++) wider[i] = this.#at(i);
    this.#stamps = wider;
    this.#head = 0;
  }
}
