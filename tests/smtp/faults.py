"""What goes wrong in a storm: the same seed gives the same faults to the same visits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tests.smtp.scripted import Action, Decide, Drop, HalfClose, Raw, Say, Stage, Transaction, Wait

Fault = Literal["greylist", "450", "550", "421", "drop-before", "drop-after", "slow", "half-close", "garbage"]
FAULTS: Mapping[Fault, float] = {
    "greylist": 0.01,
    "450": 0.005,
    "550": 0.005,
    "421": 0.003,
    "drop-before": 0.003,
    "drop-after": 0.003,
    "slow": 0.003,
    "half-close": 0.001,
    "garbage": 0.001,
}


def fault_of(seed: int, recipient: str, visit: int, rates: Mapping[Fault, float] = FAULTS) -> Fault | None:
    """Which fault this visit gets. A greylisted or refused recipient is so by address, not by visit."""
    by_address = random.Random(f"{seed} {recipient}").random()
    lowest = 0.0
    for name in ("greylist", "550"):
        rate = rates.get(name, 0.0)
        if lowest <= by_address < lowest + rate:
            return name if name == "550" or visit == 1 else None
        lowest += rate
    by_visit = random.Random(f"{seed} {recipient} {visit}").random()
    lowest = 0.0
    for name, rate in rates.items():
        if name in {"greylist", "550"}:
            continue
        if lowest <= by_visit < lowest + rate:
            return name
        lowest += rate
    return None


def faults(seed: int, rates: Mapping[Fault, float] = FAULTS, *, slow: float = 0.05) -> Decide:
    """A ``decide`` for storms. ``drop-after`` and ``garbage`` take the message, and leave a doubt."""

    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        if stage not in {"rcpt", "body", "dot"} or not transaction.recipient:
            return None
        match stage, fault_of(seed, transaction.recipient, transaction.visit, rates):
            case "rcpt", "greylist":
                return Say("450 4.2.0 greylisted, come again")
            case "rcpt", "450":
                return Say("450 4.2.1 mailbox busy")
            case "rcpt", "550":
                return Say("550 5.1.1 no such user")
            case "rcpt", "421":
                return Say("421 4.3.2 closing")
            case "body", "drop-before":
                return Drop()
            case "dot", "drop-after":
                return Drop(taken=True)
            case "dot", "half-close":
                return HalfClose()
            case "dot", "garbage":
                return _TAKEN_GARBAGE
            case "dot", "slow":
                return Wait(slow)
        return None

    return decide


@dataclass(frozen=True)
class _TakenRaw(Raw):
    taken: bool = True


_TAKEN_GARBAGE = _TakenRaw(b"\x00\xff ok perhaps\r\n")
