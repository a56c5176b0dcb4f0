import { createHash } from 'node:crypto';
import type { HostTensor } from '../formats/safetensors.js';

/** Bytes that are hashed between two turns of the event loop. */
const piece = 2 ** 20;

/** SHA-256 over names, types, shapes and bytes, in the order of the names. */
export async function digestOf(tensors: ReadonlyMap<string, HostTensor>): Promise<string> {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, data } = tensors.get(name) as HostTensor;
    hash.update(`${name}\0${dtype}\0${shape.join()}\0`);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < bytes.length; at += piece) {
      hash.update(bytes.subarray(at, at + piece));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return hash.digest('hex');
}
