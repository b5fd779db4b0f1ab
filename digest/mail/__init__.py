"""Room of mail (pure): bytes for the wire, the identity they are sent under, and what replies mean."""

from __future__ import annotations

from digest.mail.identity import Identity, wire_address
from digest.mail.message import MessageTemplate, compile_message
from digest.mail.notice import compose_notice
from digest.mail.profiles import PROFILES, Profile, profile_of, provider_of

__all__ = [
    "PROFILES",
    "Identity",
    "MessageTemplate",
    "Profile",
    "compile_message",
    "compose_notice",
    "profile_of",
    "provider_of",
    "wire_address",
]
