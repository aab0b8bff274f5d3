DROP INDEX "first_party_sessions_account";--> statement-breakpoint
CREATE INDEX "accounts_role" ON "accounts" USING btree ("role","created_at","id");--> statement-breakpoint
CREATE INDEX "first_party_sessions_account" ON "first_party_sessions" USING btree ("account_id","authenticated_at","id");