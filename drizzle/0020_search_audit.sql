CREATE INDEX "audit_events_at" ON "audit_events" USING btree ("at","id");--> statement-breakpoint
CREATE INDEX "audit_events_type" ON "audit_events" USING btree ("type","at","id");--> statement-breakpoint
CREATE INDEX "audit_events_subject" ON "audit_events" USING btree ("subject_id","at","id") WHERE "audit_events"."subject_id" is not null;--> statement-breakpoint
CREATE INDEX "audit_events_client" ON "audit_events" USING btree ("client_id","at","id") WHERE "audit_events"."client_id" is not null;--> statement-breakpoint
CREATE INDEX "provider_models_initial" ON "provider_models" USING btree ("expires_at","id") WHERE "provider_models"."model" = 'InitialAccessToken';