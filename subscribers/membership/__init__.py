"""Membership: people, the lists they join, and the ledger of their consent.

Every function takes the session and ``now``; none commits.
"""

from subscribers.membership.joining import (
    ConfirmOutcome,
    Joined,
    JoinOutcome,
    ask_again,
    choose_sections,
    confirm,
    may_notify,
    record_notice,
    subscribe,
    subscription_of,
    undo_unsubscribe,
    unsubscribe,
    unsubscribe_everywhere,
    unsubscribe_many,
)
from subscribers.membership.ledger import BY_COMMAND, How
from subscribers.membership.lists import (
    ListCounts,
    ListMovement,
    count_lists,
    count_movement,
    create_list,
    delete_list,
    find_list,
    list_names,
    only_list,
    rename_list,
)
from subscribers.membership.people import (
    erase_person,
    find_person,
    forget_traces,
    look_up,
    update_person,
)
from subscribers.membership.stories import Story, Summary, count_people, list_people, story_of

__all__ = [
    "BY_COMMAND",
    "ConfirmOutcome",
    "How",
    "JoinOutcome",
    "Joined",
    "ListCounts",
    "ListMovement",
    "Story",
    "Summary",
    "ask_again",
    "choose_sections",
    "confirm",
    "count_lists",
    "count_movement",
    "count_people",
    "create_list",
    "delete_list",
    "erase_person",
    "find_list",
    "find_person",
    "forget_traces",
    "list_names",
    "list_people",
    "look_up",
    "may_notify",
    "only_list",
    "record_notice",
    "rename_list",
    "story_of",
    "subscribe",
    "subscription_of",
    "undo_unsubscribe",
    "unsubscribe",
    "unsubscribe_everywhere",
    "unsubscribe_many",
    "update_person",
]
