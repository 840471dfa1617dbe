"""Coded terms: the structure that a label stands for, in codes that other programs know.

A term has a type (liver) and its category (anatomical structure), as DICOM SEG requires for every
segment (PS3.3 C.8.20.4) and 3D Slicer for its segments. Codes are SNOMED CT's, as published in
DICOM PS3.16 (CID 7150 for categories, annex L and the CIDs of anatomy for types).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from napari_medsam.engine.data.labels import Label


@dataclass(frozen=True)
class Code:
    """A coded concept: value ("10200004"), scheme ("SCT") and meaning ("Liver")."""

    value: str
    scheme: str
    meaning: str


TISSUE = Code("85756007", "SCT", "Tissue")
ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")


@dataclass(frozen=True)
class Term:
    """What a label shows, and which kind of thing that is."""

    type: Code
    category: Code = ANATOMY


@dataclass(frozen=True)
class CodedLabel(Label):
    """A row of the label table that carries its term."""

    term: Term = Term(TISSUE, TISSUE)


UNKNOWN = Term(TISSUE, TISSUE)
"""What a label without a known name is called: 3D Slicer's own default."""


def _anatomy(**values: str) -> dict[str, Term]:
    named = {name.replace("_", " "): value for name, value in values.items()}
    return {name: Term(Code(value, "SCT", name.capitalize())) for name, value in named.items()}


def _abnormal(**values: str) -> dict[str, Term]:
    terms = _anatomy(**values)
    return {name: Term(term.type, ABNORMAL) for name, term in terms.items()}


KNOWN: dict[str, Term] = _anatomy(
    adrenal_gland="23451007",
    aorta="15825003",
    bladder="89837001",
    bone="272673000",
    brain="12738006",
    breast="76752008",
    colon="71854001",
    duodenum="38848004",
    esophagus="32849002",
    gallbladder="28231008",
    heart="80891009",
    inferior_vena_cava="64131007",
    kidney="64033007",
    left_kidney="18639004",
    right_kidney="9846003",
    liver="10200004",
    lung="39607008",
    left_lung="44029006",
    right_lung="3341006",
    pancreas="15776009",
    prostate="41216001",
    skin="39937001",
    small_intestine="30315005",
    spleen="78961009",
    stomach="69695003",
    thyroid_gland="69748006",
    trachea="44567001",
    uterus="35039007",
    vertebra="51282000",
) | _abnormal(
    cyst="367643001",
    edema="79654002",
    lesion="52988006",
    mass="4147007",
    necrosis="6574001",
    neoplasm="108369006",
    nodule="27925004",
)
"""Terms by the names labels commonly have."""
SYNONYMS = {
    "tumor": "neoplasm",
    "tumour": "neoplasm",
    "oesophagus": "esophagus",
    "oedema": "edema",
    "urinary bladder": "bladder",
    "gall bladder": "gallbladder",
    "thyroid": "thyroid gland",
}


def term_of(label: Label) -> Term:
    """The term a label carries, else the one its name is known for, else plain tissue."""
    if isinstance(label, CodedLabel):
        return label.term
    words = " ".join(re.sub(r"[^a-z]+", " ", label.name.lower()).split())
    turned = re.sub(r"^(\w+) (left|right)$", r"\2 \1", words)
    return KNOWN.get(SYNONYMS.get(turned, turned), UNKNOWN)


def code_in_words(label: Label) -> str:
    """The code that is written for other programs: "Liver (SCT 10200004)"."""
    code = term_of(label).type
    return f"{code.meaning} ({code.scheme} {code.value})"


def with_term(label: Label, term: Term) -> Label:
    """The label with this term; unchanged if its name already implies the term."""
    if term_of(label) == term:
        return label
    return CodedLabel(
        label.number, label.name, label.color, term, locked=label.locked, state=label.state
    )


def renamed(label: Label, name: str) -> Label:
    """The label under another name; its term remains unless the new name implies one.

    Else a label that a file called liver would still be coded as liver when it is named spleen.
    """
    plain = Label(label.number, name, label.color, locked=label.locked, state=label.state)
    return plain if term_of(plain) != UNKNOWN else replace(label, name=name)
