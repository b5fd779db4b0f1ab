"""The database itself refuses to change the consent ledger, and to delete from it while a person is here."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_IS_HISTORY = (
    "OLD.domain IS NOT NULL OR EXISTS (SELECT 1 FROM subscribers WHERE subscribers.id = OLD.subscriber_id"
    " AND (OLD.address_hash IS NULL OR subscribers.suppression_hash = OLD.address_hash))"
)
_REFUSED = "the consent ledger is append-only"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for when, condition in (("UPDATE", "1"), ("DELETE", _IS_HISTORY)):
            op.execute(
                f"CREATE TRIGGER consent_events_no_{when.lower()} BEFORE {when} ON consent_events"
                f" WHEN {condition} BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION consent_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP = 'DELETE' THEN IF NOT ({_IS_HISTORY}) THEN RETURN OLD; END IF; END IF;"
        f" RAISE EXCEPTION '{_REFUSED}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER consent_events_rows BEFORE UPDATE OR DELETE ON consent_events"
        " FOR EACH ROW EXECUTE FUNCTION consent_events_append_only()"
    )
    op.execute(
        "CREATE TRIGGER consent_events_whole BEFORE TRUNCATE ON consent_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION consent_events_append_only()"
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
