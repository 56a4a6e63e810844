import { promisify } from "node:util";
import { crc32, deflateRaw, gzip } from "node:zlib";

/** A regular file of an archive. */
export interface ArchiveFile {
  /** Path inside the archive, at most 100 ASCII characters, with `/`. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly isExecutable: boolean;
}

const smallest = { level: 9 };
const mode = (file: ArchiveFile): number => (file.isExecutable ? 0o755 : 0o644);

/** 1980-01-01T00:00:00Z in seconds: the earliest date that both formats hold. Equal input gives equal bytes. */
const modifiedAt = 315_532_800;

const tarBlock = 512;

/** A header of POSIX.1-1988 (ustar), which every tar reads. */
const tarHeader = (file: ArchiveFile): Buffer => {
  const header = Buffer.alloc(tarBlock);
  const octal = (value: number, offset: number, width: number): void => {
    header.write(`${value.toString(8).padStart(width - 1, "0")}\0`, offset, "latin1");
  };
  if (file.path.length > 100) throw new Error(`${file.path}: longer than a tar header holds`);
  header.write(file.path, 0, "latin1");
  octal(mode(file), 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(file.bytes.length, 124, 12);
  octal(modifiedAt, 136, 12);
  header.write("        0", 148, "latin1");
  header.write("ustar", 257, "latin1");
  header.write("00", 263, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
};

/** A gzipped tar archive; the owner of every file is root. */
export const tarGz = async (files: readonly ArchiveFile[]): Promise<Uint8Array> => {
  const blocks = files.flatMap((file) => {
    const padding = (tarBlock - (file.bytes.length % tarBlock)) % tarBlock;
    return [tarHeader(file), file.bytes, Buffer.alloc(padding)];
  });
  return promisify(gzip)(Buffer.concat([...blocks, Buffer.alloc(2 * tarBlock)]), smallest);
};

/** The part that a zip entry's local header and its central record share (APPNOTE 4.3.7 and 4.3.12). */
const zipFields = (file: ArchiveFile, packed: Uint8Array): Buffer => {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt16LE((1 << 5) | 1, 8);
  fields.writeUInt32LE(crc32(file.bytes), 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(file.bytes.length, 18);
  fields.writeUInt16LE(Buffer.byteLength(file.path), 22);
  return fields;
};

/** A zip archive that keeps the executable bit for readers that know Unix modes. */
export const zip = async (files: readonly ArchiveFile[]): Promise<Uint8Array> => {
  const bodies: Uint8Array[] = [];
  const records: Uint8Array[] = [];
  let offset = 0;
  for (const file of files) {
    const packed = await promisify(deflateRaw)(file.bytes, smallest);
    const name = Buffer.from(file.path);
    const fields = zipFields(file, packed);
    const body = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), fields, name, packed]);
    const madeByUnix = Buffer.from([20, 3]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((0o100000 | mode(file)) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    records.push(Buffer.concat([Buffer.from("PK\x01\x02", "latin1"), madeByUnix, fields, tail, name]));
    bodies.push(body);
    offset += body.length;
  }
  const directory = Buffer.concat(records);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, directory, end]);
};
