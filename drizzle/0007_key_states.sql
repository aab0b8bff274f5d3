ALTER TABLE "signing_keys" ADD COLUMN "activated_at" timestamp (3) with time zone;
--> statement-breakpoint
UPDATE "signing_keys" SET "activated_at" = "created_at";
--> statement-breakpoint
CREATE UNIQUE INDEX "signing_keys_one_next_one_current" ON "signing_keys" ("purpose", "alg", ("activated_at" IS NULL)) WHERE "retired_at" IS NULL;
