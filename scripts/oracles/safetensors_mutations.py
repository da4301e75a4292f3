"""Mutates safetensors files and records what the reference implementation says of each.

Run with the `safetensors` package (0.8.0): python scripts/oracles/safetensors_mutations.py

Writes test/fixtures/safetensors/mutations.txt. Lines of the form `base HEX` give whole files. Each
other line is `VERDICT BASE EDITS`, where EDITS are replacements applied one after the other,
`OFFSET:COUNT:HEX`, joined by commas. VERDICT is
  refused        the reference refuses the file
  duplicate      it accepts the file although some object has a key twice; torchsight must refuse it
  a number       it accepts the file: FNV-1a of the sorted lines "name dtype shape"
"""

import json
import random
import re
import struct
from pathlib import Path

from safetensors import deserialize

FILE = Path(__file__).parents[2] / "test" / "fixtures" / "safetensors" / "mutations.txt"
COUNT = 2000
NUMBERS = ["0", "1", "2", "3", "4", "8", "16", "-1", "-0", "1.0", "4e0", "01", "255", "256",
           "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
           "18446744073709551615", "18446744073709551616", "1e999", "null", "true", "\"1\"",
           "[1]", "{}", "[]", ""]
DTYPES = ["BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0",
          "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64",
          "F64", "I64", "U64", "F128", "f32", "", "F32 ", "C128"]
STRINGS = ["dtype", "shape", "data_offsets", "__metadata__", "a", "b", "", "\\u0061",
           "\\ud83d\\ude00", "\\ud83d", "\\x", "weight.0", "\\n", "\\u0000", "\u00e9", "\x7f"]
ALPHABET = b'{}[]:,"\\0123456789eE+-. \t\n\r\x00\xff\xc3\xa9aFtfn/\''
MEMBERS = ['"x":1', '"x":[1,{"y":null}]', '"x":1e999', '"x":"\\ud800"', '"x":{"y":1,"y":2}',
           '"x":' + "[" * 125 + "]" * 125, '"x":' + "[" * 126 + "]" * 126, '"dtype":"F32"',
           '"shape":[1]', '"x":123456789012345678901234567890', '"x":-0.0e-3', '"x":tru']


def entry(name, dtype, shape, begin, end):
    shape = json.dumps(shape, separators=(",", ":"))
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}'


def file_of(header, data):
    header = header.encode()
    return struct.pack("<Q", len(header)) + header + bytes(range(data))


def bases():
    plain = [entry("a", "F32", [2, 3], 0, 24), entry("b", "F16", [4], 24, 32)]
    return [
        file_of("{" + plain[0] + "}", 24),
        file_of("{" + ",".join(plain) + "}" + "  ", 32),
        file_of('{"__metadata__":{"format":"pt","k":"v"},' + ",".join(reversed(plain)) + "}", 32),
        file_of("{" + entry("s", "I64", [], 0, 8) + "," + entry("e", "F64", [0, 5], 8, 8) + "}", 8),
        file_of("{" + ",".join(entry(f"w{i}", "U8", [2, 2], 4 * i, 4 * i + 4) for i in range(4))
                + "}", 16),
        file_of("{}", 0),
        file_of("{" + entry("q", "F4", [2, 3], 0, 3) + "," + entry("r", "F8_E4M3", [1], 3, 4) + "}",
                4),
    ]


class Mutant:
    def __init__(self, base, data):
        self.base, self.data, self.edits = base, data, []

    def replace(self, offset, count, new):
        offset = min(offset, len(self.data))
        count = min(count, len(self.data) - offset)
        self.data = self.data[:offset] + new + self.data[offset + count:]
        self.edits.append(f"{offset}:{count}:{new.hex()}")

    def header(self):
        length = struct.unpack("<Q", self.data[:8])[0] if len(self.data) >= 8 else 0
        return 8, min(8 + length, len(self.data))

    def edit_header(self, start, end, new, rng):
        """Replaces a part of the header and mostly keeps the header's length right."""
        length = self.header()[1] - 8
        self.replace(start, end - start, new)
        if rng.random() < 0.9:
            self.replace(0, 8, struct.pack("<Q", max(0, length + len(new) - (end - start))))


def mutate(mutant, rng):
    start, end = mutant.header()
    text = mutant.data[start:end]
    kind = rng.randrange(13)
    tokens = [m.span() for m in re.finditer(rb'"(?:[^"\\]|\\.)*"|-?[0-9.eE+]+|[{}\[\],:]', text)]
    at = rng.randrange(start, max(start + 1, end))
    if kind == 0:
        byte = bytes([mutant.data[at] ^ 1 << rng.randrange(8)]) if at < len(mutant.data) else b"x"
        mutant.replace(at, 1, byte)
    elif kind == 1:
        mutant.edit_header(at, at, bytes([rng.choice(ALPHABET)]), rng)
    elif kind == 2:
        mutant.edit_header(at, min(end, at + rng.randrange(1, 4)), b"", rng)
    elif kind == 3:
        length = end - start
        new = rng.choice([0, 1, length - 1, length + 1, length + 8, 100_000_000, 100_000_001,
                          2**63, 2**64 - 8, 2**64 - 1, rng.randrange(2**16)])
        mutant.replace(0, 8, struct.pack("<Q", max(0, new)))
    elif kind == 4:
        mutant.replace(rng.randrange(len(mutant.data) + 1), len(mutant.data), b"")
    elif kind == 5:
        mutant.replace(len(mutant.data), 0, bytes(rng.randrange(1, 9)))
    elif kind == 6:
        blanks = rng.choice([b" ", b"\n", b"\t", b"\r", b"   ", b"\x0b", b"\x00", b"\xa0"])
        place = rng.choice([start, end] + [start + span[rng.randrange(2)] for span in tokens])
        mutant.edit_header(place, place, blanks, rng)
    elif tokens:
        low, high = rng.choice(tokens)
        token = text[low:high]
        if kind == 7:  # other tokens of the same sort
            if token[:1] == b'"':
                dtype = token[1:-1].decode() in DTYPES
                new = f'"{rng.choice(DTYPES if dtype or rng.random() < 0.3 else STRINGS)}"'
            else:
                new = rng.choice(NUMBERS) if token[:1] not in b"{}[],:" else rng.choice("{}[],:")
            mutant.edit_header(start + low, start + high, new.encode(), rng)
        elif kind == 8:  # swap neighbours, such as the two sizes of a shape
            numbers = [span for span in tokens if text[span[0]:span[1]].isdigit()]
            if len(numbers) > 1:
                i = rng.randrange(len(numbers) - 1)
                (a, b), (c, d) = numbers[i], numbers[i + 1]
                new = text[c:d] + text[b:c] + text[a:b]
                mutant.edit_header(start + a, start + d, new, rng)
        elif kind == 9:  # another member, unknown or twice
            braces = [span for span in tokens if text[span[0]:span[1]] == b"{"]
            if braces:
                place = start + rng.choice(braces)[1]
                mutant.edit_header(place, place, rng.choice(MEMBERS).encode() + b",", rng)
        elif kind == 10:  # a whole entry twice, or gone
            entries = list(re.finditer(rb'"\w+":\{[^{}]*\},?', text))
            if entries:
                found = rng.choice(entries)
                where = start + found.start()
                whole = found.group().rstrip(b",") + b","
                gone = rng.random() < 0.4
                mutant.edit_header(where, start + found.end() if gone else where,
                                   b"" if gone else whole, rng)
        elif kind == 11:  # an empty tensor more
            name = rng.choice(["z", "a", "w0", "\\u0061"])
            brace = text.find(b"{")
            dtype, shape = rng.choice(DTYPES), rng.choice(["0", "0,3", "3,0", "0,4294967296"])
            size = len(mutant.data) - end
            offset = rng.choice([0, size, size, size, 1])
            new = (f'"{name}":{{"dtype":"{dtype}","shape":[{shape}],'
                   f'"data_offsets":[{offset},{offset}]}}')
            comma = "," if text[brace + 1:brace + 2] == b'"' else ""
            mutant.edit_header(start + brace + 1, start + brace + 1, (new + comma).encode(), rng)
        else:  # the order of a shape, or a dtype of the same width
            same = [(b"F32", b"I32"), (b"F32", b"U32"), (b"F16", b"BF16"), (b"I64", b"C64"),
                    (b"U8", b"BOOL"), (b"[2,3]", b"[3,2]"), (b"[2,3]", b"[6]"),
                    (b"[2,3]", b"[1,6,1]"), (b"[2,2]", b"[4]"), (b"[4]", b"[2,1,2]"), (b"a", b"\\u0061")]
            old, new = rng.choice(same)
            where = text.find(old)
            if where >= 0:
                mutant.edit_header(start + where, start + where + len(old), new, rng)


def has_duplicates(data):
    found = []

    def pairs(items):
        keys = [key for key, _ in items]
        found.append(len(keys) != len(set(keys)))
        return dict(items)

    length = struct.unpack("<Q", data[:8])[0]
    json.loads(data[8:8 + length].decode(), object_pairs_hook=pairs)
    return any(found)


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def verdict_of(data):
    try:
        tensors = deserialize(data)
    except Exception:
        return "refused"
    if has_duplicates(data):
        return "duplicate"
    lines = sorted(f"{name} {info['dtype']} {','.join(map(str, info['shape']))}\n"
                   for name, info in tensors)
    return str(fnv("".join(lines)))


def main():
    rng = random.Random(20240229)
    files, lines, seen = bases(), [], set()
    while len(lines) < COUNT:
        base = rng.randrange(len(files))
        mutant = Mutant(base, files[base])
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            mutate(mutant, rng)
        if not mutant.edits or mutant.data in seen:
            continue
        verdict = verdict_of(mutant.data)
        # Mutants that are still files are rarer and say more.
        if verdict == "refused" and rng.random() < 0.7:
            continue
        seen.add(mutant.data)
        lines.append(f"{verdict} {base} {','.join(mutant.edits)}")
    FILE.write_text("".join(f"base {data.hex()}\n" for data in files) + "\n".join(lines) + "\n")
    kinds = [line.split()[0] for line in lines]
    print(f"{kinds.count('refused')} refused, {kinds.count('duplicate')} with duplicate keys, "
          f"{len(kinds) - kinds.count('refused') - kinds.count('duplicate')} accepted")


if __name__ == "__main__":
    main()
