"""A sceptical reader, who finds claims in a report's sentences that cannot be true, or not together."""

import re
from html.parser import HTMLParser

from narrows.wording import NBSP

NOUNS = {
    "image": "images",
    "vector": "vectors",
    "row": "rows",
    "cluster": "clusters",
    "pair": "pairs",
    "file": "files",
    "number": "numbers",
    "epoch": "epochs",
    "class": "classes",
    "code": "codes",
    "warning sign": "warning signs",
    "note": "notes",
    "group": "groups",
    "copy": "copies",
    "generated sample": "generated samples",
    "label": "labels",
    "value": "values",
}
COUNT = r"(?<![\d.,\u2212-])(\d{1,3}(?:,\d{3})+|\d+)"
PRAISE = r"keep (much |slightly )?more|rebuilt better than by PCA"

#: Two claims that cannot stand in one report.
CONTRADICTIONS = [
    (r"distinct groups", r"mode collapse|dead centres|collapsed codes|hardly tell anything apart|posterior collapse"),
    (r"keep (much |slightly )?more", r"worse than the baseline|no better than the baseline"),
    (PRAISE, r"collapsed codes|does not reach its PCA|gains nothing|would do as well"),
    (r"group them better", r"group them (worse|no better)|hardly tell anything apart|tell nothing apart"),
    (r"group them better", r"matching clusters with labels reaches .{0,80}k-means.{0,20}: (the simple|with|they are)"),
    (r"Nothing stood out", r"\b(Serious|Warning), |keep less|keep no more|keep nothing|group them (worse|no better)"),
    (r"Nothing stood out", r"so nothing was|tell nothing|nothing for [^.]* to keep|not what it seems"),
    (r"so nothing was (told apart|grouped)", r"separated|match the labels"),
    (r"nothing for [^.]* to keep", r"PSNR of|of the variance comes back"),
    (r"nothing was held out", r"only .{0,20} held out to test on|held out from training"),
    (r"network[^.]{0,40} saw all", r"held out (from training|to test on)"),
    (r"decoder had learned from these", r"for PCA at the same size|keep (much |slightly )?(more|less)|PCA, same size"),
    (r"made to tell clusters apart", r"(clearly|reasonably|weakly|hardly) separated|which suggests"),
    (r"one of which holds|keep nothing that|tell nothing about them", r"(clearly|reasonably) separated"),
    (r"the number set beforehand", r"clusters were asked for, but|Only \d+ clusters? could be made"),
    (r"no two images show the same", r"blank images? (is|are) set aside"),
    (r"nothing for [^.]* to keep", r"longer training would|the loss was lowest|the loss never fell"),
    (r"so the codes group them better", r"NMI[\s.]+[\d.\u2212]+[\s.]+[\d.\u2212]+[\s.]+[\d.]+ worse"),
]


def faults(text: str) -> list[str]:
    """Return the claims in a text that cannot be true: shares above 100 %, inconsistent counts, missing numbers."""
    text = text.replace(NBSP, " ")
    found = [f"{word!r}" for word in re.findall(r"\b(?:nan|NaN|inf|None(?!:)|True|False|undefined)\b", text)]
    for number in re.findall(r"([\u2212-]?[\d,]+(?:\.\d+)?) %", text):
        value = float(number.replace("\u2212", "-").replace(",", ""))
        if not 0 <= value <= 100:
            found.append(f"{number} %")
    found += re.findall(r"[\u2212-]0(?:\.0+)?(?![\d.])(?=[ %),;])", text)
    found += re.findall(r"\d[eE][+-]\d+", text)
    found += re.findall(r"\d{13,}|\d(?:,\d{3}){5,}", text)
    for one, many in NOUNS.items():
        found += [f"1 {many}" for number in re.findall(rf"{COUNT} {many}\b", text) if number == "1"]
        found += [f"{number} {one}" for number in re.findall(rf"{COUNT} {one}\b(?! of)", text) if number != "1"]
        found += re.findall(rf"(?<![\d.,])1 {one}(?: of [^.;,]*)? (?:are|were|have|hold)\b", text)
    for part, whole in re.findall(rf"{COUNT} of (?:the |all )?{COUNT}\b", text):
        if int(part.replace(",", "")) > int(whole.replace(",", "")):
            found.append(f"{part} of {whole}")
    return found


def contradictions(text: str) -> list[str]:
    """Return the pairs of claims in a text that cannot both be true."""
    text = text.replace(NBSP, " ")
    return [
        f"{claim!r} beside {denial!r}"
        for claim, denial in CONTRADICTIONS
        if re.search(claim, text, re.IGNORECASE) and re.search(denial, text, re.IGNORECASE)
    ]


def words_of(page: str) -> str:
    """Return the text of a report, without the recipe, the machine and the list of all numbers at its end."""
    reader = _Words()
    reader.feed(page[: page.index('<section id="made"')])
    return " ".join(" ".join(reader.words).split())


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._skipped = False

    def handle_starttag(self, tag, attributes):
        self._skipped = tag == "style"
        self.words += [value for name, value in attributes if name in ("alt", "aria-label") and value]

    def handle_endtag(self, tag):
        self._skipped = False
        self.words.append(".\n")

    def handle_data(self, data):
        if not self._skipped and data.strip():
            self.words.append(data.strip())
