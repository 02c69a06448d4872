"""A person at a browser, plain or with htmx: opens pages and fills in their real forms."""

from typing import Any

from bs4 import BeautifulSoup, Tag
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.factories import PASSWORD


class Visitor:
    """Remembers the page that is open, follows redirects, and sends every hidden field.

    With `htmx`, what has hx-post is posted as htmx does it, and the fragments that come back
    replace what they stand for in the page.
    """

    def __init__(self, client: FlaskClient, *, htmx: bool = False) -> None:
        self.client = client
        self.htmx = htmx
        self.path = ""
        self.response: TestResponse
        self._unread: str | None = ""

    def sign_in(self, address: str, password: str = PASSWORD) -> "Visitor":
        self.open("/sign-in")
        self.submit(address=address, password=password)
        return self

    def open(self, path: str, query: dict[str, str] | None = None) -> "Visitor":
        return self._show(self.client.get(path, query_string=query, follow_redirects=True))

    def follow(self, selector: str) -> "Visitor":
        """Press a link: a page, or with htmx what it brings."""
        link = self.page.select_one(selector)
        assert link is not None, f"no {selector} on {self.path}"
        page = str(link["href"]).partition("?")[0]  # the rest may come from a form beside it
        assert str(link.get("hx-get", page)).startswith(page), "htmx opens another page"
        if not (self.htmx and link.get("hx-get")):
            return self.open(str(link["href"]))
        headers = {"HX-Request": "true", "HX-Target": _target(link)}
        return self._show(self.client.get(str(link["href"]), headers=headers))

    def tick(self, name: str, value: str, ticked: bool = True) -> "Visitor":
        """One of several boxes with the same name."""
        box = self.page.select_one(f"input[name='{name}'][value='{value}']")
        assert box is not None, f"no box {name} {value} on {self.path}"
        box.attrs.pop("checked", None)
        if ticked:
            box["checked"] = ""
        return self

    def submit(
        self, button: str = "", *, form: str = "main form", **values: str | None
    ) -> "Visitor":
        """Press a button, by its words or its id; fields go as they stand, but for `values`."""
        element = self.page.select_one(form)
        assert element is not None, f"no form {form} on {self.path}"
        pressed = _button(element, button)
        for name, value in values.items():
            _type(element, name, value)
        data = _fields(element)
        if pressed.get("name"):
            data.add(str(pressed["name"]), str(pressed.get("value", "")))
        for name, value in values.items():  # also what no field stands for
            data.setlist(name, [] if value is None else [value])
        action = str(pressed.get("formaction") or element["action"])
        swapped = pressed.get("hx-post") if pressed.get("formaction") else element.get("hx-post")
        assert swapped in (None, action), "htmx posts to another address than the form"
        target = _target(pressed if pressed.get("formaction") else element)
        return self.post(action, data, htmx=self.htmx and swapped is not None, target=target)

    def post(self, path: str, data: Any, *, htmx: bool = False, target: str = "") -> "Visitor":
        headers = {}
        if htmx:
            headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{self.path}"}
            headers["HX-Target"] = target
        return self._show(self.client.post(path, data=data, headers=headers, follow_redirects=True))

    @property
    def page(self) -> BeautifulSoup:
        """Read when it is first looked at: most of what is opened on the way is not."""
        if self._unread is not None:
            self._page, self._unread = BeautifulSoup(self._unread, "html.parser"), None
        return self._page

    @property
    def status(self) -> int:
        return self.response.status_code

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
    def errors(self) -> dict[str, str]:
        """The texts at the fields, by the field's name."""
        found = {}
        for each in self.page.select("[id$='-error']"):
            words = " ".join(each.get_text(" ").split()).removeprefix("Error: ")
            found[str(each["id"]).removesuffix("-error")] = words
        return found

    def words(self, selector: str) -> list[str]:
        return [" ".join(each.get_text(" ").split()) for each in self.page.select(selector)]

    def value(self, name: str) -> str | None:
        field = self.page.select_one(f"#content [name='{name}']")
        return None if field is None else str(field.get("value", ""))

    def _show(self, response: TestResponse) -> "Visitor":
        self.response = response
        words = response.get_data(as_text=True)
        if "<html" in words:
            self.path, self._unread = response.request.path, words
        else:
            self._swap(BeautifulSoup(words, "html.parser"))
        return self

    def _swap(self, fragment: BeautifulSoup) -> None:
        """Every block has the name of what it replaces; the check has its place in the dialog."""
        for element in fragment.find_all(True, recursive=False):
            here = self.page.select_one("title" if element.name == "title" else f"#{element['id']}")
            if here is not None:
                here.replace_with(element)
            elif dialog := self.page.select_one("#dialog"):
                dialog.append(element)
            if element.get("id") == "content":
                self.path = self.response.request.path
            if here is not None and element.name != "title" and element.get("id") != "live":
                self._leave_dialog(element)

    def _leave_dialog(self, swapped: Tag) -> None:
        """It closes when its form has changed what is behind it."""
        for dialog in self.page.select("#dialog"):
            if swapped.find_parent(id="dialog") is None:
                dialog.clear()


def _target(element: Tag) -> str:
    """The id of what htmx would replace."""
    aim = str(element.get("hx-target", ""))
    row = element.find_parent("tr") if aim == "closest tr" else None
    return str(row["id"]) if row else aim.removeprefix("#")


def _button(form: Tag, words: str) -> Tag:
    """The first one is what Enter presses."""
    buttons = form.select("button:not([type=button])")
    if not words:
        return buttons[0]
    for each in buttons:
        named = (each.get("id"), each.get("aria-label"), each.get_text(" ", strip=True))
        if words in named:
            return each
    raise AssertionError(f"no button {words!r}")


def _type(form: Tag, name: str, value: str | None) -> None:
    """What is typed stays in the page, as in a browser, where a fragment does not replace it."""
    for field in form.select(f"[name='{name}']"):
        if field.get("type") == "checkbox":
            field.attrs.pop("checked", None)
            if value:
                field["checked"] = ""
            continue
        if field.name != "select":
            field["value"] = value or ""
            continue
        for option in field.select("option"):
            option.attrs.pop("selected", None)
            if option["value"] == value:
                option["selected"] = ""


def _fields(form: Tag) -> MultiDict[str, str]:
    data: MultiDict[str, str] = MultiDict()
    for field in form.select("input[name], select[name], textarea[name]"):
        if field.has_attr("disabled"):
            continue
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
