CREATE TABLE "idempotency_keys" (
	"name" "bytea" PRIMARY KEY NOT NULL,
	"sealed_answer" text,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "idempotency_keys_expires_at" ON "idempotency_keys" USING btree ("expires_at");