"""The account at dy.fi, from the manager's settings and DYFI_PASS or a file with it; and the requests made with it."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from hopmap import __version__
from hopmap.client import Endpoint
from hopmap.errors import UserError
from hopmap.logs import event
from manager.config import ManagerSettings
from manager.dyfi.core import answer as answers
from manager.dyfi.core.answer import Answer
from manager.fleet.core.destination import Refused
from manager.fleet.line import Line, Silent

PASSWORD = "DYFI_PASS"  # noqa: S105 - the name of the variable, not what it holds
_SECONDS = 30.0
_LARGEST = 16 << 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """A name at dy.fi and who may change it. The password is in no text that is made of this."""

    domain: str
    user: str
    password: str = field(repr=False)
    update: Endpoint
    checker: Endpoint
    contact: str

    def mark(self, key: bytes) -> str:
        """A digest of all that an answer depends on, which tells nothing without the key."""
        told = json.dumps([self.update.url, self.domain, self.user, self.password])
        return hmac.new(key, f"dyfi {told}".encode(), hashlib.sha256).hexdigest()[:16]

    def headers(self) -> dict[str, str]:
        """Who asks: user and password for dy.fi alone, program and contact for its admins."""
        both = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {both}", **self.agent()}

    def agent(self) -> dict[str, str]:
        """The program and its contact, which everybody may know."""
        return {"User-Agent": f"hopmap/{__version__} ({self.contact})"}


def read_account(settings: ManagerSettings, environ: Mapping[str, str]) -> Account | None:
    """The account of the settings; None without one. UserError says what is missing."""
    password = environ.get(PASSWORD, "") or settings.dyfi_password()
    if settings.dyfi_user is None:
        if password:
            raise UserError(
                "a password for dy.fi is set, and no user, so that nothing would keep the name: set DYFI_USER "
                f"(or --dyfi-user) to the mail address of the account, or take {PASSWORD} and dyfi_pass_file away"
            )
        return None
    if not settings.domain:
        raise UserError("dyfi_user is set, and no name: set DYFI_DOMAIN (or --domain) to the name that dy.fi keeps")
    if not password:
        raise UserError(
            f"DYFI_USER is set, and there is no password: set {PASSWORD} in the environment, or dyfi_pass_file"
        )
    contact = (settings.contact or settings.email or settings.dyfi_user).removeprefix("mailto:")
    return Account(
        settings.domain.lower(),
        settings.dyfi_user,
        password,
        Endpoint.parse(settings.dyfi_url),
        Endpoint.parse(settings.address_url),
        contact,
    )


def ask(line: Line, account: Account) -> Answer:
    """One request for an update. Nothing of it but the word that comes back is logged."""
    path = f"?hostname={quote(account.domain)}"
    try:
        told = line.request(account.update, "GET", path, headers=account.headers(), seconds=_SECONDS, limit=_LARGEST)
    except (Silent, Refused) as error:
        event(_log, logging.WARNING, "dyfi_silent", why=error)
        return Answer(answers.SILENT)
    return answers.read(told.status, told.body)


def own_address(line: Line, account: Account) -> str:
    """The address that this manager is seen under, empty when nobody tells."""
    try:
        told = line.request(account.checker, "GET", "", headers=account.agent(), seconds=_SECONDS / 3, limit=_LARGEST)
    except (Silent, Refused) as error:
        event(_log, logging.INFO, "address_unknown", why=error)
        return ""
    return answers.own_address(told.body) if told.status == 200 else ""
