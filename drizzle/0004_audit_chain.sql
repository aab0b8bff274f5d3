CREATE TABLE "audit_checkpoints" (
	"before" text PRIMARY KEY NOT NULL,
	"day" date NOT NULL,
	"first" integer NOT NULL,
	"jws" text NOT NULL
);
--> statement-breakpoint
DROP INDEX "audit_events_at";--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "actor_kind" text;--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "actor_id" text;--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "day" date;--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "seq" integer;--> statement-breakpoint
ALTER TABLE "audit_events" ADD COLUMN "hash" text;--> statement-breakpoint
CREATE UNIQUE INDEX "audit_checkpoints_place" ON "audit_checkpoints" USING btree ("day","first");--> statement-breakpoint
CREATE INDEX "audit_events_unchained" ON "audit_events" USING btree ("id") WHERE "audit_events"."seq" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "audit_events_place" ON "audit_events" USING btree ("day","seq") WHERE "audit_events"."seq" is not null;