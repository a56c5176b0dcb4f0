import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { tarEnd, tarHeader, tarPadding } from '../../lib/formats/tar.js';

const time = new Date(1_700_000_000_000);

/** A tar file of these members, in their order. */
export async function tarOf(members: Record<string, string | Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (const [name, contents] of Object.entries(members)) {
    const bytes = Buffer.from(contents);
    parts.push(await tarHeader(name, bytes.length, time), bytes, tarPadding(bytes.length));
  }
  return Buffer.concat([...parts, tarEnd]);
}

/** Changes the type of a member's header, and puts its checksum right. */
export function withType(tar: Buffer, at: number, type: string): Buffer {
  const changed = Buffer.from(tar);
  changed.write(type, at + 156, 'latin1');
  changed.write('        ', at + 148, 'latin1');
  const sum = changed.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  return changed;
}

/** A picture of one colour. */
export function plain(grey: number, side = 16): Promise<Buffer> {
  const background = { r: grey, g: grey, b: grey };
  return sharp({ create: { width: side, height: side, channels: 3, background } })
    .png()
    .toBuffer();
}

/** Samples 0 to count - 1: picture i has the grey 10 i and the class i % 3. */
export async function samples(count: number, from = 0): Promise<Record<string, string | Buffer>> {
  const members: Record<string, string | Buffer> = {};
  for (let i = from; i < from + count; i++) {
    const key = String(i).padStart(4, '0');
    members[`${key}.png`] = await plain(10 * i);
    members[`${key}.cls`] = `${i % 3}\n`;
  }
  return members;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on the loopback interface. */
export interface TestServer {
  readonly address: string;
  /** Requests so far: method, path, range. */
  readonly requests: string[];
  close(): Promise<void>;
}

export async function serve(handler: Handler): Promise<TestServer> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(`${request.method!} ${request.url!} ${request.headers.range ?? ''}`.trim());
    handler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The part that a request asks for, with its head. */
export function partOf(file: Buffer, request: IncomingMessage): { body: Buffer; head: object } {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
  const end = Math.min(Number(to) + 1, file.length);
  const body = file.subarray(Number(from), end);
  return {
    body,
    head: {
      'content-range': `bytes ${from!}-${end - 1}/${file.length}`,
      'content-length': body.length,
    },
  };
}

/** Answers range requests for files by path, and 404 else. */
export function fileHandler(files: Record<string, Buffer>): Handler {
  return (request, response) => {
    const file = files[request.url!];
    if (file === undefined) return void response.writeHead(404).end();
    if (request.headers.range === undefined) return void response.writeHead(200).end(file);
    const { body, head } = partOf(file, request);
    response.writeHead(206, head as Record<string, string>).end(body);
  };
}
