"""What servers say when they do not take a message: codes and phrases, each with its meaning (tables only).

Sources: RFC 3463 and the IANA registry of enhanced status codes (RFC 5248, 7293, 7372, 7504, 7505),
RFC 5321; the public error lists of Gmail, Exchange Online, Outlook.com, Yahoo, Apple, Mail.ru, Yandex,
QQ, Orange, GMX/1&1, GoDaddy, Cox and Comcast; the reply strings of Postfix, Exim, Sendmail, qmail,
Courier, OpenSMTPD, DragonFly, Exchange, Domino, IMail, MDaemon, Amavis and procmail; and many reports.

A phrase is lower-case; ``*`` stands for up to 60 characters. Phrases are looked for in the order of the
rows, so a row that says *why* (full, blocked, spam) stands above the one that only says *that*.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a message was not taken. The first four are the address's own fault; ``BLAMES_SENDER`` is ours."""

    USER_UNKNOWN = "user-unknown"
    DOMAIN_UNKNOWN = "domain-unknown"
    MOVED = "moved"
    TAKES_NO_MAIL = "takes-no-mail"
    MAILBOX_FULL = "mailbox-full"
    DISABLED = "disabled"
    NETWORK = "network"
    EXPIRED = "expired"
    SYSTEM = "system"
    RATE = "rate"
    TOO_LARGE = "too-large"
    CONTENT = "content"
    VIRUS = "virus"
    SPAM = "spam"
    BLOCKED = "blocked"
    REVERSE_DNS = "reverse-dns"
    AUTHENTICATION = "authentication"
    SENDER = "sender"
    RELAYING = "relaying"
    POLICY = "policy"
    SECURITY = "security"
    SYNTAX = "syntax"
    UNDEFINED = "undefined"


ADDRESS_INVALID: Final = frozenset(
    {Reason.USER_UNKNOWN, Reason.DOMAIN_UNKNOWN, Reason.MOVED, Reason.TAKES_NO_MAIL}
)

# The sender is refused, not the reader: an alarm to the editors, never a step towards suppression.
BLAMES_SENDER: Final = frozenset(
    {
        Reason.RATE,
        Reason.TOO_LARGE,
        Reason.CONTENT,
        Reason.VIRUS,
        Reason.SPAM,
        Reason.BLOCKED,
        Reason.REVERSE_DNS,
        Reason.AUTHENTICATION,
        Reason.SENDER,
        Reason.RELAYING,
        Reason.POLICY,
        Reason.SECURITY,
        Reason.SYNTAX,
    }
)

# Subject and detail of an enhanced status code (RFC 3463), without its class.
_STATUSES: Final = (
    (Reason.USER_UNKNOWN, "1.1 1.3 1.4"),
    (Reason.DOMAIN_UNKNOWN, "1.2 4.4 4.310"),  # 4.4 when permanent: no route, no such host
    (Reason.MOVED, "1.6 7.17 7.18"),  # 7.17, 7.18: mailbox or domain has changed hands, RFC 7293
    (Reason.TAKES_NO_MAIL, "1.10"),  # null MX, RFC 7505; Exchange Online: recipient not found
    (Reason.SENDER, "1.7 1.8 1.20 7.27"),
    (Reason.MAILBOX_FULL, "2.2 3.1"),
    (Reason.DISABLED, "2.1 7.13"),
    (Reason.TOO_LARGE, "2.3 3.4"),
    (Reason.SYSTEM, "3.0 3.2 3.3 3.5"),
    (Reason.NETWORK, "4.0 4.1 4.2 4.3 4.6 4.14 4.312 4.316"),
    (Reason.EXPIRED, "1.9 4.7"),
    (Reason.RATE, "2.121 2.122 4.5 5.3 7.15 7.28"),
    (Reason.CONTENT, "6.0 6.1 6.2 6.3 6.5 6.6"),
    (Reason.SYNTAX, "6.7 6.8 6.9"),
    (Reason.POLICY, "2.4 7.0 7.1 7.2"),
    (Reason.SECURITY, "7.3 7.4 7.5 7.6 7.7 7.8 7.9 7.10 7.11"),
    (Reason.AUTHENTICATION, "5.6 7.20 7.21 7.22 7.23 7.24 7.26 7.29 7.30 7.32 7.40 7.509 7.515"),
    (Reason.REVERSE_DNS, "7.25"),
    (Reason.BLOCKED, "7.650 7.750"),
    # Exchange Online: the remote server returned "unknown recipient", or trouble with a mailbox.
    (Reason.UNDEFINED, "1.351 2.0"),
)
STATUS: Final[dict[str, Reason]] = {code: reason for reason, codes in _STATUSES for code in codes.split()}

# An enhanced code whose subject alone is known.
SUBJECT: Final[dict[str, Reason]] = {
    "1": Reason.UNDEFINED,
    "2": Reason.DISABLED,
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.UNDEFINED,
    "6": Reason.CONTENT,
    "7": Reason.POLICY,
}

# A three-digit reply that says nothing more (RFC 5321, 7504).
REPLY: Final[dict[int, Reason]] = {
    421: Reason.NETWORK,
    450: Reason.SYSTEM,
    451: Reason.SYSTEM,
    452: Reason.MAILBOX_FULL,
    521: Reason.TAKES_NO_MAIL,
    552: Reason.MAILBOX_FULL,
    556: Reason.TAKES_NO_MAIL,
}

# Whole answers whose meaning their makers publish; looked for first, in "CODE STATUS text".
VERDICTS: Final[tuple[tuple[Reason, str], ...]] = (
    # Exchange Online: directory-based edge blocking, the recipient is in no directory.
    (Reason.USER_UNKNOWN, "5.4.1 * recipient address rejected: access denied"),
    (Reason.USER_UNKNOWN, "resolver.adr.recip"),
    (Reason.USER_UNKNOWN, "resolver.adr.exrecipnotfound"),
    (Reason.NETWORK, "host not found, try again"),
    (Reason.TAKES_NO_MAIL, "nullmx"),
    (Reason.MAILBOX_FULL, "storedrv.deliver * quota"),
    (Reason.RATE, "storedrv.deliver * thread limit"),
    (Reason.AUTHENTICATION, "p=dmarcrejection"),
    (Reason.USER_UNKNOWN, "p=nosuchuser"),
    (Reason.DISABLED, "p=disableduser"),
    (Reason.DISABLED, "p=inactiveuser"),
    (Reason.MAILBOX_FULL, "p=overquota"),
    (Reason.RATE, "p=receivingrate"),
    (Reason.RATE, "p=unsolicitedratelimiterror"),
    (Reason.SPAM, "p=unsolicitedmessageerror"),
    (Reason.BLOCKED, "p=unsolicitedipaddresserror"),
    (Reason.AUTHENTICATION, "p=unauthenticatedmail"),
    # Yahoo: the account is gone.
    (Reason.USER_UNKNOWN, "dd this user doesn't have"),
    (Reason.USER_UNKNOWN, "dd requested mail action aborted, mailbox not found"),
    # Apple: the address has no account; 4.x is a full one.
    (Reason.DISABLED, "5.7.1 * mailbox is inactive"),
)


def _phrases(block: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in block.split("|"))


PHRASES: Final[tuple[tuple[Reason, tuple[str, ...]], ...]] = (
    (
        Reason.MAILBOX_FULL,
        _phrases("""
        mailbox full | mailbox is full | mailbox was full | mail box full | mailbox is over |
        mail folder is full | mailfolder is full | mailbox * is full | inbox is full | inbox full |
        mailbox has exceeded | over quota | overquota | over-quota | over its quota | over disk quota |
        over the quota | over the allowed quota | out of storage space | storage quota | disk quota |
        quota exceed | quota has been exceeded | quota full | exceeded*quota | exceeds*quota |
        quota violation | out of quota | quota limit | exceeded storage | disk full | exceeded his quota |
        exceeded email quota | exceeds allowed message count | mailbox size limit exceeded |
        disk space limit | insufficient disk space | insufficient system storage | not enough storage |
        not enough disk space | not enough free space | no space left | mailbox limit | mailbox exceeds |
        exceed mailbox | too much mail | too many messages on this mailbox | too many messages in |
        account is full | account is over | user is over | recipient is over | over the maximum allowed |
        exceeded the space | exceeded its limit | storage limit | maildir over | full mailbox |
        mailbox space | delivery rejected, over | mail quota | no room in mailbox | maximum mailbox size |
        storedrv.deliver.exception:quota | quotaexceeded | casilla de correo llena | buzón lleno |
        boîte pleine | boite pleine | casella piena | caixa postal cheia | postfach ist voll |
        postfach voll | speicherplatz | переполнен | 邮箱已满 | 空き容量 | メールボックスに空 | 容量を超
        """),
    ),
    (
        Reason.TOO_LARGE,
        _phrases("""
        message too large | message too big | message is too large | message is too big |
        message size exceeds | message size limit | message exceeds | exceeds maximum message size |
        exceeded maximum message size | exceeds the maximum*size | max message size |
        maximum message size | message length exceeds | mail size limit | message file too big |
        exceeds size limit | size limit exceeded | exceeded the size | exceeds the size |
        larger than the current system limit | larger than the size limit | too large for this |
        mail is too large | mail is too big | message header size exceeds | exceeds fixed maximum |
        message was larger than | datasize | exceeds administrative limit | total message size |
        header size exceeds | size exceeded | exceeds the limit*kb | messaggio troppo grande |
        nachricht ist zu gro
        """),
    ),
    (
        Reason.VIRUS,
        _phrases("""
        virus detected | virus found | infected | contains a virus | malware | virus infected | a virus |
        virus: | (virus | executable content | dangerous attachment
        """),
    ),
    (
        Reason.AUTHENTICATION,
        _phrases("""
        dmarc | spf check | spf fail | spf: | spf record | fails spf | sender policy framework | openspf |
        spf and dkim | spf/dkim | dkim fail | dkim check | dkim signature | dkim- | unauthenticated email |
        authentication information | not authenticated by | authentication checks |
        authentication requirements | does not pass authentication | sender id fail |
        email authentication | spf (sender | spf validation | spf = | spf policy | spf did not pass |
        spf lookup
        """),
    ),
    (
        Reason.REVERSE_DNS,
        _phrases("""
        reverse dns | ptr record | no ptr | rdns | ip name lookup failed | cannot find your hostname |
        cannot find your reverse hostname | cannot resolve your | reverse lookup | reverse hostname |
        reverse address | unverifyable sending ip | dns ptr | no reverse | forward-confirmed |
        does not have a valid reverse | hostname could not be verified | unable to resolve ip |
        client host rejected: cannot find | domain does not match the ip |
        your ip address does not resolve | could not resolve*connecting | forward and reverse |
        not resolve*ip address | fcrdns | generic reverse
        """),
    ),
    (
        Reason.BLOCKED,
        _phrases("""
        spamhaus | spamcop | barracudacentral | sorbs | dnsbl | rbl | /rbl | rbl. | sbl-xbl | blacklist |
        black list | black-list | blocklist | block list | block-list | denylist | blocked using |
        blocked by | blocked because | blocked due | client host blocked | ip blocked | host is blocked |
        is blocked | blocked - see | has been blocked | was blocked | been blocked | is currently blocked |
        temporarily blocked | banned | listed at | listing at | poor reputation | bad reputation |
        low reputation | reputation | too much spam from | sending ip | your ip | connecting ip |
        dynamic ip | dynamic address | dialup | dial-up | access denied... | access denied. |
        access denied ( | access from ip address | client host * blocked | refused to talk to me: 554 |
        refused to talk to me: 550 | ip address has been | your server ip | server is not allowed |
        network is temporarily | service unavailable; client host | connection refused*blocked |
        senderbase | sender score | senderscore | abuse from | host not allowed |
        connections not accepted from | connections will not be accepted | messages from*deferred |
        not accepting mail from | does not accept mail from you | mail from your | ts03 | tss0 |
        deferred due to | invalid hostname for ip | sender's ip | proofpoint*ip= | use of this ip |
        blocked for | suspicious*server | user complaints | denied*your server |
        administratively prohibited | suspected of spam
        """),
    ),
    (
        Reason.RATE,
        _phrases("""
        too many connections | too many concurrent | too many recipients | too many messages |
        too many emails | too many mails | too many sessions | too many errors | too many invalid |
        too many bad | too many unknown | too fast | too quickly | too frequently | too much mail from |
        rate limit | ratelimit | rate-limit | throttl | unusual rate | unusual amount | connection limit |
        connections limit | limit exceeded for | daily limit | hourly limit |
        exceeded the number of messages | exceeded the maximum number of | maximum connections |
        connection rate | max connect | message rate | sending limit | exceeded*per hour | slow down |
        frequency limited | frequency limit | sending quota | daily sending | mails per |
        over the limit for | thread limit exceeded
        """),
    ),
    (
        Reason.SPAM,
        _phrases("""
        spam | unsolicited | ube, | ube/ | uce | junk mail | bulk mail | bulk email |
        message content rejected | content rejected | phish | suspicious content | suspicious message |
        rejected by content | content filter | blocked by content | message refused by |
        rejected due to content | undesirable | unacceptable content | objectionable | suspect content |
        message detected as | cloudmark | rejecting banned content | mail content denied |
        blacklisted url | denied by content | considered*not-
        """),
    ),
    (
        Reason.TAKES_NO_MAIL,
        _phrases("""
        does not accept mail (nullmx) | nullmx | null mx | does not accept mail |
        does not accept any mail | domain not accept mail | not accepting any mail |
        does not receive mail | does not accept email | do not accept mail | host does not accept |
        does not accept incoming | no longer accepts mail | destination does not accept |
        smtp service not allowed | not a mail server |
        name service error for*type=mx: malformed or unexpected
        """),
    ),
    (
        Reason.SENDER,
        _phrases("""
        sender address rejected | sender rejected | sender was rejected | sender is rejected |
        sender denied | sender refused | sender not allowed | bad sender | invalid sender |
        unknown sender | sender unknown | domain of sender | sender domain | sender's domain |
        sending domain | sender address has been | sender address is not | sender address not |
        sender verify failed | sender verification | verify sender | sender address domain |
        sender ok but | from: domain is invalid | from: header | from address | envelope sender |
        mail from domain | mail from address | mailfrom | unable to verify sender | unroutable sender |
        sender does not exist | backscatter | null sender | empty envelope | does not accept bounces |
        bounce message | not accept this sender | rejected mail from | rejected sender |
        server rejected mail from | in reply to mail from | after mail from | you are not allowed to send |
        are not allowed to send | not permitted to send | not authorized to send |
        does not have permission to post | permission to post | may not be able to post |
        may not have permission | not allowed to post | members-only | only accepts mail from |
        sender filter | blocked sender | sender is blocked | sender blocked | blocked senders |
        allowed senders | resolver.rst | not have permission | invalid domain in | return path |
        sender not pre-approved | access denied (state | no mx*sender | invalid return
        """),
    ),
    (
        Reason.RELAYING,
        _phrases("""
        relaying denied | relay denied | relay access denied | relaying not | relay not |
        not permitted to relay | not allowed to relay | unable to relay | cannot relay | no relaying |
        relaying is | relay is not | relaying prohibited | relay prohibited | relaying disallowed |
        not relay | we do not relay | rcpthosts | relaying | open relay | not a gateway |
        not authorized to relay | not our domain | not our customer | insecure mail relay | relaying mail |
        address is not verified | not verified. the following identities
        """),
    ),
    (
        Reason.SECURITY,
        _phrases("""
        starttls | tls required | tls is required | must issue a starttls | encryption | certificate |
        tls-required | tls negotiation | authentication required | authentication is required |
        auth required | not authenticated | authentication failed | client was not authenticated |
        authentication is turned | smtp auth | authentication credentials | login required |
        access denied by | account not subscribed to ses
        """),
    ),
    (
        Reason.POLICY,
        _phrases("""
        policy violation | policy reasons | policy restriction | local policy | by policy | site policy |
        security policy | message policy | due to policy | due to security | for policy | policy reject |
        denied by policy | our policy | violates | not allowed by | greylist | graylist | grey-list |
        greylisted | rejected for administrative | message rejected | message refused |
        message was rejected | transaction failed due | email rejected | mail rejected | mail refused |
        delivery not authorized | unauthorized | rejected by administrator | access denied |
        permission denied | message denied | rejected because | security issue | duplicated message-id |
        loop alert
        """),
    ),
    (
        Reason.MOVED,
        _phrases("""
        has moved | user moved | mailbox moved | address has changed | address changed |
        no longer on server | has been replaced | changed his address | new address | has changed address |
        user has moved | has a new email | moved to
        """),
    ),
    (
        Reason.DISABLED,
        _phrases("""
        disabled | suspended | deactivated | inactive | not active | is frozen | mailbox frozen | frozen |
        mailbox locked | account locked | account is locked | mailbox is unavailable due |
        temporarily unavailable | discontinued | expired account | account expired | account has expired |
        account has been | on hold | mailbox not activated | not activated | dormant | unused mailbox |
        not used for | account not available | mailbox temporarily | recipient suspend |
        currently not accept | cannot accept messages | user is on vacation | refuses to receive |
        not accepting messages | no longer in use
        """),
    ),
    (
        Reason.DOMAIN_UNKNOWN,
        _phrases("""
        host unknown | unknown host | host * not found | domain * not found | domain * does not exist |
        host not found | host or domain name not found | domain not found | domain name not found |
        no such host | no such domain | domain does not exist | domain doesn't exist |
        domain is not reachable | domain does not | unknown domain | domain unknown |
        name or service not known | name service error*host not found | illegal host/domain |
        illegal host | invalid domain | bad destination system | bad destination host | domain not exist |
        couldn't find any host | unrouteable mail domain | unroutable domain | unrouteable domain |
        no mx record | no route to domain | nxdomain | domain lookup |
        all relevant mx records point to non-existent | could not be resolved: no |
        dns domain * does not exist | name has no mx | host lookup did not complete*not found |
        mail domain mentioned in email address is unknown | domain isn't | invalid host
        """),
    ),
    (
        Reason.USER_UNKNOWN,
        _phrases("""
        user unknown | unknown user | no such user | no such recipient | no such mailbox |
        no such account | no such address | no such person | no such e-mail | no such email |
        no such local user | no such contact | unknown recipient | recipient unknown | unknown address |
        address unknown | addressee unknown | unknown account | unknown mailbox | unknown local |
        unknown e-mail | unknown email | user not found | recipient not found | recipient*not found |
        account not found | mailbox not found | address not found | recipnotfound | recipientnotfound |
        notfound | person not found | contact not found | user * not found | mailbox * not found |
        user doesn't | user does not | user don't | does not have an account | doesn't have an account |
        doesn't have a | does not exist | doesn't exist | not exist | nonexist | non-exist |
        user unavailable | invalid recipient | invalid address | invalid mailbox | invalid user |
        invalid final delivery userid | recipient invalid | recipient is invalid | address is invalid |
        address invalid | bad recipient | bad destination mailbox | bad address | bad user |
        is not a valid | not a valid | not a known | not known | unknown in | not recognized |
        not recognised | not listed in | not in directory | not in address book | no mailbox |
        not our user | not have an account | mailbox unavailable | mailbox not available |
        mailbox is not available | can't verify recipient | cannot verify recipient | verify recipient |
        recipient address rejected: undeliverable | recipient address rejected: access denied |
        recipient address rejected: unverified | undeliverable address | unrouteable address |
        unroutable address | unrouteable mail | is no longer valid | no longer valid |
        no longer available | no longer with | no longer here | left the company | account deleted |
        been deleted | user deleted | deleted mailbox | account that you tried to reach | nosuchuser |
        wasn't found | couldn't be found | could not be found | cannot be found | can't be found |
        user * unknown | unknown: | not a user | no user | not in my | no valid recipient |
        all recipients refused | recipients were not | recipient rejected | recipient refused |
        not like recipient | no one by that | nobody by that | not deliverable to |
        delivery to this address | unknown virtual | mailbox does | not a local |
        unable to deliver message to < | нет такого | не существует | не найден | недоступен | inconnu |
        introuvable | desconocid | no existe | inesistente | sconosciut | unbekannt | existiert nicht |
        nicht gefunden | não existe | 不存在 | 存在しません | 見つからない | 見つかりません | 宛先不明 |
        ユーザーが見つ | nicht bekannt | onbekend | nepřijímá | nie istnieje | böyle bir kullanıcı
        """),
    ),
    (
        Reason.EXPIRED,
        _phrases("""
        timed out | time out | timeout | expired | too long | retry time | retry timeout | giving up |
        within * days | delivery time | been in the queue | undeliverable for |
        could not be delivered for | not delivered within | delayed | delay reason |
        not yet been delivered | will be retried | will continue trying | has not been delivered after |
        for 4 days | for 5 days | last attempt | deferred: | queue too long | maximum delivery |
        not responding | retries
        """),
    ),
    (
        Reason.NETWORK,
        _phrases("""
        connection refused | connection reset | connection lost | lost connection | lost input |
        unable to connect | could not connect | can't connect | cannot connect | unable to establish |
        wasn't able to establish | no route to host | network is unreachable | network error |
        name server | lookup failure | temporary lookup | host lookup | domain name server | socket error |
        hop count | too many hops | mail loop | loops back | loop detected | mail forwarding loop |
        routing loop | broken pipe | connection failed | host is down |
        did not accept our requests to connect | no answer | unreachable | service not available |
        service unavailable | server is down | establish an smtp | temporary failure in name |
        could not contact | name resolution | connection closed | dropped connection | connect to
        """),
    ),
    (
        Reason.SYSTEM,
        _phrases("""
        system error | internal error | internal server error | server error | local error |
        unexpected error | configuration error | misconfigured | system problem | resources temporarily |
        temporary | temporarily | try again | try later | out of memory | lock failure |
        error while writing | mailer error | unknown mailer | command failed | could not load | i/o error |
        error reading | can't create | cannot create | can't open | local delivery | local configuration |
        system not accepting | child status
        """),
    ),
    (
        Reason.SYNTAX,
        _phrases("""
        syntax | malformed | smtputf8 | 8bitmime | bare lf | bare cr | line too long | bad header |
        rfc 5322 | rfc5322 | rfc 2822 | rfc 822 | protocol error | command unrecognized |
        command not recognized | bad command | invalid header | missing header | duplicate header |
        not rfc | illegal char | invalid char | format error | multiple from
        """),
    ),
)

# Texts that a report opens with and that say nothing about the cause: never judged.
BOILERPLATE: Final[tuple[str, ...]] = (
    "for further assistance",
    "please include this problem report",
    "delete your own text",
    "message was not relayed to",
)
