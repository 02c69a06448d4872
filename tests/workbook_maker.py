"""Writes .xlsx files, part by part, so that tests can also write what no program would."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def relations(*targets: tuple[str, str]) -> str:
    """`rId1` and on, of (kind, target)."""
    each = (
        f'<Relationship Id="rId{index}" Type="{DOCUMENT}/{kind}" Target="{target}"/>'
        for index, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{PACKAGE}">{"".join(each)}</Relationships>'


def sheet(rows: str) -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def contents(*states: str, date1904: str = "0") -> str:
    each = (
        f'<sheet name="Sheet{index}" sheetId="{index}" state="{state}" r:id="rId{index}"/>'
        for index, state in enumerate(states, 1)
    )
    return (
        f'<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}"><workbookPr date1904="{date1904}"/>'
        f"<sheets>{''.join(each)}</sheets></workbook>"
    )


def parts(sheet_xml: str, shared: str = "", styles: str = "") -> dict[str, str]:
    """Those of a workbook with one sheet."""
    related = [("worksheet", "worksheets/sheet1.xml")]
    related += [("sharedStrings", "sharedStrings.xml")] if shared else []
    related += [("styles", "styles.xml")] if styles else []
    found = {
        "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": contents("visible"),
        "xl/_rels/workbook.xml.rels": relations(*related),
        "xl/worksheets/sheet1.xml": sheet_xml,
    }
    if shared:
        found["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{shared}</sst>'
    if styles:
        found["xl/styles.xml"] = f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>'
    return found


def packed(found: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, text in found.items():
            archive.writestr(name, text)
    return file.getvalue()


def workbook(rows: Iterable[Sequence[str | float]]) -> bytes:
    """As Excel writes it: shared texts, numbers as numbers, nothing for blank cells."""
    texts: dict[str, int] = {}
    written = []
    for number, row in enumerate(rows, 1):
        cells = []
        for letter, value in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", row, strict=False):
            place = f"{letter}{number}"
            if isinstance(value, str) and value:
                index = texts.setdefault(value, len(texts))
                cells.append(f'<c r="{place}" t="s"><v>{index}</v></c>')
            elif value != "":
                cells.append(f'<c r="{place}"><v>{value}</v></c>')
        written.append(f'<row r="{number}">{"".join(cells)}</row>')
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
    return packed(parts(sheet("".join(written)), shared))
