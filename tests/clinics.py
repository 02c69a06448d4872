"""Watches every statement of the program: one on a clinic's table names the clinic."""

import re
import sys
from pathlib import Path
from types import FrameType

from sqlalchemy import Engine, event

from inviter.config import ROOT
from inviter.models import Clinic
from inviter.scope import crosses_clinics

OURS = str(ROOT / "inviter") + "/"
TESTS = str(Path(__file__).parent) + "/"
MIGRATIONS = OURS + "migrations/"
TABLES = [each.name for each in Clinic.metadata.sorted_tables if "clinic_id" in each.columns]
ON_CLINICS = re.compile(rf"(?:\b(?:FROM|JOIN|UPDATE|INTO|TABLE)|,)\s+(?:{'|'.join(TABLES)})\b")
NAMED = re.compile(
    r"\bclinic_id\b(?:, [\w.]+)*\)? *"
    r"(?:(?:=|<>) *[?%:\d]|= (?:anon_\d+|new)\.|IN *\((?!SELECT \w+\.clinic_id))"
)
"""By a value, or many of them: that two tables have the same clinic names none."""

found: list[str] = []
"""Statements that name no clinic, and where each is."""


def names_its_clinic(statement: str) -> bool:
    """What a SELECT only shows, or an UPDATE only sets, does not count. A copy of a table's form
    alone, without its rows, is of no clinic."""
    if not ON_CLINICS.search(statement) or statement.endswith("WITH NO DATA"):
        return True
    if statement.lstrip().startswith("INSERT"):
        return "clinic_id" in statement
    start = r"\bWHERE\b" if statement.lstrip().startswith(("UPDATE", "DELETE")) else r"\bFROM\b"
    where = re.search(start, statement)
    return where is not None and bool(NAMED.search(statement, where.start()))


def place() -> str:
    """The innermost of ours that runs it, or nothing where it is a test's own."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith((TESTS, MIGRATIONS)):
            return ""
        if name.startswith(OURS):
            return f"{name.removeprefix(OURS)}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


@event.listens_for(Engine, "before_cursor_execute")
def _watch(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
    if not crosses_clinics.get() and not names_its_clinic(statement) and (where := place()):
        found.append(f"{where}: {' '.join(statement.split())}")
