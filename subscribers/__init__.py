"""Who may be mailed, and why: people, lists, consent, suppression. Knows nothing of ``digest``; owns the SQLAlchemy base, UTC type and sessions."""
