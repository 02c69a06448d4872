"""One event a line, ids and words of ours, never a name, address, code or link."""

import logging
import traceback

import structlog

FRAMES = 4


def init(log_format: str) -> None:
    """`text` for people, `json` for machines."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    renderer = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )


def where(error: BaseException) -> str:
    """The innermost places of an error, without its words: those may hold values."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
