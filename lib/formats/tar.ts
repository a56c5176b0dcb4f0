import { FormatError } from '../errors.js';

/** Member of a tar file: where its contents lie. */
export interface TarMember {
  name: string;
  /** Of the contents, in bytes from the start of the file. */
  offset: number;
  size: number;
  /** `'File'`, `'Directory'`, `'Link'`, `'SymbolicLink'` and so on. */
  type: string;
}

const block = 512;
/** Extended headers hold names and numbers; a longer one is an attack or damage. */
const longestHeader = 2 ** 20;

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/**
 * The members of a tar file (POSIX ustar and pax, GNU long names and large sizes) in their order; of their
 * contents only those of extended headers are read. Nothing is ever unpacked.
 * @throws FormatError at a header that is damaged, or where the file ends too early; members before that
 *   have been given.
 */
export async function* tarMembers(
  name: string,
  bytes: number,
  readAt: ReadAt,
): AsyncGenerator<TarMember, void> {
  const [{ Header }, { Pax }] = await Promise.all([import('tar/header'), import('tar/pax')]);
  let local: InstanceType<typeof Pax> | undefined;
  let global: InstanceType<typeof Pax> | undefined;
  let longName: string | undefined;
  for (let at = 0; at < bytes;) {
    const raw = await readAt(at, block);
    if (raw.length < block) throw cut(name, at);
    const header = decoded(() => new Header(raw, 0, local, global));
    if (header?.nullBlock === true) return;
    if (header?.cksumValid !== true || !Number.isSafeInteger(header.size))
      throw new FormatError(`${name}: the header at byte ${at} is damaged`, {
        remedy: 'The file is no tar file, or damaged; get it again.',
        details: { path: name, offset: at },
      });
    const { type } = header;
    const size = header.size!;
    const offset = at + block;
    if (offset + size > bytes) throw cut(name, at, longName ?? header.path);
    at = offset + Math.ceil(size / block) * block;
    const extended =
      type === 'ExtendedHeader' ||
      type === 'OldExtendedHeader' ||
      type === 'GlobalExtendedHeader' ||
      type === 'NextFileHasLongPath' ||
      type === 'OldGnuLongPath' ||
      type === 'NextFileHasLongLinkpath';
    if (!extended) {
      // Header joins ustar's prefix, and prefers the pax path.
      yield { name: longName ?? header.path ?? '', offset, size, type };
      local = longName = undefined;
      continue;
    }
    if (size > longestHeader)
      throw new FormatError(`${name}: the extended header at byte ${at} has ${size} bytes`, {
        remedy: 'The file is damaged; get it again.',
        details: { path: name },
      });
    const text = (await readAt(offset, size)).toString('utf8');
    if (type === 'GlobalExtendedHeader') global = Pax.parse(text, global, true);
    else if (type === 'ExtendedHeader' || type === 'OldExtendedHeader')
      local = Pax.parse(text, local, false);
    else if (type !== 'NextFileHasLongLinkpath') longName = text.replace(/\0.*$/s, '');
  }
}

/** The header blocks of a file, extended where name or size need it. */
export async function tarHeader(path: string, size: number, modified: Date): Promise<Buffer> {
  const [{ Header }, { Pax }] = await Promise.all([import('tar/header'), import('tar/pax')]);
  const fields = { path, size, mode: 0o644, uid: 0, gid: 0, mtime: modified } as const;
  const header = new Header({ ...fields, type: 'File' });
  header.encode();
  const plain = header.block!;
  return header.needPax ? Buffer.concat([new Pax(fields).encode(), plain]) : plain;
}

/** Zeros from `size` to the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((block - (size % block)) % block);
}

/** What ends a tar file. */
export const tarEnd: Buffer = Buffer.alloc(2 * block);

/** Numbers that no file has make the library throw. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

function cut(name: string, at: number, member?: string): FormatError {
  const where = member === undefined ? `at byte ${at}` : `within ${member}`;
  return new FormatError(`${name} ends ${where}`, {
    remedy: 'The file is cut; get it again.',
    details: { path: name, offset: at },
  });
}
