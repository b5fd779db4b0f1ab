"""Which system a file comes from, by its header, and what its columns mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from textwrap import shorten
from typing import Final

from subscribers.addresses import parse_address
from subscribers.errors import ImportFailed, InvalidAddress
from subscribers.importing.values import Field, Format
from subscribers.models import SubscriptionStatus, SuppressionCause

DELIMITERS: Final = (",", ";", "\t", "|")

# What headers say, simplified (``simple``), in the languages of our users; better names first.
_SYNONYMS: Final[Mapping[Field, tuple[str, ...]]] = {
    Field.EMAIL: (
        "email", "email_address", "e_mail", "e_mail_address", "subscriber_email", "mail", "emailaddress",
        "e_mail_adresse", "mailadresse", "adresse_e_mail", "adresse_email", "courriel", "correo",
        "correo_electronico", "correo_electrónico", "endereco_de_email", "indirizzo_email",
        "posta_elettronica", "البريد_الإلكتروني", "ईमेल", "电子邮件", "メールアドレス", "address",
        "user_email", "contact_email",
    ),
    Field.NAME: ("name", "full_name", "fullname", "subscriber_name", "display_name", "contact_name",
                 "nom_complet", "nombre_completo", "الاسم", "नाम"),
    Field.FIRST_NAME: ("first_name", "firstname", "fname", "given_name", "vorname", "prenom", "prénom",
                       "nombre", "nome"),
    Field.LAST_NAME: ("last_name", "lastname", "lname", "surname", "family_name", "nachname", "nom",
                      "apellido", "apellidos", "sobrenome", "cognome"),
    Field.LANGUAGE: ("language", "lang", "locale", "sprache", "langue", "idioma", "lingua"),
    Field.TIMEZONE: ("timezone", "time_zone", "tz"),
    Field.STATUS: ("status", "subscription_status", "subscriber_status", "state"),
    Field.CREATED: ("created_at", "created", "subscribed_at", "subscription_date", "signup_date",
                    "sign_up_date", "joined", "joined_at", "date_added", "optin_time", "opt_in_time",
                    "creation_date"),
    Field.CONFIRMED: ("confirmed_at", "confirm_time", "confirmation_time"),
    Field.UNSUBSCRIBED: ("unsubscribed_at", "unsub_time", "unsubscribe_time"),
    Field.IP: ("ip", "ip_address", "optin_ip", "signup_ip", "confirm_ip"),
    Field.SUBSCRIBED: ("subscribed", "is_subscribed", "opt_in", "optin"),
    Field.LIST: ("list",),
    Field.SECTIONS: ("sections",),
    Field.ATTRIBUTES: ("attributes",),
}  # fmt: skip

STATUS_WORDS: Final[Mapping[str, SubscriptionStatus | SuppressionCause]] = {
    **dict.fromkeys(
        ("confirmed", "subscribed", "active", "enabled", "regular", "premium", "gift", "trialed", "member",
         "members", "free", "paid", "comped", "opted_in", "opt_in", "optin", "yes", "true", "1"),
        SubscriptionStatus.CONFIRMED,
    ),
    **dict.fromkeys(
        ("pending", "unconfirmed", "unactivated", "not_confirmed", "awaiting_confirmation", "waiting"),
        SubscriptionStatus.PENDING,
    ),
    **dict.fromkeys(
        ("unsubscribed", "unsubscribe", "inactive", "disabled", "removed", "opted_out", "opt_out", "optout",
         "churned", "paused", "past_due", "cancelled", "canceled", "deleted", "archived", "transactional",
         "nonsubscribed", "non_subscribed", "no", "false", "0"),
        SubscriptionStatus.UNSUBSCRIBED,
    ),
    **dict.fromkeys(
        ("bounced", "bounce", "hard_bounce", "hard_bounced", "cleaned", "undeliverable", "invalid"),
        SuppressionCause.BOUNCE,
    ),
    **dict.fromkeys(("complained", "complaint", "spam", "spam_complaint"), SuppressionCause.COMPLAINT),
    **dict.fromkeys(
        ("blocklisted", "blacklisted", "blocked", "suppressed", "banned", "erased"), SuppressionCause.IMPORTED
    ),
}  # fmt: skip

YES: Final = frozenset({"1", "true", "yes", "y", "t", "on", "ja", "oui", "si", "sí"})
NO: Final = frozenset({"0", "false", "no", "n", "f", "off", "nein", "non", ""})

_SIGNATURES: Final[tuple[tuple[Format, frozenset[str], Mapping[str, str]], ...]] = (
    (Format.OWN, frozenset({"email", "status", "list", "sections", "attributes", "confirmed_at"}), {
        "joined_at": Field.JOINED, "suppressed": Field.SUPPRESSED, "suppression_reason": Field.REASON,
    }),
    (Format.MAILCHIMP, frozenset({"email_address", "member_rating", "leid", "euid"}), {
        "timezone": Field.TIMEZONE, "optin_time": Field.CREATED, "confirm_time": Field.CONFIRMED,
        "optin_ip": Field.IGNORE, "confirm_ip": Field.IP, "unsub_time": Field.UNSUBSCRIBED,
        "leid": Field.IGNORE, "euid": Field.IGNORE, "member_rating": "attributes.member_rating",
        "last_changed": Field.IGNORE, "gmtoff": Field.IGNORE, "dstoff": Field.IGNORE,
        "latitude": Field.IGNORE, "longitude": Field.IGNORE, "address": "attributes.address",
        "clean_campaign_title": Field.IGNORE,
        "clean_campaign_id": Field.IGNORE, "unsub_campaign_title": Field.IGNORE,
        "unsub_campaign_id": Field.IGNORE, "clean_time": Field.IGNORE,
    }),
    (Format.SUBSTACK, frozenset({"email", "active_subscription", "email_disabled"}), {
        "email_disabled": Field.DISABLED, "active_subscription": "attributes.paid",
        "digest_enabled": Field.IGNORE,
    }),
    (Format.GHOST, frozenset({"email", "subscribed_to_emails", "complimentary_plan"}), {
        "subscribed_to_emails": Field.SUBSCRIBED, "id": Field.IGNORE, "stripe_customer_id": Field.IGNORE,
        "deleted_at": Field.UNSUBSCRIBED,
    }),
    (Format.BUTTONDOWN, frozenset({"email", "notes", "metadata", "tags", "creation_date"}), {
        "subscriber_type": Field.STATUS, "type": Field.STATUS, "id": Field.IGNORE,
        "secondary_id": Field.IGNORE, "metadata": Field.ATTRIBUTES, "ip_address": Field.IP,
    }),
    (Format.BUTTONDOWN, frozenset({"email_address", "notes", "metadata", "tags", "creation_date"}), {
        "subscriber_type": Field.STATUS, "type": Field.STATUS, "id": Field.IGNORE,
        "secondary_id": Field.IGNORE, "metadata": Field.ATTRIBUTES, "ip_address": Field.IP,
    }),
    (Format.LISTMONK, frozenset({"uuid", "email", "name", "attributes", "status"}), {
        "uuid": Field.IGNORE, "updated_at": Field.IGNORE, "id": Field.IGNORE, "lists": Field.IGNORE,
    }),
    (Format.LISTMONK, frozenset({"uuid", "email", "name", "attribs", "status"}), {
        "uuid": Field.IGNORE, "updated_at": Field.IGNORE, "attribs": Field.ATTRIBUTES, "id": Field.IGNORE,
        "lists": Field.IGNORE,
    }),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column is read as, in the order of the header: a field's value or ``attributes.NAME``."""

    file_format: Format
    headers: tuple[str, ...]
    uses: tuple[str, ...]
    default_status: SubscriptionStatus | None = None
    suppress: SuppressionCause | None = None
    notes: tuple[str, ...] = ()


def simple(header: str) -> str:
    """Return a header as it is compared and as an attribute is called: ``E-Mail`` → ``e_mail``."""
    return re.sub(r"[\W_]+", "_", header.strip().lower()).strip("_")[:64]


def guess_delimiter(header: str) -> str:
    """Return what separates the columns of a header line."""
    outside = re.sub(r'"[^"]*"', "", header)
    counts = {delimiter: outside.count(delimiter) for delimiter in DELIMITERS}
    return max(DELIMITERS, key=lambda delimiter: counts[delimiter])


def recognise(
    headers: Sequence[str],
    sample: Sequence[Sequence[str]],
    *,
    wanted: Format | None,
    mapping: Mapping[str, str],
    delimiter: str = ",",
) -> Columns:
    """Find out the format and what each column means.

    :param sample: the first rows, to tell two address columns apart.
    :param mapping: the user's word: column → field; wins over all else.
    :raises ImportFailed: no column holds addresses, or two do; it says what was looked for.
    """
    names = [simple(header) for header in headers]
    plain = Format.TSV if delimiter == "\t" else Format.CSV
    known: Mapping[str, str] = {}
    found = plain if wanted is None else wanted
    for file_format, signature, meanings in _SIGNATURES:
        if (wanted is None and signature <= set(names)) or wanted is file_format:
            found, known = file_format, meanings
            break
    uses = [_use(name, known) for name in names]
    chosen = _apply(mapping, headers, names, uses)
    _drop_doubles(uses, names, chosen)
    _settle_address(headers, names, uses, sample, chosen)
    default_status: SubscriptionStatus | None = None
    suppress: SuppressionCause | None = None
    notes: list[str] = []
    if found is Format.MAILCHIMP and "unsub_time" in names:
        default_status = SubscriptionStatus.UNSUBSCRIBED
        notes.append("Mailchimp's file of people who left: all are imported as unsubscribed")
    elif found is Format.MAILCHIMP and "clean_time" in names:
        suppress = SuppressionCause.BOUNCE
        notes.append("Mailchimp's file of cleaned addresses: all are imported as suppressed")
    return Columns(found, tuple(headers), tuple(uses), default_status, suppress, tuple(notes))


def without_header(first: Sequence[str], sample: Sequence[Sequence[str]]) -> Columns | None:
    """Return columns for a file without a header, if its first row has just one address in it."""
    places = [index for index, cell in enumerate(first) if _is_address(cell)]
    if len(places) != 1:
        return None
    uses = [f"attributes.column_{index + 1}" for index in range(len(first))]
    uses[places[0]] = Field.EMAIL.value
    others = [index for index in range(len(first)) if index != places[0]]
    if len(others) == 1 and all(_is_name(row[others[0]]) for row in [first, *sample] if len(row) > others[0]):
        uses[others[0]] = Field.NAME.value
    note = f"there is no header: column {places[0] + 1} is read as the address"
    headers = tuple(f"column {index + 1}" for index in range(len(first)))
    return Columns(Format.CSV, headers, tuple(uses), notes=(note,))


def _use(name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return str(known[name])
    for field, synonyms in _SYNONYMS.items():
        if name in synonyms:
            return field.value
    return f"attributes.{name}" if name else Field.IGNORE.value


def _apply(
    mapping: Mapping[str, str], headers: Sequence[str], names: Sequence[str], uses: list[str]
) -> set[int]:
    chosen: set[int] = set()
    for column, field in mapping.items():
        wanted = simple(column)
        places = [index for index, header in enumerate(headers) if header.strip() == column.strip()] or [
            index for index, name in enumerate(names) if name == wanted
        ]
        if not places and column.strip().isdigit() and 1 <= int(column) <= len(headers):
            places = [int(column) - 1]
        if not places:
            near = get_close_matches(wanted, names, n=1)
            hint = f"did you mean {headers[names.index(near[0])]!r}?" if near else _there_are(headers)
            raise ImportFailed(f"no column is called {column!r}", remedy=hint)
        use = field.strip()
        if not use.startswith("attributes.") and use not in set(Field):
            near = get_close_matches(use, [known.value for known in Field], n=1)
            hint = f"did you mean {near[0]!r}?" if near else "there are: " + ", ".join(Field)
            raise ImportFailed(f"no field is called {use!r}", remedy=f"{hint} or attributes.NAME")
        if use in set(Field) and use not in {Field.IGNORE, Field.ATTRIBUTES}:
            for index, other in enumerate(uses):
                if other == use and index not in chosen:
                    uses[index] = f"attributes.{names[index]}" if names[index] else Field.IGNORE.value
        for place in places[:1]:
            uses[place] = use
            chosen.add(place)
    return chosen


def _drop_doubles(uses: list[str], names: Sequence[str], chosen: set[int]) -> None:
    """Of several columns for one field keep the best-named; the others become attributes."""
    for field in Field:
        if field in {Field.EMAIL, Field.IGNORE}:
            continue
        places = [index for index, use in enumerate(uses) if use == field.value]
        if len(places) < 2:
            continue
        synonyms = _SYNONYMS.get(field, ())
        best = min(
            places,
            key=lambda index: (
                index not in chosen,
                synonyms.index(names[index]) if names[index] in synonyms else 0,
                index,
            ),
        )
        for index in places:
            if index != best:
                uses[index] = f"attributes.{names[index]}"


def _settle_address(
    headers: Sequence[str],
    names: Sequence[str],
    uses: list[str],
    sample: Sequence[Sequence[str]],
    chosen: set[int],
) -> None:
    places = [index for index, use in enumerate(uses) if use == Field.EMAIL.value]
    if not places:
        raise ImportFailed(
            "no column holds addresses: looked for one called email, e-mail, email address or the like",
            remedy=f"say which with --map COLUMN=email; {_there_are(headers)}",
        )
    if len(places) > 1:
        synonyms = _SYNONYMS[Field.EMAIL]

        def rank(index: int) -> tuple[bool, bool, int]:
            cells = [row[index].strip() for row in sample if len(row) > index]
            holds = sum(map(_is_address, cells)) * 2 > len(cells)
            return (index not in chosen, not holds and bool(cells), synonyms.index(names[index]))

        ranked = sorted(places, key=rank)
        if rank(ranked[0]) == rank(ranked[1]):
            raise ImportFailed(
                f"two columns hold addresses: {ranked[0] + 1} ({headers[ranked[0]]}) and "
                f"{ranked[1] + 1} ({headers[ranked[1]]})",
                remedy=f"say which with --map {ranked[0] + 1}=email",
            )
        for index in ranked[1:]:
            uses[index] = (
                f"attributes.{names[index]}" if names[index] != names[ranked[0]] else Field.IGNORE.value
            )


def _is_address(cell: str) -> bool:
    try:
        parse_address(cell)
    except InvalidAddress:
        return False
    return True


def _is_name(cell: str) -> bool:
    return not any(character.isdigit() for character in cell) and "@" not in cell


def _there_are(headers: Sequence[str]) -> str:
    names = [shorten(header, 40) or "(empty)" for header in headers[:12]]
    return "there are: " + ", ".join(names) + (" …" if len(headers) > 12 else "")
