"""What tells articles apart: addresses stripped of tracking, and keys of titles."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

# Parameters that say where a click came from, never what is shown (campaigns, click ids, mail tools).
_TRACKING = frozenset(
    (
        "fbclid gclid gclsrc dclid gbraid wbraid msclkid yclid twclid ttclid igshid igsh li_fat_id "
        "mc_cid mc_eid mkt_tok _hsenc _hsmi hsctatracking vero_id vero_conv oly_anon_id oly_enc_id "
        "s_cid s_kwcid ncid cmpid cmp_id icid ito smid smtyp partner ocid rb_clickid wickedid "
        "_openstat xtor at_medium at_campaign at_custom1 at_custom2 at_custom3 at_custom4 at_link_id "
        "at_link_origin at_link_type at_format at_bbc_team at_ptr_name ns_mchannel ns_source "
        "ns_campaign ns_linkname ns_fee traffic_source guccounter guce_referrer guce_referrer_sig "
        "__twitter_impression spm share_source_id ref_src ref_url feature_id cid_source sr_share taid "
        "wt_mc wtmc wt.mc_id wt_zmc pk_campaign pk_kwd pk_source pk_medium mtm_campaign mtm_source "
        "mtm_medium mtm_kwd piwik_campaign hootpostid sfns soc_src soc_trk referringsource src_trk"
    ).split()
)
_TRACKING_PREFIXES = ("utm_", "hsa_", "stm_", "trk_")
# A bare "ref" or "source" is tracking only with such values; elsewhere it names what is shown.
_TRACKING_VALUES = {
    "ref": re.compile(r"(rss|feed|atom|newsletter|twitter|facebook|social|share|home|app)[\w-]*", re.I),
    "source": re.compile(r"(rss|feed|atom|newsletter|twitter|facebook|social|email|share)[\w-]*", re.I),
    "from": re.compile(r"(rss|feed|newsletter|twitter|facebook|wechat|timeline|singlemessage)[\w-]*", re.I),
    "cmp": re.compile(r".*"),
    "rss": re.compile(r"(1|true|yes)?", re.I),
    "xrs": re.compile(r".*"),
    "amp": re.compile(r"(1|true)?", re.I),
    "outputtype": re.compile(r"amp", re.I),
}
# A subscriber's gift: readers keep it in the link, but it does not make another article.
_GIFTS = frozenset("gift unlocked_article_code giftcopy accesstoken sharetoken st shareid".split())
_INDEX = re.compile(r"/(index|default)\.(html?|php|aspx?)$", re.IGNORECASE)
_SECOND_LEVEL = frozenset("co com org net ac gov edu gob or ne go gen in web".split())
_WORD = re.compile(r"\w+")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


def link_url(text: str, base: str = "") -> str:
    """An absolute http(s) address as readers click it, or empty when ``text`` is none."""
    text = _CONTROL.sub("", text)
    if not text or len(text) > 4000:
        return ""
    try:
        url = urljoin(base, text) if base else text
        parts = urlsplit(url)
        if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            return ""
        _ = parts.port
    except ValueError:
        return ""
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]|")
    fragment = quote(parts.fragment, safe="/%:@!$&'()*+,;=~-._?")
    return urlunsplit((parts.scheme.lower(), parts.netloc, path, query, fragment))


def identity_url(link: str) -> str:
    """The address by which an article is known: without tracking, fragment, scheme's and host's variants.

    ``http`` and ``https``, ``www.`` and a slash at the end make no other article. It is a key, not a
    link: it is never printed.
    """
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").rstrip(".").removeprefix("www.").removeprefix("amp.")
        port = parts.port
    except ValueError:
        return link
    if not host:
        return link
    host = host.removeprefix("m.") if host.count(".") > 1 else host
    path = _INDEX.sub("/", quote(unquote(parts.path), safe="/:@!$&'()*+,;=~-._"))
    path = re.sub(r"/amp/?$", "", re.sub(r"/{2,}", "/", path)).rstrip("/")
    kept = sorted(
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=200)
        if not _is_tracking(name, value)
    )
    netloc = host if port in {None, 80, 443} else f"{host}:{port}"
    fragment = parts.fragment if parts.fragment.startswith(("!", "/")) else ""
    return urlunsplit(("https", netloc, path, urlencode(kept), fragment))


def _is_tracking(name: str, value: str) -> bool:
    name = name.lower()
    if name in _TRACKING or name in _GIFTS or name.startswith(_TRACKING_PREFIXES):
        return True
    pattern = _TRACKING_VALUES.get(name)
    return pattern is not None and pattern.fullmatch(value) is not None


def same_site(one: str, other: str) -> bool:
    """Whether two addresses belong to one site: the same registrable domain, roughly.

    Without a download of the public suffix list: the last two labels, three under ``co.uk`` and its like.
    """
    return bool(site_of(one)) and site_of(one) == site_of(other)


def site_of(url: str) -> str:
    """The registrable domain of an address (an IP address stays whole), or empty."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    labels = host.split(".")
    if ":" in host or labels[-1].isdigit() or len(labels) <= 2:
        return host
    wide = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if wide else labels[-2:])


def folded(text: str) -> str:
    """Case, accents and width do not count."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(ch for ch in decomposed if not unicodedata.combining(ch)).casefold()


@lru_cache(maxsize=4096)  # asked again for each title while it is matched, and once more to store it
def title_key(title: str) -> str:
    """A hash of the normalised title: words only, case- and accent-insensitive; empty for an empty title."""
    words = " ".join(_WORD.findall(unicodedata.normalize("NFKC", title).casefold()))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:32] if words else ""
