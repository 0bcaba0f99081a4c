"""What every page is printed with: templates that escape by default, the frame around them, the headers."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bottle

from hopmap import __version__
from manager.auth import gate
from manager.auth.door import Visitor
from manager.core import users
from manager.pages import words

_FAULTY = 'aria-invalid="true" autofocus'  # of the field that a form was not taken for
_HTML = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}


class Paper:
    """Prints pages of the templates in a directory; `static` is the path of the files that they load.

    `named` says that there is a page of the public name; `alarms` counts those that go on, or is None.
    """

    def __init__(
        self, templates: Path, static: str, *, named: bool = False, alarms: Callable[[], int | None] = lambda: None
    ) -> None:
        self._templates = {
            path.name: bottle.SimpleTemplate(name=path.name, lookup=[str(templates)])
            for path in sorted(templates.glob("*.html"))
        }
        self._static, self._named, self._alarms = static, named, alarms

    def page(self, template: str, code: int = HTTPStatus.OK, **values: Any) -> bottle.HTTPResponse:
        """A page for whoever asks."""
        visitor: Visitor = bottle.request.environ.get("hopmap.visitor", Visitor())
        html = self._templates[template].render(
            **values,
            static=self._static,
            named=self._named,
            alarms=self._alarms() if visitor.user else None,
            version=__version__,
            visitor=visitor,
            may=users.may,
            words=words,
            faulty=lambda field: _FAULTY if values.get("wrong_at") == field else "",
            moment=words.moment,
            ago=words.ago,
            size=words.size,
            form_field=gate.FORM,
        )
        return bottle.HTTPResponse(html, code, _HTML)

    def error(self, status: int, sentence: str, headers: Mapping[str, str]) -> bottle.HTTPResponse:
        """A page that says why not."""
        response = self.page("error.html", status, sentence=sentence, status=status, path=bottle.request.path)
        for name, value in headers.items():
            response.set_header(name, value)
        return response
