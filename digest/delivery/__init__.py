"""Room of delivery: the outbox in the database, the worker that empties it, and the wire.

One sentence: rows are enqueued once, claimed under a lease and a fence, intended before the final
dot, and recorded after its reply; whoever is killed in between loses nothing and says what is in doubt.
"""
