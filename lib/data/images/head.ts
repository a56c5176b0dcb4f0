/** What the first bytes of a file say, as far as it can be decoded without asking the library. */
export type ImageHead =
  | {
      kind: 'jpeg';
      width: number;
      height: number;
      channels: number;
      /** 8 bits, grey or YCbCr, upright, no colour profile: the pixels are what the library decodes. */
      plain: boolean;
    }
  | { kind: 'ppm'; width: number; height: number; channels: 1 | 3; offset: number };

/** Undefined for other formats, and for what is damaged: the library finds the words. */
export function imageHead(bytes: Uint8Array): ImageHead | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegHead(bytes);
  if (bytes[0] === 0x50 && (bytes[1] === 0x36 || bytes[1] === 0x35)) return ppmHead(bytes);
  return undefined;
}

/** ITU-T T.81, annex B: segments up to the start of frame. */
function jpegHead(bytes: Uint8Array): ImageHead | undefined {
  let plain = true;
  for (let at = 2; at + 9 < bytes.length;) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++;
      continue;
    }
    const size = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const segment = bytes.subarray(at + 4, at + 2 + size);
    // Baseline, extended and progressive, Huffman coded; further frames are left to the library.
    if (marker >= 0xc0 && marker <= 0xc2) {
      const [precision, h1, h0, w1, w0, channels] = segment as unknown as number[];
      const [height, width] = [(h1! << 8) | h0!, (w1! << 8) | w0!];
      if (width === 0 || height === 0) return undefined;
      plain &&= precision === 8 && (channels === 1 || channels === 3);
      return { kind: 'jpeg', width, height, channels: channels!, plain };
    }
    if (marker === 0xda || marker === 0xd9 || size < 2) return undefined;
    if (marker === 0xe1) plain &&= uprightExif(segment);
    // A colour profile, and Adobe's word that three channels are no YCbCr.
    if (marker === 0xe2 && startsWith(segment, 'ICC_PROFILE')) plain = false;
    if (marker === 0xee && startsWith(segment, 'Adobe')) plain &&= segment[11] === 1;
    at += 2 + size;
  }
  return undefined;
}

/** Whether an APP1 segment leaves the image as it is stored. */
function uprightExif(segment: Uint8Array): boolean {
  if (!startsWith(segment, 'Exif\0\0')) return true;
  const tiff = new DataView(segment.buffer, segment.byteOffset + 6, segment.length - 6);
  if (tiff.byteLength < 8) return false;
  const little = tiff.getUint16(0) === 0x4949;
  const first = tiff.getUint32(4, little);
  if (first + 2 > tiff.byteLength) return false;
  const count = tiff.getUint16(first, little);
  for (let i = 0; i < count; i++) {
    const entry = first + 2 + 12 * i;
    if (entry + 12 > tiff.byteLength) return false;
    if (tiff.getUint16(entry, little) === 0x0112) return tiff.getUint16(entry + 8, little) === 1;
  }
  return true;
}

/** `P6 <width> <height> 255` and one white space, then the pixels; P5 is grey. */
function ppmHead(bytes: Uint8Array): ImageHead | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64));
  const found = /^P([56])\s+(\d{1,6})\s+(\d{1,6})\s+255\s/.exec(text.toString('latin1'));
  if (!found) return undefined;
  const [whole, kind, width, height] = found;
  const channels = kind === '6' ? 3 : 1;
  const head = { kind: 'ppm', width: Number(width), height: Number(height), channels } as const;
  return head.width > 0 && head.height > 0 ? { ...head, offset: whole.length } : undefined;
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[i] !== text.charCodeAt(i)) return false;
  return true;
}
