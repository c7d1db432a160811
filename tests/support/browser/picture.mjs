// Makes the picture of a page small: at most 256 colours in a palette, so that the repository holds many of them.
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");
const COLOURS_MAX = 256;

// The rows of a PNG of Chromium: 8 bits a channel, not interlaced, with or without transparency.
function decode(png) {
  const parts = [];
  let head;
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    const [kind, data] = [png.toString("latin1", at + 4, at + 8), png.subarray(at + 8, at + 8 + length)];
    if (kind === "IHDR") head = data;
    if (kind === "IDAT") parts.push(data);
    at += 12 + length;
  }
  const [width, height, channels] = [head.readUInt32BE(0), head.readUInt32BE(4), head[9] === 6 ? 4 : 3];
  const [raw, stride] = [inflateSync(Buffer.concat(parts)), width * channels];
  const pixels = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const at = y * stride + x;
      const left = x < channels ? 0 : pixels[at - channels];
      const above = y === 0 ? 0 : pixels[at - stride];
      const corner = x < channels || y === 0 ? 0 : pixels[at - stride - channels];
      pixels[at] = raw[y * (stride + 1) + 1 + x] + [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter];
    }
  }
  return { width, height, channels, pixels };
}

function paeth(left, above, corner) {
  const guess = left + above - corner;
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

const channelsOf = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255];

// The colours that stand for all others: shades that nobody tells apart count as one, and the commonest come first.
function palette(counts) {
  const groups = new Map();
  for (const [colour, count] of counts) {
    const key = colour & 0xfcfcfc;
    const group = groups.get(key) ?? { colour, most: 0, count: 0 };
    if (count > group.most) Object.assign(group, { colour, most: count });
    group.count += count;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count).slice(0, COLOURS_MAX).map((group) => group.colour);
}

function nearest(colours, colour) {
  const wanted = channelsOf(colour);
  const far = (one) => channelsOf(one).reduce((sum, value, index) => sum + (value - wanted[index]) ** 2, 0);
  return colours.reduce((best, one, index) => (far(one) < far(colours[best]) ? index : best), 0);
}

export function small(png) {
  const { width, height, channels, pixels } = decode(png);
  const colourAt = (at) => (pixels[at] << 16) | (pixels[at + 1] << 8) | pixels[at + 2];
  const counts = new Map();
  for (let at = 0; at < pixels.length; at += channels) counts.set(colourAt(at), (counts.get(colourAt(at)) ?? 0) + 1);
  const colours = palette(counts);
  const places = new Map([...counts.keys()].map((colour) => [colour, nearest(colours, colour)]));
  // Each row begins with its filter, which is none.
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) rows[y * (width + 1) + 1 + x] = places.get(colourAt((y * width + x) * channels));
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", head),
    chunk("PLTE", Buffer.from(colours.flatMap(channelsOf))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
