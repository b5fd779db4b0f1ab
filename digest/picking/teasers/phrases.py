"""The words that site themes leave in summaries, by what they are; others may add their languages."""

from __future__ import annotations

TAILS = (
    ("The post", ("appeared first on", "first appeared on")),
    ("Der Beitrag", ("erschien zuerst auf", "erschien zuerst bei")),
    ("Der Artikel", ("erschien zuerst auf", "erschien zuerst bei")),
    ("La entrada", ("se publicó primero en", "apareció primero en", "aparece primero en")),
    ("El artículo", ("se publicó primero en", "apareció primero en")),
    ("L['’]article", ("est apparu en premier sur", "est apparu d['’]abord sur")),
    ("Cet article", ("est apparu en premier sur", "est apparu d['’]abord sur")),
    ("L['’]articolo", ("proviene da", "sembra essere il primo su")),
    ("O post", ("apareceu primeiro em",)),
)
"""How a WordPress summary ends, by language: its beginning, and what follows the title."""

READ_MORE = (
    *("continue reading", "read more", "read the full story", "read the full article", "read full story"),
    *("read full article", "keep reading", "learn more", "click here to read more", "click here"),
    *("weiterlesen", "mehr lesen", "mehr erfahren", "zum artikel", "leer más", "seguir leyendo"),
    *("lire la suite", "en savoir plus", "leggi tutto", "continua a leggere", "leia mais"),
    *("और पढ़ें", "आगे पढ़ें", "اقرأ المزيد", "لقراءة المزيد", "阅读更多", "阅读全文", "閱讀更多", "続きを読む"),
)

SEE_ALSO = (
    *(
        "also read",
        "also watch",
        "also see",
        "must read",
        "must watch",
        "read also",
        "see also",
        "watch also",
    ),
    *("read next", "related", "related story", "related stories", "recommended", "trending", "more from"),
    *("lesen sie auch", "mehr zum thema", "lea también", "lee también", "à lire aussi", "lire aussi"),
    *("leggi anche", "यह भी पढ़ें", "ये भी पढ़ें", "اقرأ أيضا", "اقرأ أيضًا", "اقرأ أيضاً", "相关阅读", "延伸阅读"),
)
"""A line that begins so, with a colon or a dash, leads to another story."""

PICTURE_CREDITS = (
    *("photo", "photos", "photo credit", "photo courtesy", "image", "images", "image credit", "picture"),
    *("file photo", "file image", "representative image", "credit", "credits", "foto", "fotos", "bild"),
    *("bildquelle", "crédit photo", "crédit", "फोटो", "तस्वीर", "الصورة", "صورة", "图片", "照片", "图"),
)

SHARE_WORDS = (
    *("share", "tweet", "pin", "email", "print", "copy link", "whatsapp", "facebook", "twitter", "linkedin"),
    *("telegram", "reddit", "pinterest", "bluesky", "mastodon", "this", "on", "via", "article", "story"),
    *("save", "teilen", "drucken", "compartir", "partager", "शेयर करें", "साझा करें", "شارك", "分享"),
)
"""A line of nothing but these is a share bar."""

NOISE = (
    *("advertisement", "anzeige", "publicidad", "publicité", "विज्ञापन", "إعلان", "广告", "廣告"),
    *("go to top", "gototop", "back to top", "skip to content", "leave a comment", "no comments"),
)
"""A line that is one of these says nothing."""

INVITATIONS = (
    "follow us",
    "subscribe to",
    "subscribe now",
    "sign up",
    "join our",
    "download our",
    "join us on",
)
"""A line that begins so asks for something."""

OUTLET_ENDINGS = (
    *(
        "Newsdesk",
        "News Desk",
        "News",
        "Desk",
        "Bureau",
        "Agency",
        "Network",
        "Times",
        "Post",
        "Today",
        "Daily",
    ),
    *("Herald", "Tribune", "Express", "Media", "Press", "Correspondent", "Reporter", "TV"),
)
"""What the name of an outlet ends with, in "…reports Example News"."""
