/** Many short texts in one buffer: a million paths take their bytes, not a million objects. */
export class PackedNames {
  private bytes = Buffer.alloc(1024);
  private ends = new Float64Array(64);
  private count = 0;

  get length(): number {
    return this.count;
  }

  add(name: string): void {
    const begin = this.beginOf(this.count);
    const size = Buffer.byteLength(name);
    if (begin + size > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(2 * this.bytes.length, begin + size));
      this.bytes.copy(larger, 0, 0, begin);
      this.bytes = larger;
    }
    this.bytes.write(name, begin);
    if (this.count === this.ends.length) {
      const longer = new Float64Array(2 * this.count);
      longer.set(this.ends);
      this.ends = longer;
    }
    this.ends[this.count++] = begin + size;
  }

  at(index: number): string {
    return this.bytes.toString('utf8', this.beginOf(index), this.ends[index]);
  }

  private beginOf(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1]!;
  }
}
