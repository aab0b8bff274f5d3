ALTER TABLE "clients" ADD COLUMN "document_fresh_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "clients" ADD COLUMN "used_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "clients_unused" ON "clients" USING btree (coalesce("used_at", "created_at")) WHERE "clients"."dynamic";--> statement-breakpoint
CREATE INDEX "provider_models_registration" ON "provider_models" USING btree ("client_id") WHERE "provider_models"."model" = 'RegistrationAccessToken';