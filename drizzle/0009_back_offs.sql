CREATE TABLE "back_offs" (
	"key" text PRIMARY KEY NOT NULL,
	"failures" integer NOT NULL,
	"paused_until" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "back_offs_expires_at" ON "back_offs" USING btree ("expires_at");