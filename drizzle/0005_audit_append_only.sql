CREATE FUNCTION "audit_is_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append only: no %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
--> statement-breakpoint
CREATE TRIGGER "audit_events_linked_once" BEFORE UPDATE ON "audit_events" FOR EACH ROW
WHEN (
	OLD."seq" IS NOT NULL OR NEW."seq" IS NULL
	OR (OLD."id", OLD."at", OLD."type", OLD."outcome", OLD."actor_kind", OLD."actor_id", OLD."subject_kind", OLD."subject_id",
		OLD."client_id", OLD."credential_kind", OLD."credential_id", OLD."from_address", OLD."details")
	IS DISTINCT FROM (NEW."id", NEW."at", NEW."type", NEW."outcome", NEW."actor_kind", NEW."actor_id", NEW."subject_kind", NEW."subject_id",
		NEW."client_id", NEW."credential_kind", NEW."credential_id", NEW."from_address", NEW."details")
) EXECUTE FUNCTION "audit_is_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_events_kept" BEFORE DELETE ON "audit_events" FOR EACH ROW
WHEN ((OLD."day" < nullif(current_setting('gatehouse.prune_before', true), '')::date) IS NOT TRUE)
EXECUTE FUNCTION "audit_is_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_events_not_emptied" BEFORE TRUNCATE ON "audit_events" FOR EACH STATEMENT
EXECUTE FUNCTION "audit_is_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_checkpoints_unchanged" BEFORE UPDATE ON "audit_checkpoints" FOR EACH ROW
EXECUTE FUNCTION "audit_is_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_checkpoints_kept" BEFORE DELETE ON "audit_checkpoints" FOR EACH ROW
WHEN ((OLD."day" < nullif(current_setting('gatehouse.prune_before', true), '')::date) IS NOT TRUE)
EXECUTE FUNCTION "audit_is_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_checkpoints_not_emptied" BEFORE TRUNCATE ON "audit_checkpoints" FOR EACH STATEMENT
EXECUTE FUNCTION "audit_is_append_only"();
