"""Who may be mailed, and why: people, lists, consent, suppression.

Knows nothing of ``digest``; owns the SQLAlchemy base, the UTC type and the sessions of both packages.
"""
