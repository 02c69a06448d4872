"""A person at a browser, plain or with htmx: opens pages and fills in their real forms."""

from typing import Any

from bs4 import BeautifulSoup, Tag
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.factories import PASSWORD


class Visitor:
    """Remembers the page that is open, follows redirects, and sends every hidden field."""

    def __init__(self, client: FlaskClient, *, htmx: bool = False) -> None:
        self.client = client
        self.htmx = htmx
        self.path = ""
        self.status = 0
        self.response: TestResponse
        self.page = BeautifulSoup("", "html.parser")

    def sign_in(self, address: str, password: str = PASSWORD) -> "Visitor":
        self.open("/sign-in")
        self.submit(address=address, password=password)
        return self

    def open(self, path: str, **options: Any) -> "Visitor":
        return self._show(self.client.get(path, **self._options(options)))

    def submit(self, button: str = "", *, form: str = "main form", **values: Any) -> "Visitor":
        """Press a button, by its words or its id; fields go as they stand, but for `values`."""
        element = self.page.select_one(form)
        assert element is not None, f"no form {form} on {self.path}"
        pressed = _button(element, button)
        data = _fields(element)
        if pressed is not None and pressed.get("name"):
            data.add(str(pressed["name"]), str(pressed.get("value", "")))
        for name, value in values.items():
            data.setlist(name, [] if value is None else [value])
        action = (pressed.get("formaction") if pressed is not None else None) or element["action"]
        return self.post(str(action), data)

    def post(self, path: str, data: Any, **options: Any) -> "Visitor":
        return self._show(self.client.post(path, data=data, **self._options(options)))

    @property
    def csrf_token(self) -> str:
        field = self.page.select_one("input[name=csrf_token]")
        assert field is not None, f"no CSRF token on {self.path}"
        return str(field["value"])

    @property
    def text(self) -> str:
        """All words of the page, white space folded."""
        return " ".join(self.page.get_text(" ").split())

    @property
    def errors(self) -> list[str]:
        """The texts at the fields."""
        found = [each.get_text(" ", strip=True) for each in self.page.select("[id$='-error']")]
        return [each.removeprefix("Error: ") for each in found]

    def value(self, name: str) -> str | None:
        field = self.page.select_one(f"[name='{name}']")
        return None if field is None else str(field.get("value", ""))

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        headers = dict(options.pop("headers", {}))
        if self.htmx:
            headers |= {"HX-Request": "true", "HX-Current-URL": f"http://localhost{self.path}"}
        return {"follow_redirects": True, "headers": headers, **options}

    def _show(self, response: TestResponse) -> "Visitor":
        self.response, self.status = response, response.status_code
        self.path = response.request.path
        self.page = BeautifulSoup(response.get_data(as_text=True), "html.parser")
        return self


def _button(form: Tag, words: str) -> Tag | None:
    buttons = form.select("button:not([type=button])")
    if not words:
        return buttons[0] if buttons else None
    for each in buttons:
        if words in (each.get("id"), each.get("aria-label"), each.get_text(" ", strip=True)):
            return each
    raise AssertionError(f"no button {words!r}")


def _fields(form: Tag) -> MultiDict[str, str]:
    data: MultiDict[str, str] = MultiDict()
    for field in form.select("input[name], select[name], textarea[name]"):
        if field.name == "select":
            chosen = field.select_one("option[selected]") or field.select_one("option")
            value = str(chosen["value"]) if chosen else ""
        elif field.get("type") in ("checkbox", "radio"):
            if not field.has_attr("checked"):
                continue
            value = str(field.get("value", "on"))
        else:
            value = str(field.get("value", ""))
        data.add(str(field["name"]), value)
    return data
