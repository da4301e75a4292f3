"""Writes CLIP's vocabulary, and what transformers' CLIPTokenizer makes of some 200 texts with it.

The tokenizer is set up as for OWL-ViT: `!` is the padding token, 16 positions. Rows of texts that
fit come from OwlViTProcessor. The texts are also encoded by open_clip's SimpleTokenizer, which
descends from CLIP's own; it repairs encodings and HTML entities first, knows no special tokens
inside a text and no `!` as a special token, so the two part ways by design. The script prints where
they do and stores transformers' ids.

    python scripts/oracles/clip_tokenizer.py     # writes test/fixtures/clip_tokenizer
"""

import gzip
import importlib.util
import json
import pathlib
import tempfile

import numpy as np
from transformers import CLIPTokenizer, OwlViTProcessor
from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "clip_tokenizer"
START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = 49152 - 256 - 2  # of the 262,144 in CLIP's file only those of the vocabulary are used
CONTEXT = 16

PLAIN_SETTINGS = {"pad_token": "!", "model_max_length": CONTEXT, "tokenizer_class": "CLIPTokenizer"}

# transformers 4 wrote special tokens as objects that are looked for in the normalised text.
NORMALISED = {
    "__type": "AddedToken",
    "lstrip": False,
    "normalized": True,
    "rstrip": False,
    "single_word": False,
}
OLDER_SETTINGS = {
    **PLAIN_SETTINGS,
    "bos_token": {"content": START, **NORMALISED},
    "eos_token": {"content": END, **NORMALISED},
    "unk_token": {"content": END, **NORMALISED},
}

PLAIN = [
    "cat", "a cat", "a photo of a cat", "a photo of the large remote control.", "dog", "person",
    "traffic light", "fire hydrant", "stop sign", "a", "I", "the quick brown fox jumps over it",
    "bat (animal)", "bow_(decorative_ribbons)", "T-shirt", "first-aid kit", "hot-air balloon",
    "itap of a cup.", "a origami crane.", "a bad photo of the spoon.", "a sofa in a video game.",
    "Cat", "CAT", "cAt", "A PHOTO OF A CAT", "NASA rocket", "iPhone", "McDonald's", "e-mail",
    "antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis",
    "qwrtzpsdfg", "zzzzzzzzzzzzzzzzzzzz", "supercalifragilisticexpialidocious", "loooooooool",
]  # fmt: skip
PUNCTUATION = [
    ".", ",", "?", "...", "?!", "!?", "-", "--", "---", "_", "a_b", "a-b", "a--b", "(cat)", "[cat]",
    "{cat}", "\"cat\"", "'cat'", "cat.", "cat,dog", "cat, dog", "cat;dog:bird", "a/b", "a\\b",
    "a|b", "#1", "@home", "50%", "$5.99", "c++", "c#", "a&b", "~", "^", "`", "=>", "<b>cat</b>",
    "</w>", "cat</w>", "*cat*", "“cat”", "‘cat’", "cat…", "cat—dog", "¿qué?", "¡hola", "§ 5",
    "© 2020", "™",
]  # fmt: skip
EXCLAMATIONS = ["!", "!!", "! !", "cat!", "a cat! a dog", "!cat", "c!t", "wow!!!", "!.", ".!", "！"]
CONTRACTIONS = [
    "it's", "IT'S", "don't", "we're", "I've", "I'm", "you'll", "he'd", "'s", "s'", "rock 'n' roll",
    "dogs' toys", "it’s", "'tis", "o'clock", "y'all'd've",
]  # fmt: skip
DIGITS = [
    "0", "7", "42", "1234567890", "3.14", "1,000", "2nd", "B52", "mp3", "½ cup", "x²", "١٢٣", "Ⅻ",
]  # fmt: skip
UNICODE = [
    "café", "cafe\u0301", "naïve", "Å", "A\u030a", "\u212b", "ß", "STRASSE", "ẞ", "ñandú",
    "Žluťoučký", "İstanbul", "ısı", "I\u0307", "ΟΔΟΣ", "ΣΑΣ ΣΑΣ.", "Σ", "Ωμέγα", "\u2126", "КОШКА",
    "кошка", "Ё", "ﬁsh", "ﬀ", "Ǆ", "ǅ", "ŉ", "ſ", "Ｃａｔ", "１２", "①", "𝐜𝐚𝐭", "𐐀", "猫", "一只猫", "ネコ",
    "ﾈｺ", "が", "か\u3099", "고양이", "\u1100\u1169", "แมว", "बिल्ली", "क\u093c", "חתול", "قطة",
    "مَرْحَبًا", "a\u0327\u0301", "a\u0301\u0327", "z\u0351\u036b\u0343", "\u0301", "😀",
    "cat 😀 dog", "😀😀😀", "👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "☃\ufe0f", "❤",
]  # fmt: skip
SPACES = [
    "", " ", "   ", "\t", "\n", " cat", "cat ", "a  cat", "a\tcat", "a\ncat\r\n", "a\u00a0cat",
    "a\u2003cat", "a\u3000cat", "a\u0085cat", "a\u200bcat", "a\u180ecat", "\ufeffcat", ".\ufeff.",
    "a\x00b", "a\x07b", "\x7f", "a\u202eb",
]  # fmt: skip
ENTITIES = ["&amp;", "fish &amp; chips", "&lt;cat&gt;", "&#39;", "Ã©", "â€™"]
SPECIAL = [
    END, START, "cat<|endoftext|>", "cat <|endoftext|> dog", "<|endoftext|> cat",
    "<|startoftext|> cat", "<|ENDOFTEXT|> cat", "a <|EndOfText|> b", "<|endoftext",
    "<|endoftext|><|endoftext|>", "<start_of_text>",
]  # fmt: skip
LONG = [
    "a very long description of a small brown dog that sits on a wooden chair near the window",
    " ".join(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"] * 4),
    "cat " * 400,
    "x" * 1000,
    "a b c d e f g h i j k l m n",
    "a b c d e f g h i j k l m n o",
]
GROUPS = [
    PLAIN, PUNCTUATION, EXCLAMATIONS, CONTRACTIONS, DIGITS, UNICODE, SPACES, ENTITIES, SPECIAL,
    LONG,
]  # fmt: skip

LICENCE = """\
merges.txt.gz holds the first 48,894 merges of bpe_simple_vocab_16e6.txt of
https://github.com/openai/CLIP, all that CLIP's vocabulary uses.

MIT License

Copyright (c) 2021 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def open_clip_module():
    """open_clip's tokenizer.py by itself: the package as a whole needs torchvision."""
    package = pathlib.Path(importlib.util.find_spec("open_clip").origin).parent
    spec = importlib.util.spec_from_file_location("tokenizer", package / "tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_json(path, value, indent=None):
    path.write_text(json.dumps(value, indent=indent) + "\n")


def load(folder, vocabulary, merges, settings):
    """The tokenizer of a checkpoint in the older layout."""
    folder.mkdir()
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    write_json(folder / "tokenizer_config.json", settings)
    return CLIPTokenizer.from_pretrained(folder)


def compare(texts, ids, simple):
    """Prints how open_clip's ids differ. Its own special tokens have the ids of CLIP's."""
    apart = []
    for text, ours in zip(texts, ids):
        theirs = [simple.sot_token_id, *simple.encode(text), simple.eot_token_id]
        if theirs != ours:
            apart.append(f"  {text[:40]!a}: {ours[1:-1][:8]} here, {theirs[1:-1][:8]} there")
    print(f"{len(texts) - len(apart)} of {len(texts)} texts give open_clip's ids; the others:")
    print("\n".join(apart))


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    texts = [text for group in GROUPS for text in group]
    assert len(set(texts)) == len(texts) >= 200, (len(set(texts)), len(texts))

    clip = open_clip_module()
    merges = gzip.open(clip.default_bpe()).read().decode().split("\n")[1 : MERGES + 1]
    symbols = list(clip.bytes_to_unicode().values())
    tokens = symbols + [symbol + "</w>" for symbol in symbols]
    tokens += ["".join(merge.split()) for merge in merges] + [START, END]
    vocabulary = {token: index for index, token in enumerate(tokens)}

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tokenizer = load(folder / "plain", vocabulary, merges, PLAIN_SETTINGS)
        older = load(folder / "older", vocabulary, merges, OLDER_SETTINGS)
        tokenizer.save_pretrained(folder / "saved")
        saved = json.loads((folder / "saved" / "tokenizer.json").read_text())
    assert saved["model"].pop("vocab") == vocabulary
    assert [" ".join(pair) for pair in saved["model"].pop("merges")] == merges

    ids = tokenizer(texts).input_ids
    fitting = [text for text, row in zip(texts, ids) if len(row) <= CONTEXT]
    processor = OwlViTProcessor(OwlViTImageProcessorPil(), tokenizer)
    rows = processor(text=fitting, return_tensors="np")
    assert rows.input_ids.shape == (len(fitting), CONTEXT)
    padded = dict(zip(fitting, zip(rows.input_ids, rows.attention_mask)))

    cases = []
    for text, row, otherwise in zip(texts, ids, older(texts).input_ids):
        decoded = tokenizer.decode(row, skip_special_tokens=True)
        case = {"text": text, "ids": row, "decoded": decoded}
        if otherwise != row:
            case["older"] = otherwise
        if text in padded:
            case["row"], mask = padded[text][0].tolist(), padded[text][1]
            assert mask.tolist() == [1] * len(row) + [0] * (CONTEXT - len(row))
        else:
            case["row"] = tokenizer(text, truncation=True, max_length=CONTEXT).input_ids
        cases.append(case)

    archive = gzip.compress("\n".join(["#version: 0.2", *merges, ""]).encode(), 9, mtime=0)
    (TARGET / "merges.txt.gz").write_bytes(archive)
    (TARGET / "LICENSE").write_text(LICENCE)
    write_json(TARGET / "tokenizer.json", saved, 1)
    write_json(TARGET / "settings.json", {"plain": PLAIN_SETTINGS, "older": OLDER_SETTINGS}, 1)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (TARGET / "cases.json").write_text(f"[\n{lines}\n]\n")
    compare(texts, ids, clip.SimpleTokenizer())


main()
