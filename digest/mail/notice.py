"""Notices: mails to one person that are no issue (confirm, welcome, approval, alarm)."""

from __future__ import annotations

from datetime import datetime

from digest.mail import headers
from digest.mail.head import Signing, content_fields, head_of, machine_fields, rfc5322_date, sender_fields
from digest.mail.identity import Identity, wire_address
from digest.mail.message import PART_BREAK, PART_CLOSE, PART_OPEN
from digest.mail.quoted_printable import encode
from digest.values import Envelope

_OWN = ("Date", "To", "Message-ID")


def compose_notice(
    *,
    subject: str,
    text: str,
    html: str = "",
    identity: Identity,
    address: str,
    name: str = "",
    language: str = "",
    notice_id: int,
    subscription_id: int = 0,
    date: datetime,
) -> Envelope:
    """Put one notice together. The same arguments give the same bytes; a retry keeps its Message-ID.

    It says that a machine wrote it, but not that it belongs to a list: nobody unsubscribes from a
    question whether they want to subscribe.

    :param notice_id: the row's number: one Message-ID a notice.
    :param date: of the first transmission, aware.
    :raises InvalidAddress: the address could not be put on the wire.
    """
    wire, smtputf8 = wire_address(address)
    fields = [*sender_fields(identity), ("Subject", headers.unstructured("Subject", subject))]
    fields += [*machine_fields(identity), *content_fields(language, multipart=bool(html))]
    head = head_of(fields)
    token = identity.signer.sign("notice", notice_id)
    own = b"Date: %b\r\nTo: %b\r\nMessage-ID: <%b@%b>\r\n" % (
        rfc5322_date(date),
        headers.mailbox("To", name, wire),
        token.encode("ascii"),
        identity.domain.encode("ascii"),
    )
    headers.HeaderCheck(_OWN)(own)
    body = [encode(text.rstrip("\r\n")), b"\r\n"]
    if html:
        body = [PART_OPEN, body[0], PART_BREAK, encode(html.rstrip("\r\n")), PART_CLOSE]
    signature = Signing(identity, head, _OWN).sign(own, body, date)
    if identity.uses_verp:
        opening, closing = identity.return_path()
        sender = f"{opening}{identity.signer.sign_verp(subscription_id, 0)}{closing}"
    else:
        sender = identity.plain_return_path
    return Envelope(sender, wire, (signature, own, head, *body), smtputf8)
