CREATE TABLE "ping_notices" (
	"id" text PRIMARY KEY NOT NULL,
	"client_id" text NOT NULL,
	"account_id" text NOT NULL,
	"sealed" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "ping_notices" ADD CONSTRAINT "ping_notices_client_id_clients_id_fk" FOREIGN KEY ("client_id") REFERENCES "public"."clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "ping_notices_next_attempt_at" ON "ping_notices" USING btree ("next_attempt_at");--> statement-breakpoint
CREATE INDEX "ping_notices_expires_at" ON "ping_notices" USING btree ("expires_at");