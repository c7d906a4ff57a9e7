// A zip of a few small texts, stored as they are: enough for an action, and nothing to install.
import { crc32 } from 'node:zlib'

/** The bytes of a zip holding `files`, a map of name to text. */
export function zip (files) {
  const parts = []
  const directory = []
  let offset = 0
  for (const [name, text] of Object.entries(files)) {
    const [title, data] = [Buffer.from(name), Buffer.from(text)]
    const common = header(title, data)
    const local = Buffer.concat([numbers([0x04034b50, 4]), common, title, data])
    directory.push(Buffer.concat([
      numbers([0x02014b50, 4], [20, 2]), common, numbers([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), title
    ]))
    parts.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const count = directory.length
  const end = numbers([0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [central.length, 4], [offset, 4], [0, 2])
  return Buffer.concat([...parts, central, end])
}

// Version, flags, method (stored), time, date (1980-01-01), checksum, both sizes, lengths of name and extra field.
function header (title, data) {
  return numbers([20, 2], [0, 2], [0, 2], [0, 2], [33, 2], [crc32(data), 4], [data.length, 4], [data.length, 4],
    [title.length, 2], [0, 2])
}

function numbers (...fields) {
  return Buffer.concat(fields.map(([value, size]) => {
    const field = Buffer.alloc(size)
    field.writeUIntLE(value, 0, size)
    return field
  }))
}
