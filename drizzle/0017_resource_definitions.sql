ALTER TABLE "resources" ADD COLUMN "access_token_lifetime" integer DEFAULT 600 NOT NULL;--> statement-breakpoint
ALTER TABLE "resources" ADD COLUMN "signing_alg" text DEFAULT 'ES256' NOT NULL;--> statement-breakpoint
CREATE INDEX "resources_created_at" ON "resources" USING btree ("created_at","identifier");