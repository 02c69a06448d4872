"""Files that hold no list: what each is and what to do, told by its bytes and not by its name.

Pure. `Refused` is what `spreadsheets` raises, which is where to get it.
"""

from typing import BinaryIO

from inviter.contacts import N_, Problem

HEAD = 4096
PIECE = 1 << 16

PICTURE = N_("This is a picture. Choose the file that the list was typed into")
PDF = N_("This is a PDF. Choose the file that it was made from")
WEB_PAGE = N_("This is a web page, whatever its name says. Open it in Excel and save it as CSV")
OLD_EXCEL = N_("This is an old Excel file. Open it in Excel and save it as CSV")
PROTECTED = N_("This file has a password. Open it in Excel and save it as CSV")
OTHER = N_("This is not a list that can be read. Open it where it was made and save it as CSV")

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
FIRST_BYTES = {
    b"\x89PNG": ("picture", PICTURE),
    b"\xff\xd8\xff": ("picture", PICTURE),
    b"GIF8": ("picture", PICTURE),
    b"RIFF": ("picture", PICTURE),
    b"II*\x00": ("picture", PICTURE),
    b"MM\x00*": ("picture", PICTURE),
    b"%PDF": ("pdf", PDF),
    b"<": ("web-page", WEB_PAGE),
    b"{\\rtf": ("other", OTHER),
    b"\x1f\x8b": ("other", OTHER),
    b"7z\xbc\xaf": ("other", OTHER),
    b"Rar!": ("other", OTHER),
}


class Refused(Problem):
    """A file that is not read, or not read on. `str()` tells staff what to do."""


def refuse(file: BinaryIO) -> None:
    """Refuse what is known to be no list."""
    file.seek(0)
    head = file.read(HEAD)
    if not head:
        text = N_("This file is empty. Choose the file that holds your list")
        raise Refused("empty", text)
    if head.startswith(OLE):
        raise _ole(file)
    if head[4:8] == b"ftyp":  # photos of phones
        raise Refused("picture", PICTURE)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, (code, text) in FIRST_BYTES.items():
        if start.startswith(signature):
            raise Refused(code, text)


def _ole(file: BinaryIO) -> Refused:
    """Old Excel files, and new ones behind a password, are kept in the same container."""
    if _holds(file, "EncryptedPackage"):
        return Refused("password", PROTECTED)
    if _holds(file, "Workbook") or _holds(file, "Book"):
        return Refused("old-excel", OLD_EXCEL)
    return Refused("other", OTHER)


def _holds(file: BinaryIO, name: str) -> bool:
    wanted = name.encode("utf-16-le")
    file.seek(0)
    tail = b""
    while piece := file.read(PIECE):
        if wanted in tail + piece:
            return True
        tail = piece[-len(wanted) :]
    return False
