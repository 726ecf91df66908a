"""Django's SMTP backend with one thing more: it says when a message is about to leave for good."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import Any

from django.core.mail.backends.smtp import EmailBackend as DjangoBackend

Hook = Callable[[], None]


class _TellsOfData:
    """Calls ``handing_over`` right before DATA, the step after which a server may have taken the message
    (RFC 5321, section 4.5.4.1): all before it can be repeated, what follows cannot be known without an answer."""

    handing_over: Hook | None = None

    def data(self, msg: Any) -> Any:
        if self.handing_over is not None:
            self.handing_over()
        return super().data(msg)  # type: ignore[misc]  # smtplib.SMTP has it


class _Plain(_TellsOfData, smtplib.SMTP):
    pass


class _Encrypted(_TellsOfData, smtplib.SMTP_SSL):
    pass


class EmailBackend(DjangoBackend):
    """``handing_over``, set on an open backend, is called once for each message, before its text is sent.

    What it raises stops the message, which then has not been sent.
    """

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _Encrypted if self.use_ssl else _Plain

    def tell(self, handing_over: Hook | None) -> None:
        if self.connection is not None:
            self.connection.handing_over = handing_over
