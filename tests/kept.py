"""What the tests of a process share, since to make it anew says nothing: compiled templates."""

from types import CodeType

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket


class Templates(BytecodeCache):
    """Each template is compiled once, however many apps draw it; by its text, not its name."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType] = {}

    def get_bucket(
        self, environment: Environment, name: str, filename: str | None, source: str
    ) -> Bucket:
        bucket = Bucket(environment, f"{filename}", source)
        bucket.code = self._compiled.get((bucket.key, source))
        return bucket

    def set_bucket(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._compiled[bucket.key, bucket.checksum] = bucket.code
